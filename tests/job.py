# SPDX-License-Identifier: BSD-2-Clause
"""What suites and runner share: the configuration, a job, and a test's result."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator

from grade import qemu

ROOT = Path(__file__).resolve().parent.parent


USUAL = {"CPUS": 1, "MEM": "128M"}
"""The machine that a command which names no other gets."""


@dataclass
class Result:
    name: str
    ok: bool
    detail: str = ""
    """For a failure: what was checked, what came, what was expected."""
    repro: str = ""
    """One command that shows the failure again; by default make check of this test alone."""
    skipped: str = ""
    """Why the test could not be run here; empty if it was."""
    seconds: float = 0.0


@dataclass
class Job:
    """A piece of work that gives results. Its name is its result's, or a prefix of its results'."""

    name: str
    run: Callable[[], Iterator[Result]]
    long: bool = False
    """Is begun before the others, so that none still runs when these have ended."""

    @property
    def weight(self) -> int:
        """Its time in that of a short job, about: for the estimate of what is left."""
        return 6 if self.long else 1


@dataclass
class Config:
    """How `make check` was called."""

    out: Path
    cpus: int
    mem: str
    seed: int
    jitter: int | None
    icount: bool = False
    tcg: str = "auto"
    pattern: str = ""
    """The tests asked for; empty for all. Only suites whose jobs hold many tests need look."""
    variant: Path | None = None
    """The kernel, if it is not the plain build's."""
    all: bool = False
    """Also what takes long: make check-all."""
    append: list[str] = field(default_factory=list)
    """Words for every kernel's command line."""
    make_words: list[str] = field(default_factory=list)
    """Variables that select this build, for commands that reproduce a failure."""

    @property
    def runs_programs(self) -> bool:
        """Whether there is a disk to boot from, and a kernel with system calls to do it."""
        return self.disk.exists() and (ROOT / "kernel" / "sys").is_dir()

    @property
    def graded(self) -> bool:
        """Whether labs can be graded: checks in the kernel's code change what it costs."""
        return not {"UBSAN=1", "POISON=1"} & set(self.make_words)

    @property
    def kernel(self) -> Path:
        return self.variant or self.out / "kernel.elf"

    @property
    def disk(self) -> Path:
        return self.out / "disk.img"

    def machine(self, **changes: object) -> qemu.Machine:
        """The machine under test, with some of its fields changed."""
        values: dict[str, object] = {
            "kernel": self.kernel,
            "disk": self.disk,
            "cpus": self.cpus,
            "mem": self.mem,
            "seed": self.seed,
            "jitter": self.jitter,
            "icount": self.icount,
            "tcg": self.tcg,
        }
        values.update(changes)
        machine = qemu.Machine(**values)  # type: ignore[arg-type]
        machine.words = [*machine.words, *self.append]
        return machine

    def make(self, goal: str, **variables: object) -> str:
        """A make command line for this build, with this machine unless told otherwise."""
        given: dict[str, object] = {"CPUS": self.cpus, "MEM": self.mem, "SEED": self.seed}
        given = {name: value for name, value in given.items() if value != USUAL.get(name)}
        given.update({"JITTER": self.jitter} if self.jitter is not None else {})
        given.update({"APPEND": " ".join(self.append)} if self.append else {})
        given.update(variables)
        words = [f"{name}={shlex.quote(str(value))}" for name, value in given.items()]
        return " ".join(["make", goal, *self.make_words, *words])

    def make_check(self, name: str) -> str:
        words = list(self.make_words)
        for variable in ("CPUS", "MEM", "SEED", "JITTER", "APPEND"):
            value = os.environ.get(variable)
            if value and value != str(USUAL.get(variable)):
                words.append(f"{variable}={shlex.quote(value)}")
        return " ".join(["make", "check", *words, f"TEST={shlex.quote(name)}"])


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without what an outer make put there, for calling make anew."""
    ours = "CPUS MEM SEED JITTER LIMIT ICOUNT TCG PERSIST SWAP APPEND V LLVM UBSAN POISON".split()
    ours += "STRATA_CMD O LAB VARIANT STAFF IMPL BASE STAGE T GDB".split()
    env = {k: v for k, v in os.environ.items() if k not in ours and not k.startswith("MAKE")}
    return {**env, **more}


def run_as_user(
    command: list[str],
    stderr: int = subprocess.STDOUT,
    cwd: Path = ROOT,
    typed: str = "",
    **env: str,
) -> subprocess.CompletedProcess[str]:
    """Runs a command as somebody would who types it: nothing of our own make's is around it."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=clean_environment(**env),
        input=typed,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        check=False,
    )


def may_hold(job: str, patterns: str) -> bool:
    """Whether the job can have a wanted result, as far as a glob's fixed beginning tells."""

    def may(pattern: str) -> bool:
        fixed = re.split(r"[*?[]", pattern, maxsplit=1)[0]
        if fixed == pattern:
            return wanted(job, pattern)
        return job.startswith(fixed) or fixed.startswith(job)

    return not patterns or any(may(pattern) for pattern in patterns.split())


def wanted(name: str, patterns: str) -> bool:
    """Whether the job or result `name` is asked for by `patterns`: names, prefixes or globs."""

    def matches(pattern: str) -> bool:
        if any(letter in pattern for letter in "*?["):
            return fnmatch.fnmatchcase(name, pattern)
        return name == pattern or name.startswith(pattern + "/") or pattern.startswith(name + "/")

    return not patterns or any(matches(pattern) for pattern in patterns.split())
