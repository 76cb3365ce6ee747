# SPDX-License-Identifier: BSD-2-Clause
"""Judges lab 0: answers, against the sources and what the machine's memory shows of the boot with
the student's own seed; and the figures of faults, against the page tables before each fault."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Callable, Iterator

from grade import csource, layout
from grade.lab import ROOT
from grade.lab_judge import LOST, PROGRAMS, Boot, Last, Plan, Run, programs_work
from grade.oracle import PTE, Oracle, OracleError, Space

import answers

READ = "what the sources say"
FOLLOWED = "what the fault did, with your seed"
BACK = "what took the mapping away again, with your seed"
KINDS = "each fault is counted once, by its access"
PRESENT = "present counts each fault at whose address a page is mapped"
EXACT = "no count is lost where several processors count at once"

PAGE = 4096
REGION = 512 * PAGE
MAGIC = 0x72756F742030626C
"""tourwork's first page begins with it; then come the byte that it touches, a system call, and
whether it writes."""
ACCESSES = {1: "PROT_READ", 2: "PROT_WRITE", 4: "PROT_EXEC"}
FIGURES = {1: "reads", 2: "writes", 4: "executes"}
CASES = {"anon_hits": "1A", "anon_copies": "1B", "object_maps": "2A", "promotes": "2B",
         "zero_fills": "2B"}
FAULTS = 60
CPUS = 2
UNSETTLED = 8
"""Faults that a program may be about to have counted as the machine stands still."""


@dataclass
class State:
    """What is looked at, at one point."""

    name: str
    stats: dict[str, int]
    """The lab's figures."""
    faults: dict[str, int]
    """vm_fault_stats."""
    next: dict[str, int] = field(default_factory=dict)
    """Of an in-kernel test: the fault between two points."""
    pte: int = 0
    """What is mapped where that fault is, or on the page that tourwork touches."""
    note: tuple[int, ...] = (0, 0, 0)
    """tourwork's: the address of that byte, the system call, whether it writes."""
    errors: tuple[int, int] = (0, 0)
    calls: int = 0
    """What the CPUs were to count at once, of each kind of fault."""
    page_struct: int = 0


def words_of(oracle: Oracle, fields: dict[str, layout.Field], base: int) -> dict[str, int]:
    return {name: oracle.memory.word(base + found.offset) for name, found in fields.items()}


def look(name: str, oracle: Oracle, run: Run) -> State:
    types = layout.types_of(oracle.out / "labs/0-tour/tests/lab_tour.o").structs
    ours = layout.types_of(oracle.out / "kernel/vm/fault_map.o").structs
    report, base = types["lab_report"].fields, oracle.symbol_pa("lab_report")
    at = {part: base + found.offset for part, found in report.items()}
    state = State(
        name,
        words_of(oracle, types["fault_kinds_stats"].fields, at["stats"]),
        words_of(oracle, ours["vm_fault_stats"].fields, oracle.symbol_pa("vm_fault_stats")),
        page_struct=oracle.types.structs["vm_page"].size,
    )
    if run.boot.ktest:
        state.next = words_of(oracle, types["lab_next"].fields, at["next"])
        state.calls = oracle.memory.word(at["calls"])
        state.errors = (oracle.memory.word(at["unmapped"]), oracle.memory.word(at["denied"]))
        page = state.next["va"] & -PAGE
        state.pte = next((s.ptes.get(page, 0) for s in oracle.spaces()
                          if s.address == state.next["pmap"]), 0)
    elif run.boot.command:
        space, state.note = region(oracle)
        state.pte = space.ptes.get(state.note[0] & -PAGE, 0)
    return state


def region(oracle: Oracle) -> tuple[Space, tuple[int, ...]]:
    """tourwork's address space, and its note."""
    for space in oracle.spaces():
        for pte in (pte for va, pte in space.ptes.items() if va % REGION == 0):
            magic, *note = (oracle.memory.word((pte & PTE["PTE_PA"]) + 8 * i) for i in range(4))
            if magic == MAGIC:
                return space, tuple(note)
    raise OracleError("no space has tourwork's region")


# ---- what is read in the sources ----


def functions(folder: str) -> Iterator[csource.Function]:
    for path in sorted((ROOT / folder).rglob("*.c")):
        yield from csource.functions(path.read_text(encoding="utf-8"))


def error_name(value: int) -> str:
    text = (ROOT / "kernel/lib/errno.h").read_text(encoding="utf-8")
    return next((name for name, number in re.findall(r"\b(E\w+) = (\d+)", text)
                 if int(number) == value), "")


def words(run: Run) -> None:
    for state in run.states:
        trap = {f.name for f in functions("kernel/proc")
                if "struct trapframe" in f.head and "vm_fault" in {name for _, name in f.calls()}}
        lookup = next(f for f in functions("kernel/vm") if f.name == "fault_lookup")
        lock = next(name for _, name in lookup.calls() if "lock" in name)
        unmapped, denied = map(error_name, state.errors)
        answers.judge(run, {"trap-function": {*trap}, "unmapped-error": {unmapped},
                            "denied-error": {denied}, "lookup-lock": {lock}}, READ)


def sizes(run: Run) -> None:
    waits = layout.macros(ROOT / "kernel/vm/vm_fault.c", "MAX_")["MAX_WAITS"]
    for state in run.states:
        answers.judge(run, {"most-waits": {waits}, "page-struct": {state.page_struct}},
                      READ)


# ---- what one fault did ----


def call_name(number: int) -> str:
    """The function of a system call, by the kernel's tables."""
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "kernel/sys").glob("*.c"))
    found = re.search(rf"\bCALL\({number}, (\w+)\)", text)
    return f"sys_{found[1]}" if found else ""


def fault_of(run: Run) -> tuple[State, State]:
    """The points before and after the fault."""
    before, after = run.named("mapped"), run.named("touched")
    if not before or not after:
        raise OracleError("the program did not come to its points")
    return before[0], after[0]


def follow(run: Run) -> None:
    before, after = fault_of(run)
    va, pte = after.note[0], after.pte
    risen = {name for name in CASES if after.faults[name] > before.faults[name]}
    answers.judge(run, {
        "fault-va": {va},
        "fault-access": {2 if after.note[2] else 1},
        "fault-case": {CASES[name] for name in risen},
        "entered-prot": {3 if pte & PTE["PTE_W"] else 1},
        "pt-index": {va // PAGE % 512},
    }, FOLLOWED)


def back(run: Run) -> None:
    _, after = fault_of(run)
    answers.judge(run, {"last-change": {call_name(after.note[1])},
                        "entry-before": {after.pte % PAGE}}, BACK)


# ---- the figures ----


def rises(run: Run) -> Iterator[tuple[State, dict[str, int], str]]:
    """For each fault the state before it, how the figures rose, and words for it."""
    for before, after in zip(run.named("before"), run.named("after")):
        access = ACCESSES[before.next["access"]].removeprefix("PROT_").lower()
        rose = {name: after.stats[name] - before.stats[name] for name in after.stats}
        yield before, rose, f"a fault ({access}) at {before.next['va']:#x}"


def kinds(run: Run) -> None:
    for before, rose, what in rises(run):
        for access, name in FIGURES.items():
            run.expect(f"{name}, after {what}: by how much it rose",
                       int(before.next["access"] == access), rose[name], invariant=KINDS)


def present(run: Run) -> None:
    for before, rose, what in rises(run):
        mapped = f"PTE {before.pte:#x}" if before.pte & PTE["PTE_P"] else "no page mapped there"
        run.expect(f"present, after {what}, {mapped}: by how much it rose",
                   int(bool(before.pte & PTE["PTE_P"])), rose["present"], invariant=PRESENT)


def rose_together(run: Run, names: list[str], each: int) -> None:
    """Two CPUs counted faults at a page that is mapped: `each' of every kind."""
    for before, after in zip(run.named("alone"), run.named("together")):
        for name in names:
            run.expect(f"{name}, counted by {CPUS} processors at once: by how much it rose",
                       each * after.calls, after.stats[name] - before.stats[name],
                       invariant=EXACT, hint=LOST)


def kinds_together(run: Run) -> None:
    rose_together(run, [*FIGURES.values()], 1)


def present_together(run: Run) -> None:
    rose_together(run, ["present"], len(FIGURES))


def programs_kinds(run: Run) -> None:
    programs_work(run)
    for first, state in zip(run.states, run.states[1:]):
        wanted = state.faults["faults"] - first.faults["faults"]
        total = sum(state.stats[name] - first.stats[name] for name in FIGURES.values())
        if abs(total - wanted) > UNSETTLED:
            run.wrong(f"reads + writes + executes of programs from point {first.name} to point "
                      f"{state.name}", wanted, total, invariant=KINDS)


def programs_present(run: Run) -> None:
    """After a fork parent and children write to what is mapped read-only."""
    programs_work(run)
    for state in run.states:
        figure, copies = state.stats["present"], state.faults["faults"]
        if not 0 < figure < copies:
            run.wrong(f"present, of programs at point {state.name}",
                      f"more than 0 and less than the {copies} faults", figure, invariant=PRESENT)


FAULT_POINTS = ["before", "after"] * FAULTS
TOURED = ["mapped", "touched", "end"]
ASKED = Boot("lab_tour_errors", seeded=False)
FOLLOW = Boot(command="/tests/tourwork", own_seed=answers.own_seed)


def faults() -> list[Boot]:
    return [Boot("lab_tour_faults", seed_step=i) for i in range(2)]


def together(judge: Callable[[Run], None]) -> Plan:
    """CPUs that really run at once, where the host has as many."""
    boot = Boot("lab_tour_together", cpus=CPUS, icount=False, seeded=False)
    return Plan([boot], ["alone", "together"], judge)


PLANS: dict[str, Plan] = {
    "words": Plan([ASKED], ["asked"], words),
    "sizes": Plan([ASKED], ["asked"], sizes),
    "follow": Plan([FOLLOW], TOURED, follow, gdb_at="end"),
    "back": Plan([FOLLOW], TOURED, back, gdb_at="end"),
    "kinds": Plan(faults(), FAULT_POINTS, kinds, more=[together(kinds_together)]),
    "present": Plan(faults(), FAULT_POINTS, present, more=[together(present_together)]),
}

LAST = Last(
    Boot(typed="cat /proc/vm/fault\n" + PROGRAMS, mem="24M", swap=32 << 20),
    {"kinds": programs_kinds, "present": programs_present},
)
