# SPDX-License-Identifier: BSD-2-Clause
"""Plays on models what the guest does, draw by draw: the blocks of t_quanta.c, the changes of
t_plain.c; and says which entries there must be."""

from __future__ import annotations

from dataclasses import dataclass, replace

from grade import lab
from grade.rng import Rng

PAGE = 4096
USER_VA = 0x40000000
FIGURES = lab.of_judge(__file__).figures
CELL: int = FIGURES["cell"] * PAGE
QUANTUM, GUARD, READ_ONLY, PLAIN = range(4)


# ---- blocks ----


@dataclass(frozen=True)
class Block:
    """A mapping of the test, as its slot has it."""

    map: int
    va: int
    size: int
    kind: int

    @property
    def end(self) -> int:
        return self.va + self.size


def ends_cell(va: int) -> bool:
    """Whether quanta that meet here stay apart."""
    return CELL > 0 and va % CELL == 0


def runs(blocks: list[Block]) -> list[tuple[int, int]]:
    """[start, end) of the entries that there are when all merge that may."""
    found: list[tuple[int, int]] = []
    last: Block | None = None
    for block in sorted(blocks, key=lambda b: b.va):
        apart = block.kind != PLAIN and ends_cell(block.va)
        if last and last.end == block.va and last.kind == block.kind and not apart:
            found[-1] = (found[-1][0], block.end)
        else:
            found.append((block.va, block.end))
        last = block
    return found


class Sequence:
    """lab_map_sequence: which slots hold blocks of how many pages, and of which kind."""

    SLOTS, ROUND = 2400, 5000

    def __init__(self, seed: int) -> None:
        self.rng = Rng(seed)
        self.live: dict[int, tuple[int, int]] = {}

    def step(self) -> tuple[int, int, int]:
        """One call: the slot, the bytes that are mapped (0: unmapped), the kind."""
        below = self.rng.below
        slot, size, kind = below(self.SLOTS), below(16), below(32)
        if slot in self.live:
            return slot, 0, self.live.pop(slot)[1]
        npages = 5 if size < 8 else 4 if size < 14 else 1 + size % 3 * 8
        which = QUANTUM if kind < 30 else GUARD if kind == 30 else READ_ONLY
        self.live[slot] = (npages * PAGE, which)
        return slot, npages * PAGE, which

    def round(self) -> None:
        for _ in range(self.ROUND):
            self.step()


# ---- changes ----

PROT = {"none": 0, "read": 1, "rw": 3}


@dataclass(frozen=True)
class Shown:
    """What one page of the region shows."""

    object: int
    """Number of the object, or -1."""
    page: int
    """Of the object; 0 without one."""
    prot: int
    max_prot: int
    inherit: int
    advice: int
    cow: bool


class Changes:
    """lab_map_changes: what each page of the region shows."""

    REGION, ROUND, OBJECTS = 256, 500, 3

    def __init__(self, seed: int) -> None:
        self.rng = Rng(seed)
        self.pages: list[Shown | None] = [None] * self.REGION

    def round(self) -> None:
        for _ in range(self.ROUND):
            self._change()

    def _range(self) -> tuple[int, int]:
        page = self.rng.below(self.REGION)
        return page, min(1 + self.rng.below(16), self.REGION - page)

    def _change(self) -> None:
        what = self.rng.below(100)
        if what < 35:
            self._map()
            return
        page, count = self._range()
        value = self.rng.below(3)
        if what < 50:
            self.pages[page : page + count] = [None] * count
            return
        for i in range(page, page + count):
            shown = self.pages[i]
            if shown is None:
                return
            if what < 75:
                prot = [PROT["none"], PROT["read"], PROT["rw"]][value]
                if prot & ~shown.max_prot:
                    return
                shown = replace(shown, prot=prot)
            elif what < 85:
                shown = replace(shown, advice=value)
            else:
                shown = replace(shown, inherit=value)
            self.pages[i] = shown

    def _map(self) -> None:
        page, count = self._range()
        what, shift, prot = self.rng.below(5), self.rng.below(2), self.rng.below(8)
        for i in range(page, page + count):
            self.pages[i] = Shown(
                object=what if what < self.OBJECTS else -1,
                page=i + shift if what < self.OBJECTS else 0,
                prot=PROT["rw"] if prot & 1 else PROT["read"],
                max_prot=PROT["read"] if prot == 6 else PROT["rw"],
                inherit=1,
                advice=0,
                cow=what == self.OBJECTS,
            )

    def entries(self) -> list[tuple[int, int]]:
        """[start, end) of the entries that there are when all merge that may."""
        found: list[tuple[int, int]] = []
        last: Shown | None = None
        for i, shown in enumerate(self.pages):
            at = USER_VA + i * PAGE
            if shown is not None:
                if last is not None and goes_on(last, shown):
                    found[-1] = (found[-1][0], at + PAGE)
                else:
                    found.append((at, at + PAGE))
            last = shown
        return found


def goes_on(last: Shown, shown: Shown) -> bool:
    page = last.page + 1 if last.object >= 0 else 0
    return replace(last, page=page) == shown
