# SPDX-License-Identifier: BSD-2-Clause
"""The pictures of lab 2's lecture: a small map page by page, and what its reserve has.

Nothing that differs from run to run is shown: addresses are pages from the map's beginning.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from grade.lecture import walk as lecture_walk
from grade.lecture.looks import table
from grade.lecture.record import Picture
from grade.oracle import OracleError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import walk  # noqa: E402

PAGE = 4096
SHOWN = 44      # pages
USER_VA = 0x40000000
SLOTS = 8
RIGHTS = {0: "-", 1: "r", 3: "w"}
LEGEND = [["5", "an entry", 5], ["4", "a block", 4], ["6", "may be written", 6],
          ["2", "may be read only", 2], ["7", "an entry in reserve", 7]]  # fmt: skip


def blocks(walker: lecture_walk.Walker, base: int) -> list[list[object]]:
    """The blocks by the letters of their slots."""
    data = walker.bytes(walker.symbol("lab_slot"), SLOTS * 32)
    found: list[list[object]] = []
    for slot, (_, va, size, _) in enumerate(struct.iter_unpack("<4Q", data)):
        first = (va - base) // PAGE
        if va and 0 <= first < SHOWN:
            found.append([first, size // PAGE, chr(ord("A") + slot), 4])
    return sorted(found, key=lambda box: int(str(box[0])))


def entries(found: walk.Map, base: int) -> list[list[object]]:
    return [
        [(entry.start - base) // PAGE, entry.npages, "", 5]
        for entry in found.entries
        if 0 <= entry.start - base < SHOWN * PAGE
    ]


def rights(found: walk.Map) -> list[list[object]]:
    return [
        [(e.start - USER_VA) // PAGE, e.npages, RIGHTS[e.prot], 6 if e.prot == 3 else 2]
        for e in found.entries
    ]


def map_of_test(walker: lecture_walk.Walker) -> walk.Map:
    at = walker.word(walker.symbol("lab_map"))
    if not at:
        raise OracleError("the test has no map of its own")
    return walk.Walker(walker.oracle).read_map(at)


def pages(walker: lecture_walk.Walker) -> Picture:
    """A map of few pages."""
    found = map_of_test(walker)
    base = found.min_va if found.kernel else USER_VA
    lanes: list[list[object]] = [["map entries", entries(found, base)]]
    if found.kernel:
        lanes.insert(0, ["blocks", blocks(walker, base)])
        reserve = [[2 * i, 2, "", 7] for i in range(len(found.reserve))]
        lanes.append(["reserve", reserve])
    else:
        lanes.insert(0, ["rights", rights(found)])
    return {"kind": "strip", "title": "the map, page by page", "length": SHOWN, "legend": LEGEND,
            "lanes": lanes}  # fmt: skip


def counts(walker: lecture_walk.Walker) -> Picture:
    found = map_of_test(walker)
    quantum = walk.Walker(walker.oracle).flags["ME_QUANTUM"]
    rows = [["all entries", str(len(found.entries))]]
    if found.kernel:
        count, kept = len(found.quantum_entries(quantum)), len(found.reserve)
        rows = [["quantum entries", str(count)], ["in reserve", str(kept)],
                ["live quanta", str(found.nquanta)], *rows]  # fmt: skip
    return table("entries and blocks" if found.kernel else "entries", rows)


def kernel(walker: lecture_walk.Walker) -> Picture:
    maps = walk.Walker(walker.oracle)
    rows = []
    for name in ("kernel_map", "kmem_map"):
        found = maps.read_map(walker.word(walker.symbol(name)))
        figures = (found.nquanta, len(found.entries), len(found.reserve))
        rows.append([name, *map(str, figures)])
    return table("the kernel's maps", rows, ["map", "blocks", "entries", "reserve"])


EVERYWHERE = {"kernel": kernel}
OF_TESTS = {"map": pages, "counts": counts}
