# SPDX-License-Identifier: BSD-2-Clause
"""`make gdb`: GDB on a fresh boot that waits at its first instruction.

The guest's console is shown in GDB's terminal while the guest runs; `console TEXT` types a line
into it. GDB speaks to QEMU over a unix socket in a private folder that goes away at the end.
GDB_ARGS adds arguments, such as GDB_ARGS='-batch -ex ps'.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from grade import entry, options, qemu, rewind

GDBS = ["gdb"] if qemu.is_amd64() else ["gdb-multiarch", "x86_64-elf-gdb"]
GDB = next(filter(shutil.which, GDBS), GDBS[0])
"""One that knows amd64: what is called gdb on another machine may know that machine alone."""
SCRIPTS = Path(__file__).resolve().parent / "gdb"


def type_into(fifo: Path, debuggee: rewind.Debuggee) -> None:
    """Types into the guest's console what GDB's `console` command writes to the fifo."""
    while True:
        with open(fifo, "rb") as lines:
            text = lines.read()
        console = debuggee.vm.console_in
        assert console is not None
        os.write(console, text)


def main() -> int:
    machine = options.machine(options.parse())
    # A panic ends the machine, and from its end nothing leads back.
    return debug(machine, *([] if rewind.why_not(machine) else ["break *'crash.c'::crash"]))


def debug(machine: qemu.Machine, *commands: str) -> int:
    """GDB on a boot of this machine; the commands come before those of GDB_ARGS."""
    qemu.end_on_signals()
    folder = Path(tempfile.mkdtemp(prefix="strata-gdb-"))
    env = {**os.environ, "STRATA_CONSOLE": str(folder / "console")}
    try:
        os.mkfifo(folder / "console")
        with (
            rewind.Debuggee(machine, folder, sys.stdout.fileno()) as debuggee,
            socket.socket(socket.AF_UNIX) as listener,
        ):
            typist = (folder / "console", debuggee)
            threading.Thread(target=type_into, args=typist, daemon=True).start()
            env["STRATA_NO_PAST"] = rewind.why_not(machine)
            env["STRATA_PAST"] = str(folder / "past")
            listener.bind(env["STRATA_PAST"])
            listener.listen()
            guide = (debuggee, listener)
            threading.Thread(target=rewind.serve, args=guide, daemon=True).start()
            return run_gdb(machine.kernel, debuggee.stub(), env, commands)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_gdb(kernel: Path, stub: Path, env: dict[str, str], commands: tuple[str, ...]) -> int:
    """GDB in the foreground; ^C belongs to it alone."""
    args = [GDB, "-q", "-nx", str(kernel), "-ix", str(SCRIPTS / "init.gdb")]
    args += ["-ex", f"target remote {stub}", "-ex", f"source {SCRIPTS / 'strata.py'}"]
    for command in commands:
        args += ["-ex", command]
    args += shlex.split(os.environ.get("GDB_ARGS", ""))
    process = subprocess.Popen(args, env=env)
    # Only now: GDB would have inherited it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return process.wait()


if __name__ == "__main__":
    entry.run(main)
