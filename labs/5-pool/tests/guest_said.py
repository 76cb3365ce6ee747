# SPDX-License-Identifier: BSD-2-Clause
"""What lab 5's tests in the guest say: the rule that it breaks, which may be another test's than
the one that saw it, and what to think of."""

from __future__ import annotations

import re
from dataclasses import dataclass

from grade.lab_judge import Run

from pools import BACK, CHECKS, FIGURES, GONE, KEEPS, MOST, NOTHING, SHORT, ZEROED


@dataclass
class Said:
    text: str
    """A regular expression."""
    invariant: str
    hint: str


SAID = [
    Said("counted in fails", invariant=NOTHING,
         hint="A get that fails counts as a failure, whatever failed."),
    Said("was to be zeroed", invariant=ZEROED,
         hint="PR_ZERO clears each item, one of a new page as well: what a backend gives has held "
         "something before."),
    Said(r"max_items is \d+: an item", invariant=MOST,
         hint="Compare nitems_out with max_items by >=: it may be more than that already."),
    Said("pages were given back, it says", invariant=BACK,
         hint="pool_reclaim_all sums up the pages; pool_reclaim only says whether there were any."),
    Said("which was destroyed, is ", invariant=GONE,
         hint="First off every list that others walk, then give the pages back. Who drains "
         "the pool counts that under its lock, and does not look at it any more."),
    Said("found by a check of that pool, not of all", invariant=CHECKS,
         hint="What is wrong with all pools is summed up, not what is wrong with the last one."),
    Said(r"empty pages that keeps \d+", invariant=KEEPS,
         hint="There may be less than min_pages: compare, and do not subtract."),
]


def said(run: Run) -> None:
    """Of a get that was refused a test says who may lose a page, and what that pool keeps."""
    for finding in run.findings:
        if finding.what.endswith(" in the guest"):
            for each in SAID:
                if re.search(each.text, finding.got):
                    finding.invariant, finding.hint = each.invariant, each.hint
        if found := re.search(r"pool \d+ may lose \d+: .* keeps (\d+)", finding.got):
            finding.invariant = SHORT
            if found[1] != "0" and not FIGURES["empty"]:
                finding.hint = ("min_pages is compared with npages, all the pages that a pool has, "
                                "however many of them are empty.")
