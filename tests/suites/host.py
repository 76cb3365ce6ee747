# SPDX-License-Identifier: BSD-2-Clause
"""Host unit tests: modules of the kernel, the file system and the libc, under ASan and UBSan.

Each tests/host/*.c is one program that prints `ok NAME` or `not ok NAME: why` per test, in TAP's
manner, and exits with 0 when all is well. mk/tests.mk says how they are built.
"""

from __future__ import annotations

import os
import re
import subprocess
from functools import partial
from pathlib import Path
from typing import Iterator

from tests.guest import WALL_SECONDS
from tests.job import ROOT, Config, Job, Result

LINE = re.compile(r"^(not ok|ok)\b(?:\s+\d+)?\s*(?:-\s*)?([^:#]*)(.*)$")
SANITIZERS = {"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "halt_on_error=1"}


def check(config: Config, program: Path) -> Iterator[Result]:
    prefix = f"host/{program.name}"
    repro = f"{program} {config.seed}"
    try:
        done = subprocess.run(
            [program.resolve(), str(config.seed)],
            cwd=ROOT,
            env={**os.environ, **SANITIZERS},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=WALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield Result(prefix, False, f"no end after {WALL_SECONDS:g} s", repro)
        return
    text = done.stdout + done.stderr
    lines = [match for line in done.stdout.splitlines() if (match := LINE.match(line))]
    for match in lines:
        name = "-".join(match[2].split()) or "unnamed"
        yield Result(f"{prefix}/{name}", match[1] == "ok", text, repro)
    told = any(match[1] == "not ok" for match in lines)
    if not lines or (done.returncode != 0 and not told):
        yield Result(prefix, done.returncode == 0, f"status {done.returncode}\n{text}", repro)


def jobs(config: Config) -> list[Job]:
    programs = sorted(p.stem for p in (ROOT / "tests" / "host").glob("*.c"))
    folder = config.out / "tests" / "host"
    return [Job(f"host/{name}", partial(check, config, folder / name)) for name in programs]
