# SPDX-License-Identifier: BSD-2-Clause
"""`make gdb`: GDB's commands on a kernel that runs a program, at a breakpoint in a system call; and
what is said of a machine that waits for ever."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator

from grade import qemu
from grade.session import Session
from tests.guest import WALL_SECONDS
from tests.job import ROOT, Config, Job, Result, clean_environment, run_as_user

LIMIT_SECONDS = 240
HANG_SECONDS = 8
# A test, what never ends, and why it is given up and where somebody stands.
HANGS = [
    ("hang", "sleep 1000", r"every CPU idles, and nobody wakes who waits\n(.*\n)*"
     r"sleep \(process \d+\): blocked\n(?: .*\n)*?.* sys_nanosleep at "),
    ("hang-busy", "while true; do true; done",
     r"no end after 8 s of processor time\nCPU 0: running, interrupts on"),
]
NAMED = (["kernel"], ["kmem_map"], ["pmap"], ["page"])
"""Words that tell two tests of one command apart."""
PAGE_OF_INIT = (
    "import re; gdb.execute('pv page ' + "
    "re.search('at pa (0x[0-9a-f]+), in', gdb.execute('pt 1 0x400000', to_string=True))[1])"
)
# Each command, and the texts that its answer must hold.
COMMANDS = [
    ("bt", "sys_nanosleep", "<signal handler called>"),
    ("strata", "ps: all processes and their threads.", "that a struct vm_map * points to."),
    ("ps", "sleep"),
    ("map 1", "r-x object"),
    ("map kernel", "live quanta", "ME_QUANTUM ME_GUARD\n"),
    ("map kmem_map", "in reserve"),
    ("pt 1 0x400000", "0x400000 is at pa"),
    ("pt kernel kernel_main", "PML4 [511]"),
    ("pv pmap 1", "va 0x400000 pmap 0x"),
    (f"python {PAGE_OF_INIT}", "va 0x400000 pmap 0x"),
    ("chunks 1", "/168 used"),
    ("pools", "pmap "),
    ("bt-all", "process_wait", "pageout_daemon"),
    ("locks", "no thread holds or waits for a lock"),
]


def check(config: Config) -> Iterator[Result]:
    # The second sleep: during the first one everybody else has come to where it waits.
    lines = ["thbreak sys_nanosleep", "continue"] * 2
    for number, (command, *_) in enumerate(COMMANDS):
        lines += [f"echo @{number}\\n", command]
    with tempfile.TemporaryDirectory(prefix="strata-gdb-test-") as folder:
        script = Path(folder) / "commands"
        script.write_text("\n".join([*lines, "kill", "quit", ""]), encoding="utf-8")
        arguments = ["--kernel", str(config.kernel), "--disk", str(config.disk)]
        arguments += ["--append", f"{qemu.run_word('sleep 1; sleep 1')} quiet"]
        done = subprocess.run(
            [sys.executable, "-m", "grade.debug", *arguments],
            cwd=ROOT,
            env=clean_environment(GDB_ARGS=f"-batch -x {script}"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    answers = done.stdout
    for number, (command, *expected) in enumerate(COMMANDS):
        answer = answers.partition(f"@{number}\n")[2].partition(f"@{number + 1}\n")[0]
        detail = f"expected {expected!r} in the answer, got\n{answer or answers}"
        words = command.replace("python", "pv page").split()
        name = f"debugger/{words[0]}" + (f"-{words[1]}" if words[1:2] in NAMED else "")
        yield Result(name, all(part in answer for part in expected), detail)


def check_trap(config: Config) -> Iterator[Result]:
    """GDB's backtrace goes from a panic through the trap's entry to the code that faulted."""
    arguments = ["--kernel", str(config.kernel), "--append", "test=crash_null quiet"]
    commands = "-batch -ex 'break crash.c:crash' -ex continue -ex 'bt 12' -ex kill"
    done = run_as_user([sys.executable, "-m", "grade.debug", *arguments], GDB_ARGS=commands)
    wanted = r"^#\d+ .*\btrap_from_kernel (?s:.*)^#\d+ .*\bktest_crash_null (?s:.*)\bkernel_main "
    right = re.search(wanted, done.stdout, re.MULTILINE) is not None
    yield Result("debugger/trap", right, f"expected {wanted!r}, got\n{done.stdout}")


def check_hang(config: Config) -> Iterator[Result]:
    """A machine that never ends: the report says who runs, or which thread waits, and where."""
    for name, command, wanted in HANGS:
        machine = qemu.Machine(
            kernel=config.kernel, disk=config.disk, words=[qemu.run_word(command), "quiet"]
        )
        outcome = Session(machine, WALL_SECONDS, busy=HANG_SECONDS).run()
        right = re.match(wanted, outcome.detail) is not None
        yield Result(f"debugger/{name}", right, f"expected {wanted!r}, got\n{outcome.describe()}")


def jobs(config: Config) -> list[Job]:
    if not config.runs_programs or not shutil.which("gdb"):
        return []
    return [
        Job("debugger", lambda: check(config)),
        Job("debugger/trap", lambda: check_trap(config)),
        Job("debugger/hang", lambda: check_hang(config)),
    ]
