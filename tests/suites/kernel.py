# SPDX-License-Identifier: BSD-2-Clause
"""The tests inside the kernel: with `test=*` it records `test NAME ok` or `... FAIL why`."""

from __future__ import annotations

from typing import Iterator

from grade import qemu
from grade.session import End, Session
from tests.guest import text_of
from tests.job import Config, Job, Result

LIMIT_SECONDS = 600


def check(config: Config) -> Iterator[Result]:
    machine = config.machine(words=["test=*", "quiet"])
    outcome = Session(machine, LIMIT_SECONDS, want_exit=False).run()
    console = text_of(outcome.console)
    tests = [r.decode(errors="replace") for r in outcome.records if r.startswith(b"test ")]
    for line in tests:
        _, name, verdict, *why = line.split(" ", 3)
        repro = config.make("run", CMD="true", APPEND=f"test={name}")
        yield Result(f"kernel/{name}", verdict == "ok", " ".join(why) + "\n" + console, repro)
    if outcome.end is not End.EXIT or not tests:
        yield Result("kernel", False, f"{outcome.describe()}; {len(tests)} tests\n{console}")


def jobs(config: Config) -> list[Job]:
    return [Job("kernel", lambda: check(config))] if config.kernel.exists() else []
