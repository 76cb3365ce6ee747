# SPDX-License-Identifier: BSD-2-Clause
"""Boots on every machine that is promised: 1 to 8 CPUs, 24 MiB to 6 GiB of memory."""

from __future__ import annotations

from functools import partial
from typing import Iterator

from grade import options
from tests.guest import boot, text_of
from tests.job import Config, Job, Result

MEMORIES = ["24M", "25M", "64M", "1G", "3G", "4G", "6G"]
COMMAND = "cat /proc/meminfo /proc/cpuinfo"


def check(config: Config, name: str, cpus: int, mem: str) -> Iterator[Result]:
    """The shell runs, all CPUs are up, and most of the memory is there."""
    if options.mem_bytes(mem) > host_memory():
        yield Result(name, True, skipped=f"the host has no {mem} to spare")
        return
    outcome = boot(config, COMMAND, cpus=cpus, mem=mem)
    text = text_of(outcome.console)
    total = next((int(l.split()[1]) << 10 for l in text.splitlines() if "MemTotal" in l), 0)
    found = sum(line.startswith("processor") for line in text.splitlines())
    low = options.mem_bytes(mem) * 3 // 4
    right = outcome.exit_status() == 0 and found == cpus and total >= low
    detail = f"expected {cpus} CPUs and at least {low} bytes, got {found} and {total}: "
    repro = config.make("run", CMD=COMMAND, CPUS=cpus, MEM=mem)
    yield Result(name, right, detail + outcome.describe() + "\n" + text, repro)


def host_memory() -> int:
    """Bytes that the host can give without swapping."""
    with open("/proc/meminfo", encoding="ascii") as info:
        return next(int(l.split()[1]) << 10 for l in info if l.startswith("MemAvailable"))


def jobs(config: Config) -> list[Job]:
    if not config.runs_programs:
        return []
    machines = [(f"matrix/cpus-{n}", n, config.mem) for n in range(1, options.MAX_CPUS + 1)]
    machines += [(f"matrix/mem-{mem}", config.cpus, mem) for mem in MEMORIES]
    return [
        Job(name, partial(check, config, name, cpus, mem))
        for name, cpus, mem in machines
    ]
