# SPDX-License-Identifier: BSD-2-Clause
"""Sessions that read their machine at a bad moment, for the tests of the harness."""

from __future__ import annotations

import array
import fcntl
import select
import termios
import time
from pathlib import Path
from typing import Any, Callable

from grade import qemu
from grade.session import Session

FLOOD = 1 << 18
PIPE_BYTES = 1 << 16
"""That a pipe holds."""
FULL_BYTES = 40 * PIPE_BYTES


class HeldBack(Session):
    """The machine stands still until it is asked whether it is stuck; then it gets so, and what it
    prints on its way has come before the answer."""

    def __init__(self, kernel: Path) -> None:
        super().__init__(qemu.Machine(kernel, extra=["-S"]), limit=0)

    def _stuck(self, vm: qemu.Qemu) -> str:
        if not self.printed:
            assert vm.console is not None
            vm.qmp("cont")
            while not vm.kept() and not select.select([vm.console], [], [], 0.1)[0]:
                pass
            while not super()._stuck(vm):
                pass
        return super()._stuck(vm)


class Dawdles(Session):
    """Does something else each time that it has taken what the guest printed, so often that it
    prints on meanwhile; ends when it has `most` bytes."""

    most = 0

    def _takers(self, vm: qemu.Qemu) -> dict[int, Callable[[bytes], None]]:
        def take(data: bytes) -> None:
            self._take_console(data)
            self._dawdle(vm, console)

        console = vm.console or 0
        return {**super()._takers(vm), console: take}

    def _dawdle(self, vm: qemu.Qemu, console: int) -> None:
        raise NotImplementedError

    def _give_up(self) -> str | None:
        return "" if self.printed > self.most else None


class AsksInAFlood(Dawdles):
    """At the first word it asks the monitor again and again, until the guest has printed more than
    a pipe holds; then it ends."""

    most = FLOOD

    def _dawdle(self, vm: qemu.Qemu, console: int) -> None:
        while len(vm._kept[console]) < FLOOD:
            vm.monitor("info status")


class ReadsWhenFull(Dawdles):
    """Takes what the guest printed each time that the pipe is full, so often."""

    most = FULL_BYTES

    def _dawdle(self, vm: qemu.Qemu, console: int) -> None:
        count = array.array("i", [0])
        while self._give_up() is None and count[0] < PIPE_BYTES:
            time.sleep(0.001)
            fcntl.ioctl(console, termios.FIONREAD, count)


class OverOnceSaid(Session):
    """The time is over when the machine has printed a line."""

    def __init__(self, kernel: Path) -> None:
        super().__init__(qemu.Machine(kernel), limit=0)

    def _take_console(self, data: bytes) -> None:
        super()._take_console(data)
        if self.console.endswith(b"\n"):
            self.limit = 1e-6


class Unstarted(qemu.Qemu):
    def kill(self) -> None:
        pass


class Curious(Session):
    """Reads the console, too, when a record comes; ends then."""

    def _takers(self, vm: Any) -> dict[int, Callable[[bytes], None]]:
        def take(_: bytes) -> None:
            self.console += vm.available(vm.console) or b""

        return {vm.records: take, vm.console: self._take_console}

    def _give_up(self) -> str | None:
        return "" if self.console else None
