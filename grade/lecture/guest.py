# SPDX-License-Identifier: BSD-2-Clause
"""Runs one scene on one form of the kernel: boots, stops at every step, looks, goes on.

A step that is a point stops itself (pvpanic); one that is a function is a breakpoint. The guest is
ended after the last step.
"""

from __future__ import annotations

import contextlib
import difflib
import struct
from collections import Counter
from pathlib import Path
from typing import Any, Callable

from grade import layout, qemu
from grade.lab_session import LabSession
from grade.lecture import looks, marks, source
from grade.lecture.record import Picture
from grade.lecture.steps import ANY, Scene, Stop
from grade.lecture.walk import Walker, statics
from grade.oracle import Memory, Oracle, OracleError
from grade.session import available
from grade.wire import Wire

WALL_SECONDS = 600.0
LIMIT_SECONDS = 30
CONSOLE_LINES = 12
OF_THE_STEP = ("arguments", "calls")
"""Pictures that have nothing to do with those of the step before."""
Look = Callable[[Walker], dict[str, Picture]]


class DemoError(Exception):
    """A guest did not do its part."""


class SceneSession(LabSession):
    """`seen` has one entry a step: its pictures, and where the kernel stands."""

    def __init__(
        self, scene: Scene, variant: Path, out: Path, look: Look, tell: Callable[[int], None]
    ) -> None:
        self.scene = scene
        self.variant = variant
        self.look = look
        self.tell = tell
        self.seen: list[dict[str, Any]] = []
        self._passed = 0
        self.elsewhere: Counter[str] = Counter()
        """Since the last step: in which programs the function was entered when no step was due."""
        self.wire = Wire() if any(stop.kind == "stop" for stop in scene.stops) else None
        super().__init__(self._machine(out), WALL_SECONDS, out, self._point)

    def _machine(self, out: Path) -> qemu.Machine:
        words = ["quiet"]
        if self.scene.test:
            words += [f"test={self.scene.test}", f"judge={LIMIT_SECONDS}"]
        elif self.scene.command:
            words.append(qemu.run_word(self.scene.command))
        else:
            words = [qemu.run_word("true")]
        machine = qemu.Machine(
            kernel=self.variant / "kernel.elf",
            disk=None if self.scene.test else out / "disk.img",
            seed=1,
            icount=True,
            # The syncer shall not come in between because a disk was slow.
            patient=not self.scene.test,
            words=words,
        )
        if self.wire:
            machine.extra += ["-S", *self.wire.arguments()]
            machine.fds.append(self.wire.theirs.fileno())
        return machine

    # ---- what the session calls ----

    def _takers(self, vm: qemu.Qemu) -> dict[int, Callable[[bytes], None]]:
        found = super()._takers(vm)
        return {**found, self.wire.ours.fileno(): self._take_wire} if self.wire else found

    def _pump(self, vm: qemu.Qemu, started: float) -> str:
        if self.wire:
            self.wire.started()
            self._arm()
            self.wire.go()
        return super()._pump(vm, started)

    def _give_up(self) -> str | None:
        return "" if self.trouble or not self._next() else super()._give_up()

    def _take_wire(self, data: bytes) -> None:
        assert self.wire
        self.wire.feed(data)
        while (packet := self.wire.next()) is not None:
            self._stopped_by_wire(packet)

    def _stopped_by_wire(self, packet: str) -> None:
        stop = self._next()
        if not self.wire or not packet.startswith(("T05", "S05")) or not stop:
            return
        walker = self._walker()
        here = walker.program() if walker and stop.program != ANY else ""
        if stop.program in (ANY, here) and self._called_so(stop):
            self._passed += 1
            if self._passed > stop.after:
                self._step(walker, True)
        else:
            self.elsewhere[here or "the kernel alone"] += 1
        if self._next() is stop or self._same_place(stop):
            self.wire.go_on_from()
        elif self._next():
            self._arm()
            self.wire.go()

    def _called_so(self, stop: Stop) -> bool:
        """Whether the function was entered with the parameter that the step asks for."""
        assert self._vm
        if not stop.parameter:
            return True
        place = source.where(self._vm, True)
        found = source.values(self._vm, (self.variant, self.out), place) if place else []
        values = {parameter.name: value for parameter, value in found}
        if place and stop.parameter not in values:
            names = " ".join(values) or "none"
            raise DemoError(
                f"{stop.at}: {stop.name} has no parameter {stop.parameter}; it has {names}"
            )
        return values.get(stop.parameter) == stop.value

    def _point(self, name: str, oracle: Oracle) -> None:
        stop = self._next()
        if not stop or stop.kind != "point":
            return
        if stop.name != name:
            raise OracleError(f"at point {name}, not {stop.name}")
        self._step(Walker(oracle, self.variant), False)
        self._arm()

    # ---- steps ----

    def _next(self) -> Stop | None:
        return self.scene.stops[len(self.seen)] if len(self.seen) < len(self.scene.stops) else None

    def _arm(self) -> None:
        stop = self._next()
        if self.wire:
            self.wire.stop_at(self._address(stop) if stop and stop.kind == "stop" else 0)

    def _same_place(self, stop: Stop) -> bool:
        after = self._next()
        return after is not None and (after.kind, after.name) == (stop.kind, stop.name)

    def _address(self, stop: Stop) -> int:
        """A function's address, though the compiler may have given it a suffix."""
        name = stop.name
        kernel = self.variant / "kernel.elf"
        symbols = layout.image_of(kernel).symbols
        found = {at for symbol, at in symbols.items() if symbol.split(".")[0] == name}
        found |= {at for (_, own), at in statics(kernel).items() if own == name}
        if name in symbols and not any(own == name for _, own in statics(kernel)):
            found = {symbols[name]}
        if len(found) != 1:
            alike = difflib.get_close_matches(name, symbols)
            hint = f"; there is {', '.join(alike)}" if alike and not found else ""
            how = f"{len(found)} functions" if found else "no function"
            raise DemoError(f"{stop.at}: the kernel has {how} {name}{hint}")
        return found.pop()

    def _walker(self) -> Walker | None:
        """None while the kernel has no memory to look at."""
        assert self._vm and self._vm.process
        try:
            if not self._memory:
                self._memory = Memory(self._vm.process.pid)
            return Walker(Oracle(self.machine.kernel, self.out, self._memory), self.variant)
        except (OracleError, KeyError, ValueError, struct.error):
            return None

    def _step(self, walker: Walker | None, entered: bool) -> None:
        assert self._vm
        self._drain()
        pictures = {**looks.read(walker), **self.look(walker)} if walker else {}
        pictures["console"] = {"kind": "text", "title": "console", "lines": self._console()}
        place = source.where(self._vm, entered)
        if place.get("stack"):
            lines = place["stack"]
            pictures["calls"] = {"kind": "text", "title": "who called", "lines": lines}
        if walker and entered and place:
            with contextlib.suppress(OracleError, KeyError):
                found = source.values(self._vm, walker.folders, place)
                pictures["arguments"] = source.arguments(place, found)
        before = self.seen[-1]["pictures"] if self.seen else {}
        for name, picture in pictures.items():
            marks.mark(picture, None if name in OF_THE_STEP else before.get(name))
        self.seen.append({"pictures": pictures, "where": place})
        self._passed = 0
        self.elsewhere.clear()
        self.tell(len(self.seen))

    def _drain(self) -> None:
        """What the guest has printed so far."""
        assert self._vm and self._vm.console is not None
        while data := available(self._vm.console):
            self._take_console(data)

    def _console(self) -> list[str]:
        text = self.console.decode(errors="replace").replace("\r", "")
        return text.splitlines()[-CONSOLE_LINES:]


def run(scene: Scene, form: str, variant: Path, out: Path, look: Look,
        tell: Callable[[int], None]) -> list[dict[str, Any]]:  # fmt: skip
    """The steps of one scene, as this form shows them."""
    session = SceneSession(scene, variant, out, look, tell)
    try:
        outcome = session.run()
    finally:
        if session.wire:
            with contextlib.suppress(OSError):
                session.wire.close()
    if len(session.seen) < len(scene.stops):
        stop = scene.stops[len(session.seen)]
        why = session.trouble or outcome.describe()
        seen = ", ".join(f"{name} ({n})" for name, n in session.elsewhere.items())
        why += f"; it was entered in {seen}" if seen else ""
        raise DemoError(f"{stop.at}: {form}: {stop.kind} {stop.name} was not reached: {why}")
    known = dict.fromkeys(name for step in session.seen for name in step["pictures"])
    for stop in scene.stops:
        if unknown := [name for name in stop.show if name not in known]:
            there = " ".join(known)
            raise DemoError(f"{stop.at}: no picture is called {unknown[0]}; there are {there}")
    return session.seen
