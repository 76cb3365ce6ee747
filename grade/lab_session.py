# SPDX-License-Identifier: BSD-2-Clause
"""A boot with points: whenever the guest stops itself, a judge looks at its memory; it goes on."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Callable

from grade import oracle, qemu
from grade.session import Session

POINT = b"point "
STOP_SECONDS = 10.0
MAX_CONSOLE = 4 << 20
MAX_RECORDS = 256 << 10
"""Bytes: the tests themselves print and record a few lines."""


class LabSession(Session):
    """`at_point(name, oracle)` is called at every point; what it raises ends the session. Before
    it, `witness` says by an OracleError if the point is not a test's own. The limit of processor
    time, if there is one, holds from one point to the next.
    """

    def __init__(
        self,
        machine: qemu.Machine,
        limit: float,
        out: Path,
        at_point: Callable[[str, oracle.Oracle], None],
        want_exit: bool = False,
        witness: Callable[[oracle.Oracle, qemu.Qemu], None] | None = None,
    ) -> None:
        machine.extra += oracle.arguments(machine.mem)
        super().__init__(machine, limit, want_exit=want_exit, on_record=self._see)
        self.max_records = MAX_RECORDS
        self.out = out
        self.at_point = at_point
        self.witness = witness
        self.trouble = ""
        self._vm: qemu.Qemu | None = None
        self._memory: oracle.Memory | None = None

    def _pump(self, vm: qemu.Qemu, started: float) -> str:
        self._vm = vm
        try:
            return super()._pump(vm, started)
        finally:
            if self._memory:
                self._memory.close()

    def _give_up(self) -> str | None:
        if self.printed > MAX_CONSOLE:
            return f"more than {MAX_CONSOLE >> 20} MiB on the console"
        return "" if self._record_error else None

    def _stuck(self, vm: qemu.Qemu) -> str:
        with contextlib.suppress(OSError):
            if "watchdog" in vm.monitor("info status"):
                return "the limit of guest instructions between two points is over"
        return super()._stuck(vm)

    def _see(self, payload: bytes) -> None:
        if not payload.startswith(POINT) or not self._stopped():
            return
        assert self._vm and self._vm.process
        try:
            if not self._memory:
                self._memory = oracle.Memory(self._vm.process.pid)
            judge = oracle.Oracle(self.machine.kernel, self.out, self._memory)
            if self.witness:
                self.witness(judge, self._vm)
            self.at_point(payload[len(POINT) :].decode(errors="replace"), judge)
        except oracle.OracleError as error:
            self.trouble = self.trouble or str(error)
        self.used = self._vm.cpu_seconds()
        # The guest may end before QEMU has answered: how it ended is judged elsewhere.
        with contextlib.suppress(OSError):
            self._vm.monitor("cont")

    def _stopped(self) -> bool:
        """Waits until the guest has stopped itself; a guest that only says so goes unjudged."""
        assert self._vm
        end = time.monotonic() + STOP_SECONDS
        while time.monotonic() < end:
            try:
                if "guest-panicked" in self._vm.monitor("info status"):
                    return True
            except OSError:
                return False
            time.sleep(0.002)
        self.trouble = "a record said that the machine stops, but it went on"
        return False
