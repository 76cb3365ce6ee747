# SPDX-License-Identifier: BSD-2-Clause
"""Strata's shell built for the host, under the sanitizers: the scripts of user/tests/sh must print
what they print under dash. The programs suite runs them on Strata."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Iterator

from tests.guest import difference, run_on_host
from tests.job import ROOT, Config, Job, Result

DASH = "/bin/dash"


def check(shell: Path, script: Path) -> Iterator[Result]:
    wrong = difference(run_on_host([DASH, script]), run_on_host([shell, script]), ("dash", "ours"))
    yield Result(f"shell/{script.stem}", not wrong, wrong)


def jobs(config: Config) -> list[Job]:
    shell = (config.out / "user/host/bin/sh").resolve()
    if not shell.exists() or not Path(DASH).exists():
        return []
    return [
        Job(f"shell/{script.stem}", partial(check, shell, script))
        for script in sorted((ROOT / "user/tests/sh").glob("*.sh"))
    ]
