# SPDX-License-Identifier: BSD-2-Clause
"""What a list of steps may name: pictures, tests, functions and their parameters. All are looked up
before a guest runs, and whoever asks for what is not there is told what is."""

from __future__ import annotations

import difflib
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import Iterator

from elftools.dwarf.die import DIE
from elftools.elf.elffile import ELFFile

from grade import layout
from grade.lecture import looks, source
from grade.lecture.steps import Lecture, Scene, StepError, Stop
from grade.lecture.walk import statics

OF_STOPS = ("arguments", "calls", "console")
"""Pictures that no reading makes."""
TEST = "ktest_entry_"
LIKE = 0.7
MOST_CALLERS = 4


def check_pictures(lecture: Lecture, own: looks.Own) -> None:
    names = [*looks.READINGS, *OF_STOPS, *own.everywhere]
    for scene in lecture.scenes:
        every = list(dict.fromkeys([*names, *(own.of_tests if scene.test else ())]))
        for stop in scene.stops:
            for name in (name for name in stop.show if name not in every):
                if name in own.of_tests:
                    why = f"the picture {name} is of a test, and `{scene.title}' has none"
                else:
                    why = f"no picture is called {name}"
                raise StepError(f"{stop.shown_at}: {why}; there are {' '.join(every)}")


def check_kernel(lecture: Lecture, form: str, folders: tuple[Path, ...]) -> None:
    """Whether this form has what the scenes stop at; its own folder is the first."""
    kernel = folders[0] / "kernel.elf"
    for scene in lecture.scenes:
        _check_test(scene, form, kernel)
        for stop in (stop for stop in scene.stops if stop.kind == "stop"):
            address(stop, form, folders)
            _check_parameter(stop, folders)


def _check_test(scene: Scene, form: str, kernel: Path) -> None:
    tests = sorted(name.removeprefix(TEST) for _, name in statics(kernel) if name.startswith(TEST))
    if scene.test and not any(fnmatch(name, scene.test) for name in tests):
        there = " ".join(name for name in tests if name.startswith("lab_")) or "none of a lab: LAB="
        raise StepError(f"{scene.at}: the {form} has no test {scene.test}; there are {there}")


def _check_parameter(stop: Stop, folders: tuple[Path, ...]) -> None:
    if stop.parameter:
        names = [parameter.name for parameter in signature(stop.name, folders).parameters]
        names = names[: len(source.REGISTERS)]
        if stop.parameter not in names:
            has = " ".join(names) or "none"
            raise StepError(
                f"{stop.at}: {stop.name} has no parameter {stop.parameter}; it has {has}"
            )


@lru_cache(maxsize=None)
def addresses(name: str, kernel: Path) -> set[int]:
    """Of the functions of that name, to which the compiler may have given a suffix."""
    code = layout.image_of(kernel).code
    own = {at for (_, static), at in statics(kernel).items() if static == name}
    if name in code and not own:
        return {code[name]}
    return {at for symbol, at in code.items() if at in own or symbol.split(".")[0] == name}


def address(stop: Stop, form: str, folders: tuple[Path, ...]) -> int:
    """Where the function is entered; StepError where there is none, or not one."""
    name, kernel = stop.name, folders[0] / "kernel.elf"
    found = addresses(name, kernel)
    if len(found) == 1:
        return min(found)
    how = f"{len(found)} functions" if found else "no function"
    why = f"the {form} has {how} {name}"
    code = layout.image_of(kernel).code
    named = [] if found else [symbol for symbol in code if "." not in symbol]
    alike = difflib.get_close_matches(name, named, cutoff=LIKE)
    if not found and (callers := inlined_in(name, folders)):
        why = f"{name} is inlined everywhere: take {' or '.join(callers)}"
    elif alike:
        why += f"; there is {', '.join(alike)}"
    raise StepError(f"{stop.at}: {why}")


# ---- what the objects tell ----


def objects(name: str, folders: tuple[Path, ...]) -> Iterator[Path]:
    """The objects of a form in which this name is written; its own before those of all forms."""
    seen = set()
    for folder in folders:
        for path in sorted((folder / "kernel").rglob("*.o")):
            inside = path.relative_to(folder)
            if inside not in seen and b"\0%s\0" % name.encode() in path.read_bytes():
                yield path
            seen.add(inside)


@lru_cache(maxsize=None)
def signature(name: str, folders: tuple[Path, ...]) -> source.Signature:
    """Of the function of that name; none, of no parameters, where no object tells."""
    for path in objects(name, folders):
        if found := source.signature(path, name):
            return found
    return source.Signature([], None)


@lru_cache(maxsize=None)
def inlined_in(name: str, folders: tuple[Path, ...]) -> list[str]:
    """Functions that have the code of another one within their own."""
    found: dict[str, None] = {}
    for path in objects(name, folders):
        with open(path, "rb") as file:
            for unit in ELFFile(file).get_dwarf_info().iter_CUs():
                for die in unit.get_top_DIE().iter_children():
                    if die.tag == "DW_TAG_subprogram" and _holds(die, name):
                        found[_original_name(die)] = None
        if len(found) >= MOST_CALLERS:
            break
    return list(found)[:MOST_CALLERS]


def _holds(die: DIE, name: str) -> bool:
    return any(
        child.tag == "DW_TAG_inlined_subroutine" and _original_name(child) == name
        or _holds(child, name)
        for child in die.iter_children()
    )  # fmt: skip


def _original_name(die: DIE) -> str:
    while "DW_AT_abstract_origin" in die.attributes:
        die = die.get_DIE_from_attribute("DW_AT_abstract_origin")
    return layout.name_of(die)
