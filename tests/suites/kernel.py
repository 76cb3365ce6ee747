# SPDX-License-Identifier: BSD-2-Clause
"""The tests inside the kernel: with `test=PATTERN` it records `test NAME ok` or `... FAIL why`.

They run on the machine asked for, and twice more on several CPUs with preemption forced.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Iterator

from grade.session import End, Session
from tests.guest import WALL_SECONDS, text_of
from tests.job import Config, Job, Result

LIMIT_SECONDS = 240
# Suite, what differs from the machine asked for. Under -icount many CPUs take turns, always alike;
# two CPUs run truly at once wherever the host has two.
MACHINES: list[tuple[str, dict[str, object]]] = [
    ("kernel", {}),
    ("kernel-turns", {"cpus": 4, "jitter": 20, "icount": True}),
    ("kernel-parallel", {"cpus": 2, "jitter": 20}),
]


def check(config: Config, suite: str, changes: dict[str, object]) -> Iterator[Result]:
    asked = config.pattern.removeprefix(suite + "/")
    pattern = asked if asked != config.pattern and " " not in asked else "*"
    machine = config.machine(words=[f"test={pattern}", "quiet"], **changes)
    times: list[float] = []
    session = Session(machine, WALL_SECONDS, want_exit=False, busy=LIMIT_SECONDS)
    session.on_record = lambda _: times.append(time.monotonic())
    outcome = session.run()
    console = text_of(outcome.console)
    last = "no test"
    for at, record in enumerate(outcome.records):
        if not record.startswith(b"test "):
            continue
        _, name, verdict, *why = record.decode(errors="replace").split(" ", 3)
        detail = " ".join(why) + "\n" + console
        took = times[at] - times[at - 1] if at else 0.0
        yield Result(f"{suite}/{name}", verdict == "ok", detail, seconds=took)
        last = name
    if outcome.end is not End.EXIT or last == "no test":
        told = f"{outcome.describe()}, after {last}"
        yield Result(suite, False, f"{told}\n{console}")


def jobs(config: Config) -> list[Job]:
    if not config.kernel.exists():
        return []
    return [
        Job(suite, partial(check, config, suite, changes))
        for suite, changes in MACHINES
    ]
