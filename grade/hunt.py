# SPDX-License-Identifier: BSD-2-Clause
"""`make hunt LAB=pv TESTS=folder [SEED=n]`: which of ten kernels do somebody's own tests tell?

A tree made for a hunt has ten kernels in labs/<lab>/hunt/<seed>/k0 to k9: the lab's files as
objects, one right and nine wrong. The tests are in-kernel tests (KTEST) in the folder's *.c, as the
lab's own are, and use what those use; a test fails on a kernel if it says so, if the kernel does
not come to its end, or if what the lab's judge finds at one of its points is wrong. tests.toml in
that folder may say under a test's name which machine it wants: cpus, mem, swap, jitter, and with
poison = 1 that pages are filled when they are freed.
"""

from __future__ import annotations

import dataclasses
import io
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Sequence

from grade import lab as labs
from grade import entry, lab_grade, options, parallel, qemu, vet
from grade.lab import ROOT, Lab, Test
from grade.lab_judge import Boot, Plan, Run
from grade.lab_report import Report

KERNELS = 10
MAX_TESTS = 60
MAX_MEM = "512M"
NAMED = re.compile(r"^KTEST\((\w+)\)", re.MULTILINE)
SETTINGS = {"cpus", "mem", "swap", "jitter", "poison"}
SHOWN = 110
FAILS, PASSES = "x", "."
NO_VARIANT = "a hunt is in the lab's own kernels"


@dataclass
class Kernel:
    """The lab's files as somebody else compiled them, in a folder."""

    name: str
    folder: Path
    said: dict[str, str] = field(default_factory=dict)
    """By test: what is wrong, or nothing."""

    def told_by(self, tests: Sequence[str]) -> list[str]:
        return [name for name in tests if self.said.get(name)]


class Tests:
    """A folder of tests, looked at before it is compiled."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.folder = folder if folder.is_absolute() else ROOT / folder
        paths = sorted(self.folder.glob("*.c"))
        if not paths:
            raise SystemExit(f"strata: TESTS={folder}: no *.c is in it")
        texts = {path.name: vet.read(path) for path in paths}
        headers = sorted(self.folder.glob("*.h"))
        texts |= {path.name: vet.read(path) for path in headers}
        vet.vet_text(self._rules(lab, headers), texts)
        whole = b"\n".join(texts.values()).decode("latin-1")
        names = NAMED.findall(vet.text_of(whole))
        if not 1 <= len(names) <= MAX_TESTS:
            raise SystemExit(
                f"strata: TESTS={folder}: {len(names)} tests, from 1 to {MAX_TESTS} are run: "
                "KTEST(name) at the start of a line begins one"
            )
        self.boots = {name: Boot(name) for name in names}
        settings = self.folder / "tests.toml"
        if settings.exists():
            self._settle(settings)

    def _rules(self, lab: Lab, headers: list[Path]) -> Lab:
        """A test may include each of the kernel's headers, the lab's own and those beside it."""
        ours = [path.name for path in [*headers, *(lab.folder / "tests").glob("*.h")]]
        ours += [str(path.relative_to(ROOT)) for path in ROOT.glob("tests/kernel/*.h")]
        return dataclasses.replace(lab, owned=ours, headers=["*/*.h"])

    def _settle(self, path: Path) -> None:
        try:
            data: dict[str, Any] = tomllib.loads(vet.read(path).decode("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SystemExit(f"strata: {path}: {error}") from None
        for name, found in data.items():
            if name not in self.boots or not isinstance(found, dict):
                known = " ".join(self.boots)
                raise SystemExit(f"strata: {path}: [{name}]: the tests are {known}")
            if unknown := sorted(found.keys() - SETTINGS):
                known = " ".join(sorted(SETTINGS))
                raise SystemExit(f"strata: {path}: [{name}] {unknown[0]}: one may set {known}")
            self.boots[name] = machine_of(name, {key: str(word) for key, word in found.items()})


def machine_of(name: str, said: dict[str, str]) -> Boot:
    """One CPU's instructions are counted; several run at once."""
    cpus = options.number(f"[{name}] cpus", said.get("cpus", "1"), 1, options.MAX_CPUS)
    mem, swap = said.get("mem", "128M"), said.get("swap", "")
    options.size_bytes(f"[{name}] mem", mem, options.MIN_MEM, MAX_MEM)
    return Boot(
        name,
        cpus=cpus,
        mem=mem,
        swap=swap and options.size_bytes(f"[{name}] swap", swap, options.MIN_SWAP, MAX_MEM) or 0,
        icount=cpus == 1,
        jitter=options.optional_number(f"[{name}] jitter", said.get("jitter")),
        words=("poison=full",) if options.flag(f"[{name}] poison", said.get("poison")) else (),
    )


class HuntGrader(lab_grade.Grader):
    """The lab's judge looks on at each point; the tests may write records as they like."""

    @staticmethod
    def judge_records(plan: Plan, run: Run) -> None:
        pass


class Hunt:
    def __init__(self, lab: Lab, tests: Tests, words: list[str]) -> None:
        self.lab = lab
        self.tests = tests
        self.words = [*words, f"TESTS={tests.folder}"]

    def run(self, kernel: Kernel, names: Sequence[str], until_told: bool = False) -> None:
        """Runs these tests on a kernel; of a wrong one whoever counts needs one that tells it."""
        form = f"{kernel.folder}/"
        variant, trouble = lab_grade.make_kernel(self.lab, form, "", self.words)
        if trouble:
            raise SystemExit(f"strata: the tests are not built:\n{trouble}")
        report = Report(self.lab, form, 1, variant / "results.json", io.StringIO())
        grader = HuntGrader(self.lab, variant, 1, report)
        for name in names:
            boot = self.tests.boots[name]
            run = grader.run_boot(Test(name, 0, name, "functional"), Plan([boot]), boot)
            kernel.said[name] = first_of(run)
            if until_told and kernel.said[name]:
                break

    def run_all(
        self, kernels: list[Kernel], names: Sequence[str], until_told: bool = False
    ) -> None:
        workers = options.jobs()
        parallel.for_each(kernels, workers, lambda one: self.run(one, names, until_told))


def first_of(run: Run) -> str:
    """What is wrong, in a line; nothing if all is well."""
    if not run.findings:
        return ""
    found = run.findings[0]
    return f"{found.what}: expected {found.expected}, got {found.got}".replace("\n", " ")


def table(kernels: list[Kernel], names: Sequence[str]) -> str:
    """A row for each test, a column for each kernel."""
    width = max(len(name) for name in names)
    lines = [f"{'':{width}}  " + " ".join(f"{kernel.name:>3}" for kernel in kernels)]
    for name in names:
        marks = (FAILS if kernel.said.get(name) else PASSES for kernel in kernels)
        lines.append(f"{name:{width}}  " + " ".join(f"{mark:>3}" for mark in marks))
    return "\n".join([*lines, "", f"{FAILS} the test fails on that kernel"])


def kernels_of(lab: Lab, seed: int) -> list[Kernel]:
    folder = lab.folder / "hunt" / str(seed)
    found = [Kernel(f"k{i}", folder / f"k{i}") for i in range(KERNELS)]
    if not all(kernel.folder.is_dir() for kernel in found):
        there = sorted(path.name for path in (lab.folder / "hunt").glob("[0-9]*"))
        raise SystemExit(
            f"strata: SEED={seed}: this tree has the kernels of {' '.join(there) or 'no hunt'}"
        )
    return found


def read_tests(lab: Lab) -> Tests:
    folder = os.environ.get("TESTS", "")
    if not folder or not Path(folder).is_dir():
        raise SystemExit("strata: TESTS must be a folder: make hunt LAB=pv TESTS=my-tests")
    try:
        return Tests(lab, Path(folder).absolute())
    except vet.Refused as error:
        raise SystemExit(f"strata: TESTS={folder}: {error}") from None


def build_words() -> list[str]:
    return [f"{name}={value}" for name in ("LLVM", "V") if (value := os.environ.get(name))]


def main() -> int:
    lab = labs.find_plain(os.environ.get("LAB", ""), NO_VARIANT)
    seed = options.optional_number("SEED", os.environ.get("SEED")) or 1
    kernels = kernels_of(lab, seed)
    tests = read_tests(lab)
    qemu.end_on_signals()
    names = list(tests.boots)
    Hunt(lab, tests, build_words()).run_all(kernels, names)
    print(table(kernels, names))
    for kernel in kernels:
        for name in kernel.told_by(names):
            print(f"{kernel.name} {name}: {kernel.said[name]}"[:SHOWN])
    quiet = [kernel.name for kernel in kernels if not kernel.told_by(names)]
    print(f"{KERNELS - len(quiet)} kernels fail a test; none fails on {' '.join(quiet) or 'none'}. "
          "One of the ten is right.")
    return 0


if __name__ == "__main__":
    entry.run(main)
