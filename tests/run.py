# SPDX-License-Identifier: BSD-2-Clause
"""`make check`: runs the suites' jobs, says one line per test, ends with `N passed, N failed`.

Nothing is retried. A failure prints what was expected and what came, and one command that
reproduces it; all results also go to a JUnit file.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import threading
import time
import traceback
import xml.etree.ElementTree as xml
from pathlib import Path

from grade import entry, options, parallel
from tests.job import ROOT, Config, Job, Result, may_hold, wanted

SUITES = (
    "harness source layers host shell kernel console debugger backwards programs "
    "matrix stress disk crash variants labs lecture messages handouts patches proof hunt "
    "variant_labs course tools"
).split()
# A tree made for students has no tests of solutions.
SUITES = [name for name in SUITES if (ROOT / "tests" / "suites" / f"{name}.py").exists()]
MAX_DETAIL = 12000
TELL_SECONDS = 20.0
# Variables that select a build.
VARIANT_WORDS = ["LLVM", "UBSAN", "POISON", "LAB", "IMPL", "BASE", "STAGE"]


class Report:
    """Takes results from any thread, prints each at once, keeps them for the end."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.results: list[Result] = []
        self.jobs: list[Job] = []
        """Those to run."""
        self._ended: list[Job] = []
        self._started = self._told = time.monotonic()
        self._lock = threading.Lock()

    def add(self, result: Result) -> None:
        with self._lock:
            self.results.append(result)
            took = f"  ({result.seconds:.1f} s)" if result.seconds >= 1 else ""
            if result.skipped:
                print(f"skip  {result.name}: {result.skipped}")
            elif result.ok:
                print(f"ok    {result.name}{took}")
            else:
                print(f"FAIL  {result.name}{took}")
                print(_indent(result.detail[-MAX_DETAIL:]))
                print(f"      again: {self.again(result)}")
            sys.stdout.flush()

    def ended(self, job: Job) -> None:
        """The job has: says now and then how far all is."""
        with self._lock:
            self._ended.append(job)
            now = time.monotonic()
            if now - self._told >= TELL_SECONDS and len(self._ended) < len(self.jobs):
                self._told = now
                part = sum(j.weight for j in self._ended) / sum(j.weight for j in self.jobs)
                counts = len(self._ended), len(self.jobs)
                print("      " + parallel.progress(*counts, now - self._started, part), flush=True)

    def again(self, result: Result) -> str:
        return result.repro or self.config.make_check(result.name)

    def counts(self) -> tuple[int, int, int]:
        skipped = sum(bool(r.skipped) for r in self.results)
        passed = sum(r.ok and not r.skipped for r in self.results)
        return passed, len(self.results) - passed - skipped, skipped

    def write_junit(self, path: Path) -> None:
        passed, failed, skipped = self.counts()
        root = xml.Element("testsuite", name="strata", tests=str(passed + failed + skipped))
        root.set("failures", str(failed))
        root.set("skipped", str(skipped))
        for result in self.results:
            suite, _, rest = result.name.partition("/")
            case = xml.SubElement(root, "testcase", classname=suite, name=rest or suite)
            case.set("time", f"{result.seconds:.3f}")
            if result.skipped:
                xml.SubElement(case, "skipped", message=result.skipped)
            elif not result.ok:
                failure = xml.SubElement(case, "failure", message=self.again(result))
                failure.text = _printable(result.detail)
        path.parent.mkdir(parents=True, exist_ok=True)
        xml.ElementTree(root).write(path, encoding="unicode")


def _indent(text: str) -> str:
    return "\n".join("      " + line for line in text.splitlines())


def _printable(text: str) -> str:
    """XML has no way to carry most control characters."""
    return "".join(c if c >= " " or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def perform(job: Job, pattern: str, report: Report) -> None:
    """Runs one job. Whatever it raises is a failure of that job, and a job that fails as a whole
    has failed in every result that was asked for."""
    before = time.monotonic()
    try:
        for result in job.run():
            now = time.monotonic()
            result.seconds = result.seconds or now - before
            before = now
            if wanted(result.name, pattern) or not result.ok and result.name == job.name:
                report.add(result)
    except (Exception, SystemExit):
        report.add(Result(job.name, False, detail=traceback.format_exc()))
    report.ended(job)


def run_jobs(jobs: list[Job], workers: int, pattern: str, report: Report) -> None:
    """The long jobs first. What a job starts has its share of the workers, too."""
    report.jobs = jobs
    os.environ["JOBS"] = str(max(1, workers // max(1, len(jobs))))
    in_order = sorted(jobs, key=lambda job: not job.long)
    parallel.for_each(in_order, workers, lambda job: perform(job, pattern, report))


def configure(args: argparse.Namespace) -> Config:
    env = os.environ.get
    cpus = options.number("CPUS", env("CPUS") or "1", 1, options.MAX_CPUS)
    mem = env("MEM") or "128M"
    options.mem_bytes(mem)
    words = [f"{name}={value}" for name in VARIANT_WORDS if (value := env(name))]
    return Config(
        out=args.out,
        variant=args.kernel if args.kernel != args.out / "kernel.elf" else None,
        cpus=cpus,
        mem=mem,
        seed=options.optional_number("SEED", env("SEED")) or 1,
        jitter=options.optional_number("JITTER", env("JITTER")),
        icount=options.flag("ICOUNT", env("ICOUNT")),
        tcg=env("TCG") or "auto",
        pattern=args.test,
        all=args.all,
        append=(env("APPEND") or "").split(),
        make_words=words,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="runs Strata's tests")
    parser.add_argument("--out", type=Path, required=True, help="the build directory")
    parser.add_argument("--kernel", type=Path, help="the kernel, if not the plain build's")
    parser.add_argument("--suite", default="", help="run this suite only")
    parser.add_argument("--test", default="", help="run tests of this name, prefix or glob only")
    parser.add_argument("--workers", type=int, default=options.jobs())
    parser.add_argument("--all", action="store_true", help="also what takes long")
    parser.add_argument("--list", action="store_true", help="list the jobs")
    args = parser.parse_args()
    if args.suite and args.suite not in SUITES:
        raise SystemExit(f"strata: SUITE={args.suite}: the suites are {' '.join(SUITES)}")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    # A script's background job starts with SIGINT ignored, and what it starts inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config = configure(args)
    suites = [args.suite] if args.suite else SUITES
    jobs = [
        job
        for suite in suites
        for job in importlib.import_module(f"tests.suites.{suite}").jobs(config)
        if may_hold(job.name, args.test)
    ]
    if args.list:
        print("\n".join(job.name for job in jobs))
        return 0
    report = Report(config)
    run_jobs(jobs, args.workers, args.test, report)
    report.write_junit(args.out / "tests" / "junit.xml")
    passed, failed, skipped = report.counts()
    if failed:
        print("failed: " + " ".join(r.name for r in report.results if not r.ok and not r.skipped))
    if not report.results:
        print(f"no test has a name, prefix or glob of TEST={args.test}")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    entry.run(main)
