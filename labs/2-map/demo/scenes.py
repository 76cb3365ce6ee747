# SPDX-License-Identifier: BSD-2-Clause
"""The scenes of lab 2's demonstration, and how a map is drawn at a point of one.

Each scene is an in-kernel test of the lab; the guest stands still at its points and is looked at
from outside. Nothing that differs from run to run is drawn: addresses are pages from the map's
beginning.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from grade.oracle import Oracle
from grade.scene import Scene

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import walk  # noqa: E402

PAGE = 4096
SHOWN = 44      # pages, a character each
USER_VA = 0x40000000
SLOTS = 8
RIGHTS = {0: "-", 1: "r", 3: "w"}

SCENES = [
    Scene("lab_map_demo_merge", "Blocks come and go in a kernel map", {
        "one": "A block of six pages: one quantum, one entry.",
        "neighbours": "B comes beside it. On the right they are one entry, and one is left over.",
        "apart": "C keeps a distance: nothing to merge with.",
        "filled": "D fills the hole. Three become one, and the reserve has three entries.",
        "guards": "E and F have guard pages: they differ from D in a flag, not from each other.",
        "middle": "B is freed: its entry, shared, is split out of the reserve. No pool is asked.",
        "first": "A had been split off already: its entry goes with it.",
        "last": "C was at an edge: clipped out, and the clipped piece freed. Count: the law holds.",
    }),
    Scene("lab_map_demo_counter", "A mapping that never merged is split", {
        "mapped": "A, B, C are quanta; D promised nothing. Two entries are in reserve.",
        "split": "The middle of D goes; E was its end. E's entry was allocated before the lock.",
        "freed": "B goes. Had D's split taken from the reserve, who would pay for the next one?",
    }),
    Scene("lab_map_demo_program", "A program maps eleven times, and plays with the rights", {
        "eleven": "Eleven calls of mmap side by side: eleven entries, or one.",
        "read-only": "mprotect of 16 pages in the middle: clipped out, three entries.",
        "and-back": "The rights are as before. Only who looks at both neighbours sees it.",
        "hole": "munmap of the middle: two entries, and nobody can save one.",
    }),
    Scene("lab_map_kmem", "The kernel's own maps under 300 blocks", {
        "before": "After start-up: the kmem submap is an entry of kernel_map.",
        "full": "300 blocks, a third of them in the submap, a quarter with guards.",
        "worked": "3000 came or went, each freed where nobody may sleep or allocate.",
        "end": "All are gone, and all entries.",
    }),
]


def cells(found: walk.Map, base: int) -> str:
    """[===] is an entry."""
    row = ["."] * SHOWN
    for entry in found.entries:
        first, last = (entry.start - base) // PAGE, (entry.end - base) // PAGE - 1
        if 0 <= first <= last < SHOWN:
            row[first : last + 1] = ["["] + ["="] * (last - first - 1) + ["]"]
    return "".join(row)


def blocks(oracle: Oracle, base: int) -> str:
    """The blocks by the letters of their slots."""
    row = [" "] * SHOWN
    data = oracle.memory.read(oracle.symbol_pa("lab_slot"), SLOTS * 32)
    for slot, (_, va, size, _) in enumerate(struct.iter_unpack("<4Q", data)):
        first, count = (va - base) // PAGE, size // PAGE
        if va and 0 <= first < SHOWN:
            row[first : first + count] = [chr(ord("A") + slot)] * count
    return "".join(row)


def reserve(found: walk.Map) -> str:
    if not found.reserve:
        return "reserve  empty"
    return "reserve  " + " ".join("[]" for _ in found.reserve)


def law(found: walk.Map, quantum: int) -> str:
    entries = len(found.quantum_entries(quantum))
    kept = len(found.reserve)
    return f"{entries} + {kept} in reserve = {entries + kept}, for {found.nquanta} quanta"


def draw_small(oracle: Oracle, found: walk.Map, quantum: int) -> list[str]:
    """A map of few pages, drawn page by page."""
    if found.kernel:
        said = [reserve(found), "", "quantum entries:", law(found, quantum)]
        return [blocks(oracle, found.min_va), cells(found, found.min_va), "", *said,
                f"all entries: {len(found.entries)}"]
    rights = [" "] * SHOWN
    for entry in found.entries:
        first = (entry.start - USER_VA) // PAGE
        rights[first : first + entry.npages] = RIGHTS[entry.prot] * entry.npages
    return ["".join(rights), cells(found, USER_VA), "", f"entries: {len(found.entries)}"]


def draw(oracle: Oracle, _: Path) -> list[str]:
    """One guest's half of the screen."""
    walker = walk.Walker(oracle)
    quantum = walker.flags["ME_QUANTUM"]
    mine = oracle.memory.word(oracle.symbol_pa("lab_map"))
    if mine:
        return draw_small(oracle, walker.read_map(mine), quantum)
    lines = []
    for name in ("kernel_map", "kmem_map"):
        found = walker.read_map(oracle.memory.word(oracle.symbol_pa(name)))
        lines += [
            name,
            f"  blocks (quanta)  {found.nquanta}",
            f"  entries          {len(found.entries)}",
            f"  in reserve       {len(found.reserve)}",
            "",
        ]
    return lines[:-1]
