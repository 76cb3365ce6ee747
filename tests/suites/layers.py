# SPDX-License-Identifier: BSD-2-Clause
"""The floor plan: a module includes and calls only what stands on its own floor or below.

Headers are read from the #include lines, calls from the symbols of the object files: an undefined
symbol belongs to the floor of the object that defines it. The only way up is a hook.
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


def check_calls(config: Config) -> Iterator[Result]:
    folders = (config.out / "kernel", config.out / "tests" / "kernel")
    objects = sorted(path for folder in folders for path in folder.rglob("*.o"))
    if not objects:
        yield Result("layers/calls", True, skipped="no object of the kernel is built")
        return
    defined: dict[str, str] = {}
    needed: list[tuple[str, str]] = []
    for path, letter, symbol in symbols(objects):
        if letter in ("U", "w"):
            needed.append((path, symbol))
        elif letter.isupper() or letter in ("u", "i"):
            defined.setdefault(symbol, path)
    broken = []
    for path, symbol in needed:
        owner = defined.get(symbol)
        if owner and LEVEL.get(part_of(owner), -1) > LEVEL.get(part_of(path), -1):
            broken.append(f"{part_of(path)} ({path}) uses {symbol} of {part_of(owner)} ({owner})")
    yield Result("layers/calls", not broken, "\n".join(broken))


def jobs(config: Config) -> list[Job]:
    if not (ROOT / "kernel").is_dir():
        return []
    return [
        Job("layers/parts", check_parts),
        Job("layers/headers", check_headers),
        Job("layers/calls", lambda: check_calls(config)),
    ]
