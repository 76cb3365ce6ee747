# SPDX-License-Identifier: BSD-2-Clause
"""Lab 5's pools, items and backends as they lie in the guest's memory, and what always holds.

The backends are the tests' own, and note which pool has which page, and how often they were asked.
The items' addresses and what they must hold are the tests' as well; of a solution only the counts
of struct pool are read, which follow from these.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field

from grade import lab, layout
from grade.lab_judge import Run
from grade.oracle import Oracle

FIGURES = lab.of_judge(__file__).figures
ARENAS, PAGES, POOLS, ITEMS = 3, 64, 24, 2048
HEADER = 64
"""Bytes of a page that a form may keep for itself."""
MAX_SAID = 3
COUNTS = ("npages", "nitems_out", "nitems_free", "items_per_page", "page_allocs", "page_frees",
          "min_pages", "drained", "backend")
NUMBERS = ("limit", "reserve", "nout", "allocs", "refusals", "frees", "base")
REPORTED = ("nfaults", "nheld", "nwrong")

ITEM = "an item is its holder's alone"
ALIGNED = "an item is aligned as pool_init says"
COUNTED = "nitems_free + nitems_out == npages * items_per_page"
FITS = "a page holds as many items as fit"
WHOSE = "a page belongs to the pool that it was allocated for"
CHECKS = "pool_check finds what is wrong, and only that"
UNLOCKED = "no lock is held while a backend is called"
TWICE = "an item is put once"
BACK = "what is given up goes back to the backend"
TRIES = "what a get may use, each of its tries may use"
KEEPS = "a pool keeps its min_pages"
GONE = "who is destroyed is nowhere any more"
MOST = "a pool with max_items or more out gives none"
ZEROED = "an item is zero if PR_ZERO asks for that"
NOTHING = "a get that fails leaves nothing behind"
FREE = "who does not starve pays nothing"
GUARDED = "the backend's lock guards its list, a pool's lock its counts"
SHORT = "nobody fails while another pool of the backend has an empty page to lose"
TAKEN: str = FIGURES["taken"]
TURN: str = FIGURES["whom"]
LEAST: str = FIGURES["least"]
ONCE: str = FIGURES["once"]
NOBODYS = "a backend's shortage is nobody else's"
LINEAR = "what a get that starves pays is linear in the number of pools"
OURS = "what is put is an item of the pool, and taken"
SPACE = "address space that a pool has laid aside serves the others"


@dataclass
class PoolState:
    number: int
    arena: int
    size: int
    align: int
    counts: dict[str, int]
    items: list[tuple[int, int]] = field(default_factory=list)
    """Address and stamp."""

    def __getattr__(self, name: str) -> int:
        return self.counts[name]

    def spare(self, page_size: int) -> int:
        """Empty pages that it may lose."""
        used = len({address // page_size for address, _ in self.items})
        least = self.min_pages + used if FIGURES["empty"] else max(self.min_pages, used)
        return max(0, self.npages - least)


@dataclass
class State:
    name: str
    report: dict[str, int] = field(default_factory=dict)
    arenas: dict[int, dict[str, int]] = field(default_factory=dict)
    owners: dict[int, Counter[int]] = field(default_factory=dict)
    """Pages of each pool, by arena."""
    page_owner: dict[int, list[int]] = field(default_factory=dict)
    page_size: dict[int, int] = field(default_factory=dict)
    pools: dict[int, PoolState] = field(default_factory=dict)
    nspaces: int = 0
    """Address spaces, and so processes, where programs run."""


class Reader:
    """Reads the tests' arrays, by the layout of the tests' own object."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle
        self.types = layout.types_of(oracle.out / "labs/5-pool/tests/lab_pool.o")

    def field(self, struct_name: str, symbol: str, index: int, member: str) -> int:
        found = self.types.structs[struct_name]
        at = found.fields[member]
        pa = self.oracle.symbol_pa(symbol) + index * found.size + at.offset
        return int.from_bytes(self.oracle.memory.read(pa, at.size), "little")

    def words(self, symbol: str, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}Q",
                             self.oracle.memory.read(self.oracle.symbol_pa(symbol), 8 * count))

    def bytes_of(self, struct_name: str, symbol: str, index: int, member: str) -> bytes:
        found = self.types.structs[struct_name]
        at = found.fields[member]
        pa = self.oracle.symbol_pa(symbol) + index * found.size + at.offset
        return self.oracle.memory.read(pa, at.size)

    def text(self, member: str) -> str:
        data = self.bytes_of("lab_report", "lab_report", 0, member)
        return data.split(b"\0")[0].decode(errors="replace").strip()


def look(name: str, oracle: Oracle, run: Run) -> State:
    """Reads the state of the machine, and judges what must hold at every point."""
    state = State(name)
    if not run.boot.ktest:
        state.nspaces = len(oracle.spaces())
        return state
    reader = Reader(oracle)
    state.report = {n: reader.field("lab_report", "lab_report", 0, n) for n in REPORTED}
    arena_at = oracle.image.symbols["lab_arena"]
    arena = reader.types.structs["lab_arena"]
    sizes = reader.types.structs["pool_allocator"].fields["page_size"]
    for n in range(ARENAS):
        numbers = {m: reader.field("lab_arena", "lab_arena", n, m) for m in NUMBERS}
        if not numbers["base"]:
            continue
        state.arenas[n] = numbers
        owners = list(reader.bytes_of("lab_arena", "lab_arena", n, "owner"))
        state.page_owner[n] = owners
        state.owners[n] = Counter(owner - 1 for owner in owners if owner)
        pa = reader.bytes_of("lab_arena", "lab_arena", n, "pa")
        at = sizes.offset
        state.page_size[n] = int.from_bytes(pa[at : at + sizes.size], "little")
    made = reader.words("lab_made", POOLS)
    size, align = reader.words("lab_size", POOLS), reader.words("lab_align", POOLS)
    for n in (n for n in range(POOLS) if made[n]):
        counts = {m: reader.field("pool", "lab_pool", n, m) for m in COUNTS}
        which = (counts["backend"] - arena_at) // arena.size
        state.pools[n] = PoolState(n, which, size[n], align[n], counts)
        data = oracle.memory.read(oracle.symbol_pa("lab_item") + n * ITEMS * 16, ITEMS * 16)
        pairs = struct.iter_unpack("<2Q", data)
        state.pools[n].items = [(address, stamp) for address, stamp in pairs if address]
    judge_report(state, reader, run)
    for pool in state.pools.values():
        judge_pool(state, pool, oracle, run)
    return state


# ---- what always holds ----

ASKED = {"a pool that is destroyed": GONE, "a try with": TRIES, "the owner that": WHOSE,
         "pool ": COUNTED}
"""How the tests begin to say what was wrong when a backend was called; else it is a lock."""


def judge_report(state: State, reader: Reader, run: Run) -> None:
    where = f"at point {state.name}"
    if state.report["nfaults"]:
        run.wrong(f"pool_check {where}", "no fault",
                  "; ".join(reader.text("text").splitlines()[:MAX_SAID]), invariant=CHECKS)
    if state.report["nwrong"]:
        text = reader.text("wrong")
        broken = next((rule for begin, rule in ASKED.items() if text.startswith(begin)), UNLOCKED)
        until = f"until point {state.name}"
        if text.endswith("drained"):
            run.wrong(f"a pool's counts while its backend was called, {until}",
                      "as many pages drained as were given back", text, invariant=TAKEN,
                      hint="drained is counted in the pool that loses the page, with its other "
                      "counts.")
        elif "free items" in text:
            run.wrong(f"a pool's counts while its backend was called, {until}", "counts that agree",
                      text, invariant=broken, hint="A page brings as many items as its own pool "
                      "has in a page, and takes them along when it goes.")
        elif broken == COUNTED:
            run.wrong(f"a pool's counts while its backend was called, {until}", "counts that agree",
                      text, invariant=broken, hint="What counts pages changes with the pool's "
                      "lists, under the lock: once a page has come, and before the backend gets "
                      "one back.")
        else:
            run.wrong(f"what the backend was asked, {until}", "what was wanted", text,
                      invariant=broken)
    run.expect(f"locks held {where}", 0, state.report["nheld"], invariant=UNLOCKED)
    if state.name == "end" and state.arenas:
        for n, arena in state.arenas.items():
            run.expect(f"pages of arena {n} that are out at the end", 0, arena["nout"],
                       invariant=BACK)


def judge_pool(state: State, pool: PoolState, oracle: Oracle, run: Run) -> None:
    where = f"of pool {pool.number} at point {state.name}"
    base, page_size = state.arenas[pool.arena]["base"], state.page_size[pool.arena]
    owners = state.page_owner[pool.arena]
    pages = state.owners[pool.arena][pool.number]
    run.expect(f"pages {where}", pages, pool.npages, invariant=WHOSE)
    run.expect(f"pages got and not given back {where}", pages,
               pool.page_allocs - pool.page_frees, invariant=COUNTED)
    # Where CPUs or threads took items of their own, the tests' list is of the others.
    run.expect(f"items that are out {where}", len(pool.items), pool.nitems_out, invariant=COUNTED)
    run.expect(f"free items {where}", pool.npages * pool.items_per_page - pool.nitems_out,
               pool.nitems_free, invariant=COUNTED)
    item = max(pool.size, 1) + -max(pool.size, 1) % pool.align
    if pool.items_per_page < (page_size - HEADER) // item:
        run.wrong(f"items a page {where}", f"{(page_size - HEADER) // item} of {item} bytes",
                  pool.items_per_page, invariant=FITS)
    last = 0
    for address, stamp in sorted(pool.items):
        if address % pool.align:
            run.wrong(f"an item {where}", f"aligned to {pool.align}", f"{address:#x}",
                      invariant=ALIGNED)
        if address < last:
            run.wrong(f"an item {where}", f"from {last:#x}, the end of the one before it",
                      f"{address:#x}", invariant=ITEM)
        last = address + pool.size
        at = (address - base) // page_size
        whole = at == (last - 1 - base) // page_size
        if not 0 <= at < PAGES or not whole or owners[at] != pool.number + 1:
            run.wrong(f"an item {where}", "inside a page of this pool", f"{address:#x}",
                      invariant=WHOSE)
        elif pool.size >= 8 and oracle.word(address) != stamp:
            run.wrong(f"the first word of item {address:#x} {where}", f"{stamp:#x}",
                      f"{oracle.word(address):#x}", invariant=ITEM)
        if len(run.findings) > MAX_SAID:
            return
