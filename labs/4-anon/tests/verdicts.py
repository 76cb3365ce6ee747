# SPDX-License-Identifier: BSD-2-Clause
"""What each test of lab 4 must find, beside what holds at every point (judge.py)."""

from __future__ import annotations

from grade import lab
from grade.lab_judge import Run

from costs import FORK_MOST, PAGES_FORKED
from rules import ALONE, BOUNDED, CHEAP, FREED, LATE
from said import name_rules, nothing_left

FIGURES = lab.of_judge(__file__).figures
COSTS = ["copied", "copied", "end"]
"""Points of the test that measures."""


def nothing(run: Run) -> None:
    """All that matters is judged at each point."""


def swapped(run: Run) -> None:
    nothing_left(run)
    for words in run.records("swapped"):
        if int(words[0]) < 50:
            run.wrong("pages that went to swap", "50 or more", words[0])
        run.expect("swap slots in use at the end", 0, int(words[2]), invariant=FREED)


def fail_nth(run: Run) -> None:
    nothing_left(run)
    for words in run.records("refused"):
        if int(words[0]) < 5:
            run.wrong("operations that were refused for want of memory", "5 or more", words[0])


MANY = "the contents that differ"
if FIGURES["granule"] > 1:
    MANY += ", and what is copied with them"


def exact(run: Run) -> None:
    """As many anons as contents that differ, at every point."""
    name_rules(run)
    for state in run.states:
        anons, most = state.report["nanons"], state.report["nmost"]
        if anons > most:
            run.wrong(f"anons at point {state.name}", f"{most}, {MANY}", anons, invariant=LATE)


def reuse(run: Run) -> None:
    exact(run)
    for before, after in zip(run.named("alone"), run.named("rewritten")):
        moved = [a for a, b in zip(before.of(0), after.of(0)) if a.pte and a.frame != b.frame]
        if moved:
            run.wrong("pages that were copied though nobody else has them any more", 0,
                      f"{len(moved)}: {moved[0]}", invariant=ALONE)


def alone(run: Run) -> None:
    nothing_left(run)
    for words in run.records("alone"):
        run.expect("allocations for writing 199 pages again once the child is gone", 0,
                   int(words[0]), invariant=ALONE)
    for words in run.records("split"):
        if int(words[0]) > FORK_MOST:
            run.wrong(f"instructions for a fork of {PAGES_FORKED} pages in three mappings",
                      f"at most {FORK_MOST}", words[0], invariant=CHEAP)


def readers(run: Run) -> None:
    exact(run)
    for state in run.named("read"):
        run.expect("frames of private pages that eight spaces read", 500, state.owners["ANON"],
                   invariant=LATE)


def grow(run: Run) -> None:
    exact(run)
    for state in run.named("grown"):
        if state.entries.get(2) == 1: # with lab 2's starter there is one for each
            run.expect("map entries for 64 pages that were mapped side by side", 1,
                       state.entries.get(0), invariant=ALONE)


MOST_ALLOCS: int = FIGURES["allocs"]


def bounded(run: Run) -> None:
    name_rules(run)
    wanted = COSTS if run.boot.ktest.endswith("costs") else ["copied", "end"]
    run.expect("points reached", wanted, [state.name for state in run.states])
    for words in run.records("costs"):
        run.notes.append(f"a first write takes {words[1]} allocations")
        if int(words[1]) > MOST_ALLOCS:
            run.wrong("allocations for the first write to a large region after a fork",
                      f"at most {MOST_ALLOCS}", words[1], invariant=BOUNDED)
