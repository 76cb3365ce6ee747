# SPDX-License-Identifier: BSD-2-Clause
"""`make qemu`: boots to a shell on this terminal. ^A x quits, ^A h shows QEMU's other keys."""

from __future__ import annotations

import contextlib
import os
import sys
import termios
import threading
from typing import Iterator

from grade import options, qemu


@contextlib.contextmanager
def terminal_kept() -> Iterator[None]:
    """Puts the terminal's settings back, however QEMU leaves it."""
    if not sys.stdin.isatty():
        yield
        return
    settings = termios.tcgetattr(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, settings)


def drain(fd: int) -> None:
    """Reads the record channel, so that the guest never waits for it."""
    with contextlib.suppress(OSError):
        while os.read(fd, 65536):
            pass


def main() -> int:
    opts = options.parse()
    machine = options.machine(opts)
    qemu.end_on_signals()
    with terminal_kept(), qemu.Qemu(machine, tty=True) as vm:
        threading.Thread(target=drain, args=(vm.records,), daemon=True).start()
        status = vm.wait()
    if status == qemu.EXIT_PANIC:
        print("strata: the kernel panicked", file=sys.stderr)
        return 1
    # A triple fault and a quit by ^A x both end QEMU with 0.
    return 0 if status in (qemu.EXIT_POWEROFF, qemu.EXIT_RESET) else 1


if __name__ == "__main__":
    sys.exit(main())
