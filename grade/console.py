# SPDX-License-Identifier: BSD-2-Clause
"""`make qemu`: boots to a shell on this terminal. ^A x quits, ^A h shows QEMU's other keys.

Where stdin is no terminal, what it holds is typed, and at its end the guest is switched off.
"""

from __future__ import annotations

import contextlib
import os
import sys
import termios
import threading
from typing import Iterator

from grade import backtrace, entry, options, qemu

PROMPT = b"\n# "
PANIC_TEXT = b"panic: "
KEPT_BYTES = 1 << 16
GOODBYE = b"\n\x04poweroff\n"
"""With ^D at the start of a line, for a program that still reads."""


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


def type_stdin(fd: int, ready: threading.Event) -> None:
    ready.wait()
    with contextlib.suppress(OSError):
        while typed := os.read(sys.stdin.fileno(), 4096):
            os.write(fd, typed)
        os.write(fd, GOODBYE)


class Shown:
    """What the console showed last, and whether a prompt was among it: what is typed before, a
    starting UART may lose."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.last = b""

    def read(self, fd: int, repeat: bool) -> None:
        """Reads to the end, and shows it if nobody else does."""
        while shown := os.read(fd, 4096):
            if repeat:
                os.write(sys.stdout.fileno(), shown)
            self.last = (self.last + shown)[-KEPT_BYTES:]
            if PROMPT in self.last:
                self.ready.set()


def lines_of_panic(kernel: str, last: bytes) -> str:
    """The places that the kernel's report names, with their lines in the source."""
    text = last[last.rfind(PANIC_TEXT) :].decode(errors="replace")
    found = backtrace.with_lines(kernel, text)
    return "\n".join(line for line in found.splitlines() if line not in text.splitlines())


def main() -> int:
    opts = options.parse()
    machine = options.machine(opts)
    at_terminal = sys.stdin.isatty()
    # Without somebody who types, the shell is to take lines as they come (user/bin/init.c).
    machine.words += qemu.terminal_words() if at_terminal else []
    qemu.end_on_signals()
    shown = Shown()
    with terminal_kept(), qemu.Qemu(machine, tty=at_terminal) as vm:
        drained = threading.Thread(target=drain, args=(vm.records,), daemon=True)
        drained.start()
        assert vm.console is not None
        if vm.console_in is not None:
            arguments = (vm.console_in, shown.ready)
            threading.Thread(target=type_stdin, args=arguments, daemon=True).start()
        try:
            shown.read(vm.console, repeat=not at_terminal)
        except BrokenPipeError:
            return 1
        status = vm.wait()
        drained.join() # its descriptor's number will be another's
    if status == qemu.EXIT_PANIC:
        print("strata: the kernel panicked", file=sys.stderr)
        print(lines_of_panic(str(machine.kernel), shown.last), file=sys.stderr)
        return 1
    # A triple fault and a quit by ^A x both end QEMU with 0.
    return 0 if status in (qemu.EXIT_POWEROFF, qemu.EXIT_RESET) else 1


if __name__ == "__main__":
    entry.run(main)
