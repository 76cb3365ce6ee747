# SPDX-License-Identifier: BSD-2-Clause
"""The record of a grading: results.json after every test, and the same as text in the terminal.

Where all tests are run, each has its line when it ends; what a failed one found comes after the
last, in the order in which a learner should read it: first what was green once and is red now
(kept in green.json from one grading to the next), then what must be green at every step, then what
the next step of the handout is to turn green. Of later steps nothing but the tests' names is told.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import textwrap
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from grade.lab import Lab, Test
from grade.lab_judge import Finding, Run
from grade.session import End

GREEN = "green.json"
"""Beside the results: which tests have been green since the lab was started."""
MAX_FINDINGS = 4
MAX_RECORDED = 20
CONSOLE_LINES = 8
WIDTH = 98
SAID_LINES = 200
"""Of a boot's console, where all of it is asked for: the first ones."""
KEPT_LINES, KEPT_COLUMNS, KEPT_BYTES = 64, 400, 1 << 16
FIRST_FRAMES, LAST_FRAMES = 12, 4
COLOURS = {"ok": "32", "FAIL": "31"}
BACKTRACE = re.compile(r"\s+#\d+ ")
VALUE = re.compile(r"\b(?:0x)?[0-9a-f]*\d[0-9a-f]*\b")
"""A number in a panic's message: two that differ in numbers alone are the same mistake."""


@dataclass
class TestResult:
    test: Test
    ok: bool = True
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    repro: dict[str, Any] = field(default_factory=dict)
    digest: str = ""
    """Of the records of all boots that count instructions and wait for no disk."""
    seconds: float = 0.0
    failed: Run | None = None
    not_run: str = ""
    """Why it was not run."""
    said: list[str] = field(default_factory=list)
    """What all boots printed."""

    def hear(self, run: Run) -> None:
        lines = run.outcome.console.decode(errors="replace").replace("\r\n", "\n").splitlines()
        self.said += [line[:KEPT_COLUMNS] for line in lines[:SAID_LINES]]
        if len(lines) > SAID_LINES:
            self.said.append(f"[{len(lines) - SAID_LINES} lines more]")

    def fail(self, run: Run) -> None:
        self.ok = False
        self.failed = run
        self.findings += run.findings
        text = run.outcome.console[-KEPT_BYTES:].decode(errors="replace").replace("\r\n", "\n")
        lines = text.splitlines()
        at = [i for i, line in enumerate(lines) if line.startswith("panic: ")]
        lines = excerpt(lines[at[-1] :]) if at else lines
        lines = lines[:KEPT_LINES] if at else lines[-KEPT_LINES:]
        self.console = [line[:KEPT_COLUMNS] for line in lines]
        self.repro = {"T": self.test.name, **run.boot.repro(run.seed)}

    def panic(self) -> str:
        """The message of the panic in which the test failed, or nothing."""
        if self.ok or not self.failed or self.failed.outcome.end is not End.PANIC:
            return ""
        return self.failed.outcome.detail

    def record(self) -> dict[str, Any]:
        return {
            "name": self.test.name,
            "title": self.test.title,
            "kind": self.test.kind,
            "points": self.test.points if self.ok else 0,
            "max_points": self.test.points,
            "ok": self.ok,
            "not_run": self.not_run,
            "notes": self.notes,
            "findings": [vars(finding) for finding in self.findings[:MAX_RECORDED]],
            "console": self.console,
            "repro": self.repro,
            "digest": self.digest,
        }


def excerpt(panic: list[str]) -> list[str]:
    """A panic's report with the middle of a long backtrace left out: its first line, where it came
    from and the locks are never lost; what the other CPUs do comes last."""
    others = next((i for i, line in enumerate(panic) if re.match(r"CPU \d+: ", line)), len(panic))
    frames = [i for i in range(others) if BACKTRACE.match(panic[i])]
    if len(frames) <= FIRST_FRAMES + LAST_FRAMES:
        return panic
    cut = frames[FIRST_FRAMES:-LAST_FRAMES]
    return [*panic[: cut[0]], f"  [{len(cut)} frames more]", *panic[cut[-1] + 1 :]]


def wrapped(word: str, text: str) -> list[str]:
    """The lines of one part of a finding; nothing if it is empty."""
    return textwrap.wrap(text, WIDTH, initial_indent=f"{'':9}{word:10}", subsequent_indent=19 * " ",
                         break_long_words=False, break_on_hyphens=False)


class Report:
    def __init__(
        self, lab: Lab, impl: str, seed: int, path: Path, screen: TextIO, in_order: bool = False
    ) -> None:
        self.lab = lab
        self.impl = impl
        self.seed = seed
        self.path = path
        self.screen = screen
        self.in_order = in_order
        """What failed tests found is told at the end."""
        self.verbose = os.environ.get("V") == "1"
        self.results: list[TestResult] = []
        self.verdict = "graded"
        self.detail = ""
        self._panics: dict[str, str] = {}
        """The first test that showed each panic."""
        self._lock = threading.Lock()
        self._colour = screen.isatty() and "NO_COLOR" not in os.environ
        self.write(False)

    @property
    def score(self) -> int:
        return sum(result.test.points for result in self.results if result.ok)

    def write(self, complete: bool) -> None:
        order = [test.name for test in self.lab.tests]
        done = sorted(self.results, key=lambda result: order.index(result.test.name))
        data = {
            "lab": self.lab.name,
            "part": self.lab.part,
            "impl": self.impl,
            "seed": self.seed,
            "score": self.score,
            "max_score": self.lab.total,
            "complete": complete,
            "verdict": self.verdict,
            "detail": self.detail,
            "tests": [result.record() for result in done],
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        temporary.replace(self.path)

    def add(self, result: TestResult) -> None:
        with self._lock:
            self.results.append(result)
            self.write(False)
            self._say(result)

    def slow(self, test: Test) -> None:
        """Tells who waits at a terminal."""
        if self.screen.isatty():
            print(f"     ... {test.name} is still running: a hang is noticed in minutes",
                  file=self.screen, flush=True)

    def _word(self, word: str) -> str:
        return f"\033[{COLOURS[word]}m{word:4}\033[0m" if self._colour else f"{word:4}"

    def _say(self, result: TestResult) -> None:
        test = result.test
        points = f"{test.points if result.ok else 0:2}/{test.points:<2}"
        word = self._word("ok" if result.ok else "FAIL")
        lines = [f"{word} {points} {test.name:17} {test.title}"]
        lines += [f"             {note}" for note in result.notes]
        if result.not_run:
            lines = [f"{word} {points} {test.name:17} not run: {result.not_run}"]
        if self.verbose:
            lines += [f"       | {line}" for line in result.said]
        if not result.ok and not self.in_order:
            lines += self._details(result)
        print("\n".join(lines), file=self.screen, flush=True)

    def _details(self, result: TestResult) -> list[str]:
        """What a failed test found."""
        if before := self._same_panic(result):
            same = f"       - the same panic as in {before}: {result.panic()}"
            return [same, self._again(result)]
        lines: list[str] = []
        known: set[str] = set()
        # The last one takes no more room than the words that it is missing.
        most = MAX_FINDINGS + (len(result.findings) == MAX_FINDINGS + 1)
        for finding in result.findings[:most]:
            lines += [f"       - {finding.what}"]
            lines += [f"         expected: {finding.expected}"] if finding.expected else []
            got = finding.got.replace("\n", f"\n{'':19}")
            lines += [f"         got:      {got}"] if got else []
            for name, text in (("rule:", finding.rule()), ("hint:", finding.hint)):
                lines += wrapped(name, text) if text not in known else []
                known.add(text)
        if len(result.findings) > most:
            lines.append(f"       - and {len(result.findings) - most} more, in {self.path}")
        if not self.verbose:
            lines += [f"       | {line}" for line in self._tail(result)]
        return [*lines, self._again(result)]

    def groups(self, before: dict[str, bool]) -> list[tuple[str, list[TestResult]]]:
        """The failed tests in the order in which they are told. `before': which were green once."""
        at_work = 0
        for at_work in sorted({test.step for test in self.lab.tests} - {0}):
            if not all(before.get(test.name) for test in self.lab.tests if test.step == at_work):
                break
        order = [test.name for test in self.lab.tests]
        red = sorted((each for each in self.results if not each.ok and not each.not_run),
                     key=lambda result: order.index(result.test.name))
        gone = sorted((each for each in red
                       if before.get(each.test.name) and each.test.step <= at_work),
                      key=lambda result: result.test.step)
        rest = [each for each in red if each not in gone]
        step = min((each.test.step for each in rest if each.test.step), default=0)
        groups = [("green before, and red now", gone),
                  ("to be green at every step", [r for r in rest if not r.test.step]),
                  (f"for step {step}", [r for r in rest if step and r.test.step == step]),
                  ("", [r for r in rest if r.test.step > step])]
        return [(title, results) for title, results in groups if results]

    def _tell_in_order(self, before: dict[str, bool]) -> None:
        for title, results in self.groups(before):
            if not title:
                steps = sorted({result.test.step for result in results})
                names = " ".join(result.test.name for result in results)
                word = f"step{'s' if len(steps) > 1 else ''} {', '.join(map(str, steps))}"
                print(f"not yet: {word}: {names}", file=self.screen)
                continue
            print(f"{title}:", file=self.screen)
            for result in results:
                print("\n".join([f"     {result.test.name}: {result.test.title}",
                                 *self._details(result)]), file=self.screen)

    def _remember(self) -> dict[str, bool]:
        """Keeps which tests have been green for the next grading; what was kept of the last ones,
        since `make start`."""
        path = self.path.with_name(GREEN)
        before: dict[str, bool] = {}
        with contextlib.suppress(OSError, ValueError):
            before = json.loads(path.read_text(encoding="utf-8"))
        now = {result.test.name: result.ok for result in self.results}
        kept = {name: before.get(name, False) or ok for name, ok in {**before, **now}.items()}
        path.write_text(json.dumps(kept) + "\n", encoding="utf-8")
        return before

    def _again(self, result: TestResult) -> str:
        words = " ".join(f"{name}={value}" for name, value in result.repro.items())
        impl = "" if self.impl == "mine" else f" IMPL={self.impl}"
        return f"       again: make repro LAB={self.lab.name}{impl} {words}"

    def _same_panic(self, result: TestResult) -> str:
        """The test that ended in this panic before, or nothing."""
        if not (panic := result.panic()):
            return ""
        first = self._panics.setdefault(VALUE.sub("#", panic), result.test.name)
        return first if first != result.test.name else ""

    def _tail(self, result: TestResult) -> list[str]:
        """The console's last lines; from the panic on, if there was one."""
        for at, line in enumerate(result.console):
            if line.startswith("panic: "):
                return result.console[at:]
        return [line for line in result.console if not line.startswith("test ")][-CONSOLE_LINES:]

    def not_graded(self, verdict: str, detail: str) -> None:
        """The kernel was `not built', or `refused'."""
        self.verdict, self.detail = verdict, detail
        self.write(True)
        print(f"{verdict}: {detail.strip()}", file=self.screen)
        print(f"lab {self.lab.title_of_part}, {self.impl}: 0/{self.lab.total} points",
              file=self.screen)

    def finish(self, partial: bool) -> None:
        self.write(not partial)
        before = self._remember()
        if self.in_order:
            self._tell_in_order(before)
        if failed := [result.test.name for result in self.results if not result.ok]:
            print(f"failed: {' '.join(failed)}", file=self.screen)
        if not partial:
            print(
                f"lab {self.lab.title_of_part}, {self.impl}: {self.score}/{self.lab.total} points",
                file=self.screen,
            )
