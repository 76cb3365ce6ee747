# SPDX-License-Identifier: BSD-2-Clause
"""What a finding is worth to its reader: the rule, its place in the handout, a hint.

A judge that knows the rule names it. For what only shows that something went wrong, a panic or a
hang, the rule is the test's own, and the hint is the first of the lab's whose pattern is found in
what was seen.
"""

from __future__ import annotations

import re

from grade.lab import Lab, Test
from grade.lab_judge import Finding, Run
from grade.session import End

CONSOLE_BYTES = 1 << 14


def explain(lab: Lab, test: Test, run: Run) -> None:
    console = run.outcome.console[-CONSOLE_BYTES:].decode(errors="replace")
    # What a test counts has nothing to do with a run that did not end.
    whole = run.outcome.end is End.EXIT or test.kind != "cost"
    for finding in run.findings:
        finding.invariant = finding.invariant or (test.invariant if whole else "")
        finding.hint = finding.hint or hint(lab, finding, console) or (test.hint if whole else "")
        if place := lab.rules.get(finding.invariant):
            finding.place = f"{lab.folder.name}/README.md, {place}"


def hint(lab: Lab, finding: Finding, console: str) -> str:
    for pattern, text in lab.hints:
        if any(re.search(pattern, seen) for seen in (finding.what, finding.got, console)):
            return text
    return ""
