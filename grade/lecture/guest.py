# SPDX-License-Identifier: BSD-2-Clause
"""Runs one scene on one form of the kernel: boots, stops at every step, looks, goes on.

A step that is a point stops itself (pvpanic); one that is a function is a breakpoint, and where it
returns another one. The guest is ended after the last step.
"""

from __future__ import annotations

import contextlib
import struct
from collections import Counter
from pathlib import Path
from typing import Any, Callable

from grade import backtrace, qemu
from grade.lab_session import LabSession
from grade.lecture import known, looks, marks, source
from grade.lecture.steps import ANY, Scene, StepError, Stop
from grade.lecture.walk import Walker
from grade.oracle import Memory, Oracle, OracleError
from grade.session import End, Outcome
from grade.wire import Wire

WALL_SECONDS = 600.0
LIMIT_SECONDS = 30
CONSOLE_LINES = 12
OF_THE_STEP = ("arguments", "calls")
"""Pictures that have nothing to do with those of the step before."""
NOT_FOUND = 127
Tell = Callable[[int, str], None]
"""Told how many steps are done, and what is counted on the way to the next."""


class SceneSession(LabSession):
    """`seen` has one entry a step: its pictures, and where the kernel stands."""

    def __init__(
        self, scene: Scene, form: str, variant: Path, out: Path, own: looks.Own, tell: Tell
    ) -> None:
        self.scene = scene
        self.form = form
        self.variant = variant
        self.own = {**own.everywhere, **(own.of_tests if scene.test else {})}
        self.tell = tell
        self.seen: list[dict[str, Any]] = []
        self._passed = 0
        self._back: tuple[int, int] | None = None
        """Where the call that is the next step returns to, and the stack pointer there."""
        self.entered: Counter[str] = Counter()
        """Since the last step: how often the function was, in which programs."""
        self.points: dict[str, None] = {}
        """Those of the test, in order."""
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
        here = self.wire.at
        if self._back:
            self._returned()
        else:
            self._entered(stop)
        if self._next():
            self._arm()
            if self.wire.at == here:
                self.wire.go_on_from()
            else:
                self.wire.go()

    def _entered(self, stop: Stop) -> None:
        assert self._vm
        self.tell(len(self.seen), f"calls of {stop.name}: {self.entered.total() + 1}")
        if not self._called_so(stop):
            self.entered[f"with another {stop.parameter}"] += 1
            return
        walker, here = self._walker(), ""
        with contextlib.suppress(OracleError, KeyError):  # the kernel starts
            here = walker.program() if walker else ""
        self.entered[f"in {here}" if here else "by the kernel alone"] += 1
        if stop.program in (ANY, here):
            self._passed += 1
            if self._passed > stop.after and stop.returns:
                self._back = source.way_back(self._vm)
            elif self._passed > stop.after:
                self._step(walker, True)

    def _returned(self) -> None:
        """Others may come by there before the call that is waited for does."""
        assert self._vm and self._back
        if backtrace.cpus(self._vm)[0].rsp == self._back[1]:
            self._back = None
            self._step(self._walker(), False)

    def _called_so(self, stop: Stop) -> bool:
        """Whether the function was entered with the parameter that the step asks for."""
        assert self._vm
        found = source.values(self._vm, self._signature(stop)) if stop.parameter else []
        wanted = (stop.parameter, stop.value)
        return not stop.parameter or wanted in [(taken.name, value) for taken, value in found]

    def _signature(self, stop: Stop) -> source.Signature:
        return known.signature(stop.name, (self.variant, self.out))

    def _point(self, name: str, oracle: Oracle) -> None:
        self.points[name] = None
        stop = self._next()
        if stop and stop.kind == "point" and stop.name == name:
            self._step(Walker(oracle, self.variant), False)
            self._arm()

    # ---- steps ----

    def _next(self) -> Stop | None:
        return self.scene.stops[len(self.seen)] if len(self.seen) < len(self.scene.stops) else None

    def _arm(self) -> None:
        stop = self._next()
        if self.wire:
            at = self._back[0] if self._back else 0
            if stop and stop.kind == "stop" and not at:
                at = known.address(stop, self.form, (self.variant, self.out))
            self.wire.stop_at(at)

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
        stop = self.scene.stops[len(self.seen)]
        pictures = looks.read(walker, self.own) if walker else {}
        pictures["console"] = {"kind": "text", "title": "console", "lines": self._console()}
        place = source.where(self._vm, entered, stop.returns)
        if place.get("stack"):
            lines = [source.short(line) for line in place["stack"]]
            pictures["calls"] = {"kind": "text", "title": "who called", "lines": lines}
        if stop.kind == "stop":
            tell = source.answer if stop.returns else source.arguments
            pictures["arguments"] = tell(self._vm, stop.name, self._signature(stop))
        before = self.seen[-1]["pictures"] if self.seen else {}
        for name, picture in pictures.items():
            marks.mark(picture, None if name in OF_THE_STEP else before.get(name))
        self.seen.append({"pictures": pictures, "where": place})
        self._passed = 0
        self.entered.clear()
        self.tell(len(self.seen), "")

    def _drain(self) -> None:
        """What the guest has printed so far."""
        assert self._vm and self._vm.console is not None
        while data := self._vm.available(self._vm.console):
            self._take_console(data)

    def _console(self) -> list[str]:
        text = self.console.decode(errors="replace").replace("\r", "")
        return text.splitlines()[-CONSOLE_LINES:]

    def why_not(self, stop: Stop, outcome: Outcome) -> str:
        """What is known of a step that did not come."""
        why = self.trouble or outcome.describe()
        last = self._console()[-1:]
        if outcome.end is End.EXIT and outcome.status and last:
            why += f": {last[0]}"
        if outcome.status == NOT_FOUND:
            why += "; a program of your own gets on the disk by EXTRA="
        if stop.kind == "point":
            return f"{why}; test {self.scene.test} has {' '.join(self.points) or 'no points'}"
        if self._back:
            return f"{why}; it was entered and did not return"
        if self.entered:
            why += f"; it was entered {', '.join(f'{x} ({n})' for x, n in self.entered.items())}"
            return why + (f", and the step comes after {stop.after}" if stop.after else "")
        callers = known.inlined_in(stop.name, (self.variant, self.out))
        return why + (f"; it is inlined in {', '.join(callers)}" if callers else "")


def run(scene: Scene, form: str, variant: Path, out: Path, own: looks.Own,
        tell: Tell) -> list[dict[str, Any]]:  # fmt: skip
    """The steps of one scene, as this form shows them."""
    session = SceneSession(scene, form, variant, out, own, tell)
    try:
        outcome = session.run()
    finally:
        if session.wire:
            with contextlib.suppress(OSError):
                session.wire.close()
    if len(session.seen) < len(scene.stops):
        stop = scene.stops[len(session.seen)]
        why = session.why_not(stop, outcome)
        raise StepError(f"{stop.at}: {form}: {stop.kind} {stop.name} was not reached: {why}")
    there = dict.fromkeys(name for step in session.seen for name in step["pictures"])
    for stop in scene.stops:
        if missing := [name for name in stop.show if name not in there]:
            has = " ".join(there)
            at = stop.shown_at or stop.at
            raise StepError(f"{at}: this scene has no {missing[0]}; it has {has}")
    return session.seen
