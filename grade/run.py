# SPDX-License-Identifier: BSD-2-Clause
"""`make run`: boots without a terminal, runs one command, ends with its exit status.

Standard output carries what the command printed and nothing else. Every other end than the
command's own (panic, hang, triple fault, power-off without a status, damaged records) is named on
standard error and has an exit status of its own: session.End.
"""

from __future__ import annotations

import sys

from grade import backtrace, entry, options, qemu
from grade.session import End, Session

PANIC_TEXT = b"panic: "


class Output:
    """Passes the command's output on as it comes.

    Undoes the terminal's newline mapping, and holds back what might be a panic's report until it
    is known whether the kernel did panic.
    """

    def __init__(self) -> None:
        self._pending = b""
        self._holding = False

    def feed(self, data: bytes) -> None:
        self._pending += data
        if self._holding:
            return
        at = self._pending.find(PANIC_TEXT)
        self._holding = at >= 0
        keep = len(self._pending) - at if self._holding else _undecided(self._pending)
        _write(self._pending[: len(self._pending) - keep])
        self._pending = self._pending[len(self._pending) - keep :]

    def finish(self, panicked: bool) -> bytes:
        """Ends the output. A panic's report is returned, anything else passed on."""
        if panicked and self._holding:
            return self._pending
        _write(self._pending)
        return b""


def _undecided(data: bytes) -> int:
    """How many bytes at the end of `data` may be the start of a line end or of a panic."""
    for length in range(len(PANIC_TEXT) - 1, 0, -1):
        if data.endswith(PANIC_TEXT[:length]):
            return length
    return 1 if data.endswith(b"\r") else 0


def _write(data: bytes) -> None:
    if data:
        sys.stdout.buffer.write(data.replace(b"\r\n", b"\n"))
        sys.stdout.buffer.flush()


def console_tail(console: bytes, held: bytes) -> str:
    """The last lines of the console, from the panic's report on where there is one."""
    text = (held or console).decode(errors="replace").replace("\r\n", "\n")
    lines = text.splitlines()
    return "\n".join(lines[:100] if held else lines[-20:])


def main() -> int:
    opts = options.parse(needs_command=True)
    machine = options.machine(opts)
    machine.words += [qemu.run_word(opts.command), *([] if opts.verbose else ["quiet"])]
    if not machine.icount:  # counted runs are alike on every terminal
        machine.words += qemu.terminal_words()
    qemu.end_on_signals()
    output = Output()
    outcome = Session(machine, opts.limit, on_console=output.feed).run()
    held = output.finish(outcome.end is End.PANIC)
    if outcome.end is not End.EXIT:
        print(f"strata: {outcome.describe()}", file=sys.stderr)
        tail = console_tail(outcome.console, held)
        if tail := backtrace.with_lines(str(machine.kernel), tail):
            print(f"strata: the end of the console:\n{tail}", file=sys.stderr)
        if opts.seed is not None:
            print(f"strata: seed {opts.seed}", file=sys.stderr)
    return outcome.exit_status()


if __name__ == "__main__":
    entry.run(main)
