# SPDX-License-Identifier: BSD-2-Clause
"""The pictures of lab 4's lecture: entries, amaps, anons and frames; and the page tables beside."""

from __future__ import annotations

import struct

from grade.lecture import looks
from grade.lecture import walk as lecture_walk
from grade.lecture.record import Picture
from grade.oracle import PTE

PAGE = 4096
VA = 0x40000000
SPACES, PAGES = 8, 10
WIDE = 4        # columns of the strip for a page
NAMES = ("parent", "child", "grandchild")
LEGEND = [["6", "may be written", 6], ["2", "may be read only", 2]]


def spaces(walker: lecture_walk.Walker) -> list[tuple[str, int]]:
    data = walker.bytes(walker.symbol("lab_space"), 8 * SPACES)
    found = [at for at, in struct.iter_unpack("<Q", data)]
    return [(name, at) for name, at in zip(NAMES, found) if at]


def memory(walker: lecture_walk.Walker) -> Picture:
    """What the entries refer to. Frames keep the names that they got first."""
    vm_map = walker.struct("vm_space", "vm_space").fields["map"].offset
    flags = walker.enum("map_entry_flags", "vm_map")
    nodes: dict[str, list[object]] = {}
    edges: list[list[str]] = []
    order: dict[int, str] = {}
    for name, at in spaces(walker):
        for entry in looks.entries_of(walker, at + vm_map):
            if not entry["amap"]:
                continue
            first = (entry["start_va"] - VA) // PAGE
            last = (entry["end_va"] - VA) // PAGE - 1
            mark = ", needs a copy" if entry["flags"] & flags["ME_NEEDSCOPY"] else ""
            key = f"{name}{first}"
            nodes[key] = [key, 0, f"{name} {first}-{last}{mark}", 5]
            edges.append([key, looks.amap_of(walker, entry["amap"], key, order, nodes, edges)])
    return looks.memory_graph(nodes, edges)


def pages(walker: lecture_walk.Walker) -> Picture:
    """Which frames the page tables show, by letters."""
    tables = {space.address: space.ptes for space in walker.oracle.spaces()}
    letters: dict[int, str] = {}
    lanes: list[list[object]] = []
    for name, at in spaces(walker):
        pmap = walker.at(walker.struct("vm_space", "vm_space"), at, "pmap")[0]
        boxes = []
        for i in range(PAGES):
            pte = tables.get(pmap, {}).get(VA + i * PAGE, 0)
            if pte:
                frame = pte & PTE["PTE_PA"]
                letter = letters.setdefault(frame, chr(ord("a") + len(letters)))
                boxes.append([i * WIDE, WIDE, letter, 6 if pte & PTE["PTE_W"] else 2])
        lanes.append([name, boxes])
    return {"kind": "strip", "title": "what each page table shows: frames by letters",
            "length": PAGES * WIDE, "legend": LEGEND, "lanes": lanes}  # fmt: skip


def figures(walker: lecture_walk.Walker) -> Picture:
    owners = walker.oracle.owners()
    return looks.table("how much", [["frames of private pages", str(owners["ANON"])],
                                    ["frames of pools", str(owners["POOL"])]])


EVERYWHERE = {"figures": figures}
OF_TESTS = {"memory": memory, "pages": pages}
