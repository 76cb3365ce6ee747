# SPDX-License-Identifier: BSD-2-Clause
"""Many things at once, over a list of seeds, on 1, 2, 4 and 8 CPUs, with preemption forced.

The programs check their own results (tests/stress); afterwards the kernel's structures are checked
from scratch and the memory must be back. On one, four and eight CPUs a seed's run always is the
same, under -icount; two CPUs run truly at once.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Iterator

from tests.guest import boot, text_of
from tests.job import Config, Job, Result

SEEDS = [1, 2, 3]
JITTER = 30
# What may be missing from the available memory afterwards: names, inodes, spare stacks.
SLACK_KB = 2048

# Name, the program and its arguments, the same in small, MEM, seeds, and the numbers of CPUs.
PROGRAMS = [
    ("mixed", "stress/mixed {seed} 12 {workers}", "stress/mixed 1 3 2", "", SEEDS, [1, 2, 4, 8]),
    ("mixed-24M", "stress/mixed {seed} 12 3", "stress/mixed {seed} 3 2", "24M", SEEDS, [1, 4]),
    ("mix", "stress_mix {seed} 12 {workers}", "stress_mix {seed} 3 2", "", SEEDS, [2, 4, 8]),
    ("mix-24M", "stress_mix {seed} 12 6", "stress_mix {seed} 3 2", "24M", SEEDS, [1, 4]),
    ("fork", "stress_fork {seed}", "stress_fork {seed} 3", "", SEEDS[:1], [4]),
    ("file", "stress_file {seed}", "stress_file {seed} 3", "", SEEDS[:1], [1, 4]),
    ("mmap", "stress_mmap {seed}", "stress_mmap {seed} 3", "", SEEDS[:1], [1, 4]),
    ("pipe", "stress_pipe {seed}", "stress_pipe {seed} 3", "", SEEDS[:1], [2, 4]),
    ("lock", "stress_lock {seed}", "stress_lock {seed} 1", "", SEEDS, [1, 2]),
    ("calls", "stress/calls {seed} 150", "stress/calls 9 3 20", "", SEEDS, [1, 2, 4]),
    ("calls-24M", "stress/calls {seed} 150", "stress/calls 9 3 20", "24M", SEEDS, [2]),
    ("limits", "stress/limits {seed}", "stress/limits {seed}", "24M", SEEDS[:1], [2]),
    ("race", "stress/race {seed} 6", "stress/race {seed} 1", "", SEEDS, [1, 2]),
    ("memhogs-24M", "memhogs 200 512", "memhogs 4 64", "24M", SEEDS[:1], [1, 4]),
    ("checks", "checks 300", "checks 30", "", SEEDS[:1], [1, 2, 4]),
    ("oomkill-32M", "oomkill", "oomkill none", "32M", SEEDS[:1], [1, 2, 4]),
    ("vmtorture", "vmtorture 64 8", "vmtorture 8 2", "", SEEDS[:1], [1, 2, 4]),
    ("vmtorture-24M", "vmtorture 28 2", "vmtorture 8 2", "24M", SEEDS[:1], [1, 2]),
]


def command(program: str, small: str) -> str:
    """Runs it in small first, so that what is kept for good is there; then looks around."""
    look = "grep MemAvailable /proc/meminfo"
    before = f"cd /tmp; /tests/{small} && {look}"
    return f"{before} && /tests/{program} && {look} && cat /proc/vm/check"


# Random calls that look for what the kernel should have cleared, in a build with POISON=1:
# children, and the number of calls that they must make at least.
LEAKS = ("leaks", 300, 20_000)
MANY_LEAKS = ("million-leaks", 9_500, 1_000_000)

# The VM's torture at its full size: a file twice as large as memory, eight processes. It takes a
# minute, so only for make check-all.
FULL_TORTURE = command("vmtorture 256 8", "vmtorture 8 2")
FULL_CPUS = [1, 2, 8]


def verdict(text: str) -> str:
    """What is wrong with the output, or nothing."""
    available = [int(kb) for kb in re.findall(r"^MemAvailable: +(\d+) kB$", text, re.MULTILINE)]
    if len(available) != 2:
        return "no look at the memory before and after"
    if available[1] < available[0] - SLACK_KB:
        return f"{available[0] - available[1]} KiB of memory did not come back"
    found = text.rpartition(" kB\n")[2]
    return "" if found == "ok\n" else "the kernel's checks found something"


def check(
    config: Config, name: str, cpus: int, seed: int, line: str, mem: str
) -> Iterator[Result]:
    machine: dict[str, Any] = {"cpus": cpus, "seed": seed, "jitter": JITTER}
    variables: dict[str, object] = {"CPUS": cpus, "SEED": seed, "JITTER": JITTER, "CMD": line}
    if cpus != 2:
        machine["icount"] = True
        variables["ICOUNT"] = 1
    if mem:
        machine["mem"] = variables["MEM"] = mem
    outcome = boot(config, line, **machine)
    text = text_of(outcome.console)
    wrong = outcome.describe() if outcome.exit_status() else verdict(text)
    yield Result(name, not wrong, f"{wrong}\n{text}", config.make("run", **variables))


def check_full(config: Config, name: str, cpus: int) -> Iterator[Result]:
    outcome = boot(config, FULL_TORTURE, cpus=cpus)
    text = text_of(outcome.console)
    wrong = outcome.describe() if outcome.exit_status() else verdict(text)
    repro = config.make("run", CPUS=cpus, LIMIT=600, CMD=FULL_TORTURE)
    yield Result(name, not wrong, f"{wrong}\n{text}", repro)


def check_leaks(config: Config, name: str, children: int, least: int) -> Iterator[Result]:
    line = f"cd /tmp; /tests/stress/calls 1 {children} && cat /proc/vm/check"
    outcome = boot(config, line, limit=3600, icount=True)
    text = text_of(outcome.console)
    made = re.search(r"^ok: (\d+) calls\nok\n$", text, re.MULTILINE)
    right = outcome.exit_status() == 0 and made is not None and int(made[1]) >= least
    detail = f"at least {least} calls: {outcome.describe()}\n{text}"
    yield Result(name, right, detail, config.make("run", ICOUNT=1, LIMIT=0, CMD=line))


def leak_jobs(config: Config) -> list[Job]:
    sizes = [LEAKS] + ([MANY_LEAKS] if config.all else [])
    return [
        Job(name, partial(check_leaks, config, f"stress/{name}", count, least))
        for name, count, least in sizes
    ]


def jobs(config: Config) -> list[Job]:
    if not config.runs_programs or not (config.out / "tests/stress/mixed").exists():
        return []
    found = []
    for program, large, small, mem, seeds, cpu_counts in PROGRAMS:
        for cpus in cpu_counts:
            for seed in seeds:
                values = {"seed": seed, "workers": cpus + 2}
                line = command(large.format(**values), small.format(**values))
                name = f"stress/{program}/cpus-{cpus}/seed-{seed}"
                args = (name, cpus, seed, line, mem)
                found.append(Job(name, partial(check, config, *args)))
    for cpus in FULL_CPUS if config.all else []:
        name = f"stress/vmtorture-full/cpus-{cpus}"
        found.append(Job(name, partial(check_full, config, name, cpus)))
    return found
