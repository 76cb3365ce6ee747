# SPDX-License-Identifier: BSD-2-Clause
"""The machine that GDB is on, and going back in its run: the same run again, stopped earlier.

QEMU counts the machine's instructions and logs what came from outside, and at which of them. Once
GDB asks for the past the recording is over, and replays of it take its place. A place in the run is
a number of instructions. To find one, a replay runs with a breakpoint or a watchpoint and nobody to
look at it, as fast as it can; for GDB another is stopped at that number.

GDB's side is gdb/backwards.py. It asks over a unix socket, one line of JSON for each question and
one for its answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterator

from grade import qemu
from grade.wire import Wire

PATIENCE_SECONDS = 600.0
"""For a replay to reach a place, by the host's clock: a backstop."""
RUN_ON_SECONDS = 1.0
MAX_FOUND = 4096
"""So many of the last times are remembered."""
KINDS = {"enter": 1, "write": 2}
"""What GDB's protocol calls a hardware breakpoint, and a watchpoint of writes."""
RSP, RIP = 7, 16
"""Numbers of registers in GDB's protocol, 8 bytes each."""


class Debuggee:
    """The machine that GDB is on; a context manager. `console` is a descriptor for what the guest
    prints."""

    def __init__(self, machine: qemu.Machine, folder: Path, console: int) -> None:
        log = folder / "replay.log"
        self.folder = folder
        self.console = console
        self.can_go_back = machine.icount and not machine.persist
        self.replayed = replace(machine, replay=("replay", log))
        self._recording = self.can_go_back
        self._boots = 0
        self._stack = contextlib.ExitStack()
        self.vm = self._boot(replace(machine, replay=("record", log)) if self.can_go_back else machine)
        Output(self.vm, console)

    def __enter__(self) -> "Debuggee":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def stub(self) -> Path:
        """Where GDB finds the machine."""
        return self.folder / f"gdb-{self._boots}"

    def _boot(self, machine: qemu.Machine) -> qemu.Qemu:
        """A machine that stands still at its start, with a place for GDB."""
        self._boots += 1
        socket_of_gdb = f"socket,id=gdb,path={self.stub()},server=on,wait=off"
        more = ["-chardev", socket_of_gdb, "-gdb", "chardev:gdb"]
        machine = replace(machine, extra=[*machine.extra, *more])
        vm = self._stack.enter_context(qemu.Qemu(machine, paused=True))
        vm.qmp("query-status")  # once it answers, GDB's socket is there
        return vm

    # ---- what GDB asks for ----

    def here(self) -> int:
        """How many instructions have run."""
        return place(self.vm)

    def go(self, at: int) -> str:
        """Takes GDB's machine to a place that has been reached before. Where GDB finds it."""
        self._end_recording()
        self._stack.close()
        self.vm = self._boot(self.replayed)
        output = Output(self.vm, -1)
        run_to(self.vm, at)
        output.sink = self.console
        return str(self.stub())

    def find(self, kind: str, address: int, size: int, before: int) -> list[tuple[int, int]]:
        """The last times, before a place, that code was entered, or a value written: places just
        before the instruction that does it, the latest last, and the number of the thread
        (a CPU)."""
        self._end_recording()
        found: deque[tuple[int, int]] = deque(maxlen=MAX_FOUND)
        what = f"{KINDS[kind]},{address:x},{size:x}"
        with self._searching() as (vm, wire):
            wire.ask("Z" + what)
            vm.qmp("replay-break", {"icount": before})
            wire.go()
            while True:
                why = wire.packet()
                at = place(vm)
                # A watchpoint stops behind the instruction.
                behind = kind == "write" and "watch" in why
                if at > before or (at == before and not behind):
                    return list(found)
                found.append((at - behind, thread_of(why)))
                if kind == "enter":
                    wire.ask("z" + what)
                    wire.step()
                    wire.ask("Z" + what)
                wire.go()

    def steps(self, first: int, before: int) -> list[tuple[int, int, int]]:
        """Of each instruction in a part of the run: its place, its address, and the stack pointer
        there."""
        self._end_recording()
        found = []
        with self._searching() as (vm, wire):
            run_to(vm, first)
            while (at := place(vm)) < before:
                values = wire.ask("g")
                found.append((at, register(values, RIP), register(values, RSP)))
                wire.step()
        return found

    # ---- replays ----

    def _end_recording(self) -> None:
        """Has QEMU write the recording's end, once the machine ended or ran on for a while, so that
        the place where GDB let go of it is well within."""
        if self._recording:
            self._recording = False
            if not self.vm.ends_within(RUN_ON_SECONDS):
                self.vm.qmp("quit")
            self.vm.wait()

    @contextlib.contextmanager
    def _searching(self) -> Iterator[tuple[qemu.Qemu, Wire]]:
        """A replay that nobody looks at, at its start."""
        wire = Wire()
        more = [*self.replayed.extra, *wire.arguments()]
        machine = replace(self.replayed, extra=more, fds=[wire.theirs.fileno()])
        try:
            with qemu.Qemu(machine, paused=True) as vm:
                wire.started()
                Output(vm, -1)
                yield vm, wire
        finally:
            wire.close()


class Output:
    """Carries what a guest prints to a descriptor, or drops it (below 0); drops its records."""

    def __init__(self, vm: qemu.Qemu, sink: int) -> None:
        assert vm.console is not None
        self.sink = sink
        threading.Thread(target=self._copy, args=(vm.console, True), daemon=True).start()
        threading.Thread(target=self._copy, args=(vm.records, False), daemon=True).start()

    def _copy(self, source: int, shown: bool) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(source, 4096):
                if shown and self.sink >= 0:
                    os.write(self.sink, data)


def place(vm: qemu.Qemu) -> int:
    return int(vm.qmp("query-replay")["icount"])


def run_to(vm: qemu.Qemu, at: int) -> None:
    """Lets a replay that stands still run to a place."""
    if at > place(vm):
        vm.qmp("replay-break", {"icount": at})
        vm.go_until_stopped(PATIENCE_SECONDS)


def register(values: str, number: int) -> int:
    return int.from_bytes(bytes.fromhex(values[16 * number : 16 * number + 16]), "little")


def thread_of(packet: str) -> int:
    """GDB's number of the thread, which is a CPU, that stopped."""
    return int(packet.partition("thread:")[2].partition(";")[0].rpartition(".")[2], 16)


def serve(debuggee: Debuggee, listener: socket.socket) -> None:
    """Answers GDB's side until the listener is closed."""
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, connection.makefile("rw", encoding="utf-8") as stream:
                question = json.loads(stream.readline())
                stream.write(json.dumps(answer(debuggee, question)) + "\n")


def answer(debuggee: Debuggee, question: dict[str, Any]) -> dict[str, Any]:
    deeds = {do.__name__: do for do in (debuggee.here, debuggee.go, debuggee.find, debuggee.steps)}
    try:
        return {"answer": deeds[question["do"]](*question["with"])}
    except (OSError, ValueError) as error:
        return {"error": str(error)}
