# SPDX-License-Identifier: BSD-2-Clause
"""Judges lab 5: compares pools, the items that were taken of them and the pages of their backends.

The backends are the tests' own, and note which pool has which page, and how often they were asked.
The items' addresses and what they must hold are the tests' as well; of a solution only the counts
of struct pool are read, which follow from these.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field

from grade import layout
from grade.lab_judge import PROGRAMS, THE_END, Boot, Last, Plan, Run, programs_work
from grade.oracle import Oracle
from grade.session import End

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
NOTHING = "a get that fails leaves nothing behind"
FREE = "who does not starve pays nothing"
SHORT = "nobody fails while another pool of the backend has an empty page to lose"
ONE = "a shortage takes one page, of one pool"
TURN = "who was asked last is asked last again"
LEAST = "nobody goes below min_pages for another"
ONCE = "a get asks each other pool once at most"
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
        state.pools[n].items = [item for item in struct.iter_unpack("<2Q", data) if item[0]]
    judge_report(state, reader, run)
    for pool in state.pools.values():
        judge_pool(state, pool, oracle, run)
    return state


# ---- what always holds ----

ASKED = {"a try with": TRIES, "the owner that": WHOSE}
"""How the tests begin to say what a backend was asked in the wrong way; else it is a lock."""


def judge_report(state: State, reader: Reader, run: Run) -> None:
    where = f"at point {state.name}"
    if state.report["nfaults"]:
        run.wrong(f"pool_check {where}", "no fault",
                  "; ".join(reader.text("text").splitlines()[:MAX_SAID]), invariant=CHECKS)
    if state.report["nwrong"]:
        text = reader.text("wrong")
        broken = next((rule for begin, rule in ASKED.items() if text.startswith(begin)), UNLOCKED)
        run.wrong(f"what the backend was asked, until point {state.name}", "what was wanted",
                  text, invariant=broken)
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


# ---- the tests ----


def nothing(run: Run) -> None:
    """All that matters is judged at each point."""


def put_twice(run: Run) -> None:
    """The kernel must say so: it panics."""
    if run.outcome.end is End.PANIC and [state.name for state in run.states] == ["put"]:
        run.findings[:] = [f for f in run.findings if not f.what.startswith(THE_END)]
    elif run.outcome.end is not End.PANIC:
        run.wrong("putting an item that is free", "a panic", run.outcome.describe(),
                  invariant=TWICE)


def model(run: Run) -> None:
    """Where pages are left at point empty, the test ends there, and destroys nothing."""
    for state in run.named("empty"):
        if any(pool.npages for pool in state.pools.values()):
            run.findings[:] = [f for f in run.findings if f.what != "points reached"]
        for n, pool in state.pools.items():
            run.expect(f"pages of pool {n}, with room for {pool.items_per_page} each, at point "
                       "empty: all items were put, and pool_reclaim was called", 0, pool.npages,
                       invariant=BACK, hint="Each put of a page's last item makes it empty.")


def keeps(run: Run, state: State, pool: int, least: int) -> None:
    run.expect(f"pages of pool {pool}, which keeps {least}, at point {state.name}", least,
               state.pools[pool].npages, invariant=KEEPS,
               hint="Compare npages with min_pages before each page that is taken.")


def limits(run: Run) -> None:
    for state in run.named("empty"):
        keeps(run, state, 0, 2)


def reclaimed(run: Run) -> None:
    for state in run.named("least"):
        keeps(run, state, 1, 1)


def at_limit(run: Run) -> None:
    """Who has as many items as it may have takes no page."""
    for before, after in zip(run.states, run.states[1:]):
        if after.name == "refused":
            run.expect("pages of a pool at its limit of items, and of another, at point refused",
                       [pool.npages for pool in before.pools.values()],
                       [pool.npages for pool in after.pools.values()], invariant=NOTHING)


def dense(run: Run) -> None:
    for words in run.records("dense"):
        size, npages, memory = (int(word) for word in words)
        run.notes.append(f"100 items of {size} bytes: {npages} pages, {memory} of memory")


def granted(run: Run) -> None:
    """Each shortage that was relieved cost one page of one pool, and one more try."""
    for before, after in zip(run.states, run.states[1:]):
        if after.name != "granted" or 0 not in after.arenas:
            continue
        was, now = before.arenas[0], after.arenas[0]
        where = f"until point {after.name}"
        run.expect(f"pages that were given back {where}", 1, now["frees"] - was["frees"],
                   invariant=ONE)
        run.expect(f"pages that were got {where}", 1, now["allocs"] - was["allocs"],
                   invariant=ONE)
        lost = {n: was_pool.npages - after.pools[n].npages
                for n, was_pool in before.pools.items() if n in after.pools}
        run.expect(f"pages that other pools have lost {where}", [1],
                   [n for n in lost.values() if n > 0], invariant=ONE)
        run.expect(f"pages that pools say they were drained of {where}", 1,
                   sum(p.drained for p in after.pools.values())
                   - sum(p.drained for p in before.pools.values()), invariant=ONE)


def starve(run: Run) -> None:
    granted(run)
    for state in run.named("none"):
        if 1 in state.pools and len(state.pools) == 2:
            run.expect("pages of the pool that starved", 10, state.pools[1].npages,
                       invariant=SHORT)


def turn(run: Run) -> None:
    granted(run)
    for state in run.named("round"):
        pages = [pool.npages for n, pool in state.pools.items() if n < 5]
        if max(pages) - min(pages) > 1:
            run.wrong("pages that five pools of as many have left", "as many each", pages,
                      invariant=TURN)


def minimum(run: Run) -> None:
    granted(run)
    for state in run.named("none"):
        run.expect("pages left in pools that may keep 2, 4 and 2", [2, 4, 2],
                   [state.pools[n].npages for n in range(3)], invariant=LEAST)


PER_POOL, BASE_COST = 600, 8000
ROUNDS = 40
"""Of two pools that starve: in each one get is granted and one is refused."""
ENOUGH = 300
"""Of the gets of two CPUs."""


def bounded(run: Run) -> None:
    for before, after in zip(run.states, run.states[1:]):
        if after.name != "refused":
            continue
        was, now = before.arenas[0], after.arenas[0]
        others = len(after.pools) - 1
        if now["refusals"] - was["refusals"] > others + 1:
            run.wrong("times that a get asked the backend", f"at most {others + 1}",
                      now["refusals"] - was["refusals"], invariant=ONCE)
        lost = [pool.npages - after.pools[n].npages for n, pool in before.pools.items()]
        if max(lost) > 1:
            run.wrong("pages that one pool lost for one get", "at most 1", max(lost),
                      invariant=ONCE)
        if now["limit"] < was["limit"] and sum(lost) != others:
            run.wrong("pools that were asked, while each page went to somebody else", others,
                      sum(lost), invariant=SHORT)
    for before, after in zip(run.states, run.states[1:]):
        if after.name != "starved":
            continue
        was, now = before.arenas[0], after.arenas[0]
        run.expect("pages that two pools got of each other in 40 rounds", ROUNDS,
                   now["allocs"] - was["allocs"], invariant=ONE)
        run.expect("pages that they gave back", ROUNDS - 1, now["frees"] - was["frees"],
                   invariant=ONE)
        if now["refusals"] - was["refusals"] > 3 * ROUNDS:
            run.wrong("times that 80 gets asked the backend in vain", f"at most {3 * ROUNDS}",
                      now["refusals"] - was["refusals"], invariant=ONCE)
    for words in run.records("ticks"):
        run.notes.append(f"a get that asks 19 pools in vain takes {words[0]} instructions")
        if int(words[0]) > 20 * PER_POOL + BASE_COST:
            run.wrong("instructions for a get that asks 19 pools in vain",
                      f"at most {20 * PER_POOL + BASE_COST}", words[0], invariant=ONCE)


def price(run: Run) -> None:
    (few, least), (many, cost) = ((int(n), int(ticks)) for n, ticks in run.records("paid"))
    run.notes.append(f"8 gets that each take a page: {least} instructions with {few} pools of the "
                     f"backend, {cost} with {many}")
    if cost > least + least // 10:
        run.wrong(f"instructions of 8 gets that each take a page, with {many} pools of the backend",
                  f"{least}, as with {few}", cost, invariant=FREE)


def kva(run: Run) -> None:
    for words in run.records("kva"):
        _, npages, nsmall, per_page = (int(word) for word in words)
        run.notes.append(f"{nsmall} items where another pool had {npages} empty pages")
        if nsmall < npages * per_page:
            run.wrong(f"items of 3000 bytes, once another pool had {npages} pages laid aside",
                      f"{npages * per_page} or more", nsmall, invariant=SPACE)


PIPES, PROCESSES = 85, 80


def programs(run: Run) -> None:
    """Pipes that were closed leave room for processes."""
    for state in run.named("forked"):
        run.notes.append(f"{state.nspaces} processes, after {PIPES} pipes were closed")
        if state.nspaces < PROCESSES:
            run.wrong(f"processes that can be made, after {PIPES} pipes were closed",
                      f"{PROCESSES} or more", state.nspaces, invariant=SPACE)


def starved(run: Run) -> None:
    for words in run.records("starved"):
        run.notes.append(f"{words[0]} gets granted, {words[1]} refused")
        if int(words[0]) < ENOUGH:
            run.wrong("gets that were granted, of pools that starve beside each other",
                      f"{ENOUGH} or more", words[0], invariant=SHORT)


ANY = "lab_pool_"
LITTLE = ("poolkva=512K",)
"""Address space for pools: 32 pages."""


def several_cpus(name: str) -> list[Boot]:
    """Four CPUs that take turns by seed, which replays; and two that really run at once."""
    taking_turns = [
        Boot(ANY + name, cpus=4, jitter=4, seed_step=i, words=("turns",)) for i in range(2)
    ]
    return [*taking_turns, Boot(ANY + name, cpus=2, icount=False, seed_step=2)]


def plan(name: str, points: list[str], judge: object = nothing, **more: object) -> Plan:
    return Plan([Boot(ANY + name)], points, judge, **more)  # type: ignore[arg-type]


STARVE = ["full", *["granted"] * 5, "none", "back", "end"]
REFUSED = ["full", "refused", "end"]
PLANS: dict[str, Plan] = {
    "model": Plan([Boot(ANY + "model", seed_step=i) for i in range(2)],
                  [*["worked"] * 8, "empty", "end"], model),
    "align": plan("align", ["full", "again", "end"],
                  more=[plan("dense", ["end"], dense, records={"dense": 6})]),
    "limits": plan("limits", ["full", "empty", "full", "empty", "more", "end"], limits,
                   more=[plan("at_limit", [*["limit", "refused", "end"] * 2, "beside", "end"],
                              at_limit)]),
    "reclaim": plan("reclaim", ["made", "reclaimed", "least", "reclaimed", "end"], reclaimed),
    "fail-nth": plan("fail_nth", [*["failed"] * 4, "end"]),
    "nowait": plan("nowait", ["full", "full", "end"]),
    "reserve": plan("reserve", ["spent", "reserve", "reserve", "end"],
                    more=[Plan([Boot(ANY + "direct_reserve", mem="32M")], ["end"], nothing)]),
    "put-twice": Plan([Boot("crash_" + ANY + "put_twice")], ["put"], put_twice),
    "destroy": Plan(
        [Boot(ANY + "destroy")], ["made", *["gone"] * 5, "alone"] * 3 + ["end"], nothing,
        more=[Plan(several_cpus("come_and_go"), ["worked", "end"], nothing, {"starved": 1}),
              Plan(several_cpus("walked"), ["made", "end"], nothing)],
    ),
    "isolation": plan("isolation", ["made", "short", "end"]),
    "check": plan("check", ["right", "right", "end"]),
    "smp": Plan(several_cpus("smp"), ["worked", "end"], nothing),
    "starve": plan("starve", STARVE * 3, starve,
                   more=[plan("short_fail_nth", [*["full", "failed"] * 8, "end"]),
                         plan("busy", ["full", *["granted"] * 4, "end"], granted),
                         plan("many", ["end"] * 4)]),
    "starve-nowait": plan(
        "starve_nowait", ["full", "granted", "reserve", "granted", "end"], granted),
    "one-is-enough": plan("one", ["full", *["granted"] * 6, "end"], granted,
                          more=[plan("price", ["end"] * 2, price, records={"paid": 2})]),
    "turn": plan("turn", ["full", *[*["granted"] * 5, "round"] * 4, "end"], turn),
    "minimum": plan("minimum", ["full", *["granted"] * 4, "none", "kept", "end"], minimum),
    "bounded": plan("bounded", [*REFUSED * 2, *REFUSED[:2], "granted", "end", "full", "starved",
                                "end"],
                    bounded, records={"ticks": 2}),
    "kva": Plan(
        [Boot(ANY + "kva", words=LITTLE)], ["taken", "end"], kva, {"kva": 1},
        [Plan([Boot(command=f"/tests/poolwork {PIPES}", words=LITTLE)],
              ["start", "piped", "forked", "reaped"], programs)],
    ),
    "starve-smp": Plan(several_cpus("starve_smp"), ["worked", "used", "end"], starved,
                       {"starved": 1}, [plan("both_starve", ["full", "both", "end"] * 2)]),
}

LAST = Last(
    Boot(typed=PROGRAMS, mem="24M", swap=32 << 20),
    {"model": programs_work, "reclaim": programs_work, "cost": programs_work,
     "reliability": programs_work},
)
