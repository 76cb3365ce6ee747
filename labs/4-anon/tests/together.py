# SPDX-License-Identifier: BSD-2-Clause
"""What programs do to one region at once (user/tests/anonwork.c), read from outside."""

from __future__ import annotations

import re
from collections import defaultdict

from grade.lab_judge import THE_END, Boot, Run, counts_in_turn
from grade.oracle import PTE, Oracle

from rules import EXACT, FREED, NOT_MAPPED, OTHERS, SHOWS

PAGE = 4096
REGION, REGION_PAGES, WRITERS, CHILDREN = 0x50000000, 96, 3, 6
"""Of the program, as are the words in its pages."""
SLACK = 16
"""Pages of a child's own, beside the region."""
WORK = "/tests/anonwork "
SHARERS = ["before", "written", *["halves"] * 3, "after"]


def boots(name: str) -> list[Boot]:
    """Programs: CPUs that change threads by seed, which replays; and two that really run at once.
    """
    turns = [Boot(command=WORK + name, cpus=cpus, jitter=3, seed_step=cpus) for cpus in (1, 3)]
    return [*turns, Boot(command=WORK + name, cpus=2, icount=False, jitter=9, seed_step=2)]


CHECKED = [Boot(command=WORK + "checks", jitter=3, seed_step=step) for step in (1, 2)]
PAGED = Boot(command=WORK + "paged", mem="24M", swap=64 << 20, jitter=5)


def regions(point: str, oracle: Oracle, run: Run) -> list[dict[int, tuple[int, int]]]:
    """The region in each space that has some of it; nobody may write to a frame that two have."""
    where: defaultdict[int, list[int]] = defaultdict(list)
    there = []
    for space in oracle.spaces():
        found = {}
        for page in range(REGION_PAGES):
            if pte := space.ptes.get(REGION + page * PAGE, 0):
                found[page] = (pte, oracle.memory.word(pte & PTE["PTE_PA"]))
                where[pte & PTE["PTE_PA"]].append(pte)
        if found:
            there.append(found)
    for frame, ptes in where.items():
        if len(ptes) > 1 and any(pte & PTE["PTE_W"] for pte in ptes):
            run.wrong(f"frame {frame:#x}, which {len(ptes)} spaces show, at point {point}",
                      "read-only in all of them", "writable in one", invariant=OTHERS)
    return there


def threads(run: Run) -> None:
    """Each child has of each writer's pages what one moment left there: some with a round, and all
    behind them with the round before."""
    for state in run.named("forked"):
        run.expect("spaces that have the region at point forked", 1 + CHILDREN,
                   len(state.regions))
        own = REGION_PAGES // WRITERS
        for region in state.regions:
            for first in range(0, REGION_PAGES, own):
                rounds = [region[n][1] for n in range(first, first + own) if n in region]
                if rounds != sorted(rounds, reverse=True) or rounds and rounds[0] > rounds[-1] + 1:
                    run.wrong("the rounds of a writer's pages in one space at point forked",
                              "one, or it and behind it the one before", rounds, invariant=SHOWS,
                              hint="A fork shows one moment: from when the parent's pages are "
                              "write-protected nobody writes to what the child sees.")
    judge_left(run, "reaped")


def judge_left(run: Run, point: str) -> None:
    for state in run.named(point):
        run.expect(f"spaces that have the region at point {point}", 0, len(state.regions))


def checked(run: Run) -> None:
    """What the kernel's checks found, the program has said."""
    said = re.search(r"checks find: ([^\r\n]*)", run.outcome.console.decode(errors="replace"))
    for finding in run.findings:
        if said and finding.what.startswith(THE_END):
            finding.got += f": nothing was wrong, and /proc/vm/check said {said[1]}"


def sharers(run: Run) -> None:
    counts_in_turn(run, __file__, invariant=EXACT, more={"amap_stats", "vm_fault_stats"})
    third = REGION_PAGES // 3
    before = next((state.owners["ANON"] for state in run.named("before")), 0)
    for state in run.named("written"):
        words = sorted(sorted({word for _, word in region.values()}) for region in state.regions)
        run.expect("words in the pages of parent and child at point written", [[0x101], [0x102]],
                   words, invariant=OTHERS)
    for state in run.named("halves"):
        pages = sorted(sorted(region) for region in state.regions)
        wanted = [list(range(third)), list(range(2 * third, 3 * third))]
        run.expect("pages that each has at point halves", wanted, pages, invariant=NOT_MAPPED)
        if state.owners["ANON"] > before + 2 * third + SLACK:
            run.wrong("frames of private pages at point halves",
                      f"at most {before + 2 * third + SLACK}", state.owners["ANON"],
                      invariant=FREED)
    judge_left(run, "after")
    for state in run.named("after"):
        if state.owners["ANON"] > before + SLACK and not run.boot.swap:
            run.wrong("frames of private pages at the end", f"at most {before + SLACK}",
                      state.owners["ANON"], invariant=FREED)
