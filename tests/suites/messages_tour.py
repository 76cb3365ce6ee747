# SPDX-License-Identifier: BSD-2-Clause
"""What lab 0 says of answers.txt: which line is wrong and why, never what would be right, and of
answers that could be had by trying not even which is wrong. Nothing is booted.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Iterator

from grade import lab_grade, lab_repro, qemu
from grade.lab import Lab
from grade.lab_judge import Boot, Run
from grade.lab_report import Report
from tests.job import Result

RIGHT: dict[str, set[str | int]] = {
    "fault-va": {0x6460D951}, "fault-access": {2}, "fault-case": {"2B"}, "entered-prot": {3},
    "pt-index": {13},
}
DENIED: set[str | int] = {"EACCES"}
OPEN = "fault-va = 0x6460d951\npt-index = 0xd\n"
FEW = "fault-access, fault-case, entered-prot"
CASES: list[tuple[str, list[str]]] = [
    (OPEN + "fault-access=PROT_WRITE\nfault-case=2b\nentered-prot=PROT_RW\n", []),
    (OPEN + "fault-access = 0x2\nfault-case = 2B\nentered-prot = 0x3\n", []),
    (OPEN + "fault-access = PROT_READ\nfault-case = 2B\nentered-prot = 1\n",
     [FEW, "got: 1 of these 3 are right"]),
    (OPEN + "fault-access = PROT_READ\nfault-case = 2B\nentered-prot = 3\n",
     [FEW, "got: 2 of these 3 are right"]),
    # Not judged by themselves, right or wrong.
    (OPEN + "fault-access = PROT_READ\n",
     ["fault-case", "got: no answer yet", "entered-prot", "got: no answer yet",
      "fault-access", "got: looked at once the other answers are right"]),
    ("fault-va = 0x6460d000\npt-index = 13\nfault-access = 2\nfault-case = 2B\nentered-prot = 3\n",
     ["fault-va", "got: 0x6460d000", FEW, "got: looked at once the other answers are right"]),
]
"""A file, and what is said of it, in order."""
LINES = [
    ("unmaped-error = EFAULT", "line 2: there is no answer called `unmaped-error'; did you mean "
     "`unmapped-error'?"),
    ("nonsense = 1", "line 2: there is no answer called `nonsense'"),
    ("unmapped-error = EACCES", "line 2: `unmapped-error' is in line 1 already"),
    ("denied-error = EFAULT EACCES", "line 2: one name or one number is wanted"),
    ("denied-error: EFAULT", "line 2 is not of the form name = answer"),
]
SEEDS = [
    ("", "got no seed yet"), ("s1234567", "got s1234567"), ("0", "got 0"), ("1 2", "got 1 2"),
    ("202407131234", "got 202407131234 (too large: take its last nine digits)"),
    ("9" * 5000, "(too large: take its last nine digits)"),
]


def said_of(answers: Any, text: str, right: dict[str, set[str | int]]) -> list[str]:
    run = Run(Boot(), 1, text=lambda _: text)
    answers.judge(run, right, "a rule")
    found = []
    for each in run.findings:
        found += [each.what.removeprefix(f"{answers.PATH}: ").removeprefix(f"{answers.PATH}, ")]
        found += [f"got: {each.got}"] if each.expected or "line" not in each.what else []
    return found


def check(lab: Lab) -> Iterator[Result]:
    judge = lab_grade.judge_of(lab)
    answers = judge.answers
    wrong = []
    for text, wanted in CASES:
        got = said_of(answers, text, RIGHT)
        wrong += [f"{text}\nexpected {wanted}\ngot {got}"] if got != wanted else []
    errors: dict[str, set[str | int]] = {"unmapped-error": {"EFAULT"}}
    for line, wanted_line in LINES:
        both = {**errors, "denied-error": DENIED}
        found = said_of(answers, f"unmapped-error = EFAULT\n{line}\n", both)
        wrong += [f"{line}: {found}"] if wanted_line not in found else []
    if said_of(answers, "trap-function = page_fault()", {"trap-function": {"page_fault"}}):
        wrong.append("page_fault() is not taken for page_fault")
    names = {name: question for name, question in answers.QUESTIONS.items() if question.closer}
    wrong += [f"{name}: who looks closer is told no more" for name, question in names.items()
              if question.closer == question.look]
    wrong += check_seeds(lab, judge)
    yield Result("messages/tour/answers", not wrong, "\n".join(wrong))


class Given(lab_grade.Grader):
    """Reads its answers here; boots nothing."""

    answers = ""

    def text(self, path: str) -> str:
        return self.answers

    def machine(self, boot: Boot, seed: int) -> qemu.Machine:
        raise AssertionError("it boots")


def check_seeds(lab: Lab, judge: Any) -> list[str]:
    """Without a seed nothing is booted: follow and back fail, and GDB does not start."""
    wrong = []
    for seed, wanted in SEEDS:
        with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "said", "w+") as screen:
            report = Report(lab, "mine", 1, Path(folder) / "results.json", screen)
            grader = Given(lab, Path(folder) / "a" / "b", 1, report)
            grader.answers = f"seed = {seed}\n"
            result = grader.run_test(lab.test("follow"))
            said = "GDB"
            try:
                lab_repro.to_look(grader, judge.PLANS["follow"])
            except SystemExit as error:
                said = str(error)
            found = [f"got {each.got}" for each in result.findings]
            right = not result.ok and len(found) == 1 and wanted in found[0] and wanted in said
            right = right and "a whole number from 1 to 1000000000" in said
            if not right or "SEED" in result.repro:
                wrong.append(f"seed {seed[:20]}: {found} {said}")
    return wrong
