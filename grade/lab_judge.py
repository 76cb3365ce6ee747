# SPDX-License-Identifier: BSD-2-Clause
"""What a lab's judge is told, and what it says: the grader's words with labs/*/tests/judge.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import AbstractSet, Any, Callable

from grade import csource
from grade.lab import of_judge
from grade.session import End, Outcome


THE_END = "the end of the run"
"""How the finding begins that tells of a panic or a hang."""
Texts = Callable[[str], str]
"""The text of an owned file of the form that is graded, by its path."""
MAX_TEXT = 4000
"""Characters of what a finding says; the rest of a kernel's long speech is left out."""


@dataclass
class Finding:
    """One thing that is wrong."""

    what: str
    """What was looked at."""
    expected: str = ""
    got: str = ""
    invariant: str = ""
    """The rule that it breaks, by its name in the handout."""
    hint: str = ""
    place: str = ""
    """Where the handout has the rule."""

    def __post_init__(self) -> None:
        self.what, self.expected, self.got = (
            text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + " [...]"
            for text in (self.what, self.expected, self.got)
        )

    def rule(self) -> str:
        return f"{self.invariant} ({self.place})" if self.place else self.invariant


class NoSeed(Exception):
    """The graded files have no seed for a boot that takes it from there."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"{finding.what}: {finding.expected}; got {finding.got}")
        self.finding = finding


@dataclass
class Boot:
    """One boot of a test: which in-kernel test (or command) on which machine."""

    ktest: str = ""
    command: str = ""
    """A shell command instead of an in-kernel test."""
    cpus: int = 1
    mem: str = "128M"
    swap: int = 0
    """Bytes of a disk to swap to."""
    icount: bool = True
    jitter: int | None = None
    seed_step: int = 0
    """Added to the run's seed: several boots of one test differ in it."""
    words: tuple[str, ...] = ()
    typed: str = ""
    """Of an ordinary boot: what is typed at its prompt, with {seed} and {name} filled in."""
    own_seed: Callable[[Texts], int] | None = None
    """The seed that the graded files ask for, instead of the grade's; NoSeed if they have none."""
    seeded: bool = True
    """Whether anything in it depends on the grade's seed."""

    def repro(self, seed: int) -> dict[str, int]:
        """What `make repro' is told of the grade's seed."""
        return {"SEED": seed - self.seed_step} if self.seeded and not self.own_seed else {}


@dataclass
class Run:
    """What one boot gave."""

    boot: Boot
    seed: int
    states: list[Any] = field(default_factory=list)
    """What the judge saw at each point."""
    points: int = 0
    """Points that a test came to, whether or not the judge could read what it saw there."""
    findings: list[Finding] = field(default_factory=list)
    bad_point: int = 0
    """The first point, from 1, at which the machine's state was wrong."""
    notes: list[str] = field(default_factory=list)
    """Figures worth saying, right or wrong."""
    outcome: Outcome = field(default_factory=lambda: Outcome(End.QEMU))
    text: Texts = str

    def records(self, word: str) -> list[list[str]]:
        """The words of every record that begins with `word`."""
        lines = (payload.decode(errors="replace").split() for payload in self.outcome.records)
        return [words[1:] for words in lines if words and words[0] == word]

    def named(self, name: str) -> list[Any]:
        return [state for state in self.states if state.name == name]

    def wrong(self, what: str, expected: object, got: object, **more: str) -> None:
        self.findings.append(Finding(what, str(expected), str(got), **more))

    def expect(self, what: str, expected: object, got: object, **more: str) -> bool:
        if expected != got:
            self.wrong(what, expected, got, **more)
        return expected == got


@dataclass
class Plan:
    """How a test is run and judged."""

    boots: list[Boot]
    points: list[str] | None = None
    """The points that every boot must reach, in order; None: the judge looks itself."""
    judge: Callable[[Run], None] | None = None
    records: dict[str, int] | None = None
    """How many records of each first word the test writes; None: the judge counts them."""
    more: list[Plan] = field(default_factory=list)
    """Boots with points of their own, which are run after these."""
    gdb_at: str = ""
    """The point at which `make repro GDB=1' stops, whether or not the test fails: what is asked is
    found there. Else it stops where the test fails."""


LOST = "n++ reads, adds and writes; what another processor counts meanwhile is lost. See vm/stat.h."


def counts_in_turn(run: Run, judge: str, *, invariant: str,
                   more: AbstractSet[str] = frozenset()) -> None:
    """What is lost between two CPUs is too seldom to wait for: the text shows it."""
    for path in of_judge(judge).code:
        for number, line in csource.counted_plainly(run.text(path), more):
            run.wrong(f"{path}, line {number}, what every processor counts in",
                      "stat_inc, stat_add or stat_dec, or a lock of the file's own",
                      line, invariant=invariant, hint=LOST)


PROGRAMS = "cp /tests/labwork /tmp/{name}; /tmp/{name} {seed}; poweroff\n"
"""Typed at a prompt: user/tests/labwork.c under a name that nobody knows."""
PROGRAM_POINTS = ["forked", "stolen", "pressed", "cut", "reaped"]


def programs_work(run: Run) -> None:
    """What each lab asks of the boot that a grade ends with: all points were reached."""
    reached = [state.name for state in run.states]
    if run.outcome.end is End.EXIT:
        run.expect("points reached by programs in an ordinary boot", " ".join(PROGRAM_POINTS),
                   " ".join(reached) or "none")


@dataclass
class Last:
    """What a grade ends with: one ordinary boot with real programs, which nothing announces. It is
    judged for each test that came through its own boots, by the test's kind."""

    boot: Boot
    judges: dict[str, Callable[[Run], None]]
    """Kind of test, or a test's name: what is asked of the run. No kind: nothing is."""
