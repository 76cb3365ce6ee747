# SPDX-License-Identifier: BSD-2-Clause
"""What programs, errors and failing allocations must leave in the maps; and the time taken."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from grade.lab_judge import THE_END, Finding, Run, counts_in_turn

from model import CELL, FIGURES, PAGE, USER_VA
from verdicts import ALL_MERGED, REFERENCES, WHAT_WAS_MAPPED, blocks, joined, judge_refs
from verdicts import kmem_short, nothing_lost
from walk import ORDERED, PROMISED, Entry, describe, name_rules, unmerged

if TYPE_CHECKING:
    from judge import State

EXTENDS: bool = FIGURES["extend"] == 1
SERVES = "as many pages as there are" if EXTENDS else "what was one entry when it was made"
UNCHANGED = "what fails changes nothing"
EXACT = "no count is lost where several processors count at once"
LOGARITHMIC = "the cost of one operation does not grow with the number of entries"


# ---- programs ----


def region(state: State, start: int, npages: int) -> list[Entry]:
    end = start + npages * PAGE
    return [e for e in state.maps[0].entries if e.start < end and e.end > start]


def expect_entries(run: Run, point: str, start: int, npages: int, wanted: int, what: str) -> None:
    for state in run.named(point):
        got = region(state, start, npages)
        if len(got) != wanted:
            run.wrong(f"entries for {what}", wanted, len(got), invariant=ALL_MERGED)


def protect(run: Run) -> None:
    pages = 64
    expect_entries(run, "mapped", USER_VA, pages, 1, "64 pages, mapped at once")
    expect_entries(run, "split", USER_VA, pages, 3, "64 pages, 8 of them read-only")
    expect_entries(run, "back", USER_VA, pages, 1, "64 pages after mprotect back and forth")
    expect_entries(run, "one-by-one", USER_VA, pages, 1, "64 pages, protected one by one")


def forked(run: Run) -> None:
    """Whoever shares an amap: each map has one entry for what was mapped at once."""
    for state in (state for state in run.states if state.name != "end"):
        for number, found in state.maps.items():
            if len(found.entries) != 1:
                run.wrong(f"entries of {'its child' if number else 'a process'} at point "
                          f"{state.name}, for 64 written pages whose parts were changed and "
                          "changed back", 1, describe(found.entries), invariant=ALL_MERGED,
                          hint="amap_join does not care who else refers to the amap: two entries "
                          "of one amap whose slots go on are joined, a child or none.")
        judge_refs(state, run)


def adjacent(run: Run) -> None:
    top = USER_VA + (1 << 30)
    expect_entries(run, "upward", USER_VA, 200, 1, "200 mappings, each above the one before")
    expect_entries(run, "downward", top - 200 * PAGE, 200, 1,
                   "200 mappings, each below the one before")
    expect_entries(run, "break", USER_VA // 2, 200, 1, "a break that moved 200 times")
    # What was written has an amap. The first one down was one entry with the 200 of "downward".
    expect_entries(run, "written-upward", USER_VA + 1000 * PAGE, 200, 1 if EXTENDS else 200,
                   "200 mappings, each written before the next one above it comes")
    expect_entries(run, "written-downward", top - 400 * PAGE, 400, 1 if EXTENDS else 200,
                   "200 mappings, each written before the next one below it comes")


def alone(run: Run) -> None:
    places = (("above", 0, 8, 2), ("below", 4, 8, 2), ("between", 0, 12, 3))
    for i, (what, first, npages, parts) in enumerate(places):
        start = USER_VA + (i * 64 + first) * PAGE
        expect_entries(run, "moved", start, npages, 1 if EXTENDS else parts,
                       f"a mapping with pages that came {what} those without")


def short(run: Run) -> None:
    """The program says itself how many mmaps were refused; the rest comes of it."""
    if said := re.search(rb"(\d+) of \d+ mmaps were refused", run.outcome.console):
        run.findings[:] = [Finding(
            "mmap by a program, while memory is short and the page daemon can free some",
            "no mmap refused: it waits", f"{said[1].decode()} of 6000 refused (ENOMEM)",
            invariant=PROMISED,
            hint="map_entry_reserve waits for memory where PR_WAITOK says that it may: that is why "
            "it is called with the map unlocked.")]


WAYS = ("mapped", "protected", "made writable")
BESIDE = ("nothing", "pages without an amap", "an amap of its own",
          "an amap that another entry refers to")


def beside(run: Run) -> None:
    """Two amaps stay two, and one that is shared is not extended; all else is one entry."""
    for words in run.records("beside"):
        way, below, above, npages, got = (int(word) for word in words)
        sides = [kind for kind in (below, above) if kind]
        mine = [kind for kind in sides if kind < 3]
        merges = (1 if mine == [2, 2] else len(mine)) if EXTENDS else mine.count(1)
        wanted = 1 + len(sides) - merges
        if got != wanted:
            run.wrong(f"entries for {npages} pages {WAYS[way]} between "
                      f"{BESIDE[below]} and {BESIDE[above]}", wanted, got, invariant=ALL_MERGED,
                      hint="Each neighbour is asked, whatever the other one says; and an amap "
                      f"serves {SERVES}.")
    nothing_lost(run, "tried", "end")


TOLD = re.compile("may sleep|may not allocate|lock order|taken again|holds ")
"""A panic that says itself what is wrong."""


def on_cpus(run: Run) -> None:
    """What breaks on several CPUs, and on one did not, is shared."""
    blocks(run)
    for finding in run.findings:
        if finding.what.startswith(THE_END) and not TOLD.search(finding.got):
            finding.hint = (
                "Where one CPU alone finds nothing wrong, two use something at once: what one map "
                "keeps is guarded by that map's lock, and what all share, such as a static "
                "variable, needs a lock of its own.")
            if "overlaps" in finding.got:
                finding.invariant = ORDERED
        elif finding.what.startswith("live entries"):
            finding.hint = (
                "Where this figure is right on one CPU, two changed it at once, or one was stopped "
                "between reading and writing it: stat.h has counters that lose nothing.")
    counts_in_turn(run, __file__, invariant=EXACT)


WORK_VA, WORK_PAGES = 0x50000000, 128


def tasks(run: Run) -> None:
    """Which pages of the region are mapped, in whichever process has it."""
    for name, wanted in (
        ("mapped", range(WORK_PAGES)),
        ("thinned", range(0, WORK_PAGES, 2)),
        ("reaped", range(0)),
    ):
        for state in run.named(name):
            got = {
                page - WORK_VA // PAGE
                for found in state.all
                if not found.kernel
                for entry in found.within(WORK_VA, WORK_VA + WORK_PAGES * PAGE)
                for page in range(entry.start // PAGE, entry.end // PAGE)
            }
            run.expect(f"pages of the region that are mapped at point {name}", sorted(wanted),
                       sorted(got), invariant=WHAT_WAS_MAPPED)


def forks(run: Run) -> None:
    """Stacks and pipe buffers: kernel memory that comes, merges, and goes."""
    kmem_short(run)
    for state in run.named("alive"):
        quanta = sum(found.nquanta for found in state.kernel)
        if quanta < 100:
            run.wrong("live quanta while 12 processes with 8 pipes wait", "100 or more", quanta)


def moved(run: Run) -> None:
    """Twelve pages in three parts, whatever their order; the words in them the guest compares."""
    for finding in run.findings:
        if " holds 0x" in finding.got:
            finding.hint = ("The page shows another page's bytes: entries of one amap are one only "
                            "if their slots go on as their addresses do.")
    for state in run.named("mapped") + run.named("moved"):
        pages = sum(entry.npages for entry in region(state, USER_VA, 12))
        run.expect(f"pages of the region at point {state.name}", 12, pages,
                   invariant=WHAT_WAS_MAPPED)
        judge_refs(state, run)
    nothing_lost(run, "mapped", "end")


def claims(state: State, run: Run) -> None:
    """Of objects: a page for each that an entry made for writing shows of one."""
    writer = state.flags["ME_WRITER"]
    wanted = sum(entry.npages for found in state.maps.values() for entry in found.entries
                 if entry.flags & writer)
    run.expect(f"pages claimed for writing at point {state.name}", wanted,
               state.report["claims"], invariant=REFERENCES,
               hint="Claims go with the pages of an entry that is marked ME_GONE, and unlinking "
               "marks it: what merging leaves over has none to give back.")


# ---- failures ----


def errors(run: Run) -> None:
    blocks(run)
    first, last = run.named("before"), run.named("after")
    if first and last:
        for number in (0, 1):
            wanted = [(e.start, e.end) for e in first[0].maps[number].entries]
            got = [(e.start, e.end) for e in last[0].maps[number].entries]
            run.expect(f"ranges of map {number} after 300 rounds of errors", joined(wanted),
                       joined(got), invariant=UNCHANGED)
    nothing_lost(run, "before", "after")


def calls(run: Run) -> None:
    """What goes wrong here is a function's own doing, or the hint's."""
    name_rules(run)
    for i, finding in enumerate(run.findings):
        if not finding.invariant:
            run.findings[i] = replace(finding, invariant=PROMISED)
    nothing_lost(run, "start", "end")


def refused(run: Run) -> None:
    """map_entry_need and map_entry_check are asked; the rest is a comparison of blocks. In the end
    maps are destroyed in which quanta are left."""
    for i, finding in enumerate(run.findings):
        if not finding.invariant and "map_entry_" in finding.got:
            hint = finding.hint
            if finding.what == f"{THE_END}, after point freed" and "assertion" in finding.got:
                hint = ("What comes after this point is vm_map_destroy: it unlinks the whole map, "
                        "in which there may be any quanta, and holes between them.")
            run.findings[i] = replace(finding, invariant=PROMISED, hint=hint)
    blocks(run)


def scarce(run: Run) -> None:
    nothing_lost(run, "before", "after")


def fail_nth(run: Run) -> None:
    for words in run.records("refused"):
        refused, granted = int(words[0]), int(words[2])
        run.notes.append(f"{refused} refused, {granted} granted")
        run.expect("changes that went through in the end", 360, granted)
        if refused < 360:
            run.wrong("changes that were refused for want of memory", "360 or more", refused)
    nothing_lost(run, "before", "after")


# The reference's figures beside 20,000 entries and a half; the starter is below them, too.
MOST = {"looking up an address": 354, "mapping a block": 2668, "freeing a block": 1504,
        "changing a part of an entry": 2364, "unmapping a hole": 951}


def speed(run: Run) -> None:
    ticks = {words[0]: [int(word) for word in words[1:]] for words in run.records("ticks")}
    if set(ticks) != {"10", "1000", "20000", "row"}:
        run.wrong("measurements", "10 1000 20000 row", " ".join(ticks))
        return
    for i, (what, most) in enumerate(MOST.items()):
        few, many = ticks["10"][i], ticks["20000"][i]
        run.notes.append(f"{what}: {few} instructions beside 10 entries, {ticks['1000'][i]} beside "
                         f"1000, {many} beside 20,000")
        if many > most:
            run.wrong(f"instructions for {what} beside 20,000 entries, wherever it lies among them",
                      f"at most {most}", many, invariant=LOGARITHMIC,
                      hint="The tree finds a neighbour; a walk along the list is at work.")
        # Where cells end there are more entries, and a tree for the splits to go into.
        most *= 2 if CELL else 1
        if ticks["row"][i] > most:
            run.wrong(f"instructions for {what} in a row of 20,000 that agree",
                      f"at most {most}", ticks["row"][i], invariant=LOGARITHMIC,
                      hint="The reserve grows with what was merged: put an entry on it and take "
                      "one from it without a look at the others.")


# ---- what a grade ends with: programs in an ordinary boot ----


def merged(run: Run, kernel: bool) -> None:
    run.findings = []
    if not run.named("forked"):
        run.wrong("programs in an ordinary boot", "a point at which they share a file",
                  f"none: {run.outcome.describe()}")
    for state in run.states:
        for found in state.all:
            apart = unmerged(found, state.flags)
            if found.kernel == kernel and apart:
                run.wrong(f"entries of {'the kernel' if kernel else 'a program'}'s map in an "
                          f"ordinary boot, at point {state.name}",
                          f"{len(found.entries) - len(apart)}",
                          f"{len(found.entries)}: {len(apart)} go on where the one before ends",
                          invariant=ALL_MERGED)
                return


def kernel_maps(run: Run) -> None:
    merged(run, True)


def user_maps(run: Run) -> None:
    merged(run, False)
