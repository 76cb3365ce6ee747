# SPDX-License-Identifier: BSD-2-Clause
"""Many things at once, over a list of seeds, on 1, 2, 4 and 8 CPUs, with preemption forced.

The programs check their own results (tests/stress); afterwards the kernel's structures are checked
from scratch and the memory must be back. On one, four and eight CPUs a seed's run always is the
same, under -icount; two CPUs run truly at once.
"""

from __future__ import annotations

import re
from typing import Iterator

from tests.guest import boot, text_of
from tests.job import Config, Job, Result

SEEDS = [1, 2, 3]
JITTER = 30
# What may be missing from the available memory afterwards: names, inodes, spare stacks.
SLACK_KB = 2048

# Name, the program with its arguments, MEM, and the sets of CPUs to run it on.
PROGRAMS = [
    ("mixed", "/tests/stress/mixed {seed} 12 {workers}", None, [1, 2, 4, 8]),
    ("mixed-small", "/tests/stress/mixed {seed} 12 3", "24M", [1, 4]),
    ("shared", "/tests/stress/shared {seed} 256 8", None, [2]),
    ("shared-small", "/tests/stress/shared {seed} 48 4", "24M", [1, 4]),
]


def command(program: str) -> str:
    """Runs the program twice, so that what is kept for good is there; then looks around."""
    look = "grep MemAvailable /proc/meminfo"
    return f"cd /tmp; {program} && {look} && {program} && {look} && cat /proc/vm/check"


def verdict(text: str) -> str:
    """What is wrong with the output, or nothing."""
    pattern = r"ok\nMemAvailable: +(\d+) kB\nok\nMemAvailable: +(\d+) kB\n(.*)"
    match = re.fullmatch(pattern, text, flags=re.DOTALL)
    if not match:
        return "the program did not say `ok` twice and nothing else"
    lost_kb = int(match[1]) - int(match[2])
    if lost_kb > SLACK_KB:
        return f"{lost_kb} KiB of memory did not come back"
    return "" if match[3] == "ok\n" else "the kernel's checks found something"


def check(
    config: Config, name: str, cpus: int, seed: int, program: str, mem: str | None
) -> Iterator[Result]:
    line = command(program.format(seed=seed, workers=cpus + 2))
    machine: dict[str, object] = {"cpus": cpus, "seed": seed, "jitter": JITTER, "icount": cpus != 2}
    if mem:
        machine["mem"] = mem
    outcome = boot(config, line, **machine)
    text = text_of(outcome.console)
    wrong = outcome.describe() if outcome.exit_status() else verdict(text)
    variables: dict[str, object] = {"CPUS": cpus, "SEED": seed, "JITTER": JITTER, "CMD": line}
    variables.update({"ICOUNT": 1} if cpus != 2 else {})
    variables.update({"MEM": mem} if mem else {})
    yield Result(name, not wrong, f"{wrong}\n{text}", config.make("run", **variables))


def jobs(config: Config) -> list[Job]:
    if not config.runs_programs or not (config.out / "tests/stress/mixed").exists():
        return []
    found = []
    for program, text, mem, cpu_counts in PROGRAMS:
        for cpus in cpu_counts:
            for seed in SEEDS:
                name = f"stress/{program}/cpus-{cpus}/seed-{seed}"
                args = (name, cpus, seed, text, mem)
                found.append(Job(name, lambda a=args: check(config, *a)))
    return found
