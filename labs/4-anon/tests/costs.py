# SPDX-License-Identifier: BSD-2-Clause
"""What a fork may cost, in lab 4."""

from __future__ import annotations

from grade.lab_judge import Run

from rules import CHEAP
from said import REFERRED_TO

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
