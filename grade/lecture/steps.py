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

Empty lines, and lines that begin with #, say nothing. An indented line goes on with the one above.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from grade.lab import ROOT

FOLDER = ROOT / "grade" / "lecture" / "steps"
STEP = re.compile(
    r"(?P<name>\w[\w.-]*)(?:\s+in\s+(?P<program>[\w.-]+))?"
    r"(?:\s+with\s+(?P<parameter>\w+)=(?P<value>0x[0-9a-f]+|\d+))?"
    r"(?:\s+after\s+(?P<after>\d+))?\s*:\s+(?P<say>\S.*)"
)
FORMS = {
    "point": "point NAME: WORDS",
    "stop": "stop FUNCTION [in PROGRAM] [with NAME=NUMBER] [after N]: WORDS",
    "test": "test NAME", "run": "run COMMAND", "scene": "scene WORDS", "title": "title WORDS",
    "show": "show NAMES",
}  # fmt: skip
ANY = "any"
DEFAULT = ["frames", "owners", "pools"]


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
    at: str = ""
    """Where the list says it: file:line."""


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
    lecture, show = Lecture(), list(DEFAULT)
    for number, line in logical_lines(text):
        word, _, rest = line.partition(" ")
        try:
            show = _take(lecture, show, word, rest.strip(), f"{name}:{number}")
        except ValueError as error:
            raise SystemExit(f"strata: {name}:{number}: {error}") from None
    for scene in lecture.scenes:
        if not scene.stops:
            raise SystemExit(f"strata: {scene.at}: scene `{scene.title}' has no step")
    if not lecture.scenes:
        raise SystemExit(f"strata: {name}: no scene, so no step")
    lecture.title = lecture.title or lecture.scenes[0].title
    return lecture


def _take(lecture: Lecture, show: list[str], word: str, rest: str, at: str) -> list[str]:
    """One line; the pictures that are shown from there on."""
    if word in FORMS and not rest:
        raise ValueError(f"`{FORMS[word]}' was expected")
    if word == "title":
        lecture.title = rest
        return show
    if word == "show":
        return rest.split()
    if word == "scene":
        lecture.scenes.append(Scene(rest, at=at))
        return show
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
        return show
    match = STEP.fullmatch(rest)
    if not match:
        raise ValueError(f"`{FORMS[word]}' was expected")
    if not (scene.test or scene.command or scene.boot):
        raise ValueError("before its first step a scene has one of test, run and boot")
    if word == "point" and not scene.test:
        raise ValueError("points are in tests: this scene has none")
    default = Path(scene.command.split()[0]).name if scene.command else ANY
    stop = Stop(word, match["name"], match["say"], list(show), match["program"] or default)
    stop.parameter, stop.value = match["parameter"] or "", int(match["value"] or "0", 0)
    stop.after, stop.at = int(match["after"] or 0), at
    scene.stops.append(stop)
    return show
