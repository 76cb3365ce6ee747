# SPDX-License-Identifier: BSD-2-Clause
"""One boot from start to end, and the name of its end.

A session's verdict rests on the record channel and on QEMU's exit status, never on console text.
A hang is called when every CPU is halted with interrupts off (nothing can ever wake it), or when
the wall-clock limit is over.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import Callable

from grade import backtrace, blocked, qemu
from grade.records import RecordError, RecordReader

QUIET_SECONDS = 1.0
IDLE_LOOKS = 30
"""In a row, QUIET_SECONDS apart."""
IDLE_SECONDS = 1.0
"""Of processor time, in all: a guest whose disk is slow uses more."""
PROMPT = b"\n# "
MAX_KEPT = 4 << 20
"""Bytes of the console that are kept: the last ones."""
MAX_RECORDS = 16 << 20
"""Bytes of records in a run, each with what keeping it costs."""
RECORD_COST = 64


class End(Enum):
    """How a session ended; the value is the exit status of `make run` for it."""

    EXIT = 0
    PANIC = 70
    HANG = 71
    TRIPLE_FAULT = 72
    POWER_OFF = 73
    BAD_RECORDS = 74
    QEMU = 75
    CANNOT_START = 76


@dataclass
class Outcome:
    end: End
    status: int = 0
    """The command's exit status, when end is EXIT."""
    detail: str = ""
    console: bytes = b""
    records: list[bytes] = field(default_factory=list)
    seconds: float = 0.0

    def describe(self) -> str:
        """One line: the name of the end, and what is known about it."""
        name = self.end.name.lower().replace("_", " ")
        if self.end is End.EXIT:
            return f"exit {self.status}"
        return f"{name}: {self.detail}" if self.detail else name

    def exit_status(self) -> int:
        return self.status if self.end is End.EXIT else int(self.end.value)


def where(vm: qemu.Qemu) -> str:
    """Where all CPUs stand, and who waits if none of them does anything."""
    return backtrace.of_all_cpus(vm) + blocked.of_threads(vm)


class Session:
    """Boots `machine`, collects console and records until QEMU ends, and judges.

    `on_console` and `on_record` see the bytes and payloads as they come. `limit` is in seconds of
    wall-clock time, 0 for none; `busy` in seconds of the processor time that QEMU uses, of which a
    busy host takes nothing, 0 for any: a guest that idles for ever is found, too. `want_exit` says
    whether an "exit" record is due before power-off.
    """

    def __init__(
        self,
        machine: qemu.Machine,
        limit: float = 300.0,
        want_exit: bool = True,
        on_console: Callable[[bytes], None] | None = None,
        on_record: Callable[[bytes], None] | None = None,
        busy: float = 0.0,
    ) -> None:
        self.machine = machine
        self.limit = limit
        self.want_exit = want_exit
        self.on_console = on_console
        self.on_record = on_record
        self.console = bytearray()
        self.payloads: list[bytes] = []
        self.printed = 0
        self.busy = busy
        self.used = 0.0
        """Processor time, where that limit begins to count."""
        self._idle: list[float] = []
        self.typed = b""
        """What is typed at the first prompt."""
        self._reader = RecordReader()
        self._recorded = 0
        self.max_records = MAX_RECORDS
        self._record_error = ""

    def run(self) -> Outcome:
        started = time.monotonic()
        with qemu.Qemu(self.machine) as vm:
            assert vm.process and vm.process.stdin
            # Not closed before the end: then QEMU would lose what finds its output's pipe full.
            self._stdin = vm.process.stdin
            hang = self._pump(vm, started)
            if hang:
                vm.kill()
                outcome = Outcome(End.HANG, detail=hang)
            else:
                outcome = self._judge(vm.wait(), vm.errors())
        outcome.console = bytes(self.console)
        if outcome.end is not End.EXIT:
            said = outcome.console.decode(errors="surrogateescape")
            said = backtrace.with_lines(str(self.machine.kernel), said)
            outcome.console = said.encode(errors="surrogateescape")
        outcome.records = self.payloads
        outcome.seconds = time.monotonic() - started
        return outcome

    def _pump(self, vm: qemu.Qemu, started: float) -> str:
        """Carries bytes until QEMU ends. A description of the hang if it had to be given up."""
        takers = self._takers(vm)
        quiet_since = time.monotonic()
        with selectors.DefaultSelector() as selector:
            vm.watch(takers)
            for fd in takers:
                selector.register(fd, selectors.EVENT_READ)
            while selector.get_map():
                events = vm.kept() or [
                    key.fd for key, _ in selector.select(timeout=QUIET_SECONDS)
                ]
                for fd in events:
                    if data := vm.available(fd):
                        takers[fd](data)
                    elif data is not None:
                        selector.unregister(fd)
                now = time.monotonic()
                if (why := self._give_up()) is not None:
                    vm.kill()
                    return why
                if self.limit and now - started > self.limit:
                    return f"no end after {self.limit:g} s\n" + where(vm)
                if self.busy and vm.cpu_seconds() - self.used > self.busy:
                    return f"no end after {self.busy:g} s of processor time\n" + where(vm)
                if events:
                    quiet_since = now
                elif now - quiet_since >= QUIET_SECONDS and (why := self._stuck(vm)):
                    # What it said before has come by now, but perhaps after the select.
                    if not vm.kept() and not selector.select(timeout=0):
                        return why + "\n" + where(vm)
        return ""

    def _takers(self, vm: qemu.Qemu) -> dict[int, Callable[[bytes], None]]:
        """Who takes what comes from each descriptor."""
        assert vm.console is not None
        return {vm.console: self._take_console, vm.records: self._take_records}

    def _stuck(self, vm: qemu.Qemu) -> str:
        """Why a quiet machine will never go on, or nothing."""
        if backtrace.all_halted(vm, for_ever=True):
            return "every CPU is halted with interrupts off"
        if self.busy and self._idles(vm):
            return "every CPU idles, and nobody wakes who waits"
        return ""

    def _idles(self, vm: qemu.Qemu) -> bool:
        """Whether each CPU was halted at the last looks, and has hardly worked between them."""
        used = vm.cpu_seconds()
        halted = backtrace.all_halted(vm)
        self._idle = [*self._idle[-IDLE_LOOKS:], used] if halted else []
        return len(self._idle) > IDLE_LOOKS and used - self._idle[0] < IDLE_SECONDS

    def _give_up(self) -> str | None:
        """Whether to end the machine now: why, or nothing if its records are wrong already."""
        return None

    def _take_console(self, data: bytes) -> None:
        self.printed += len(data)
        self.console += data
        if len(self.console) > 2 * MAX_KEPT:
            del self.console[:-MAX_KEPT]
        if self.typed and PROMPT in self.console:
            self._type()
        if self.on_console:
            self.on_console(data)

    def _type(self) -> None:
        """At the prompt of a shell: the lines, as a user would type them."""
        with contextlib.suppress(OSError): # it may have ended
            self._stdin.write(self.typed)
        self.typed = b""

    def _take_records(self, data: bytes) -> None:
        if self._record_error:
            return
        try:
            for payload in self._reader.feed(data):
                self._recorded += len(payload) + RECORD_COST
                if self._recorded > self.max_records:
                    raise RecordError(f"more than {self.max_records >> 10} KiB of records")
                self.payloads.append(payload)
                if self.on_record:
                    self.on_record(payload)
        except RecordError as error:
            self._record_error = str(error)

    def _judge(self, status: int, errors: str) -> Outcome:
        panic = self._last(b"panic")
        if panic is not None or status == qemu.EXIT_PANIC:
            return Outcome(End.PANIC, detail=panic or "without a record")
        if not self._record_error:
            try:
                self._reader.finish()
            except RecordError as error:
                self._record_error = str(error)
        if self._record_error:
            return Outcome(End.BAD_RECORDS, detail=self._record_error)
        if status == qemu.EXIT_RESET:
            return Outcome(End.TRIPLE_FAULT, detail=errors.strip())
        if status == qemu.EXIT_CANNOT_START:
            return Outcome(End.CANNOT_START, detail=self._last(b"cannot-start") or "")
        # QEMU's own errors end it with the status that also means power-off.
        if status != qemu.EXIT_POWEROFF or (errors and not self.payloads):
            return Outcome(End.QEMU, detail=f"QEMU ended with status {status}. {errors.strip()}")
        exit_text = self._last(b"exit")
        if exit_text is None or not exit_text.isdecimal():
            if self.want_exit:
                return Outcome(End.POWER_OFF, detail="powered off with no exit status recorded")
            return Outcome(End.EXIT, 0)
        return Outcome(End.EXIT, int(exit_text))

    def _last(self, word: bytes) -> str | None:
        """The rest of the last record that begins with `word`."""
        for payload in reversed(self.payloads):
            first, _, rest = payload.partition(b" ")
            if first == word:
                return rest.decode(errors="replace").strip()
        return None
