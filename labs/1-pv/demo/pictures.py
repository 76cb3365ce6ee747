# SPDX-License-Identifier: BSD-2-Clause
"""The pictures of lab 1's lecture: what the reverse map costs, and its chunks.

The spaces are those of the lab's tests, and without a test all processes. Nothing that differs from
run to run is shown.
"""

from __future__ import annotations

import struct

from grade import layout
from grade.lecture.looks import Readings, table
from grade.lecture.record import Picture
from grade.lecture.walk import Walker, object_named
from grade.oracle import PAGE

SPACES = 64     # LAB_MAX_PMAPS
CELL = 8        # entries of a chunk that one letter stands for
PER_ROW = 24    # pages
LEGEND = [["#", "entries, all in use", 7], ["+", "some in use", 4], [".", "free", 0]]


def space_addresses(walker: Walker) -> list[int]:
    """The pmaps; 0 for a place that no process of the test has."""
    data = walker.bytes(walker.symbol("lab_pmap"), 8 * SPACES)
    found = list(struct.unpack(f"<{SPACES}Q", data))
    return found if any(found) else [space.address for space in walker.oracle.spaces()]


def pv_pages(walker: Walker) -> list[int]:
    """The physical addresses of the pages that the reverse map holds."""
    page = walker.oracle.types.structs["vm_page"]
    at = page.fields["owner"].offset
    wanted = next(value for value, name in walker.oracle.owner_names.items() if name == "PV")
    return [
        seg.start_pa + i * PAGE
        for seg in walker.oracle.segments
        for i, value in enumerate(
            walker.oracle.memory.read(seg.array_pa, seg.count * page.size)[at :: page.size]
        )
        if value == wanted
    ]


def chunk_letters(free: int, entries: int) -> str:
    cells = []
    for first in range(0, entries, CELL):
        count = min(CELL, entries - first)
        nfree = (free >> first & ((1 << count) - 1)).bit_count()
        cells.append("#" if nfree == 0 else "." if nfree == count else "+")
    return "".join(cells)


def chunk_fields(types: layout.Types) -> dict[str, layout.Field]:
    """The members of this form's chunks, and of a header at their beginning; {} if it has none, or
    none with the handout's names."""
    found: dict[str, layout.Field] = {}
    if "pv_chunk" in types.structs:
        fields = types.structs["pv_chunk"].fields
        first = fields["entries"].offset if "entries" in fields else 0
        for struct_type in types.structs.values():
            if {"pmap", "free"} <= struct_type.fields.keys() and struct_type.size == first:
                found |= struct_type.fields
        found |= fields
    return found if {"pmap", "free", "entries"} <= found.keys() else {}


def chunks(walker: Walker) -> Picture:
    types = layout.types_of(object_named("pv", walker.folders))
    chunk, pages, spaces = chunk_fields(types), pv_pages(walker), space_addresses(walker)
    if not chunk:
        return entry_pages(types, len(pages))
    bits, first = chunk["free"], chunk["entries"]
    entries = first.size // types.structs["pv_entry"].size
    rows = []
    for pa in pages:
        owner = walker.oracle.memory.word(pa + chunk["pmap"].offset)
        if owner not in spaces:
            continue
        free = int.from_bytes(walker.oracle.memory.read(pa + bits.offset, bits.size), "little")
        used = entries - free.bit_count()
        number = spaces.index(owner)
        row = [f"{number:2}", chunk_letters(free, entries), f"{used}/{entries}"]
        rows.append((number, -used, row))
    title = f"chunks: process, {CELL} entries a letter, used" if rows else "no chunks"
    lines = [row[-1] for row in sorted(rows)]
    return {"kind": "cells", "title": title, "legend": LEGEND, "rows": lines}


def entry_pages(types: layout.Types, npages: int) -> Picture:
    """Pages of which nothing is known but that they hold entries."""
    size = types.structs["pv_entry"].size
    rows = [["", "O" * min(PER_ROW, npages - i), ""] for i in range(0, npages, PER_ROW)]
    title = f"pages of {size}-byte entries" if rows else "no pages of entries"
    return {"kind": "cells", "title": title, "legend": [["O", "a page of entries", 7]],
            "rows": rows}


def figures(walker: Walker) -> Picture:
    pages, spaces = pv_pages(walker), space_addresses(walker)
    mapped = {s.address: len(s.ptes) for s in walker.oracle.spaces()}
    counts = [mapped.get(address, 0) for address in spaces if address]
    total = sum(counts)
    alike = len(counts) > 1 and len(set(counts)) == 1
    shape = f"{len(counts)} x {counts[0]}" if alike else ", ".join(map(str, counts))
    # One page is the page daemon's. How many there are in plenty depends on the kernel's size.
    free = "plenty" if walker.oracle.owners()["FREE"] > 1 else "none to be had"
    return table("the reverse map", [
        ["mappings", str(total)],
        ["by process", shape or "no process"],
        ["pages for entries", str(len(pages))],
        ["bytes per mapping", f"{len(pages) * PAGE / total:.3f}" if total else "-"],
        ["free memory", free],
    ])


EVERYWHERE = {"figures": figures, "chunks": chunks}
OF_TESTS: Readings = {}
