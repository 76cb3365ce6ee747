# SPDX-License-Identifier: BSD-2-Clause
"""Which rule a finding of lab 4 breaks: by what a test in the guest said, or by which test it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable

from grade.lab_judge import Run

from rules import ALONE, BEHIND, BOUNDED, CHEAP, CHECKS, COUNTED, DIRTY, ENTRIES, EVICTABLE, FREED
from rules import NO_AMAP, NO_LOCK, ONLY_WRITTEN, OTHERS, PRIVATE, ROOM, SHARED, SHOWS, STAYS
from rules import THROUGH


@dataclass
class Said:
    """What a test in the guest says of a mistake, and the rule that it breaks."""

    words: str
    invariant: str


SAID = [
    Said("a later write, of another$", invariant=OTHERS),
    Said("a write of who shares it for good is missing$", invariant=SHARED),
    Said(r"leaves \d+ (anons|items of pools)", invariant=BEHIND),
    Said("an amap_ref (that fails|whose allocation)", invariant=BEHIND),
    Said("a fork .*waits for .*, and holds the amap", invariant=NO_AMAP),
    Said("which were there at no one moment$", invariant=SHOWS),
    Said("is wired .* by nobody$", invariant=EVICTABLE),
    Said("without PG_DIRTY$|is dirty now$", invariant=DIRTY),
    Said("only a private mapping was written$", invariant=PRIVATE),
    Said("a shared mapping was only read$", invariant=ONLY_WRITTEN),
    Said("as if all of it were written$", invariant=SHOWS),
    Said("0 refs, [1-9][0-9]* used", invariant=FREED),
    Said("leaves? (amap|vm_fault)_stats wrong: ", invariant=COUNTED),
    Said(r"wired page \d+ of space \d+ is ", invariant=STAYS),
    Said("map entries, of [0-9]+ that there may be$", invariant=ENTRIES),
]


def name_rules(run: Run) -> None:
    """What the guest found wrong says which rule was broken."""
    for finding in run.findings:
        for said in SAID:
            if re.search(said.words, str(finding.got)):
                finding.invariant = said.invariant


def nothing_left(run: Run) -> None:
    name_rules(run)
    for state in run.named("end"):
        run.expect("anons at the end", 0, state.report["nanons"], invariant=FREED)
        before, items = state.report["nbefore"], state.report["nitems"]
        if items != before:
            run.wrong("items of pools at the end, amaps, their parts and entries among them",
                      before, f"{items}:{state.left}",
                      invariant=FREED)
        if state.stats and items == before:
            run.wrong("what amap_stats counts once all is gone", "what it did before",
                      state.stats, invariant=COUNTED)


def thinking(think: str = "", invariant: str = "", seen: str = "") -> Callable[[Run], None]:
    """Nothing is left, and what is wrong, if it reads like `seen', makes one think of this, or
    breaks this rule."""

    def judge(run: Run) -> None:
        nothing_left(run)
        for finding in run.findings:
            if not re.search(seen, str(finding.got)):
                continue
            finding.hint = finding.hint or think
            finding.invariant = finding.invariant or invariant

    return judge


BROUGHT_IN = thinking("A fault that brought a page in has mapped nothing yet: it starts over "
                      "(EAGAIN), and then maps the page, and wires it.")
WITHOUT_PAGE = thinking("A wired entry's pages need not be in memory: an anon that has none is "
                        "shared, or brought in before it is copied.")
ALL_COUNTS = thinking("Any of the slots that an entry covers may be another's, too, or its alone: "
                      "all their counts are looked at, in whichever table they are, if any.")
AFTER_PAGER = thinking("Who shares for good refers to one amap, which each must have. While the "
                       "pager works the slot may be filled: look it up again, for a read, too.")
GAPS = thinking("What lies before an entry's slots, and after them, may be another entry's: only "
                "who refers to an amap alone gives it away.", SHOWS)
LOOK_AGAIN = thinking("A fault that waited for swap starts over (EAGAIN): the anon may be in its "
                      "slot no more, and gone.")
FEW_PARTS = thinking("The window lies round the fault: it has pages on either side of it, or who "
                     "writes from the end to the beginning gets a window for each page.", BOUNDED)
NO_ROOM = thinking(invariant=ROOM)
ONE_MOMENT = thinking("What the parent has in memory is write-protected, wherever it is mapped, "
                      "before it is copied; of a wired mapping, what is not wired, too.", OTHERS)
ALL_RIGHTS = thinking("What others have too is mapped without PROT_WRITE: the entry's other rights "
                      "stay (f->enter_prot has them).", invariant=THROUGH)
ITS_RIGHTS = thinking(invariant=THROUGH)
IN_PLACE = thinking("Case 1B takes the old page away, and 2B the file's, only from who shares the "
                    "slot for good (amap_shared): others go on to show it, and have it wired.",
                    STAYS)
BY_THE_PAGE = thinking("The entry that is forked need not be wired: a fork copies each page that "
                       "is, whoever of those that share it for good has wired it.", STAYS)
WAITED = thinking("While a fork waits for memory others write: pages that it has copied before are "
                  "of another moment than those that it copies then. What is not copied yet it "
                  "refers to already, or it copies all once more. And what it has copied may be "
                  "in swap by then.", OTHERS)
UNLOCKED_FIRST = thinking("First the amap is unlocked, then a fork waits; it holds the maps "
                          "alone.", NO_AMAP)
PASSED_OVER = thinking("An amap that was locked when amap_check began to look at it, or meanwhile, "
                       "may be free a moment later: what was not forgotten of it then, or not "
                       "counted, makes counts wrong that are compared.", CHECKS)
NEW_CHECKED = thinking("amap_check may have any amap for a moment, a new one, too, that nobody "
                       "else knows: who tries its lock once may fail.", CHECKS)
SNAPSHOT = thinking("What the child has is write-protected before the amap is unlocked: a fault "
                    "of who shares it may come as soon as it is. And what others write while it "
                    "is unlocked the child sees in all pages, or in none.", OTHERS)
THROWN = thinking("The amap stays locked from when others' mappings of a page go until its slot is "
                  "empty: who shares it may read it in between, and would map it for good.", SHARED)
KEPT_WIRED = thinking("A page is taken away from who shares its slot for good (amap_shared of that "
                      "slot), and not from who has a copy, wired or not.", STAYS)
NARROWED = thinking("Which page an anon has holds while the anon is locked: lock it, look, and "
                    "then narrow the page's mappings.", OTHERS)
GIVEN_UP = thinking("First nobody else maps the page of the anon any more, then it loses its "
                    "reference and is unlocked: in case 1B the new page is entered before.", OTHERS)
WAITS = thinking("A busy page is waited for, and got, with amap and map unlocked: a thread that "
                 "wants to change the map, and the one at work, would wait for each other.",
                 invariant=NO_LOCK)
ROOM_LATE = thinking("The pager's get is asked with the access that faulted, not with all that the "
                     "mapping may have; and never to overwrite: a fault knows of one word.", ROOM)
TAKEN_OVER = thinking("Once an entry is clipped to its window, look again whether others cover its "
                      "slots: they may cover those of the rest alone.", ALONE)
REFERRED_TO = thinking("An entry that needs a copy already is referred to once more (amap_ref): "
                       "nothing is copied, and nothing write-protected again.", CHEAP)
SPARSE = thinking("A mapping may be very long, and hardly touched: a count for each of its slots "
                  "is more memory than there is, and a copy of what it has is little.", BOUNDED)
UNWIRED = thinking("Who takes a page from all who map it takes its wirings, too (anon_unmap; for a "
                   "file's page vm_page_unwire): they have another page now.", EVICTABLE)
LONG_LEFT = thinking("Where there is no table of counts yet, as nobody had touched the slots, "
                     "who covers them must be known all the same once they are filled.",
                     FREED)
ONCE_MORE = thinking("An entry is marked (ME_NEEDSCOPY) once nothing can fail any more: a fork "
                     "that comes again takes a marked one's pages for write-protected.", SHOWS)
SAYS_SO = thinking("A fault that gets no memory says ENOMEM: who called waits for some. EAGAIN "
                   "goes round at once, for ever if there is none.")
NONE_TO_SPARE = thinking("c may have no entries to spare: ask before each clip, not once for the "
                         "fault that brings two.", BOUNDED, seen="panic|to spare|items? of")
