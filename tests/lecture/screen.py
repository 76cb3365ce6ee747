# SPDX-License-Identifier: BSD-2-Clause
"""The terminal player in a terminal of ours: a pseudo-terminal whose output a pyte screen takes."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path
from typing import Any, Callable

import pexpect

from tests.job import ROOT, clean_environment

try:
    import pyte
except ImportError:
    pyte = None

TERM = "linux"
"""What pyte understands: of xterm's ways to scroll it knows too few."""
KEYS = {
    "right": "\x1b[C", "left": "\x1b[D", "up": "\x1b[A", "down": "\x1b[B", "home": "\x1b[1~",
    "end": "\x1b[4~", "pgdn": "\x1b[6~", "pgup": "\x1b[5~", "enter": "\r", "back": "\x7f",
}  # fmt: skip
PATIENCE = 300
"""Seconds until a screen that does not come is a failure."""


class Terminal:
    def __init__(self, record: Path, columns: int, lines: int, **env: str) -> None:
        self.screen: Any = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        # A key in pieces is one key, however late its pieces come on a busy machine.
        environment = {**clean_environment(), "TERM": TERM, "LC_ALL": "C.UTF-8",
                       "ESCDELAY": "100000", **env}  # fmt: skip
        environment = {name: value for name, value in environment.items() if value}
        self.child = pexpect.spawn(
            sys.executable, ["-m", "tests.lecture.sealed", str(record)], cwd=str(ROOT),
            env=environment, dimensions=(lines, columns), timeout=PATIENCE, ignore_sighup=True,
        )  # fmt: skip

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.child.close(force=True)

    def send(self, text: str) -> None:
        self.child.send(text)

    def resize(self, columns: int, lines: int) -> None:
        self.screen.resize(lines, columns)
        self.child.setwinsize(lines, columns)

    def rows(self) -> list[str]:
        return [row.rstrip() for row in self.screen.display]

    def until(self, right: Callable[[list[str]], bool]) -> bool:
        """Waits for a screen that is right; false: the player ended before, or fell silent."""
        while not right(self.rows()):
            try:
                self._stream.feed(self.child.read_nonblocking(65536, PATIENCE))
            except (pexpect.EOF, pexpect.TIMEOUT):
                return right(self.rows())
        return True

    def ends_if_gone(self) -> bool:
        """The terminal is gone, and no signal says so: whether the player ends."""
        ended = os.pidfd_open(self.child.pid)
        try:
            self.child.ptyproc.fileobj.close()
            return bool(select.select([ended], [], [], PATIENCE)[0])
        finally:
            os.close(ended)

    def looks(self) -> tuple[bool, bool]:
        """Whether any letter has a colour, and whether any is reversed."""
        cells = [cell for line in self.screen.buffer.values() for cell in line.values()]
        return any(c.fg != "default" for c in cells), any(c.reverse for c in cells)

    def end(self) -> int | None:
        """The player's exit status once it has ended. Its terminal is gone a little earlier, and
        close() would kill it then."""
        try:
            self.child.read()
        except pexpect.TIMEOUT:
            return None
        status: int | None = self.child.wait()
        return status


def missing() -> str:
    """Why there is no such terminal here; "" if there is."""
    return "" if pyte else "python3-pyte is not installed: ./setup --all does"
