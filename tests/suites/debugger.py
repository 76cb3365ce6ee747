# SPDX-License-Identifier: BSD-2-Clause
"""`make gdb`: GDB's commands on a kernel that runs a program, at a breakpoint in a system call;
going back in a run; and what is said of a machine that waits for ever."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Iterator

from grade import debug, qemu
from grade.session import Session
from tests.guest import WALL_SECONDS
from tests.job import ROOT, Config, Job, Result, clean_environment, run_as_user

HANG_SECONDS = 8
# A test, what never ends, and why it is given up and where somebody stands.
HANGS = [
    ("hang", "sleep 1000", r"every CPU idles, and nobody wakes who waits\n(.*\n)*"
     r"sleep \(process \d+\): blocked\n(?: .*\n)*?.* sys_nanosleep at "),
    ("hang-busy", "while true; do true; done",
     r"no end after 8 s of processor time\nCPU 0: running, interrupts (on|off)"),
]
NAMED = (["kernel"], ["kmem_map"], ["pmap"], ["page"])
"""Words that tell two tests of one command apart."""
PAGE_OF_INIT = (
    "import re; gdb.execute('pv page ' + "
    "re.search('at pa (0x[0-9a-f]+), in', gdb.execute('pt 1 0x400000', to_string=True))[1])"
)
# Each command, and the texts that its answer must hold.
COMMANDS = [
    ("bt", "sys_nanosleep", "syscall_entry ()"),
    ("strata", "ps: all processes and their threads.", "that a struct vm_map * points to."),
    ("ps", "sleep"),
    ("map 1", "r-x object"),
    ("map kernel", "live quanta", "ME_QUANTUM ME_GUARD\n"),
    ("map kmem_map", "in reserve"),
    ("pt 1 0x400000", "'accessed', 'managed'", "0x400000 is at pa"),
    ("pt kernel kernel_main", "PML4 [511]"),
    ("pv pmap 1", "va 0x400000 pmap 0x"),
    (f"python {PAGE_OF_INIT}", "va 0x400000 pmap 0x"),
    ("chunks 1", "/168 used"),
    ("pools", "pmap "),
    ("bt-all", "process_wait", "pageout_daemon"),
    ("locks", "no thread holds or waits for a lock"),
]

PAST: list[Step] = [
    ("break *sys_exit_group", "Breakpoint"),
    ("continue", "sys_exit_group (code=0x0)"),
    ("back", "handle (tf="),
    ("back 2", "syscall.c:"),
    ("back-to vm_fault", "vm_fault (map="),
    ("back", "page_fault (tf=", " vm_fault("),
    ("back-to vm_fault 3", "vm_fault (map="),
    ("forward", "page_fault (tf=", " vm_fault("),
    ("forward", "vm_fault (map="),
    ("forward", "syscall.c:"),
    ("forward", "handle (tf="),
    ("forward", "sys_exit_group (code=0x0)"),
    ("forward", "you have not gone back: go on with `continue'"),
    ("last-write pmap_list", "list_insert_between", "prev = n;", "pmap_list: this writes {"),
    ("back 100000", "lines are within 1000000 instructions: try back-to"),
    ("back-to vm_fault 100000", "list_insert_between", "times before this"),
    ("back-to nosuch", 'Function "nosuch" not defined'),
    ("back x", "usage: back [N]"),
    ("last-write 1 + 2", "1 + 2 has no address"),
    ("last-write *(long *)0x70", "Cannot access memory at address 0x70"),
    ("last-write nosuch", 'No symbol "nosuch"'),
    ("console ls", "nobody hears what you type"),
    ("continue", "sys_exit_group (code=0x0)"),
    ("back-to vm_fault", "vm_fault (map="),
    ("delete", ""),
    ("continue", "has ended"),
    ("back-to sys_exit_group", "sys_exit_group (code=0x0)"),
]
"""On a boot with a disk, until its end and back again."""
GONE = "the machine has ended: only back-to and forward"
ENDED: list[Step] = [
    ("thbreak sys_exit_group", ""),
    ("continue", "sys_exit_group (code=0x0)"),
    ("back-to vm_fault", "vm_fault (map="),
    ("continue", "The machine has ended."),
    ("last-write pmap_list", GONE),
    ("forward", "sys_exit_group (code=0x0)"),
    ("continue", "The machine has ended."),
    ("back-to sys_exit_group", "sys_exit_group (code=0x0)"),
]
"""At its end there is nothing to look at: but where QEMU stands still there, as newer ones do."""
PANIC: list[Step] = [
    ("continue", "crash (message="),
    ("back", "crash_frame ("),
    ("back-to ktest_crash_null", "ktest_crash_null () at tests/kernel/"),
]
RECORDED = "The recorded run has ended here."
ENDLESS: list[Step] = [
    ("thbreak sys_nanosleep", ""),
    ("continue", "sys_nanosleep ("),
    ("back-to vm_fault", "vm_fault (map="),
    ("continue", RECORDED),
    ("back-to sys_nanosleep", "sys_nanosleep ("),
]
LATE_CPU: list[Step] = [
    ("thbreak *smp_start", ""),
    ("continue", "smp_start ("),
    ("set scheduler-locking on", ""),
    ("thbreak kprintf", ""),
    ("continue", "kprintf (fmt=", "waiting for CPU"),
    ("set scheduler-locking off", ""),
    ("thbreak ktest_run", ""),
    ("continue", "ktest_run ("),
    ("print ncpus", "= 0x2\n"),
]
"""The host lets the second CPU run only after the first one has waited for so long that it says so:
none is left behind."""
NO_PAST: dict[str, tuple[dict[str, str], str]] = {
    "ICOUNT": ({}, "its instructions are not counted (make gdb ICOUNT=1 counts them)"),
    "CPUS": ({"ICOUNT": "1", "CPUS": "2"}, "QEMU repeats runs of one CPU only"),
    "PERSIST": ({"ICOUNT": "1", "PERSIST": "1"}, "it changes the disk itself"),
}
"""Machines whose runs cannot be gone back in, and what is said of them."""
Step = tuple[str, ...]
"""A command of GDB, and what its answer must hold."""


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
            timeout=WALL_SECONDS,
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


def ask_gdb(command: list[str], steps: list[Step], **env: Any) -> str:
    """Has a session go through these steps; what is wrong with GDB's answers, or nothing."""
    words = ["-batch"]
    for number, (asked, *_) in enumerate(steps):
        words += ["-ex", f"echo @{number}\\n", "-ex", asked]
    words += ["-ex", f"echo @{len(steps)}\\n", "-ex", "kill"]
    # make takes a dollar sign of its environment for the beginning of a variable.
    text = shlex.join(words).replace("$", "$$" if command[0] == "make" else "$")
    said = run_as_user(command, GDB_ARGS=text, **env).stdout
    for number, (asked, *expected) in enumerate(steps):
        answer = said.partition(f"@{number}\n")[2].partition(f"@{number + 1}\n")[0]
        if not all(part in answer for part in expected):
            return f"{asked}: expected {expected!r}, got\n{answer}\nin\n{said}"
    return ""


def check_past(config: Config, name: str, steps: list[Step], words: str) -> Iterator[Result]:
    arguments = ["--kernel", str(config.kernel), "--disk", str(config.disk), "--append", words]
    command = [sys.executable, "-m", "grade.debug", *arguments]
    env = {"ICOUNT": "1", "SWAP": "16M"}
    if steps is ENDED and RECORDED in ask_gdb(command, ENDED[:4], **env):
        yield Result(f"debugger/{name}", True, skipped="this QEMU stands still at a run's end")
        return
    trouble = ask_gdb(command, steps, **env)
    yield Result(f"debugger/{name}", not trouble, trouble)


def check_no_past(config: Config) -> Iterator[Result]:
    command = [sys.executable, "-m", "grade.debug", "--kernel", str(config.kernel)]
    for name, (env, expected) in NO_PAST.items():
        steps = [(asked, expected) for asked in ("back", "forward", "back-to panic")]
        trouble = ask_gdb([*command, "--append", "test=crash_null"], [*steps], **env)
        yield Result(f"debugger/no-past/{name}", not trouble, trouble)


def check_late_cpu(config: Config) -> Iterator[Result]:
    command = [sys.executable, "-m", "grade.debug", "--kernel", str(config.kernel)]
    trouble = ask_gdb([*command, "--append", "test=machine_tick"], LATE_CPU, CPUS="2")
    yield Result("debugger/late-cpu", not trouble, trouble)


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
    if not config.runs_programs or not shutil.which(debug.GDB):
        return []
    return [
        Job("debugger", lambda: check(config)),
        Job("debugger/trap", lambda: check_trap(config)),
        Job("debugger/hang", lambda: check_hang(config)),
        Job("debugger/late-cpu", lambda: check_late_cpu(config)),
        Job("debugger/no-past", lambda: check_no_past(config)),
        *(
            Job(f"debugger/{name}", partial(check_past, config, name, steps, words))
            for name, steps, words in (
                ("past", PAST, f"{qemu.run_word('true')} quiet"),
                ("past-of-ended", ENDED, f"{qemu.run_word('true')} quiet"),
                ("past-of-panic", PANIC, "test=crash_null quiet"),
                ("past-of-endless", ENDLESS, f"{qemu.run_word('sleep 1000')} quiet"),
            )
        ),
    ]
