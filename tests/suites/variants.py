# SPDX-License-Identifier: BSD-2-Clause
"""The other builds: with clang and lld, with undefined-behaviour checks in the kernel, and with a
pattern in all that it should clear before a program sees it. And the plain one, where pools have so
little address space that they must take pages from each other.

Each must build without a warning and then pass the kernel's own tests and the programs'. In the
last random calls look for the pattern, a million of them in make check-all.
"""

from __future__ import annotations

import dataclasses
import shutil
from functools import partial
from typing import Iterator

from tests.job import ROOT, Config, Job, Result, run_as_user
from tests.suites import kernel, programs, stress

LITTLE_SPACE = "poolkva=1M"
# Name, build directory, make variable, tools needed beyond the usual ones.
VARIANTS = [
    ("llvm", "build/llvm", "LLVM=1", ["clang", "ld.lld", "llvm-strip"]),
    ("ubsan", "build/gcc-ubsan", "UBSAN=1", []),
    ("poison", "build/gcc-poison", "POISON=1", []),
]


def check(config: Config, name: str, folder: str, word: str, tools: list[str]) -> Iterator[Result]:
    prefix = f"variants/{name}"
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        yield Result(prefix, True, skipped=f"{' '.join(missing)} not here: ./setup --all")
        return
    command = ["make", "all", "WERROR=1", word]
    done = run_as_user(command)
    yield Result(f"{prefix}/build", done.returncode == 0, done.stdout, " ".join(command))
    if done.returncode != 0:
        return
    inner = dataclasses.replace(config, out=ROOT / folder, make_words=[word], pattern="")
    leaks = stress.leak_jobs(inner) if name == "poison" else []
    for job in kernel.jobs(inner) + programs.jobs(inner) + leaks:
        for result in job.run():
            result.name = f"{prefix}/{result.name}"
            yield result


def check_plain(config: Config, word: str) -> Iterator[Result]:
    """The build that all suites test, with one word more on its command line."""
    inner = dataclasses.replace(config, append=[word], pattern="")
    for job in kernel.jobs(inner) + programs.jobs(inner):
        for result in job.run():
            result.name = f"variants/{word.partition('=')[0]}/{result.name}"
            yield result


def jobs(config: Config) -> list[Job]:
    if config.make_words or not (ROOT / "kernel/kernel.mk").exists():
        return []
    found = [
        Job(f"variants/{variant[0]}", partial(check, config, *variant)) for variant in VARIANTS
    ]
    return [*found, Job("variants/poolkva", partial(check_plain, config, LITTLE_SPACE))]
