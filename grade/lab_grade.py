# SPDX-License-Identifier: BSD-2-Clause
"""`make grade LAB=pv`: builds a kernel with one form of the lab's files, and tests it.

What every test found is written to results.json in the variant's directory after each test.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import importlib.util
import os
import re
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import ModuleType

from grade import lab as labs
from grade import authentic, entry, lab_explain, lab_forms, lab_overlay, limited, options, parallel
from grade import qemu, vet
from grade.lab import ROOT, Lab, Test
from grade.lab_judge import THE_END, Boot, Finding, Last, NoSeed, Plan, Run
from grade.lab_report import Report, TestResult
from grade.lab_session import LabSession
from grade.oracle import Oracle
from grade.rng import Rng
from grade.session import End, Outcome

WALL_SECONDS = 900.0
"""A backstop: each boot has a limit that a busy host takes nothing of."""
BUSY_SECONDS = 60.0
"""Of processor time between two points, where the guest's instructions are no measure."""
SLOW_SECONDS = 20.0
MAX_HANGS = 2
"""Tests that hang in the same way before the rest is not run."""
OWN_CHECKS = "the kernel's own checks"
"""What they find is told after all else: it is the same, seen from inside."""
LAST_PART = 77
"""Of a seed: its sequence for what a grade ends with."""
OPEN_RECORDS = ("nth",)
"""Records whose number only the lab's judge knows."""
LAB_WORDS = ("LAB", "PART", "VARIANT", "STAFF", "IMPL", "BASE", "STAGE", "TESTS", "T", "O")


ONE_JUDGE = threading.Lock()
"""While a judge is read: what it imports is everybody's."""


def judge_of(lab: Lab) -> ModuleType:
    """The lab's own judge, tests/judge.py, which may import what lies beside it. Another lab's may
    have a `model' of its own: who reads both gets each its own."""
    path = lab.folder / "tests" / "judge.py"
    spec = importlib.util.spec_from_file_location(f"judge_{lab.name}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    with ONE_JUDGE:
        sys.modules[spec.name] = module
        sys.path.insert(0, str(path.parent))
        try:
            spec.loader.exec_module(module)
        finally:
            sys.path.remove(str(path.parent))
            for beside in path.parent.glob("*.py"):
                sys.modules.pop(beside.stem, None)
    return module


def make_kernel(lab: Lab, impl: str, base: str, make_words: list[str]) -> tuple[Path, str]:
    """Builds the variant. Its directory, and make's words if it could not be built."""
    out = Path(os.environ.get("O") or "build/gcc")
    name, _ = lab_overlay.forms(lab.name, impl, base, "")
    ours = [f"LAB={lab.name}", f"IMPL={impl}", *([f"BASE={base}"] if base else [])]
    if lab.variant:
        ours += [f"VARIANT={lab.variant}", f"STAFF={os.environ.get('STAFF', '')}"]
    env = {k: v for k, v in os.environ.items() if k not in LAB_WORDS and not k.startswith("MAKE")}
    words = [*ours, *make_words]
    if not (out / "disk.img").exists():
        print("strata: building; make V=1 shows how", file=sys.stderr, flush=True)
    for goal, more in (("image", make_words), ("kernel", words)):
        command = ["make", "-s", goal, f"O={out}", *more]
        limits = limited.BUILD_LIMITS if goal == "kernel" else {}
        status, text = limited.run(command, ROOT, env, limits)
        if status is None:
            patience = f"{limited.PATIENCE_SECONDS:.0f} s"
            raise SystemExit(f"strata: make {goal} did not end in {patience}: nothing is graded")
        if status != 0:
            return out / "labs" / name, text or f"make {goal} ended with status {status}"
    return out / "labs" / name, ""


def refusal(lab: Lab, impl: str, variant: Path | None = None) -> str:
    """Why this form's files are not even compiled, or nothing; or, once they are, not run."""
    scratch = Path(os.environ.get("O") or "build/gcc") / "labs" / "src" / lab.key
    found = lab_forms.sources(lab, impl, scratch)
    try:
        if variant:
            vet.vet_objects(lab, variant, variant.parent.parent, list(found.values()))
        else:
            vet.vet_text(lab, {path: vet.read(source) for path, source in found.items()})
    except vet.Refused as error:
        return str(error)
    return ""


def boot_limit(lab: Lab, boot: Boot) -> int:
    """Seconds of the machine's time between two points: under -icount, 10^9 instructions each.

    None where a disk is waited for: the counted clock leaps ahead while nothing runs, as far as the
    host's disk is slow. None where CPUs truly run at once: their time is the host's. There QEMU's
    processor time is limited.
    """
    counted = boot.icount and not boot.command and not boot.typed
    return lab.limit // 10**9 if counted else 0


def typed(boot: Boot, seed: int) -> bytes:
    """What is typed at the prompt; the seed is this boot's own, and so is the program's name."""
    rng = Rng(seed, LAST_PART)
    name = "".join(chr(ord("a") + rng.below(26)) for _ in range(5))
    return boot.typed.format(seed=rng.below(10**6), name=name).encode()


def hang_kind(lab: Lab, outcome: Outcome) -> str:
    """The outermost function of the lab's files in which a hung kernel stands, or nothing. Where in
    a loop the clock stops a CPU is chance; by which way it came in is not."""
    names = "|".join(re.escape(Path(path).name) for path in lab.owned)
    frame = rf"^ *0x[0-9a-f]+ (\w+) at \S*/(?:{names}):\d+\b"
    found = re.findall(frame, outcome.detail, re.MULTILINE)
    return str(found[-1]) if found else ""


class Grader:
    """Runs the tests of one variant. Unless `whole`, none after two that hung in the same way: a
    kernel that never ends would take half an hour to say so."""

    def __init__(
        self, lab: Lab, variant: Path, seed: int, report: Report, whole: bool = False
    ) -> None:
        self.lab = lab
        self.variant = variant
        self.out = variant.parent.parent
        self.seed = seed
        self.report = report
        self.judge = judge_of(lab)
        self.whole = whole
        self._last: Run | None = None
        self._last_lock = threading.Lock()
        self._hung: dict[str, list[str]] = {}
        """The tests that hung, by where."""

    def _given_up(self) -> str:
        """Why no more tests are run, or nothing."""
        for place, names in self._hung.items():
            if len(names) >= MAX_HANGS and not self.whole:
                inside = f" in {place}" if place else ""
                return f"{' and '.join(names[:MAX_HANGS])} did not end: both hung{inside}"
        return ""

    def grade(self, tests: list[Test], workers: int) -> None:
        def work(test: Test) -> None:
            if why := self._given_up():
                self.report.add(TestResult(test, ok=False, not_run=why))
                return
            slow = threading.Timer(SLOW_SECONDS, self.report.slow, [test])
            slow.daemon = True
            slow.start()
            result = self.run_test(test)
            slow.cancel()
            if result.failed and result.failed.outcome.end is End.HANG:
                place = hang_kind(self.lab, result.failed.outcome)
                self._hung.setdefault(place, []).append(test.name)
            self.report.add(result)

        parallel.for_each(tests, workers, work)

    def run_test(self, test: Test) -> TestResult:
        """All boots of a test, until one finds something."""
        plan: Plan = self.judge.PLANS[test.name]
        result = TestResult(test)
        started = time.monotonic()
        digest = hashlib.sha256()
        boots = [(part, boot) for part in [plan, *plan.more] for boot in part.boots]
        for part, boot in boots:
            run = self.run_boot(test, part, boot)
            result.hear(run)
            if boot.icount and not boot.command:
                digest.update(b"\n".join(run.outcome.records))
            # CPUs that really run at once give figures of their own in every run.
            result.notes += run.notes if boot.icount else []
            if run.findings:
                lab_explain.explain(self.lab, test, run)
                result.fail(run)
                break
        self.run_last(test, result)
        result.digest = digest.hexdigest()[:16]
        result.seconds = time.monotonic() - started
        return result

    def run_last(self, test: Test, result: TestResult) -> None:
        """What the grade ends with, once for all tests, and asked of it what this one wants."""
        last: Last | None = getattr(self.judge, "LAST", None)
        judge = last and (last.judges.get(test.name) or last.judges.get(test.kind))
        if not last or not judge or result.failed:
            return
        with self._last_lock:
            if self._last is None:
                self._last = self.run_boot(test, Plan([last.boot]), last.boot)
        findings = [dataclasses.replace(finding) for finding in self._last.findings]
        run = dataclasses.replace(self._last, findings=findings, notes=[])
        judge(run)
        result.hear(run)
        result.notes += run.notes
        if run.findings:
            lab_explain.explain(self.lab, test, run)
            result.fail(run)

    def text(self, path: str) -> str:
        """An owned file of the form that is graded; nothing of one that is not there."""
        source = lab_forms.sources(self.lab, self.report.impl, self.variant / "src").get(path)
        return vet.read(source).decode("utf-8", "replace") if source else ""

    def machine(self, boot: Boot, seed: int) -> qemu.Machine:
        if boot.typed:
            # Nothing tells it from any other boot: no word, and no seed.
            return qemu.Machine(kernel=self.variant / "kernel.elf", disk=self.out / "disk.img",
                                cpus=boot.cpus, mem=boot.mem, swap=boot.swap, icount=boot.icount)
        words = [*boot.words, f"judge={boot_limit(self.lab, boot)}"]
        if boot.command:
            words += [qemu.run_word(boot.command), *([] if self.report.verbose else ["quiet"])]
        else:
            words.append(f"test={boot.ktest}")
        return qemu.Machine(
            kernel=self.variant / "kernel.elf",
            disk=self.out / "disk.img" if boot.command else None,
            cpus=boot.cpus,
            mem=boot.mem,
            swap=boot.swap,
            seed=seed,
            jitter=boot.jitter,
            icount=boot.icount,
            words=words,
        )

    def seed_of(self, boot: Boot) -> int:
        seed = boot.own_seed(self.text) if boot.own_seed else self.seed
        return seed + boot.seed_step

    def run_boot(self, test: Test, plan: Plan, boot: Boot) -> Run:
        run = Run(boot, self.seed, text=self.text)
        try:
            run.seed = self.seed_of(boot)
        except NoSeed as error:
            run.findings.append(error.finding)
            return run

        def at_point(name: str, oracle: Oracle) -> None:
            run.points += 1
            run.states.append(self.judge.look(name, oracle, run))
            if run.findings and not run.bad_point:
                run.bad_point = len(run.states)

        def witness(oracle: Oracle, vm: qemu.Qemu) -> None:
            build = authentic.build_of(self.variant / "kernel.elf")
            authentic.check_image(build, oracle.memory)
            authentic.check_caller(build, oracle, vm, boot.ktest, self.lab)

        machine = self.machine(boot, run.seed)
        session = LabSession(machine, WALL_SECONDS, self.out, at_point, bool(boot.command), witness)
        session.busy = 0 if boot_limit(self.lab, boot) else BUSY_SECONDS
        session.typed = typed(boot, run.seed)
        try:
            run.outcome = session.run()
            self.judge_run(plan, run, session.trouble)
            self.judge_static(test, run)
        except Exception as error:  # the judge tripped over what the guest's memory held
            run.wrong("the guest's memory", "structures of the kernel", repr(error))
        return run

    def judge_static(self, test: Test, run: Run) -> None:
        """Memory that no page's owner tells of."""
        size = authentic.static_bytes([self.variant, self.out], self.lab.own)
        if test.kind != "functional" and size > vet.MAX_STATIC:
            run.wrong(
                f"bytes of variables in {' '.join(self.lab.own)}",
                f"at most {vet.MAX_STATIC}",
                size,
                invariant="memory comes from pages, where it is counted",
            )

    @staticmethod
    def judge_records(plan: Plan, run: Run) -> None:
        """Who writes more than the test does, writes for somebody else's eyes."""
        words = (payload.split()[:1] for payload in run.outcome.records)
        got = Counter(word[0].decode(errors="replace") for word in words if word)
        wanted = {"boot": 1, "test": 1, "poweroff": 1, "point": run.points}
        wanted |= plan.records or ({word: got[word] for word in OPEN_RECORDS} if plan.points is None
                                   else {})
        for word in sorted(got.keys() | wanted.keys()):
            if got[word] > wanted.get(word, 0) and word != "panic":
                run.wrong(f"records `{word}'", wanted.get(word, 0), got[word],
                          invariant="only the kernel's own parts and the tests write records")

    def judge_run(self, plan: Plan, run: Run, trouble: str) -> None:
        """How it ended, which points it reached, and what the test's own judge thinks."""
        end = run.outcome
        reached = [state.name for state in run.states]
        if trouble:
            broken = Finding("the guest's memory", "structures of the kernel", trouble)
            run.findings.insert(0, broken)
        if end.end is not End.EXIT or (run.boot.command and end.status):
            after = f", after point {reached[-1]}" if reached else ""
            ended = Finding(f"{THE_END}{after}", "power-off", end.describe())
            run.findings.insert(0, ended)
        if run.boot.ktest:
            for words in run.records("test"):
                if words[1] != "ok":
                    # It saw the operation itself; what is wrong at a point came of it.
                    said = " ".join(words[2:])
                    run.findings.insert(0, Finding(f"{words[0]} in the guest", "ok", said))
            if not run.records("test") and end.end is End.EXIT:
                run.wrong("the end of the test", "a record that it ran", "none")
            self.judge_records(plan, run)
        if plan.points is not None and reached != plan.points and end.end is End.EXIT:
            wanted = " ".join(plan.points) or "none"
            run.wrong("points reached", wanted, " ".join(reached) or "none")
        if plan.judge:
            known = len(run.findings)
            plan.judge(run)
            if end.end is not End.EXIT:
                # What a test counts at its end says nothing; what was wrong at a point does.
                run.findings[known:] = [f for f in run.findings[known:] if "point " in f.what]
        run.findings.sort(key=lambda finding: finding.what.startswith(OWN_CHECKS))


def main() -> int:
    env = os.environ.get
    parser = argparse.ArgumentParser(description="grades one form of a lab's files")
    parser.add_argument("--lab", default=env("LAB") or "")
    parser.add_argument("--impl", default=env("IMPL") or "mine")
    parser.add_argument("--base", default=env("BASE") or "")
    parser.add_argument("--test", default=env("T") or "", help="these tests only")
    parser.add_argument("--seed", default=env("SEED"))
    parser.add_argument("--workers", type=int, default=options.jobs())
    parser.add_argument("--trusted", action="store_true", help="was looked at, or shall not be")
    parser.add_argument("--whole", action="store_true", help="all tests, however many hang")
    args = parser.parse_args()
    lab = labs.find_part(args.lab)
    tests = [lab.test(name) for name in args.test.split()] or lab.tests
    seed = options.optional_number("SEED", args.seed) or 1
    words = [f"{name}={value}" for name in ("LLVM", "UBSAN", "V") if (value := env(name))]
    qemu.end_on_signals()
    name, _ = lab_overlay.forms(lab.name, args.impl, args.base, "")
    results = Path(env("O") or "build/gcc") / "labs" / name / "results.json"
    report = Report(lab, args.impl, seed, results, sys.stdout, in_order=not args.test)
    if not args.trusted and (why := refusal(lab, args.impl)):
        report.not_graded("refused", why)
        return 1
    variant, trouble = make_kernel(lab, args.impl, args.base, words)
    if trouble:
        report.not_graded("not built", trouble)
        return 1
    if not args.trusted and (why := refusal(lab, args.impl, variant)):
        report.not_graded("refused", why)
        return 1
    try:
        Grader(lab, variant, seed, report, args.whole).grade(tests, args.workers)
    except KeyboardInterrupt:
        report.finish(partial=True)
        raise
    report.finish(partial=bool(args.test))
    return 0


if __name__ == "__main__":
    entry.run(main)
