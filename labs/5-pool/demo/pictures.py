# SPDX-License-Identifier: BSD-2-Clause
"""The pictures of lab 5: a backend's pages, whose they are and how full; and the pools."""

from __future__ import annotations

import struct
from collections import Counter

from grade import layout
from grade.lecture import looks
from grade.lecture import walk as lecture_walk
from grade.lecture.record import Picture

PAGE = 4096
PAGES, ITEMS, POOLS = 9, 2048, 3
WIDE = 5        # columns of the strip for a page
NAMES = "ABC"
EMPTY, PARTIAL, FULL = 2, 4, 6
LEGEND = [["2", "empty", EMPTY], ["4", "partial", PARTIAL], ["6", "full", FULL]]


def arena(walker: lecture_walk.Walker) -> tuple[int, list[int], int]:
    """The first page's address, the owner of each page, and how often the backend said no."""
    found = layout.types_of(walker.oracle.out / "labs/5-pool/tests/lab_pool.o").structs["lab_arena"]
    at = walker.symbol("lab_arena")
    base, refusals = (
        int.from_bytes(walker.bytes(at + found.fields[name].offset, 8), "little")
        for name in ("base", "refusals")
    )
    return base, list(walker.bytes(at + found.fields["owner"].offset, PAGES)), refusals


def pages(walker: lecture_walk.Walker) -> Picture:
    base, owners, _ = arena(walker)
    used: Counter[int] = Counter()
    for n in range(POOLS):
        data = walker.bytes(walker.symbol("lab_item") + n * ITEMS * 16, ITEMS * 16)
        used.update((at - base) // PAGE for at, _ in struct.iter_unpack("<2Q", data) if at)
    pool = walker.struct("pool", "pool")
    most = walker.at(pool, walker.symbol("lab_pool"), "items_per_page")[0]
    boxes = []
    for i, owner in enumerate(owners):
        if base and owner:
            color = FULL if used[i] == most else PARTIAL if used[i] else EMPTY
            boxes.append([i * WIDE, WIDE, f"{NAMES[owner - 1]} {used[i]}", color])
    return {"kind": "strip", "title": "the backend's nine pages: whose, and items in use",
            "length": PAGES * WIDE, "legend": LEGEND, "lanes": [["backend", boxes]]}  # fmt: skip


def pools(walker: lecture_walk.Walker) -> Picture:
    pool = walker.struct("pool", "pool")
    made = struct.unpack(f"<{POOLS}Q", walker.bytes(walker.symbol("lab_made"), 8 * POOLS))
    rows = []
    for n in (n for n in range(POOLS) if made[n]):
        at = walker.symbol("lab_pool") + n * pool.size
        counts = walker.at(pool, at, "npages", "nitems_out", "nitems_free", "min_pages", "fails",
                           "drained")
        rows.append([NAMES[n], *map(str, counts)])
    columns = ["pool", "pages", "out", "free", "least", "fails", "drained"]
    return looks.table("pools", rows, columns)


def backend(walker: lecture_walk.Walker) -> Picture:
    _, owners, refusals = arena(walker)
    free = owners.count(0)
    return looks.table("backend", [["pages free", str(free)], ["times it said no", str(refusals)]])


EVERYWHERE: looks.Readings = {}
OF_TESTS = {"pages": pages, "pools": pools, "backend": backend}
