# SPDX-License-Identifier: BSD-2-Clause
"""The part of `make bench` on two processors: what two workers cost each other.

One boot with two CPUs that truly run at once gives times, of this machine; one in which they take
turns by instructions gives how often locks were found taken and TLBs shot down, exactly.
"""

from __future__ import annotations

import dataclasses

from grade import qemu
from grade.session import End, Session

LIMIT_SECONDS = 1800
ROUNDS, COUNTED_ROUNDS = 15, 3
WHAT = ("fork and exit", "anonymous fault")
TIMES = ("one worker", "two workers", "one computes", "two compute")
COUNTS = ("contended", "shootdowns")


def rows(machine: qemu.Machine, rounds: int) -> dict[str, int]:
    """What the program prints."""
    words = [qemu.run_word(f"/tests/bench together {rounds}"), "quiet"]
    machine = dataclasses.replace(machine, cpus=2, words=words)
    outcome = Session(machine, limit=LIMIT_SECONDS).run()
    text = outcome.console.decode(errors="replace")
    if outcome.end is not End.EXIT or outcome.status:
        raise SystemExit(f"strata: bench: {outcome.describe()}\n{text}")
    found = (line.rpartition(": ") for line in text.splitlines())
    return {name: int(value) for name, _, value in found if value.strip().isdecimal()}


def print_together(machine: qemu.Machine) -> None:
    times = rows(dataclasses.replace(machine, icount=False), ROUNDS)
    counts = rows(dataclasses.replace(machine, icount=True), COUNTED_ROUNDS)
    print(f"{'two CPUs':18} " + " ".join(f"{title:>13}" for title in TIMES) +
          f" {'dearer by':>10} {'of which host':>14} {'contended':>10} {'shootdowns':>11}")
    for what in WHAT:
        took = [times[f"{what}, {title}"] for title in TIMES]
        both, host = took[1] / took[0], took[3] / took[2]
        exact = [counts[f"{what}, {name} per 1000"] / 1000 for name in COUNTS]
        print(f"{what:18} " + " ".join(f"{ns:10,} ns" for ns in took) +
              f" {both:10.2f} {host:14.2f} {exact[0]:10.3f} {exact[1]:11.3f}")
