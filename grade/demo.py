# SPDX-License-Identifier: BSD-2-Clause
"""`make demo LAB=pv`: a lab's starter and another form side by side on the same steps.

The other form is IMPL; without it, the reference for a lecture, or mine in a tree that has none.
Any key goes on, q ends. AUTO=1 shows every screen at once and needs no terminal. What the scenes
are, and how a guest is drawn, is the lab's: labs/<n>-<name>/demo/scenes.py.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import queue
import sys
import termios
import threading
import tty
from pathlib import Path
from types import ModuleType
from typing import Iterator

from grade import lab as labs
from grade import lab_forms, qemu
from grade.lab import Lab
from grade.lab_grade import make_kernel
from grade.lab_session import LabSession
from grade.oracle import Oracle
from grade.session import End

WIDTH = 47
POINT_SECONDS = 120.0
WALL_SECONDS = 4 * 3600.0
LIMIT_SECONDS = 60


class DemoError(Exception):
    """A guest did not do its part."""


class Guest:
    """One form of the kernel, in one scene; it stands still at a point until `go`."""

    def __init__(self, form: str, variant: Path, out: Path, scenes: ModuleType, ktest: str) -> None:
        self.form = form
        self._screens: queue.Queue[tuple[str, list[str]]] = queue.Queue()
        self._go = threading.Semaphore(0)
        self._scenes = scenes
        self._variant = variant
        machine = qemu.Machine(
            kernel=variant / "kernel.elf",
            seed=1,
            icount=True,
            words=[f"test={ktest}", "quiet", f"judge={LIMIT_SECONDS}"],
        )
        self._session = LabSession(machine, WALL_SECONDS, out, self._at_point)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            outcome = self._session.run()
        except Exception as error:
            self._screens.put(("", [f"{self.form}: {error!r}"]))
            return
        trouble = self._session.trouble
        if outcome.end is not End.EXIT and not trouble:
            trouble = outcome.describe()
        self._screens.put(("", [f"{self.form}: {trouble}"] if trouble else []))

    def _at_point(self, name: str, oracle: Oracle) -> None:
        self._screens.put((name, self._scenes.draw(oracle, self._variant)))
        self._go.acquire()

    def wait(self, point: str) -> list[str]:
        """What it looks like at this point; "" is its end."""
        try:
            name, lines = self._screens.get(timeout=POINT_SECONDS)
        except queue.Empty:
            where = f"{self.form}: point {point or 'end'}"
            raise DemoError(f"{where} was not reached in time") from None
        if name != point:
            if name:
                raise DemoError(f"{self.form}: at {name}, not {point}")
            raise DemoError("; ".join(lines))
        if not point and lines:
            raise DemoError(lines[0])
        return lines

    def go(self) -> None:
        self._go.release()


def scenes_of(lab: Lab) -> ModuleType:
    path = lab.folder / "demo" / "scenes.py"
    if not path.exists():
        raise SystemExit(f"strata: lab {lab.name} has no demonstration")
    spec = importlib.util.spec_from_file_location(f"scenes_{lab.name}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def side_by_side(left: list[str], right: list[str]) -> list[str]:
    rows = max(len(left), len(right))
    pairs = zip(left + [""] * (rows - len(left)), right + [""] * (rows - len(right)))
    return [f"{a:<{WIDTH}} | {b}".rstrip() for a, b in pairs]


@contextlib.contextmanager
def keys(auto: bool) -> Iterator[None]:
    """The terminal gives each key at once."""
    if auto:
        yield
        return
    saved = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)


def show(lines: list[str], auto: bool) -> bool:
    """One screen; false: enough."""
    print(("" if auto else "\033[2J\033[H") + "\n".join(lines), end="\n\n", flush=True)
    if auto:
        return True
    print("any key: go on   q: end", flush=True)
    return sys.stdin.read(1) != "q"


def play(scene: object, guests: list[Guest], auto: bool) -> bool:
    """One scene to its end; false: the instructor has enough."""
    for point, words in scene.points.items():  # type: ignore[attr-defined]
        halves = [guest.wait(point) for guest in guests]
        title = f"=== {scene.title}: {point}"  # type: ignore[attr-defined]
        names = [g.form if "/" in g.form else g.form.upper() for g in guests]
        body = side_by_side([names[0], "", *halves[0]], [names[1], "", *halves[1]])
        if not show([title, "", *body, "", f"  {words}"], auto):
            return False
        for guest in guests:
            guest.go()
    for guest in guests:
        guest.wait("")
    return True


def main() -> int:
    lab = labs.find(os.environ.get("LAB") or "")
    auto = os.environ.get("AUTO") == "1"
    if not auto and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise SystemExit("strata: the demonstration wants a terminal; AUTO=1 needs none")
    scenes = scenes_of(lab)
    qemu.end_on_signals()
    other = os.environ.get("IMPL") or ("reference" if lab_forms.sealed_ids(lab) else "mine")
    forms = ("starter", other)
    variants = {}
    for form in forms:
        variants[form], trouble = make_kernel(lab, form, "", [])
        if trouble:
            raise SystemExit(f"strata: the {form} of lab {lab.name} does not build:\n{trouble}")
    out = variants[forms[0]].parent.parent
    with keys(auto):
        for scene in scenes.SCENES:
            guests = [Guest(form, variants[form], out, scenes, scene.ktest) for form in forms]
            try:
                if not play(scene, guests, auto):
                    return 0
            except DemoError as error:
                print(f"strata: {error}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
