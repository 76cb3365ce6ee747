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
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from grade import options, qemu

SCRIPTS = Path(__file__).resolve().parent / "gdb"


def copy(source: int, sink: int) -> None:
    """Carries the guest's console, or drops the records (sink below 0), until QEMU ends."""
    try:
        while data := os.read(source, 4096):
            if sink >= 0:
                os.write(sink, data)
    except OSError:
        pass


def type_into(fifo: Path, console: int) -> None:
    """Types into the guest's console what GDB's `console` command writes to the fifo."""
    while True:
        with open(fifo, "rb") as lines:
            os.write(console, lines.read())


def main() -> int:
    return debug(options.machine(options.parse()))


def debug(machine: qemu.Machine, *commands: str) -> int:
    """GDB on a boot of this machine; the commands come before those of GDB_ARGS."""
    qemu.end_on_signals()
    folder = Path(tempfile.mkdtemp(prefix="strata-gdb-"))
    try:
        os.mkfifo(folder / "console")
        stub = folder / "gdb"
        machine.extra += ["-chardev", f"socket,id=gdb,path={stub},server=on,wait=off"]
        machine.extra += ["-gdb", "chardev:gdb"]
        with qemu.Qemu(machine, paused=True) as vm:
            assert vm.console is not None and vm.console_in is not None
            for target, args in (
                (copy, (vm.console, sys.stdout.fileno())),
                (copy, (vm.records, -1)),
                (type_into, (folder / "console", vm.console_in)),
            ):
                threading.Thread(target=target, args=args, daemon=True).start()
            vm.monitor("info status")
            return run_gdb(machine.kernel, stub, folder / "console", commands)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_gdb(kernel: Path, stub: Path, fifo: Path, commands: tuple[str, ...]) -> int:
    """GDB in the foreground; ^C belongs to it alone."""
    args = ["gdb", "-q", "-nx", str(kernel), "-ix", str(SCRIPTS / "init.gdb")]
    args += ["-ex", f"target remote {stub}", "-ex", f"source {SCRIPTS / 'strata.py'}"]
    for command in commands:
        args += ["-ex", command]
    args += shlex.split(os.environ.get("GDB_ARGS", ""))
    env = {**os.environ, "STRATA_CONSOLE": str(fifo)}
    process = subprocess.Popen(args, env=env)
    # Only now: GDB would have inherited it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return process.wait()


if __name__ == "__main__":
    sys.exit(main())
