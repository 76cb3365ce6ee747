# SPDX-License-Identifier: BSD-2-Clause
"""A lecture's list of steps, read from a text of lines:

    title WORDS           of the lecture, once
    scene WORDS           a new boot begins; then one of
    test NAME             it runs this in-kernel test of the lab
    run COMMAND           it runs this command, and is stopped in its programs only
    boot                  it is stopped while it starts
    show NAMES            the pictures that the steps from here on show
    point NAME: WORDS     a step: where the test says `point NAME'
    stop FUNCTION: WORDS  a step: the next time that the kernel's FUNCTION is entered
    stop FUNCTION in PROGRAM: WORDS     the same for another program; `in any' for whatever runs
    stop FUNCTION with NAME=NUMBER: WORDS   the next time that its parameter NAME is NUMBER
    stop FUNCTION after N: WORDS        the next time but N
    stop FUNCTION returns: WORDS        when that call comes back
    stop FUNCTION as LABEL: WORDS       the step's heading

Empty lines, and lines that begin with #, say nothing. An indented line goes on with the one above.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from grade.lab import ROOT

FOLDER = ROOT / "grade" / "lecture" / "steps"
NAME = r"(?P<name>\w[\w.-]*)"
WORDS = r"(?:\s+as\s+(?P<label>[^:]*[^:\s]))?\s*:\s+(?P<say>\S.*)"
STEPS = {
    "point": re.compile(NAME + WORDS),
    "stop": re.compile(
        NAME + r"(?P<returns>\s+returns)?(?:\s+in\s+(?P<program>[\w.-]+))?"
        r"(?:\s+with\s+(?P<parameter>\w+)=(?P<value>-?(?:0x[0-9a-f]+|\d+)))?"
        r"(?:\s+after\s+(?P<after>\d+))?" + WORDS
    ),
}
FORMS = {
    "point": "point NAME [as LABEL]: WORDS",
    "stop": "stop FUNCTION [returns] [in PROGRAM] [with NAME=NUMBER] [after N] [as LABEL]: WORDS",
    "test": "test NAME", "run": "run COMMAND", "scene": "scene WORDS", "title": "title WORDS",
    "show": "show NAMES",
}  # fmt: skip
ANY = "any"
DEFAULT = ["frames", "owners", "pools"]


class StepError(Exception):
    """A list of steps asks for what is not there, or never came."""


@dataclass
class Stop:
    """One step: where to stop and what is said there."""

    kind: str
    """point or stop"""
    name: str
    say: str
    show: list[str]
    program: str = ANY
    parameter: str = ""
    value: int = 0
    after: int = 0
    """How often it is not stopped there before."""
    returns: bool = False
    label: str = ""
    at: str = ""
    """Where the list says it: file:line."""
    shown_at: str = ""
    """Where it says what is shown."""

    @property
    def heading(self) -> str:
        return self.label or (f"{self.name} returns" if self.returns else self.name)


@dataclass
class Scene:
    title: str
    test: str = ""
    command: str = ""
    boot: bool = False
    stops: list[Stop] = field(default_factory=list)
    at: str = ""


@dataclass
class Lecture:
    title: str = ""
    scenes: list[Scene] = field(default_factory=list)
    show: list[str] = field(default_factory=lambda: list(DEFAULT))
    """What steps show from the line on that is read."""
    shown_at: str = ""


def find(name: str) -> Path:
    """A file, or the name of a lecture that comes with the kernel."""
    for path in (Path(name), FOLDER / f"{name}.steps"):
        if path.is_file():
            return path
    ours = " ".join(sorted(path.stem for path in FOLDER.glob("*.steps")))
    raise SystemExit(f"strata: STEPS={name}: no such file; the kernel's own lectures are {ours}")


def logical_lines(text: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace() and found:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
        else:
            found.append((number, line.strip()))
    return found


def parse(text: str, name: str) -> Lecture:
    lecture = Lecture()
    for number, line in logical_lines(text):
        word, _, rest = line.partition(" ")
        try:
            _take(lecture, word, rest.strip(), f"{name}:{number}")
        except ValueError as error:
            raise SystemExit(f"strata: {name}:{number}: {error}") from None
    for scene in lecture.scenes:
        if not scene.stops:
            raise SystemExit(f"strata: {scene.at}: scene `{scene.title}' has no step")
    if not lecture.scenes:
        raise SystemExit(f"strata: {name}: no scene, so no step")
    lecture.title = lecture.title or lecture.scenes[0].title
    return lecture


def _take(lecture: Lecture, word: str, rest: str, at: str) -> None:
    """One line."""
    if word in FORMS and not rest:
        raise ValueError(f"`{FORMS[word]}' was expected")
    if word == "title":
        lecture.title = rest
    elif word == "show":
        lecture.show, lecture.shown_at = rest.split(), at
    elif word == "scene":
        lecture.scenes.append(Scene(rest, at=at))
    else:
        _take_of_scene(lecture, word, rest, at)


def _take_of_scene(lecture: Lecture, word: str, rest: str, at: str) -> None:
    if word not in ("test", "run", "boot", "point", "stop"):
        raise ValueError(f"`{word}' is none of title scene test run boot show point stop")
    if not lecture.scenes:
        raise ValueError(f"`{word}' comes before the first scene")
    scene = lecture.scenes[-1]
    if word in ("test", "run", "boot"):
        if scene.test or scene.command or scene.boot:
            raise ValueError("a scene is one boot: it has one of test, run and boot")
        scene.test = rest if word == "test" else ""
        scene.command = rest if word == "run" else ""
        scene.boot = word == "boot"
        return
    match = STEPS[word].fullmatch(rest)
    if not match:
        raise ValueError(f"`{FORMS[word]}' was expected")
    if not (scene.test or scene.command or scene.boot):
        raise ValueError("before its first step a scene has one of test, run and boot")
    if word == "point" and not scene.test:
        raise ValueError("points are in tests: this scene has none")
    default = Path(scene.command.split()[0]).name if scene.command else ANY
    stop = Stop(word, match["name"], match["say"], list(lecture.show), at=at)
    stop.label, stop.shown_at = match["label"] or "", lecture.shown_at
    if word == "stop":
        stop.program, stop.returns = match["program"] or default, bool(match["returns"])
        stop.parameter, stop.value = match["parameter"] or "", int(match["value"] or "0", 0)
        stop.after = int(match["after"] or 0)
    scene.stops.append(stop)
