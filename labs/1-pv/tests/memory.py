# SPDX-License-Identifier: BSD-2-Clause
"""Judges where all memory is: no page may hide under another owner's name.

Every page that is not free is accounted for from outside: page tables by walking them, the tests'
own pages by their number, the array of pages by its size, free pages by the free list.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from grade import lab, layout
from grade.lab_judge import Run
from grade.oracle import ENTRIES, PAGE, PTE, Oracle, OracleError
from grade.rng import Rng

if TYPE_CHECKING:
    from judge import State

AGREE = "the statistics follow from each other and from the pages held"
ACCOUNTED = "every page is where its owner says"
GIVEN_BACK = "no wholly free chunk stays listed: its page is given back"
UNTOUCHED = "the reverse map leaves the pages that are mapped alone"
MAX_POOL = 8
"""Pages of pools: the pmaps themselves, and little else runs during a test."""
FIGURES = lab.of_judge(__file__).figures
PER_CHUNK: int = FIGURES["entries"]
SLACK = 4
"""Pages that may be held for nothing in tests of other things."""


def free_listed(oracle: Oracle) -> int:
    """The length of the free list, from its links."""
    page = oracle.types.structs["vm_page"]
    types = layout.types_of(oracle.out / "kernel/mem/vm_page.o")
    link = page.fields["queue"].offset
    head_offset = types.structs["page_free_state"].fields["list"].offset
    head = oracle.image.symbols["page_free"] + head_offset
    arrays = [
        (seg.pages, seg.pages + seg.count * page.size,
         oracle.memory.read(seg.array_pa, seg.count * page.size))
        for seg in oracle.segments
    ]
    at, count = oracle.word(head), 0
    total = sum(seg.count for seg in oracle.segments)
    while at != head:
        for start, end, data in arrays:
            if start <= at - link < end:
                at = struct.unpack_from("<Q", data, at - start)[0]
                break
        else:
            raise OracleError(f"the free list leads to {at:#x}, which is no page")
        count += 1
        if count > total:
            raise OracleError("the free list does not end")
    return count


def kernel_tables(oracle: Oracle) -> int:
    """Page-table pages below the kernel's root, its boot tables left out."""
    found: set[int] = set()
    level_of = [(oracle._root, 4)]
    while level_of:
        pa, level = level_of.pop()
        for entry in oracle.memory.table(pa)[ENTRIES // 2 if level == 4 else 0 :]:
            below = entry & PTE["PTE_PA"]
            if entry & PTE["PTE_P"] and not entry & PTE["PTE_PS"] and below not in found:
                found.add(below)
                if level > 2:
                    level_of.append((below, level - 1))
    owner = oracle.types.structs["vm_page"].fields["owner"].offset
    size = oracle.types.structs["vm_page"].size
    count = 0
    for pa in found:
        for seg in oracle.segments:
            index = (pa - seg.start_pa) // PAGE
            if 0 <= index < seg.count:
                value = oracle.memory.read(seg.array_pa + index * size + owner, 1)[0]
                count += oracle.owner_names.get(value) == "PT"
    return count


def judge_memory(state: State, oracle: Oracle, run: Run) -> None:
    """At a point of an in-kernel test: owners against what can be counted without them."""
    size = oracle.types.structs["vm_page"].size
    arrays = sum(-(-seg.count * size // PAGE) for seg in oracle.segments)
    tables = sum(1 + space.tables for space in oracle.spaces()) + kernel_tables(oracle)
    hoarded = oracle.memory.word(oracle.symbol_pa("lab_hoarded"))
    own = sum(pa >= 0 for pa in state.pages)
    where = f"pages at point {state.name}: "
    for what, expected, got in (
        ("free, by the free list", free_listed(oracle), state.owners["FREE"]),
        ("page tables, by walking them", tables, state.owners["PT"]),
        ("the kernel's, by the size of its arrays", arrays, state.owners["KERNEL"]),
        ("of objects, which are the test's own", -(-own // 2), state.owners["OBJECT"]),
        ("of anons, which are the test's own", own // 2, state.owners["ANON"]),
        ("of kernel memory, which the test laid by", hoarded, state.owners["KMEM"]),
        ("of metadata", 0, state.owners["BUF"]),
    ):
        run.expect(where + what, expected, got, invariant=ACCOUNTED)
    if state.owners["POOL"] > MAX_POOL:
        run.wrong(where + "pools", f"at most {MAX_POOL}", state.owners["POOL"],
                  invariant=ACCOUNTED)
    judge_held(state, run, where)


FILLER, FIRST, PER_PAGE = 999, 1000, 512


def judge_contents(state: State, oracle: Oracle, run: Run) -> None:
    """Every page of the test holds what lab_make_pages wrote there, whoever maps it."""
    rng = Rng(run.seed, FILLER)
    words = [rng.next() for _ in range(PER_PAGE)]
    filling = struct.pack(f"<{PER_PAGE}Q", *words) * 2
    for page, pa in enumerate(state.pages):
        if pa < 0:
            continue
        data = oracle.memory.read(pa, PAGE)
        start = page % PER_PAGE * 8
        first = Rng(run.seed, FIRST + page).next().to_bytes(8, "little")
        right = first + filling[start + 8 : start + PAGE]
        if data == right:
            continue
        at = next(i for i in range(PAGE) if data[i] != right[i]) & ~7
        run.wrong(f"page {page} of the test at point {state.name}, from byte {at} on",
                  right[at : at + 8][::-1].hex(), data[at : at + 8][::-1].hex(),
                  invariant=UNTOUCHED,
                  hint="A page was freed or taken while it was still in use, or entries were "
                  "written where somebody else's memory is.")
        return


BYTES_OF_AN_ENTRY: int = FIGURES["bytes"]
"""The least that an entry takes."""
FUNCTIONAL = "lab_pv_bytes_small"
"""The one of the tests of cost that every form must pass."""


def judge_exists(run: Run) -> None:
    """In tests of cost and of reliability: as many entries as there are must be somewhere."""
    for state in run.states:
        need = state.entries.total() * BYTES_OF_AN_ENTRY
        if state.owners["PV"] * PAGE < need:
            run.wrong(f"bytes of the reverse map for {state.entries.total()} entries at point "
                      f"{state.name}", f"{need} or more, {BYTES_OF_AN_ENTRY} for each",
                      f"{state.owners['PV'] * PAGE} in its pages", invariant=ACCOUNTED,
                      hint="Entries are memory of the reverse map's own, in pages that belong to "
                      "it: what is looked up in the page tables instead is no reverse map.")
            return
        chunks, spare = state.stats["pc_chunk_count"], state.stats["pv_entry_spare"]
        if FIGURES["exact"] and run.boot.ktest != FUNCTIONAL:
            if not run.expect(f"pv_entry_spare at point {state.name}, of {chunks} chunks of "
                              f"{PER_CHUNK} entries", chunks * PER_CHUNK - state.entries.total(),
                              spare, invariant=AGREE):
                return


def judge_kept(state: State, pages: int, run: Run) -> None:
    """Pages that are no chunks: lost, or in store. A few cost the test that watches for them."""
    if pages > (0 if run.boot.ktest == "lab_pv_given_back" else SLACK):
        chunks = state.stats["pc_chunk_count"]
        run.wrong(f"pages of the reverse map at point {state.name}",
                  f"{chunks}, a page for each of pc_chunk_count", chunks + pages,
                  invariant=GIVEN_BACK,
                  hint="A page is held that is no chunk: it was lost, or is kept in store. When "
                  "the last entry of a chunk is freed, its page goes back at once.")


def judge_held(state: State, run: Run, where: str) -> None:
    """What the reverse map holds is for mappings that are there, or were a moment ago."""
    mapped: dict[int, int] = {}
    for address, _ in state.ptes:
        mapped[address] = mapped.get(address, 0) + 1
    need = sum(-(-count // PER_CHUNK) for count in mapped.values())
    if not mapped and state.owners["PV"] > SLACK:
        run.wrong(where + "the reverse map's, with nothing mapped", f"at most {SLACK}",
                  state.owners["PV"], invariant=GIVEN_BACK,
                  hint="When the last entry of a chunk is freed, its page goes back at once. "
                  "Nothing is kept in store, either: memory is taken when entries need it.")
    elif state.name == "exhausted" and state.owners["PV"] > 3 * need + SLACK:
        run.wrong(where + f"the reverse map's, for {sum(mapped.values())} mappings",
                  f"at most {3 * need + SLACK}", state.owners["PV"], invariant=ACCOUNTED)
