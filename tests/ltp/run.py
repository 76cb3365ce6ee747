# SPDX-License-Identifier: BSD-2-Clause
"""`make ltp LTP=folder`: runs the Linux Test Project's programs, and compares with expected.txt.

The folder holds programs of LTP for amd64, linked statically; where they come from is not our
concern. Each runs as root, one after the other, many in one boot; one that panics or hangs the
machine is named, and the rest goes on in another boot. expected.txt lists those that need not pass,
each with a reason. One that does not pass and is not listed, and a listed one that passes, are
errors. What each program printed is left beside the image.
"""

from __future__ import annotations

import argparse
import collections
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from grade import entry, options, qemu
from grade.session import Outcome, Session
from tests.guest import text_of

EXPECTED = Path(__file__).with_name("expected.txt")
BATCH = 40
GUEST_SECONDS = 60
"""For one program, by the guest's clock: 15 G instructions if it never waits. LTP has 30 s for
most."""
BOOT_SECONDS = 3600.0
"""For one boot, by the host's: a backstop."""
KILLED = 128 + 9

# The guest's clock counts instructions, so that a slow host takes no time from a program; but it
# does not run ahead to the next timer while the guest only waits for the host's disk.
CLOCK = ["-icount", "shift=2,sleep=on"]

# Bits of a program's exit status.
TFAIL, TBROK, TWARN, TCONF = 1, 2, 4, 32


@dataclass
class Ended:
    """How one program ended, in a word, and what it printed."""

    word: str
    text: str


def verdict(status: int) -> str:
    if status == 0:
        return "pass"
    if status == TCONF:
        return "conf"
    if status == KILLED:
        return "time"
    return "fail" if status & ~(TFAIL | TBROK | TWARN | TCONF) == 0 else f"fail ({status})"


def take_parts(text: str, mark: str) -> tuple[list[tuple[str, Ended]], str, str]:
    """The programs that ended, then the name and the output of one that did not."""
    parts = re.split(rf"^{mark} (.*)\n", text, flags=re.MULTILINE)[1:]
    ended = [
        (parts[i], Ended(verdict(int(parts[i + 2])), parts[i + 1]))
        for i in range(0, len(parts) - 3, 4)
    ]
    rest = parts[4 * len(ended) :]
    return ended, rest[0] if rest else "", rest[1] if len(rest) > 1 else ""


def run_all(
    boot: Callable[[str], Outcome], names: list[str], say: Callable[[str, Ended], None]
) -> None:
    at = 0
    while at < len(names):
        mark = f"@{secrets.token_hex(4)}"
        count = min(BATCH, len(names) - at)
        script = f"/bin/busybox sh /ltp/batch.sh {mark} {GUEST_SECONDS} {at + 1} {count}"
        outcome = boot(script)
        ended, name, output = take_parts(text_of(outcome.console), mark)
        for pair in ended:
            say(*pair)
        at += len(ended)
        if len(ended) < count:
            how = outcome.describe()
            say(names[at], Ended(f"machine: {how.splitlines()[0]}", f"{name}\n{output}\n{how}"))
            at += 1


def read_expected() -> dict[str, str]:
    """Reasons by name. Lines are `name: reason`, or begin with #."""
    lines = EXPECTED.read_text(encoding="ascii").splitlines()
    pairs = (line.split(": ", 1) for line in lines if line and not line.startswith("#"))
    return {name: reason for name, reason in pairs}


def compare(results: dict[str, Ended], expected: dict[str, str]) -> list[str]:
    wrong = []
    for name, ended in results.items():
        listed = expected.get(name, "")
        if ended.word == "pass" and listed and not listed.startswith("sometimes"):
            wrong.append(f"{name}: passes, and is listed: {listed}")
        if ended.word != "pass" and (not listed or ended.word.startswith("machine")):
            wrong.append(f"{name}: {ended.word}, and {'' if listed else 'not '}listed")
    return wrong


def summary(results: dict[str, Ended]) -> str:
    counts = collections.Counter(ended.word.split()[0].rstrip(":") for ended in results.values())
    return f"{len(results)} programs: " + ", ".join(f"{n} {word}" for word, n in counts.items())


def main() -> int:
    parser = argparse.ArgumentParser(description="runs LTP's programs on Strata")
    parser.add_argument("--kernel", type=Path, required=True)
    parser.add_argument("--disk", type=Path, required=True)
    parser.add_argument("--programs", type=Path, required=True, help="the programs' list")
    parser.add_argument("--test", default="", help="run this one only, and print its output")
    args = parser.parse_args()
    qemu.end_on_signals()
    cpus = options.number("CPUS", os.environ.get("CPUS") or "1", 1, options.MAX_CPUS)
    names = args.programs.read_text(encoding="ascii").split()
    logs = args.disk.with_suffix(".out")
    logs.mkdir(exist_ok=True)
    results: dict[str, Ended] = {}

    def boot(script: str) -> Outcome:
        machine = qemu.Machine(args.kernel, args.disk, cpus, os.environ.get("MEM") or "128M")
        machine.icount = True
        machine.extra += CLOCK
        machine.words += [qemu.run_word(script), "quiet"]
        return Session(machine, BOOT_SECONDS).run()

    def say(name: str, ended: Ended) -> None:
        results[name] = ended
        (logs / f"{name}.txt").write_text(ended.text, encoding="utf-8")
        print(f"{ended.word:8} {name}", flush=True)

    if args.test:
        at = names.index(args.test) + 1
        outcome = boot(f"/bin/busybox sh /ltp/batch.sh @ {GUEST_SECONDS} {at} 1")
        print(text_of(outcome.console), outcome.describe(), sep="\n")
        return outcome.exit_status()
    run_all(boot, names, say)
    wrong = compare(results, read_expected())
    print("\n".join([summary(results), *wrong]))
    return 1 if wrong else 0


if __name__ == "__main__":
    entry.run(main)
