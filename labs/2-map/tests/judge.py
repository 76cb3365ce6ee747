# SPDX-License-Identifier: BSD-2-Clause
"""Judges lab 2: compares the maps' entries, read from outside, with what the tests mapped.

What every map must keep, whoever uses it, is walk.py's; what a test's own blocks and changes make
of a map is figured out by model.py; the single tests are in verdicts.py and programs.py.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field

from grade import layout
from grade.lab_judge import PROGRAMS, Boot, Last, Plan, Run, programs_work
from grade.oracle import Oracle

import fields
import programs
import verdicts
import walk
from model import CELL, Block

MAX_SAID = 3
APART = ", and quanta where a cell ends" if CELL else ""
MOST_PAIRS = 160
SWAP = 64 << 20
SHORT = ["full", "mapped", "freed"]
REPORTED = ("nfaults", "nown", "unmaps", "unmap_allocs", "nheld", "nrefs", "live", "allocated",
            "clips", "merges", "mapped", "claims")
"""Figures of struct lab_report."""


@dataclass
class Pair:
    """Two neighbours of t_pairs.c, mapped in both orders."""

    va: int
    offset: int
    name: str

    def entries(self, found: walk.Map, order: int) -> list[walk.Entry]:
        start = self.va + order * verdicts.PAIR // 2
        return found.within(start, start + verdicts.PAIR // 2)


@dataclass
class State:
    """The maps and what the tests say that they did, at one point."""

    name: str
    owners: Counter[str]
    flags: dict[str, int]
    all: list[walk.Map]
    """Every map of the kernel."""
    maps: dict[int, walk.Map] = field(default_factory=dict)
    """The test's own, by number."""
    kernel: list[walk.Map] = field(default_factory=list)
    """kernel_map and kmem_map."""
    blocks: list[Block] = field(default_factory=list)
    slots: dict[int, Block] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    said: set[str] = field(default_factory=set)
    """The names of an entry's fields."""
    report: dict[str, int] = field(default_factory=dict)
    refs: dict[int, int] = field(default_factory=dict)
    """References, by address of the object or amap."""
    objects: list[int] = field(default_factory=list)
    """Addresses of the test's objects, by number."""


def look(name: str, oracle: Oracle, run: Run) -> State:
    """Reads the state of the machine, and judges what must hold at every point."""
    walker = walk.Walker(oracle)
    state = State(name, oracle.owners(), walker.flags, walker.all_maps())
    if run.boot.ktest:
        read_tests(state, walker, oracle, run)
    names = {found.address: f"{number}" for number, found in state.maps.items()}
    for symbol in ("kernel_map", "kmem_map"):
        address = oracle.memory.word(oracle.symbol_pa(symbol))
        names[address] = symbol
        state.kernel += [found for found in state.all if found.address == address]
    for found in state.all:
        label = names.get(found.address, f"{found.address:#x}")
        walk.judge_map(found, f"{label}, point {name}", state.flags["ME_QUANTUM"], run)
    return state


def with_names(said: str, flags: dict[str, int]) -> str:
    """A pair that differs in flags: by their names."""
    if not said.startswith("entry_flags "):
        return said
    values = [int(value, 16) for value in said.removeprefix("entry_flags ").split(", ")]
    return "entry_flags " + ", ".join(
        " | ".join(name for name, bit in flags.items() if value & bit) or "0" for value in values)


def read_tests(state: State, walker: walk.Walker, oracle: Oracle, run: Run) -> None:
    """The tests' own arrays."""
    by_address = {found.address: found for found in state.all}
    pointers = struct.unpack("<8Q", oracle.memory.read(oracle.symbol_pa("lab_map"), 64))
    state.maps = {i: by_address[at] for i, at in enumerate(pointers) if at in by_address}
    data = oracle.memory.read(oracle.symbol_pa("lab_slot"), 4096 * 32)
    for i, (number, va, size, kind) in enumerate(struct.iter_unpack("<4Q", data)):
        if va:
            state.slots[i] = Block(number, va, size, kind)
    count = oracle.memory.word(oracle.symbol_pa("lab_npairs"))
    data = oracle.memory.read(oracle.symbol_pa("lab_pair"), MOST_PAIRS * 88)[: count * 88]
    for va, _, offset, name in struct.iter_unpack("<3Q64s", data):
        said = name.split(b"\0")[0].decode(errors="replace")
        state.pairs.append(Pair(va, offset, with_names(said, state.flags)))
    for kind in ("vm_map_entry", "vm_map_attr"):
        state.said |= set(walker.types.structs[kind].fields)
    state.blocks = [block for block in state.slots.values() if block.map in state.maps]
    report = walker.types.structs["lab_report"]
    base = oracle.symbol_pa("lab_report")
    for field_name in REPORTED:
        at = base + report.fields[field_name].offset
        state.report[field_name] = oracle.memory.word(at)
    read_refs(state, walker, oracle, base + report.fields["ref"].offset)
    judge_report(state, run, oracle, report, base)
    verdicts.figures(state, run)
    programs.claims(state, run)


def read_refs(state: State, walker: walk.Walker, oracle: Oracle, at: int) -> None:
    for i in range(min(state.report["nrefs"], 1024)):
        what, nrefs = struct.unpack("<2Q", oracle.memory.read(at + 16 * i, 16))
        state.refs[what] = nrefs
    types = layout.types_of(oracle.out / "labs/2-map/tests/t_user.o")
    offset = types.structs["vm_object"].fields["nrefs"].offset
    data = oracle.memory.read(oracle.symbol_pa("lab_object"), 24)
    state.objects = [address for address in struct.unpack("<3Q", data)]
    for address in filter(None, state.objects):
        state.refs[address] = oracle.word(address + offset)


def judge_report(
    state: State, run: Run, oracle: Oracle, report: layout.Struct, base: int
) -> None:
    def said(name: str) -> str:
        place = report.fields[name]
        text = oracle.memory.read(base + place.offset, place.size).split(b"\0")[0]
        return "; ".join(text.decode(errors="replace").strip().splitlines()[:MAX_SAID])

    own = state.report["nown"]
    sound = all(walk.is_sound(found, state.flags) for found in state.maps.values())
    if own and sound:
        run.wrong(f"map_entry_check at point {state.name}, of maps in which the invariant holds "
                  "and nothing is left to merge", "no fault", said("own_text"),
                  invariant=walk.PROMISED,
                  hint="It takes for a fault what is none: neighbours that agree stay two entries "
                  f"where one amap may not serve both, and submaps always do{APART}.")
    if state.report["nfaults"] > (own if sound else 0):
        run.wrong(f"the kernel's own checks at point {state.name}", "no fault", said("text"),
                  invariant="map_check, amap_check, pool_check and page_check find nothing")
    if state.report["unmap_allocs"]:
        run.wrong(f"allocations while {state.report['unmaps']} quanta were unmapped", 0,
                  state.report["unmap_allocs"], invariant=verdicts.NEVER_ALLOCATES)
    run.expect(f"locks held at point {state.name}", 0, state.report["nheld"],
               invariant=walk.UNLOCKED)


# ---- the tests ----

ONE = "lab_map_"
WORK = "/tests/mapwork "
SEQUENCE = ["start", *["ops"] * 8, "freed", "end"]
ROW = ["before", "mapped", "holes", "filled", "half", "freed"]
CHANGES = ["start", *["ops"] * 6, "end"]
SHOWN = ["start", *["shown"] * 8, "end"]
BACK = ["back", "again", *["gone"] * 18, *["back", "again"] * 5, "end"]


def orders() -> list[str]:
    """The points of lab_map_orders: the first order of coming sees every order of going."""
    found = ["two", "three", *["gone"] * 18]
    return found + ["two", "three"] * 5


def several_cpus(name: str) -> list[Boot]:
    """Four CPUs that take turns by seed, which replays; and two that really run at once."""
    turns = ("turns",)
    taking_turns = [Boot(ONE + name, cpus=4, jitter=4, seed_step=i, words=turns) for i in range(2)]
    return [*taking_turns, Boot(ONE + name, cpus=2, icount=False, seed_step=2)]


def several_at_once(name: str) -> list[Boot]:
    """Programs: one CPU that changes threads by seed, and two."""
    turns = [Boot(command=WORK + name, jitter=3, seed_step=i) for i in range(2)]
    return [*turns, Boot(command=WORK + name, cpus=2, icount=False, seed_step=2)]


def plan(name: str, points: list[str], judge: object, **more: object) -> Plan:
    return Plan([Boot(ONE + name)], points, judge, **more)  # type: ignore[arg-type]


PLANS: dict[str, Plan] = {
    "sequence": plan("sequence", SEQUENCE, verdicts.sequence),
    "counter": plan("counter", [*["split", "freed"] * 5, "left", "end"], verdicts.counter),
    "refused": plan("refused", ["refused", "freed"], programs.refused),
    "orders": plan("orders", orders(), verdicts.blocks, more=[
        plan("back", BACK, verdicts.blocks),
    ]),
    "two-maps": plan("two", ["mapped", "thinned", "holes", "freed", "end"], verdicts.blocks),
    "kmem": plan("kmem", ["before", "full", "worked", "end"], verdicts.kmem),
    "apart": plan("apart", ["mapped", "simplified", "end"], verdicts.apart, more=[
        plan("halves", ["tried", "end"], fields.halves),
    ]),
    "changes": plan("changes", CHANGES, verdicts.changes, more=[
        plan("calls", ["start", "thinned", "changed", "end"], programs.calls),
        plan("far", ["mapped", "cut", "end"], fields.far),
        plan("order", ["changed", "end"], None),
        plan("shown", SHOWN, fields.shown),
        plan("told", ["changed", "end"], None),
    ]),
    "touched": plan("touched", [*CHANGES[:-1], "forked", "touched", "end"], verdicts.touched, more=[
        plan("lengths", ["extended", "end"], None),
    ]),
    "moved": plan("moved", ["mapped", *["moved"] * 4, "end"], programs.moved),
    "hints": plan("hints", [*["looked"] * 10, "end"], verdicts.blocks, more=[
        plan("unseen", [*["merged"] * 4, "used", "end"], fields.unseen),
    ]),
    "errors": plan("errors", ["before", "after", "end"], programs.errors, more=[
        plan("scarce", ["before", "after"], programs.scarce),
    ]),
    "fail-nth": plan(
        "fail_nth", ["before", "after", "end"], programs.fail_nth, records={"refused": 1}
    ),
    "speed": plan("speed", ["measured", "row"], programs.speed, records={"ticks": 4}),
    "smp": Plan(several_cpus("smp"), ["worked", "freed", "end"], programs.on_cpus),
    "tasks": Plan(
        several_at_once("tasks"),
        ["mapped", "thinned", "reaped"],
        programs.tasks,
        more=[Plan([Boot(command=WORK + "short", mem="24M", swap=SWAP)], SHORT, programs.short)],
    ),
    "forks": Plan([Boot(command=WORK + "forks")], ["before", "alive", "reaped"], programs.forks),
    "row": plan("row", ROW, verdicts.row),
    "trace": Plan([Boot(ONE + "sequence", seed_step=1)], SEQUENCE, verdicts.trace),
    "both-sides": plan("orders", orders(), verdicts.both_sides, more=[
        plan("back", BACK, fields.back_short),
    ]),
    "kmem-short": plan("kmem", ["before", "full", "worked", "end"], verdicts.kmem_short),
    "together": plan("together", ["mapped", "holes", "filled", "end"], verdicts.together),
    "changes-short": Plan(
        [Boot(ONE + "changes", seed_step=1)],
        CHANGES,
        verdicts.changes_short,
        more=[plan("joined", ["joined", "end"], verdicts.joined_again)],
    ),
    "protect": plan("protect", ["mapped", "split", "back", "one-by-one"], programs.protect, more=[
        plan("forked", [*["forked", "written", "alone"] * 2, "end"], programs.forked),
    ]),
    "adjacent": plan(
        "adjacent",
        ["upward", "downward", "break", "written-upward", "written-downward"],
        programs.adjacent,
        more=[
            plan("alone", ["moved", "end"], programs.alone),
            plan("beside", ["tried", "end"], programs.beside, records={"beside": 60}),
        ],
    ),
}

KERNEL_MAPS = ("row", "trace", "both-sides", "kmem-short", "forks")
USER_MAPS = ("changes-short", "protect", "adjacent")
LAST = Last(
    Boot(typed=PROGRAMS, mem="24M", swap=SWAP),
    {
        "tasks": programs_work,
        "kmem": programs_work,
        **dict.fromkeys(KERNEL_MAPS, programs.kernel_maps),
        **dict.fromkeys(USER_MAPS, programs.user_maps),
    },
)
