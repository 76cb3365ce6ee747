# SPDX-License-Identifier: BSD-2-Clause
"""What is said of pages, field by field, when entries were cut, joined and changed: mostly seen by
the guest itself."""

from __future__ import annotations

from dataclasses import replace

from grade.lab_judge import Run

from model import PAGE
from verdicts import WHAT_WAS_MAPPED, blocks, dropped, judge_refs, short
from walk import LAW, RESERVE, name_rules


def renamed(run: Run, said: str, invariant: str) -> None:
    """The rule of what the guest saw itself."""
    for i, finding in enumerate(run.findings):
        if said in finding.got and not finding.invariant:
            run.findings[i] = replace(finding, invariant=invariant)


def halves(run: Run) -> None:
    renamed(run, "the whole entry said", WHAT_WAS_MAPPED)
    renamed(run, "that of its first page", WHAT_WAS_MAPPED)
    for state in run.states:
        judge_refs(state, run)


def shown(run: Run) -> None:
    name_rules(run)
    for state in run.states:
        judge_refs(state, run)
    dropped(run)


def unseen(run: Run) -> None:
    renamed(run, "in the map's reserve", RESERVE)
    renamed(run, "a part of a quantum is unmapped", LAW)


def back_short(run: Run) -> None:
    """The cost: quanta that agree after a change are as few entries as if they always had."""
    blocks(run)
    short(run, run.states[:-1], hint="This is after a change of rights: map_entry_simplify asks "
          "the same of its entry as map_entry_link of a new one, of quanta too.")


FAR_VA, FAR_LEN, FAR_FROM = 1 << 40, 6 << 30, 3 << 30
HUGE_VA, HUGE_LEN = 1 << 46, 40 << 40


def far(run: Run) -> None:
    """Very large mappings: every entry shows of its object what its address says."""
    for state in run.named("mapped") + run.named("cut"):
        gone = 7 * PAGE if state.name == "cut" else 0
        for start, length, has_object in (
            (FAR_VA, FAR_LEN, True), (2 * FAR_VA, FAR_LEN, False), (HUGE_VA, HUGE_LEN, True)
        ):
            entries = state.maps[0].within(start, start + length)
            run.expect(f"bytes mapped of {length >> 30} GiB at {start:#x}, point {state.name}",
                       length - gone, sum(e.end - e.start for e in entries),
                       invariant=WHAT_WAS_MAPPED)
            for entry in entries if has_object else ():
                wanted = FAR_FROM + entry.start - start
                if entry.offset != wanted:
                    run.wrong(f"the offset of {entry} at point {state.name}", f"{wanted:#x}",
                              f"{entry.offset:#x}", invariant=WHAT_WAS_MAPPED,
                              hint="Offsets and lengths may be larger than 4 GiB, and 32 bits "
                              "are too few for pages, too: they end at 16 TiB.")
                    return
        judge_refs(state, run)
