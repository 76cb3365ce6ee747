# SPDX-License-Identifier: BSD-2-Clause
"""The options that every way of booting shares, read from the make variables' environment.

A bad value is refused here with one clear line, so that the same words hold for make, the tests and
a direct call.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from grade import qemu

MIN_MEM = "24M"
MAX_MEM = "6G"
MIN_SWAP = "1M"
MAX_CPUS = 8
UNITS = {"M": 1 << 20, "G": 1 << 30}


def size_bytes(name: str, text: str, low: str, high: str) -> int:
    """The bytes that a size such as 128M or 4G means, which must be within limits."""

    def value(size: str) -> int:
        match = re.fullmatch(r"(\d+)([MG])", size)
        if not match:
            raise SystemExit(f"strata: {name}={text}: must be a number with M or G, such as 128M")
        return int(match[1]) * UNITS[match[2]]

    if not value(low) <= value(text) <= value(high):
        raise SystemExit(f"strata: {name}={text}: must be from {low} to {high}")
    return value(text)


def mem_bytes(text: str) -> int:
    return size_bytes("MEM", text, MIN_MEM, MAX_MEM)


def number(name: str, text: str, low: int, high: int) -> int:
    if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
        raise SystemExit(f"strata: {name}={text}: must be a whole number from {low} to {high}")
    return int(text)


def optional_number(name: str, text: str | None) -> int | None:
    return number(name, text, 0, (1 << 63) - 1) if text else None


def jobs() -> int:
    """How much is done side by side: JOBS, or two things for each of the host's processors, as one
    waits now and then for a disk, a compiler or a guest; no more than there are GiB of memory."""
    gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    usual = max(1, min(2 * qemu.host_cpus(), gib))
    return number("JOBS", os.environ.get("JOBS") or str(usual), 1, 64)


def flag(name: str, text: str | None) -> bool:
    if text not in (None, "", "0", "1"):
        raise SystemExit(f"strata: {name}={text}: must be 1, 0 or nothing")
    return text == "1"


def parse(needs_command: bool = False) -> argparse.Namespace:
    """Reads the arguments, with the environment's CPUS, MEM, SEED and so on as defaults."""
    env = os.environ.get
    parser = argparse.ArgumentParser()
    parser.add_argument("--kernel", type=Path, default=None)
    parser.add_argument("--disk", type=Path, default=None)
    parser.add_argument("--cpus", default=env("CPUS") or "1")
    parser.add_argument("--mem", default=env("MEM") or "128M")
    parser.add_argument("--seed", default=env("SEED"))
    parser.add_argument("--jitter", default=env("JITTER"))
    parser.add_argument("--limit", default=env("LIMIT") or "300")
    parser.add_argument("--icount", default=env("ICOUNT"))
    parser.add_argument("--tcg", default=env("TCG") or "auto")
    parser.add_argument("--persist", default=env("PERSIST"))
    parser.add_argument("--swap", default=env("SWAP"))
    parser.add_argument("--append", default=env("APPEND") or "", help="more kernel words")
    parser.add_argument("--verbose", default=env("V"))
    parser.add_argument("--command", default=env("STRATA_CMD") or None)
    opts = parser.parse_args()
    opts.cpus = number("CPUS", opts.cpus, 1, MAX_CPUS)
    mem_bytes(opts.mem)
    opts.seed = optional_number("SEED", opts.seed)
    opts.jitter = optional_number("JITTER", opts.jitter)
    opts.limit = number("LIMIT", opts.limit, 0, 1 << 20)
    opts.icount = flag("ICOUNT", opts.icount)
    if opts.tcg not in ("auto", "multi", "single"):
        raise SystemExit(f"strata: TCG={opts.tcg}: must be auto, multi or single")
    opts.persist = flag("PERSIST", opts.persist)
    opts.swap = size_bytes("SWAP", opts.swap, MIN_SWAP, MAX_MEM) if opts.swap else 0
    opts.verbose = flag("V", opts.verbose)
    if needs_command and not opts.command:
        raise SystemExit("strata: CMD is missing: make run CMD='ls -l /'")
    return opts


def machine(opts: argparse.Namespace) -> qemu.Machine:
    """The machine that the options describe."""
    for path in (opts.kernel, opts.disk):
        if path and not path.exists():
            raise SystemExit(f"strata: {path} is not there: run make first")
    if opts.kernel is None:
        raise SystemExit("strata: --kernel is missing")
    return qemu.Machine(
        kernel=opts.kernel,
        disk=opts.disk,
        cpus=opts.cpus,
        mem=opts.mem,
        words=opts.append.split(),
        seed=opts.seed,
        jitter=opts.jitter,
        icount=opts.icount,
        tcg=opts.tcg,
        persist=opts.persist,
        swap=opts.swap,
    )


if __name__ == "__main__":
    parse()
    jobs()
