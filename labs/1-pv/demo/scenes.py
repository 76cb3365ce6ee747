# SPDX-License-Identifier: BSD-2-Clause
"""The scenes of lab 1's demonstration, and how the reverse map is drawn at a point of one.

Each scene is an in-kernel test of the lab; the guest stands still at its points and is looked at
from outside. Nothing that differs from run to run is drawn.
"""

from __future__ import annotations

import struct
from pathlib import Path

from grade import layout
from grade.oracle import Oracle
from grade.scene import Scene

PAGE = 4096
SPACES = 64     # LAB_MAX_PMAPS
CELL = 8        # entries of a chunk that one character stands for
MOST_ROWS = 9

SCENES = [
    Scene("lab_pv_thousand", "One process maps 1000 pages", {
        "before": "A process with nothing mapped: no entries, no memory for them.",
        "mapped": "48 bytes an entry against 24 and a header: 12 pages against 6.",
        "after": "The process is gone, and every page that the reverse map had.",
    }),
    Scene("lab_pv_bytes_small", "Sixteen processes map the same 20 pages", {
        "before": "Chunks belong to one process each. What does that cost small ones?",
        "mapped": "Chunks LOSE: each process has a page for 20 entries. Break-even: 86 mappings.",
        "after": "Gone again.",
    }),
    Scene("lab_pv_reuse", "Half of 1680 mappings go, as many others come", {
        "before": "A process with nothing mapped.",
        "full": "Ten chunks, all full.",
        "thinned": "Holes everywhere, and not one page that could be given back.",
        "refilled": "Chunks with room come first: the holes are used, no page is added.",
        "after": "Gone again.",
    }),
    Scene("lab_pv_steal_used", "No memory left, and a third process wants to map pages", {
        "exhausted": "Process 0 is older than process 1, but was used last. No page is free.",
        "stolen": "48-byte entries: refused. Chunks: the least recently used one was stolen.",
    }),
]


def space_addresses(oracle: Oracle) -> list[int]:
    data = oracle.memory.read(oracle.symbol_pa("lab_pmap"), 8 * SPACES)
    return list(struct.unpack(f"<{SPACES}Q", data))


def pv_pages(oracle: Oracle) -> list[int]:
    """The physical addresses of the pages that the reverse map holds."""
    page = oracle.types.structs["vm_page"]
    at = page.fields["owner"].offset
    wanted = next(value for value, name in oracle.owner_names.items() if name == "PV")
    return [
        seg.start_pa + i * PAGE
        for seg in oracle.segments
        for i, value in enumerate(
            oracle.memory.read(seg.array_pa, seg.count * page.size)[at :: page.size]
        )
        if value == wanted
    ]


def draw_chunk(free: int, entries: int) -> str:
    """# all of these entries are in use, + some, . none."""
    cells = []
    for first in range(0, entries, CELL):
        count = min(CELL, entries - first)
        nfree = (free >> first & ((1 << count) - 1)).bit_count()
        cells.append("#" if nfree == 0 else "." if nfree == count else "+")
    return "".join(cells)


def draw_chunks(
    oracle: Oracle, pages: list[int], spaces: list[int], types: layout.Types
) -> list[str]:
    chunk = chunk_fields(types)
    bits, first = chunk["free"], chunk["entries"]
    entries = first.size // types.structs["pv_entry"].size
    rows = []
    for pa in pages:
        owner = oracle.memory.word(pa + chunk["pmap"].offset)
        if owner not in spaces:
            continue
        free = int.from_bytes(oracle.memory.read(pa + bits.offset, bits.size), "little")
        number = spaces.index(owner)
        used = entries - free.bit_count()
        rows.append((number, -used, f"{number:2} {draw_chunk(free, entries)} {used:3}/{entries}"))
    return [row[-1] for row in sorted(rows)]


def chunk_fields(types: layout.Types) -> dict[str, layout.Field]:
    """The members of this form's chunks, and of a header at their beginning; {} if it has none, or
    none with the handout's names."""
    found = {}
    if "pv_chunk" in types.structs:
        fields = types.structs["pv_chunk"].fields
        first = fields["entries"].offset if "entries" in fields else 0
        for struct_type in types.structs.values():
            if {"pmap", "free"} <= struct_type.fields.keys() and struct_type.size == first:
                found |= struct_type.fields
        found |= fields
    return found if {"pmap", "free", "entries"} <= found.keys() else {}


def forms(oracle: Oracle, variant: Path) -> layout.Types:
    """The structures of this form's pv.c; a form that is the work tree's is built with the rest."""
    objects = [folder / "kernel/pmap/pv.o" for folder in (variant, oracle.out)]
    return layout.types_of(next(path for path in objects if path.exists()))


def draw(oracle: Oracle, variant: Path) -> list[str]:
    """One guest's half of the screen."""
    types = forms(oracle, variant)
    spaces = space_addresses(oracle)
    mapped = {s.address: len(s.ptes) for s in oracle.spaces()}
    total = sum(mapped.get(address, 0) for address in spaces if address)
    pages = pv_pages(oracle)
    each = f"{len(pages) * PAGE / total:.3f}" if total else "-"
    counts = [mapped.get(address, 0) for address in spaces if address]
    alike = len(counts) > 1 and len(set(counts)) == 1
    shape = f"{len(counts)} x {counts[0]}" if alike else ", ".join(map(str, counts))
    # One page is the page daemon's. How many there are in plenty depends on the kernel's size.
    free = "plenty" if oracle.owners()["FREE"] > 1 else "none to be had"
    lines = [
        f"mappings           {total}",
        f"  by process       {shape or 'no process'}",
        f"pages for entries  {len(pages)}",
        f"bytes per mapping  {each}",
        f"free memory        {free}",
        "",
    ]
    if chunk_fields(types):
        rows = draw_chunks(oracle, pages, spaces, types)
        lines.append("chunks: process, entries, used" if rows else "no chunks")
        lines += rows[:MOST_ROWS]
        if len(rows) > MOST_ROWS:
            lines.append(f"   and {len(rows) - MOST_ROWS} more")
    else:
        size = types.structs["pv_entry"].size
        lines.append(f"pages of {size}-byte entries" if pages else "no pages of entries")
        lines += ["   " + "O" * min(24, len(pages) - i) for i in range(0, len(pages), 24)]
    return lines
