# SPDX-License-Identifier: BSD-2-Clause
"""What a fork may cost, in lab 4, and what follows it."""

from __future__ import annotations

import re

from grade.lab_judge import Run

from rules import ALONE, CHEAP, LATE
from said import REFERRED_TO, name_rules

PAGES_FORKED = 1024
FORK_MOST = 45 * PAGES_FORKED + 30000


def forks(run: Run) -> None:
    for words in run.records("costs"):
        run.notes.append(f"a fork of {PAGES_FORKED} pages takes {words[0]} instructions")
        if int(words[0]) > FORK_MOST:
            run.wrong(f"instructions for a fork of {PAGES_FORKED} pages", f"at most {FORK_MOST}",
                      words[0], invariant=CHEAP)


def again(run: Run) -> None:
    for ticks, allocs in run.records("again"):
        if int(ticks) > FORK_MOST:
            run.wrong(f"instructions for a fork of {PAGES_FORKED} pages that were forked before",
                      f"at most {FORK_MOST}", f"{ticks}, and {allocs} allocations")
    REFERRED_TO(run)


FOR_A_PROGRAM = {
    "fork": ("a fork of 16 MiB and the wait for a child that ends at once", 150000,
             CHEAP, "What is done for each page counts twice here, once when an array is shared "
             "and once when it is given up: let both go by table, and by word."),
    "copy": ("a write that copies a page", 3400, LATE, ""),
    "reuse": ("a write to a page that nobody else has any more", 1050, ALONE, ""),
}
"""By the word that anonwork says: what, how many instructions at most, and why."""


def of_a_program(run: Run) -> None:
    said = re.findall(r"cost (\w+) (\d+)", run.outcome.console.decode(errors="replace"))
    if run.named("measured"):
        run.expect("figures that the program says", list(FOR_A_PROGRAM), [word for word, _ in said])
    for word, number in said:
        what, most, rule, hint = FOR_A_PROGRAM[word]
        run.notes.append(f"{what} takes {number} instructions")
        if int(number) > most:
            run.wrong(f"instructions for {what}", f"at most {most}", number, invariant=rule,
                      hint=hint)
    name_rules(run)
