# SPDX-License-Identifier: BSD-2-Clause
"""`make run`: boots without a terminal, runs one command, ends with its exit status.

Standard output carries what the command printed and nothing else. Every other end than the
command's own (panic, hang, triple fault, power-off without a status, damaged records) is named on
standard error and has an exit status of its own: session.End.
"""

from __future__ import annotations

import os
import sys

from grade import options, qemu
from grade.session import End, Session

PANIC_LINE = b"panic:"


class Output:
    """Passes the command's output on as it comes.

    Undoes the terminal's newline mapping, and holds back what might be the start of a panic's
    report until it is known whether the kernel did panic.
    """

    def __init__(self) -> None:
        self._line_start = True
        self._tail = b""
        self.held = b""

    def feed(self, data: bytes) -> None:
        data = self._tail + data
        if self.held:
            self.held += data
            self._tail = b""
            return
        keep = self._undecided(data)
        self._tail = data[len(data) - keep :]
        data = data[: len(data) - keep]
        if self._line_start and data.startswith(PANIC_LINE):
            at = 0
        else:
            at = data.find(b"\n" + PANIC_LINE) + 1 or len(data)
        if at < len(data):
            self.held = data[at:] + self._tail
            self._tail = b""
        self._write(data[:at])

    def finish(self, panicked: bool) -> bytes:
        """Ends the output. What was held back is returned after a panic, else passed on."""
        held = self.held or self._tail
        self._tail = self.held = b""
        if panicked:
            return held
        self._write(held)
        return b""

    def _undecided(self, data: bytes) -> int:
        """How many bytes at the end of `data` may be the start of a line end or of a panic."""
        line_at = data.rfind(b"\n") + 1
        last = data[line_at:]
        if (line_at or self._line_start) and last and PANIC_LINE.startswith(last):
            return len(last)
        return 1 if data.endswith(b"\r") else 0

    def _write(self, data: bytes) -> None:
        if data:
            self._line_start = data.endswith(b"\n")
            sys.stdout.buffer.write(data.replace(b"\r\n", b"\n"))
            sys.stdout.buffer.flush()


def console_tail(console: bytes, held: bytes) -> str:
    """The last lines of the console, from the panic's report on where there is one."""
    text = (held or console).decode(errors="replace").replace("\r\n", "\n")
    return "\n".join(text.splitlines()[-60 if held else -20 :])


def main() -> int:
    opts = options.parse(needs_command=True)
    machine = options.machine(opts)
    machine.words += [qemu.run_word(opts.command), *([] if opts.verbose else ["quiet"])]
    qemu.end_on_signals()
    output = Output()
    outcome = Session(machine, opts.limit, on_console=output.feed).run()
    held = output.finish(outcome.end is End.PANIC)
    if outcome.end is not End.EXIT:
        print(f"strata: {outcome.describe()}", file=sys.stderr)
        if tail := console_tail(outcome.console, held):
            print(f"strata: the end of the console:\n{tail}", file=sys.stderr)
        if opts.seed is not None:
            print(f"strata: seed {opts.seed}", file=sys.stderr)
    return outcome.exit_status()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
