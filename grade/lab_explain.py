# SPDX-License-Identifier: BSD-2-Clause
"""What a finding is worth to its reader: the rule, its place in the handout, a hint.

A judge that knows the mistake says so itself. For all else, such as a panic or a hang, the hint is
the first of the lab's whose pattern fits this one finding: what was looked at and what was found,
or a panic's own message, and whether the panic came in the lab's files. It may name the rule, too,
if a test comes upon a mistake of another kind than the one it watches for. The rest of a report,
such as the locks that happen to be held, is evidence of nothing. The test's own hint is for a run
that came to its end and broke the rule that the test watches; where nothing fits, no hint is given.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePath

from grade import lab_variant
from grade.lab import Hint, Lab, Test
from grade.lab_judge import THE_END, Finding, Run
from grade.session import End

CONSOLE_BYTES = 1 << 16
HOLDS = re.compile(r"; (?:thread -?\d+ \([^)]*\) )?holds .*$", re.MULTILINE)
"""What a panic's message says of locks that were held meanwhile."""
NUMBER = re.compile(r"\b(?:0x)?(?:[0-9a-f]{8}|[0-9a-f]{16})\b|\b\d{9,20}\b")
FILLED = {
    0xDEADBEEFFEE1DEAD: "what a freed page is filled with",
    0xDEADBEEFDEADBEEF: "what a freed item of a pool is filled with",
}
NEAR = 4096
"""So far from a pattern a number is still that pattern, with the offset of a member."""
POINT = re.compile(r"\bpoint [\w-]+")
DIGITS = re.compile(r"\b(?:0x)?[0-9a-f]*\d[0-9a-f]*\b")
GENERAL_PROTECTION = "general protection fault"


@dataclass
class Panic:
    """What the kernel said of the CPU that panicked."""

    message: str = ""
    registers: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    """Of the functions that were active, without the folders, the innermost first."""

    def within(self, owned: list[str]) -> bool:
        """Whether the lab's own files were at work."""
        return bool({PurePath(path).name for path in owned} & set(self.files))


def panic_of(run: Run) -> Panic:
    if run.outcome.end is not End.PANIC:
        return Panic()
    text = run.outcome.console[-CONSOLE_BYTES:].decode(errors="replace").replace("\r\n", "\n")
    _, _, report = text.rpartition("\npanic: ")
    # What the other CPUs did follows.
    own = re.split(r"^CPU \d+: ", report, maxsplit=1, flags=re.MULTILINE)[0]
    registers = re.findall(r"\b(r[a-z0-9]{1,2}) +([0-9a-f]{16})\b", own)
    files = re.findall(r"^  #\d+ .*\((?:\S*/)?([^/\s]+):\d+\)$", own, re.MULTILINE)
    return Panic(run.outcome.detail, {name: int(value, 16) for name, value in registers}, files)


def filled_with(value: int) -> str:
    """Whose pattern a number is: a whole word, moved by a member's offset, or a half."""
    for pattern, words in FILLED.items():
        if abs(value - pattern) < NEAR or value == pattern & 0xFFFFFFFF:
            return words
    return ""


def poison(text: str, panic: Panic) -> list[str]:
    """What is said of each pattern of freed memory that stands in a text, or led to a fault."""
    found = {}
    for word in NUMBER.findall(text):
        for value in (int(word, 16), int(word) if word.isdecimal() else 0):
            if words := filled_with(value):
                found[value] = f"{word} is {words}"
    # Elsewhere a register holds what was left in it; here it is the address that is none.
    if panic.message.startswith(GENERAL_PROTECTION) and panic.message in text:
        for name, value in panic.registers.items():
            if words := filled_with(value):
                found[value] = f"{name} is {value:#x}: {words}"
    return list(found.values())


def kind_of(finding: Finding) -> tuple[str, ...]:
    """What two findings have in common that tell of one mistake, at one point and at the next."""
    words = DIGITS.sub("#", finding.got.partition(":")[0])
    return finding.invariant, POINT.sub("", finding.what), words


def joined(findings: list[Finding]) -> list[Finding]:
    """What stays wrong from one point to the next is one finding."""
    first: dict[tuple[str, ...], Finding] = {}
    later: Counter[tuple[str, ...]] = Counter()
    kept = []
    for finding in findings:
        kind = kind_of(finding)
        if POINT.search(finding.what) and kind in first:
            later[kind] += 1
        else:
            first[kind] = finding
            kept.append(finding)
    for kind, count in later.items():
        first[kind].got += f"\nand wrong at {count} later point{'s' if count > 1 else ''}"
    return kept


def explain(lab: Lab, test: Test, run: Run) -> None:
    panic = panic_of(run)
    ended = run.outcome.end is End.EXIT
    run.findings = joined(run.findings)
    for finding in run.findings:
        finding.invariant = lab_variant.filled(finding.invariant, lab.figures)
        finding.hint = lab_variant.filled(finding.hint, lab.figures)
        for line in poison(finding.got, panic):
            finding.got += f"\n{line}"
        known = hint_for(lab, finding, panic)
        finding.invariant = finding.invariant or known.rule
        # What a test counts has nothing to do with a run that did not end.
        if ended or test.kind != "cost":
            finding.invariant = finding.invariant or test.invariant
        finding.hint = finding.hint or known.think
        if ended and finding.invariant == test.invariant:
            finding.hint = finding.hint or test.hint
        if place := lab.rules.get(finding.invariant):
            finding.place = f"{lab.folder.name}/README.md, {place}"


def hint_for(lab: Lab, finding: Finding, panic: Panic) -> Hint:
    """The first hint that fits, or one that says nothing."""
    at_end = finding.what.startswith(THE_END)
    for each in lab.hints:
        if each.ours is not None and not (at_end and panic.within(lab.owned) is each.ours):
            continue
        texts = (finding.what, HOLDS.sub("", finding.got))
        if any(re.search(each.seen, text, re.MULTILINE) for text in texts):
            return each
    return Hint("", "", "")
