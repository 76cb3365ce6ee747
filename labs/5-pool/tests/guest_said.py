# SPDX-License-Identifier: BSD-2-Clause
"""What lab 5's tests in the guest say: the rule that it breaks, which may be another test's than
the one that saw it, and what to think of."""

from __future__ import annotations

import re
from dataclasses import dataclass

from grade.lab_judge import Run

from pools import (BACK, CHECKS, COUNTED, FIGURES, FREE, GONE, GUARDED, ITEM, KEEPS, LEAST, MOST,
                   NOBODYS, NOTHING, ONCE, SHORT, TAKEN, TURN, UNLOCKED, WHOSE, ZEROED)


@dataclass
class Said:
    text: str
    """A regular expression. The first that is found counts."""
    invariant: str
    hint: str


CHANCE = "chance: "
"""How what t_chance.c sees begins."""
WIDE = "A backend's page may be of any power of two: counts of items are 32 bits wide."
SUBTRACTED = "There may be less than min_pages: compare, and do not subtract."
SAID = [
    Said("chance: a get .*somebody else took.* lost 0, not", invariant=SHORT, hint="Where "
         "somebody else took the page that came free, the next pool is asked, until each was."),
    Said("chance: a get .*somebody else took", invariant=ONCE, hint="What is counted is who was "
         "asked, whatever came of it: had a page, had none, or had its lock held. How many there "
         "are to ask is known before the first: who was destroyed is none of them any more."),
    Said("a pool was made while others were asked", invariant=SHORT, hint="Who comes meanwhile "
         "stands behind those that are still to be asked, or is not counted as one of them."),
    Said("without the backend's lock|without that pool's lock", invariant=GUARDED,
         hint="Whoever takes a page of another pool has both: the backend's lock while the pool is "
         "looked for, and the pool's own while its lists and counts change."),
    Said("before its lock and its lists are there", invariant=GUARDED, hint="As soon as it is on "
         "the list others drain it: first its lock and its lists, then its backend's list, then "
         "that of all pools."),
    Said("a walk is at pool 0", invariant=SHORT, hint="Who walks through all pools keeps the one "
         "that it is at from being destroyed, and from nothing else."),
    Said("is found by a check of that pool, not of all", invariant=CHECKS,
         hint="pool_check of NULL says of each pool what it says of that one."),
    Said("on its backend's list: is not|on another backend's list: is not", invariant=CHECKS,
         hint="pool_check walks its backend's list, with that lock, and finds it there once."),
    Said("no page of the direct map", invariant=SHORT,
         hint="Are tests with backends of their own red, too? Then begin there. Else: the kernel's "
         "own backends are drained like any other, pool_allocator_direct, too."),
    Said("the items of 5 pages were put|a put leaves pool", invariant=WHOSE,
         hint="An empty page stays with its pool, which may want it soon, until a reclaim or "
         "a drain takes it."),
    Said(r"one of \d+ pools has an empty page", invariant=SHORT, hint="However many pools a "
         "backend has, each is asked: 32 or 255 are no limit."),
    Said("page of the direct map counts as", invariant=WHOSE, hint="The owner that a page is for "
         "comes with the flags, in each way to a page."),
    Said(r"pool_set_limits\(", invariant=KEEPS, hint="pool_set_limits sets both numbers as they "
         "are given, and moves no page: reclaim and drains look at them, and gets."),
    Said("where max_items is", invariant=MOST, hint="Each get looks at the limit, whatever its "
         "flags are, and one that finds a free item, too."),
    Said("were refused at the limit", invariant=NOTHING,
         hint="A get that the limit refuses fails like any other, and counts in fails."),
    Said("its lock was not tried", invariant=SHORT, hint="It was never asked. Does the backend "
         "know its pools, and the get ask the others? Always, whatever the get's flags? Then "
         "the walk ends too early: the starving pool is on the list, too. Count it and the look at "
         "it both, or neither, and turn it as well."),
    Said("its lock was tried", invariant=SHORT, hint="It was asked, and gave nothing: a pool may "
         "lose each page that is empty and beyond its min_pages, the last one, too, and whatever "
         "its other pages hold."),
    Said("another get of the backend is at work", invariant=SHORT, hint="Gets that starve at the "
         "same time each ask for themselves: none fails because another one is at work."),
    Said("on the list of all pools before", invariant=CHECKS, hint="A walk through all pools may "
         "come in between, and pool_check with it: first the backend's list, then that of all."),
    Said("chance: .* of another backend has", invariant=NOBODYS, hint="Each backend has its own "
         "list: whose pools have another one are not asked."),
    Said("chance: .* that was made to fail", invariant=NOTHING,
         hint="A get that fails counts as a failure, and changes nothing else."),
    Said("chance: pool_reclaim .*it says", invariant=BACK,
         hint="True only if a page went back."),
    Said("chance: pool_reclaim .*given back", invariant=KEEPS,
         hint="All empty pages beyond min_pages go; npages is compared with it before each."),
    Said("chance: .*for one item", invariant=TAKEN, hint="Stop at the first that gave something."),
    Said("chance: .*its lock is held", invariant=UNLOCKED,
         hint="Other pools' locks are tried, and who is locked is passed over."),
    Said("chance: .*none beyond what it keeps", invariant=LEAST, hint=SUBTRACTED),
    Said("chance: a get .*may lose", invariant=SHORT, hint="Whatever a pool has been through: "
         "if it has an empty page beyond its min_pages, it is asked for it, and gives it."),
    Said("chance: a get .*asked longer ago", invariant=TURN, hint="Who was asked goes to the end, "
         "whether it gave, had nothing, or its lock was held; nobody else changes places."),
    Said("chance: a get .*not needed", invariant=FREE,
         hint="The backend is asked when there is no free item, and the limit allows one."),
    Said("chance: a get .*in vain", invariant=ONCE,
         hint="Count once, when the backend has said no for the first time, and keep that count "
         "for the whole get: a retry does not begin it anew."),
    Said("chance: a get .*(backend has a page|are free)", invariant=SHORT,
         hint="First the free items, then the backend's page."),
    Said("chance: pool_init|a pool just made ", invariant=COUNTED,
         hint="pool_init sets all of a pool: what was in its memory means nothing."),
    Said("large pages, ", invariant=COUNTED, hint=WIDE),
    Said("large pages: ", invariant=ITEM, hint=WIDE),
    Said("its lock alone is free|who comes first in turn is locked", invariant=SHORT,
         hint="Who is locked is passed over, and the next one is asked."),
    Said("was locked when its turn came", invariant=TURN, hint="Who was asked goes to the end, "
         "whether it gave, had nothing, or its lock was held."),
    Said("given back by reclaim alone|pages drained, not", invariant=TAKEN,
         hint="drained counts what a pool loses to others that starve, and nothing else."),
    Said("is not the next one that gives", invariant=TURN, hint="When a pool goes, those behind it "
         "are asked in the order that they had: a hand that points to it goes on to the next."),
    Said("while a walk is at a pool", invariant=GONE, hint="What pool_destroy takes from the pool "
         "goes once nobody walks through it any more: its least, too."),
    Said("failed, and left its pool", invariant=NOTHING,
         hint="fail_injected is asked once, before anything is done."),
    Said("counted in fails", invariant=NOTHING,
         hint="A get that fails counts as one failure, whatever failed and however many tries it "
         "had; one that is granted counts as none."),
    Said("was to be zeroed", invariant=ZEROED,
         hint="PR_ZERO clears each item, one of a new page as well: what a backend gives has held "
         "something before."),
    Said("an item too many", invariant=MOST, hint="The limit is looked at with each item that is "
         "taken: after a shortage that nobody could relieve, too."),
    Said(r"max_items is \d+: an item", invariant=MOST,
         hint="Each get looks at the limit, one that finds a free item, too, and by >=: there may "
         "be more out than that already. It counts items, not pages."),
    Said("pages were given back, it says", invariant=BACK,
         hint="pool_reclaim_all sums up the pages; pool_reclaim only says whether there were any."),
    Said("which was destroyed, is ", invariant=GONE,
         hint="First wait for the walks, then off every list, and then its pages go back. Who "
         "drains the pool counts that under its lock, and does not look at it any more. Or the "
         "list was changed without the backend's lock: then a link of it is what was written."),
    Said("found by a check of that pool, not of all", invariant=CHECKS,
         hint="What is wrong with all pools is summed up, not what is wrong with the last one."),
    Said(r"empty pages that keeps \d+", invariant=KEEPS, hint=SUBTRACTED),
    Said("chance: .* failed gets, not", invariant=NOTHING,
         hint="A get that fails counts as one failure, however many tries it had."),
    Said(r"pool \d+ may lose \d+: it has", invariant=SHORT, hint="It was not asked, or gave "
         "nothing. Who starves asks the others whatever its flags are: those are for the backend."),
    Said(CHANCE, invariant=COUNTED, hint="What counts pages and items changes under the lock, with "
         "the lists: by one for each."),
]


def said(run: Run) -> None:
    """Of a get that was refused a test says who may lose a page, and what that pool keeps."""
    for finding in run.findings:
        if finding.what.endswith(" in the guest"):
            for each in SAID:
                if re.search(each.text, finding.got):
                    finding.invariant, finding.hint = each.invariant, each.hint
                    break
        if found := re.search(r"pool \d+ may lose \d+: .* keeps (\d+)", finding.got):
            finding.invariant = SHORT
            if found[1] != "0" and not FIGURES["empty"]:
                finding.hint = ("min_pages is compared with npages, all the pages that a pool has, "
                                "however many of them are empty.")
    if any(finding.got.startswith(CHANCE) for finding in run.findings):  # it ends there
        run.findings[:] = [f for f in run.findings if f.what != "points reached"]
