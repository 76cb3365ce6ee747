# SPDX-License-Identifier: BSD-2-Clause
"""Programs that run on Strata and on the Linux host, and must print the same on both.

The very same files: user/tests (one call or topic each), musl programs, and shell scripts: under
Debian's busybox on both, and under Strata's own shell where the host has dash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Iterator, Sequence

from tests.guest import Ran, difference, host_can_run, run_batch, run_on_host
from tests.job import ROOT, Config, Job, Result, wanted

# Enough boots that two processors have work, few enough that booting is not the work.
BATCH = 16


@dataclass
class Program:
    """One program: how the guest runs it, and how the host does."""

    name: str
    guest: str
    host: Sequence[str | Path]


def binaries(config: Config, group: str, folder: Path, target: str) -> list[Program]:
    """The executables below `folder`, which are in `target` on the image."""
    paths = sorted(p for p in folder.glob("*") if p.is_file() and not p.suffix)
    return [Program(f"{group}/{p.name}", f"{target}/{p.name}", [p.resolve()]) for p in paths]


def scripts(group: str, folder: Path, guest_shell: str, host_shell: list[str]) -> list[Program]:
    return [
        Program(f"{group}/{p.stem}", f"{guest_shell} /tests/{group}/{p.name}", [*host_shell, p])
        for p in sorted(folder.glob("*.sh"))
    ]


def programs(config: Config) -> list[Program]:
    tests = config.out / "user" / "tests"
    found = [p for p in binaries(config, "user", tests, "/tests") if p.name.startswith("user/t_")]
    found += binaries(config, "musl", tests / "musl", "/tests/musl")
    # Without a PATH busybox runs its own applets alone, as in the guest.
    busybox = ["/bin/busybox", "env", "PATH=/nowhere", "/bin/busybox", "sh"]
    found += scripts("busybox", ROOT / "tests/busybox", "/bin/busybox sh", busybox)
    return found + scripts("sh", ROOT / "user/tests/sh", "/bin/sh", ["/bin/dash"])


def unmet(host: Ran) -> str:
    """What a test of ours says must hold and does not hold on Linux either: the test is wrong."""
    lines = [line for line in host.output.splitlines() if line.endswith(": NO")]
    return "\n".join(["does not hold on the host:", *lines]) if lines else ""


def check(config: Config, batch: list[Program]) -> Iterator[Result]:
    guest = run_batch(config, [(p.name, p.guest) for p in batch])
    for program in batch:
        host = run_on_host(program.host)
        wrong = difference(host, guest[program.name]) or unmet(host)
        repro = config.make_check(program.name)
        repro += f"; alone: {config.make('run', CMD=program.guest)}"
        repro += f"; on the host: {' '.join(map(str, program.host))}"
        yield Result(program.name, not wrong, wrong, repro)


def check_refused(config: Config) -> Iterator[Result]:
    """The table of refused calls: each row answers as it says, and none is a call that is there."""
    files = sorted((ROOT / "kernel/sys").glob("*.c"))
    table = "\n".join(path.read_text("utf-8") for path in files)
    there = set(re.findall(r"\b(?:CALL|CALL_ON|CALL_FLAGS|ALIAS)\((\d+),", table))
    refused = (ROOT / "kernel/sys/refused.def").read_text("utf-8")
    rows = re.findall(r"\bREFUSED\((\d+), \w+\)", refused)
    twice = sorted(nr for nr in rows if nr in there or rows.count(nr) > 1)
    said = run_batch(config, [("refused", "/tests/refused")])["refused"].output
    right = not twice and said == f"{len(rows)} rows\n" and len(rows) > 100
    repro = config.make("run", CMD="/tests/refused")
    yield Result("refused", right, f"also there, or twice: {twice}\n{said}", repro)


def jobs(config: Config) -> list[Job]:
    if not config.runs_programs:
        return []
    refused = [Job("refused", lambda: check_refused(config))]
    return refused + (differential(config) if host_can_run() else [])


def differential(config: Config) -> list[Job]:
    found = []
    by_group: dict[str, list[Program]] = {}
    for program in programs(config):
        if wanted(program.name, config.pattern):
            by_group.setdefault(program.name.split("/")[0], []).append(program)
    for group, members in by_group.items():
        for at in range(0, len(members), BATCH):
            batch = members[at : at + BATCH]
            found.append(Job(group, partial(check, config, batch)))
    return found
