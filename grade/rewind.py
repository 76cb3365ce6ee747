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
import select
import socket
import threading
from collections import deque
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterator

from grade import qemu
from grade.wire import Wire

PATIENCE_SECONDS = 600.0
"""For a replay to reach a place, by the host's clock: a backstop."""
RUN_ON_SECONDS = 1.0
TRAP = "T05"
"""How QEMU says that a machine stopped at a point: SIGTRAP, and more."""
RSP, RIP = 7, 16
"""Numbers of registers in GDB's protocol, 8 bytes each."""


def why_not(machine: qemu.Machine) -> str:
    """Why a run of this machine cannot be gone back in; nothing if it can."""
    if not machine.icount:
        return "its instructions are not counted (make gdb ICOUNT=1 counts them)"
    if machine.cpus > 1:
        return "QEMU repeats runs of one CPU only, and this machine has more (CPUS=1)"
    return "it changes the disk itself (leave PERSIST=1 out)" if machine.persist else ""


class Debuggee:
    """The machine that GDB is on; a context manager. `console` is a descriptor for what the guest
    prints."""

    def __init__(self, machine: qemu.Machine, folder: Path, console: int) -> None:
        log = folder / "replay.log"
        self.folder = folder
        self.console = console
        # At its end a replay stands still, so that GDB can look, and go back.
        extra = [*machine.extra, "-no-shutdown"]
        self.replayed = replace(machine, replay=("replay", log), extra=extra)
        self._recording = not why_not(machine)
        self._boots = 0
        self._stack = contextlib.ExitStack()
        recorded = replace(machine, replay=("record", log))
        self.vm = self._boot(recorded if self._recording else machine)
        self._output = Output(self.vm, console)

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
        try:
            vm.qmp("query-status")  # once it answers, GDB's socket is there
        except OSError:
            raise SystemExit(f"strata: QEMU does not start: {vm.errors()}") from None
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
        self._output = Output(self.vm, -1)
        run_to(self.vm, at)
        self._output.show(self.console)
        return str(self.stub())

    def entered(
        self, asker: socket.socket, codes: list[int], first: int, before: int, last: int
    ) -> tuple[int, list[tuple[int, int, int]]]:
        """How often one of these addresses was come to in a part of the run, and of so many last
        times, the latest last, the places, the addresses, and the stack pointers there."""
        self._end_recording()
        total = 0
        found: deque[tuple[int, int, int]] = deque(maxlen=last)
        with self._searching() as (vm, wire):
            run_to(vm, first)
            for code in codes:
                wire.ask(f"Z1,{code:x},1")
            for at, _ in stops(vm, wire, before, asker):
                values = wire.ask("g")
                pc = register(values, RIP)
                total += 1
                found.append((at, pc, register(values, RSP)))
                if at + 1 == before:
                    break
                wire.ask(f"z1,{pc:x},1")
                run_to(vm, at + 1)  # a single step in a replay may never end: where an event is due
                wire.ask(f"Z1,{pc:x},1")
        return total, list(found)

    def written(
        self, asker: socket.socket, address: int, size: int, first: int, before: int
    ) -> int | None:
        """The place just before the last instruction in a part of the run that wrote there."""
        self._end_recording()
        found = None
        with self._searching() as (vm, wire):
            run_to(vm, first)
            wire.ask(f"Z2,{address:x},{size:x}")
            # A watchpoint stops behind the instruction.
            for at, why in stops(vm, wire, before + 1, asker):
                found = at - 1 if "watch" in why else found
                if at == before:
                    break
        return found

    # ---- replays ----

    def _end_recording(self) -> None:
        """Has QEMU write the recording's end, once the machine ended or ran on for a while, so that
        the place where GDB let go of it is well within."""
        if self._recording:
            self._recording = False
            self._output.sink = -1
            if not self.vm.ends_within(RUN_ON_SECONDS):
                with contextlib.suppress(OSError):  # it may be gone before it has answered
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
        self._reading = threading.Lock()
        # Descriptors of its own: the machine's numbers may soon be another machine's.
        self._console = os.dup(vm.console)
        for source, shown in ((self._console, True), (os.dup(vm.records), False)):
            threading.Thread(target=self._copy, args=(source, shown), daemon=True).start()

    def show(self, sink: int) -> None:
        """Of a machine that stands still, and that printed nowhere: prints there what comes."""
        with self._reading:
            while select.select([self._console], [], [], 0)[0] and os.read(self._console, 4096):
                pass
            self.sink = sink

    def _copy(self, source: int, shown: bool) -> None:
        data = b"?"
        with contextlib.suppress(OSError):
            while data:
                select.select([source], [], [])
                with contextlib.ExitStack() as held:
                    if shown:
                        held.enter_context(self._reading)
                    data = os.read(source, 4096)
                    if shown and self.sink >= 0:
                        os.write(self.sink, data)
        os.close(source)


def place(vm: qemu.Qemu) -> int:
    return int(vm.qmp("query-replay")["icount"])


def run_to(vm: qemu.Qemu, at: int) -> None:
    """Lets a replay that stands still run to a place."""
    if at > place(vm):
        vm.qmp("replay-break", {"icount": at})
        vm.go_until_stopped(PATIENCE_SECONDS)


def register(values: str, number: int) -> int:
    return int.from_bytes(bytes.fromhex(values[16 * number : 16 * number + 16]), "little")


def stops(
    vm: qemu.Qemu, wire: Wire, before: int, asker: socket.socket
) -> Iterator[tuple[int, str]]:
    """Lets a replay run to a place, or to its end: where it stops on its way, and why."""
    while True:
        vm.qmp("replay-break", {"icount": before})
        wire.go()
        why = stop_of(wire, asker)
        if not why.startswith(TRAP) or (at := place(vm)) >= before:
            return
        yield at, why


def stop_of(wire: Wire, asker: socket.socket) -> str:
    """Why a replay stopped, once it has; nothing if the machine ended. OSError if GDB, which asked
    and waits, was interrupted: it has closed its end."""
    while (packet := wire.next()) is None:
        ready = select.select([wire.ours, asker], [], [], PATIENCE_SECONDS)[0]
        if wire.ours not in ready:
            raise OSError("interrupted" if ready else "the replay does not go on")
        try:
            data = wire.ours.recv(4096)
        except ConnectionResetError:  # it ended with a word of ours unread
            data = b""
        if not data:
            return ""
        wire.feed(data)
    return packet


def serve(debuggee: Debuggee, listener: socket.socket) -> None:
    """Answers GDB's side until the listener is closed."""
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with contextlib.suppress(OSError), connection:
                with connection.makefile("rw", encoding="utf-8") as stream:
                    question = json.loads(stream.readline())
                    stream.write(json.dumps(answer(debuggee, connection, question)) + "\n")


def answer(debuggee: Debuggee, asker: socket.socket, question: dict[str, Any]) -> dict[str, Any]:
    deeds: dict[str, Callable[..., Any]] = {
        "here": debuggee.here,
        "go": debuggee.go,
        "entered": partial(debuggee.entered, asker),
        "written": partial(debuggee.written, asker),
    }
    try:
        return {"answer": deeds[question["do"]](*question["with"])}
    except (OSError, ValueError) as error:
        return {"error": str(error)}
