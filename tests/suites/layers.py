# SPDX-License-Identifier: BSD-2-Clause
"""The floor plan: a module includes and calls only what stands on its own floor or below.

Headers are read from the #include lines, calls from the symbols of the object files, functions and
variables: an undefined symbol belongs to the floor of the object that defines it. The only way up
is a hook. Nor may the files of one floor need each other in a circle; those that still do are
listed, and the list may only get shorter.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Iterator

from tests.job import ROOT, Config, Job, Result

# From the ground up; the parts of one floor may use each other. The tests that are linked into a
# kernel stand on its roof: they use all floors, and none uses them.
FLOORS = [["lib"], ["sync", "dev"], ["mem"], ["amd64"], ["pmap"], ["vm"], ["proc", "fs"], ["sys"],
          ["main"], ["tests"]]
LEVEL = {part: level for level, parts in enumerate(FLOORS) for part in parts}
# A room inside a floor, and the files of that floor outside of it that may include its headers: the
# one that mounts.
ROOMS = {"fs/sfs": ["kernel/fs/vfs_mount.c"]}
# The circles that are left, by floor: files that all need each other. Only amd64 has any.
CIRCLES = [
    "amd64/boot.S amd64/smp",
    "amd64/trap amd64/trap.S",
]
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')
PART = re.compile(r"(?:^|/)(?:kernel/(?P<floor>\w+)|(?P<roof>tests)/kernel)/")


def part_of(path: str) -> str:
    match = PART.search(path)
    return (match["floor"] or match["roof"]) if match else ""


def check_parts() -> Iterator[Result]:
    """Every folder of kernel/ has a place on the floor plan."""
    folders = sorted(p.name for p in (ROOT / "kernel").iterdir() if p.is_dir())
    strangers = [name for name in folders if name not in LEVEL]
    yield Result("layers/parts", not strangers, f"not on the floor plan: {strangers}")


def check_headers() -> Iterator[Result]:
    broken = []
    for path in sorted((ROOT / "kernel").rglob("*.[chS]")):
        name = str(path.relative_to(ROOT))
        here = LEVEL.get(part_of(name), -1)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            there = match[1].split("/")[0]
            if LEVEL.get(there, -1) > here:
                broken.append(f"{name}:{number}: includes {match[1]} from a floor above")
            room = match[1].rpartition("/")[0]
            outside = room in ROOMS and part_of(name) == there and f"/{room}/" not in name
            if outside and name not in ROOMS[room]:
                broken.append(f"{name}:{number}: looks into the room {room}: {match[1]}")
    yield Result("layers/headers", not broken, "\n".join(broken))


def symbols(objects: list[Path]) -> Iterator[tuple[str, str, str]]:
    """(object, type letter, symbol) of every symbol in the objects."""
    nm = (os.environ.get("NM") or "nm").split()
    done = subprocess.run(
        [*nm, "-A", "-P", *map(str, objects)], capture_output=True, text=True, check=True
    )
    for line in done.stdout.splitlines():
        path, _, rest = line.partition(": ")
        fields = rest.split()
        yield path, fields[1], fields[0]


def uses(config: Config) -> list[tuple[str, str, str]]:
    """(user, symbol, owner): which object needs which symbol of which other one."""
    folders = (config.out / "kernel", config.out / "tests" / "kernel")
    objects = sorted(path for folder in folders for path in folder.rglob("*.o"))
    defined: dict[str, str] = {}
    needed: list[tuple[str, str]] = []
    for path, letter, symbol in symbols(objects) if objects else ():
        if symbol.startswith("__ubsan_"):
            continue  # the compiler calls it, not the file
        if letter in ("U", "w"):
            needed.append((path, symbol))
        elif letter.isupper() or letter in ("u", "i"):
            defined.setdefault(symbol, path)
    return [(path, name, defined[name]) for path, name in needed if name in defined]


def check_calls(found: list[tuple[str, str, str]]) -> Iterator[Result]:
    broken = [
        f"{part_of(path)} ({path}) uses {symbol} of {part_of(owner)} ({owner})"
        for path, symbol, owner in found
        if LEVEL.get(part_of(owner), -1) > LEVEL.get(part_of(path), -1)
    ]
    yield Result("layers/calls", not broken, "\n".join(broken))


def circles(edges: dict[str, set[str]]) -> list[set[str]]:
    """The sets of nodes that reach each other, of two and more."""
    reach = {node: set(after) for node, after in edges.items()}
    for middle in edges:
        for node in edges:
            if middle in reach[node]:
                reach[node] |= reach[middle]
    found: list[set[str]] = []
    for node in sorted(edges):
        circle = {other for other in reach[node] if node in reach.get(other, ())}
        if len(circle) > 1 and circle not in found:
            found.append(circle)
    return found


def check_circles(found: list[tuple[str, str, str]]) -> Iterator[Result]:
    """No file needs, by functions or variables, one of its own floor that needs it in turn."""
    edges: dict[str, set[str]] = {}
    why: dict[tuple[str, str], list[str]] = {}
    for path, symbol, owner in found:
        if part_of(path) == part_of(owner) != "tests":
            user, used = (str(Path(p)).partition("/kernel/")[2].removesuffix(".o")
                          for p in (path, owner))
            edges.setdefault(user, set()).add(used)
            edges.setdefault(used, set())
            why.setdefault((user, used), []).append(symbol)
    now = circles(edges)
    known = [set(line.split()) for line in CIRCLES]
    # A circle that shrank, or fell into smaller ones, is to be written down as what it is now.
    broken = []
    for circle in (c for c in now if c not in known):
        broken.append(f"a circle that is not on the list: {' '.join(sorted(circle))}")
        broken += [f"    {user} uses {' '.join(sorted(names))} of {used}"
                   for (user, used), names in sorted(why.items()) if {user, used} <= circle]
    broken += [f"no circle any more, take it off the list: {' '.join(sorted(circle))}"
               for circle in known if circle not in now]
    yield Result("layers/circles", not broken, "\n".join(broken))


def check_objects(config: Config) -> Iterator[Result]:
    found = uses(config)
    if found:
        yield from check_calls(found)
        yield from check_circles(found)
    else:
        yield Result("layers/objects", True, skipped="no object of the kernel is built")


def check_finder() -> Iterator[Result]:
    """The search sees circles of two and of three files, and none where there is none."""
    edges: dict[str, set[str]] = {
        "a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"e", "f"}, "e": {"c"}, "f": set()
    }
    right = circles(edges) == [{"a", "b"}, {"c", "d", "e"}]
    right = right and not circles({"a": {"b"}, "b": set()})
    yield Result("layers/finder", right, str(circles(edges)))


def jobs(config: Config) -> list[Job]:
    if not (ROOT / "kernel").is_dir():
        return []
    return [
        Job("layers/parts", check_parts),
        Job("layers/headers", check_headers),
        Job("layers/finder", check_finder),
        Job("layers/objects", lambda: check_objects(config)),
    ]
