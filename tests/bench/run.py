# SPDX-License-Identifier: BSD-2-Clause
"""`make bench`: guest instructions per operation, beside Linux's, and the times that users feel.

Linux's figures (6.1, Debian's cloud kernel, mitigations off) were taken with the same QEMU options
and equivalent operations; fewer is better. Instructions do not depend on this machine, times do; so
does the boot, as the guest's clock runs on while it waits for the disk.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from grade import debug, entry, options, qemu
from grade.lecture import make, steps
from grade.lecture.player import Player
from grade.session import End, Session
from tests.bench.loans import print_loans
from tests.bench.maps import print_maps
from tests.bench.together import print_together

LINUX = Path(__file__).with_name("linux-6.1.json")
RUNS = 7
SCREEN = (200, 50)
"""Columns and lines of a lecture's terminal."""
GOES_BACK = """
break sys_exit_group
continue
python import time
""" + """
python started = time.monotonic()
last-write pmap_list
python print(f"it took {time.monotonic() - started}")
forward
""" * RUNS
"""Measures last-write from the end of a boot with a disk."""


def instructions(machine: qemu.Machine) -> dict[str, int]:
    """What the benchmark prints, under -icount."""
    machine.icount = True
    machine.words += [qemu.run_word("/tests/bench"), "quiet"]
    outcome = Session(machine, limit=900).run()
    text = outcome.console.decode(errors="replace")
    if outcome.end is not End.EXIT or outcome.status:
        raise SystemExit(f"strata: bench: {outcome.describe()}\n{text}")
    rows = (line.rpartition(": ") for line in text.splitlines())
    return {name: int(value) for name, _, value in rows if value.strip().isdecimal()}


def print_table(strata: dict[str, int], linux: dict[str, int]) -> None:
    print(f"{'instructions per operation':58} {'Strata':>12} {'Linux 6.1':>12}  {'ratio':>6}")
    for name, mine in strata.items():
        theirs = linux.get(name)
        label = "boot, with waits for the disk" if name == "start" else name
        ratio = f"{mine / theirs:6.2f}" if theirs else ""
        print(f"{label:58} {mine:12,} {theirs or 0:12,}  {ratio}")


def print_last_write(machine: qemu.Machine) -> None:
    """Its median, in seconds of this machine; nothing without GDB."""
    if not shutil.which(debug.GDB):
        return
    with tempfile.NamedTemporaryFile("w", prefix="strata-bench-", encoding="utf-8") as script:
        script.write(GOES_BACK + "kill\n")
        script.flush()
        command = [sys.executable, "-m", "grade.debug", "--icount", "1", "--cpus", "1"]
        command += ["--kernel", str(machine.kernel), "--disk", str(machine.disk)]
        command += ["--append", f"{qemu.run_word('true')} quiet"]
        env = {**os.environ, "GDB_ARGS": f"-batch -x {script.name}"}
        said = subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout
    took = [float(seconds) for seconds in re.findall(r"^it took (\S+)$", said, re.MULTILINE)]
    if len(took) != RUNS:
        raise SystemExit(f"strata: bench: last-write\n{said}")
    print(f"last-write, median of {RUNS}: {statistics.median(took):.2f} s (the goal: 10 s)")


def print_step() -> None:
    """The median time that a step of a lecture takes to be computed, forward and back."""
    player = Player(make.make(steps.find("fault"), None, ["kernel"]), True)
    took = []
    for key in (["right"] * len(player.record.steps) + ["left"] * len(player.record.steps)) * RUNS:
        started = time.monotonic()
        player.key(key)
        player.screen(*SCREEN)
        took.append(1000 * (time.monotonic() - started))
    print(f"a step of a lecture, median: {statistics.median(took):.1f} ms (the goal: 100 ms)")


def print_times() -> None:
    """The median of `make run CMD=true`, and a clean build, in seconds of this machine."""
    runs = []
    for _ in range(RUNS):
        started = time.monotonic()
        subprocess.run(["make", "run", "CMD=true"], stdout=subprocess.DEVNULL, check=True)
        runs.append(time.monotonic() - started)
    print(f"make run CMD=true, median of {RUNS}: {statistics.median(runs):.2f} s")
    with tempfile.TemporaryDirectory(prefix="strata-bench-") as folder:
        started = time.monotonic()
        command = ["make", "-j2", "all", f"O={folder}"]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        print(f"clean build with two jobs: {time.monotonic() - started:.1f} s")


def main() -> int:
    opts = options.parse()
    qemu.end_on_signals()
    machine = options.machine(opts)
    print_table(instructions(machine), json.loads(LINUX.read_text("utf-8")))
    sys.stdout.flush()
    print_maps(opts.seed or 1)
    sys.stdout.flush()
    assert machine.disk
    print_loans(machine.disk, opts.seed or 1)
    sys.stdout.flush()
    print_together(machine)
    sys.stdout.flush()
    print_last_write(machine)
    print_step()
    print_times()
    return 0


if __name__ == "__main__":
    entry.run(main)
