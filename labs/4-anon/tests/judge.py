# SPDX-License-Identifier: BSD-2-Clause
"""Judges lab 4: compares page tables, frames and anons, read from outside, with the tests' model.

The model says which page of which space shows which word, who sees the same memory (a cell) and
which cells still hold the same copy (a version). What a form copies early, and what late, is its
own affair in the functional tests; those on cost want as many anons as there are versions.
"""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from grade import layout
from grade.lab_judge import Boot, Plan, Run
from grade.oracle import PTE, Oracle

import together
from costs import again, forks, of_a_program
from rules import CHANGES, CHECKS, FREED, NOT_MAPPED, ONE_PAGE
from rules import EVICTABLE, NOT_MADE, OTHERS, REFERENCES, RIGHTS, SHARED, SHOWS, STAYS, UNLOCKED
from said import AFTER_PAGER, ALL_COUNTS, ALL_RIGHTS, BROUGHT_IN, BY_THE_PAGE, FEW_PARTS, GAPS
from said import GIVEN_UP, IN_PLACE, ITS_RIGHTS, KEPT_WIRED, LONG_LEFT, LOOK_AGAIN, NARROWED
from said import NEW_CHECKED, NO_ROOM, NONE_TO_SPARE, ONCE_MORE, ONE_MOMENT, PASSED_OVER, ROOM_LATE
from said import SAYS_SO, SNAPSHOT, SPARSE, TAKEN_OVER, THROWN, UNLOCKED_FIRST, UNWIRED, WAITED
from said import WAITS, WITHOUT_PAGE, nothing_left
from verdicts import COSTS, FIGURES, alone, bounded, exact, fail_nth, grow, nothing, readers
from verdicts import reuse, swapped

PAGE = 4096
VA = 0x40000000
SPACES, PAGES = 8, 1100
WRITABLE, WIRED, SEEN = 1, 2, 8
MAX_SAID = 3
REPORTED = ("nfaults", "nheld", "nanons", "npages", "nbefore", "nitems", "nmost")


@dataclass
class Page:
    """One page of a space: what the model says, and what the page table does."""

    space: int
    number: int
    cell: int
    version: int
    flags: int
    pte: int
    users: int = 1
    """How many spaces share its cell for good."""

    @property
    def frame(self) -> int:
        return self.pte & PTE["PTE_PA"]

    def __str__(self) -> str:
        return f"page {self.number} of space {self.space}"


@dataclass
class State:
    name: str
    owners: Counter[str]
    left: str = ""
    """Of which pools there are more items than before."""
    stats: str = ""
    """Which of amap_stats is not what it was before."""
    pages: list[Page] = field(default_factory=list)
    words: dict[int, int] = field(default_factory=dict)
    """The word of each version."""
    users: dict[int, int] = field(default_factory=dict)
    """How many cells hold each version."""
    frames: dict[int, list[Page]] = field(default_factory=dict)
    report: dict[str, int] = field(default_factory=dict)
    entries: dict[int, int] = field(default_factory=dict)
    """Map entries of each space."""
    regions: list[dict[int, tuple[int, int]]] = field(default_factory=list)
    """Of each space of a program that has the region: by page, the PTE and the first word."""

    def of(self, space: int) -> list[Page]:
        return [page for page in self.pages if page.space == space]

    @property
    def touched(self) -> int:
        return len({page.cell for page in self.pages if page.version or page.flags & SEEN})


class Reader:
    """Reads the tests' arrays, by the layout of the tests' own object."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle
        folder = oracle.out / "labs/4-anon/tests"
        self.types = layout.types_of(folder / "lab_anon.o")
        self.anon = layout.types_of(folder / "t_cases.o").structs["vm_anon"]

    def at(self, struct_name: str, member: str) -> tuple[int, int]:
        found = self.types.structs[struct_name].fields[member]
        return found.offset, found.size

    def number(self, struct_name: str, address: int, member: str) -> int:
        offset, size = self.at(struct_name, member)
        return self.value(address + offset, size)

    def anon_field(self, address: int, member: str) -> int:
        found = self.anon.fields[member]
        return self.value(address + found.offset, found.size)

    def value(self, address: int, size: int) -> int:
        data = self.oracle.memory.read(self.oracle.translate(address), size)
        return int.from_bytes(data, "little")

    def array(self, symbol: str, layout_text: str, count: int) -> list[tuple[int, ...]]:
        size = struct.calcsize(layout_text)
        data = self.oracle.memory.read(self.oracle.symbol_pa(symbol), size * count)
        return list(struct.iter_unpack(layout_text, data))

    def report(self, member: str) -> int:
        offset, _ = self.at("lab_report", member)
        return self.oracle.memory.word(self.oracle.symbol_pa("lab_report") + offset)

    def text(self, member: str) -> list[str]:
        offset, size = self.at("lab_report", member)
        data = self.oracle.memory.read(self.oracle.symbol_pa("lab_report") + offset, size)
        return data.split(b"\0")[0].decode(errors="replace").strip().splitlines()


def look(name: str, oracle: Oracle, run: Run) -> State:
    """Reads the state of the machine, and judges what must hold at every point."""
    state = State(name, oracle.owners())
    reader = Reader(oracle)
    state.report = {name: reader.report(name) for name in REPORTED}
    state.left = " ".join(reader.text("left"))
    state.stats = " ".join(reader.text("stats"))
    if not run.boot.ktest:
        judge_report(state, reader, run)
        state.regions = together.regions(name, oracle, run)
        return state
    cells = reader.array("lab_cell", "<2I", 4 * PAGES)
    for i, (word, nusers) in enumerate(reader.array("lab_version", "<2Q", 4 * PAGES)):
        if nusers:
            state.words[i], state.users[i] = word, nusers
    model = reader.array("lab_page", "<2I", SPACES * PAGES)
    tables = {space.address: space.ptes for space in oracle.spaces()}
    for n, (address,) in enumerate(reader.array("lab_space", "<Q", SPACES)):
        if address:
            read_space(state, reader, n, address, tables, model[n * PAGES :], cells)
    for page in state.pages:
        if page.pte:
            state.frames.setdefault(page.frame, []).append(page)
    judge_report(state, reader, run)
    for page in state.pages:
        judge_page(state, page, oracle, run)
    judge_frames(state, oracle, reader, run)
    return state


def read_space(
    state: State, reader: Reader, n: int, address: int, tables: dict[int, dict[int, int]],
    model: list[tuple[int, ...]], cells: list[tuple[int, ...]],
) -> None:
    ptes = tables.get(reader.number("vm_space", address, "pmap"), {})
    map_at = address + reader.at("vm_space", "map")[0]
    state.entries[n] = reader.number("vm_map", map_at, "nentries")
    for i in range(min(state.report["npages"], PAGES)):
        cell, flags = model[i]
        version, users = cells[cell] if cell else (0, 0)
        state.pages.append(Page(n, i, cell, version, flags, ptes.get(VA + i * PAGE, 0), users))


# ---- what always holds ----


def judge_report(state: State, reader: Reader, run: Run) -> None:
    where = f"at point {state.name}"
    if state.report["nfaults"]:
        run.wrong(f"the kernel's own checks {where}", "no fault",
                  "; ".join(reader.text("text")[:MAX_SAID]), invariant=CHECKS)
    run.expect(f"locks held {where}", 0, state.report["nheld"], invariant=UNLOCKED)
    anons, versions = state.report["nanons"], len(state.words)
    if not state.report["npages"]:
        return
    if anons > state.touched:
        run.wrong(f"anons {where}", f"at most {state.touched}, the pages that were touched", anons,
                  invariant=FREED, hint="A slot that no entry covers any more is wiped when its "
                  "last entry goes; an error drops what was new.")
    elif anons < versions:
        run.wrong(f"anons {where}", f"at least {versions}, the contents that differ", anons,
                  invariant=SHOWS, hint="A page was freed, or is shared, that should be there.")


def judge_page(state: State, page: Page, oracle: Oracle, run: Run) -> None:
    where = f"{page} at point {state.name}"
    if page.flags & WIRED and not page.pte & PTE["PTE_WIRED"]:
        run.wrong(f"{where}: its PTE", "there and wired", f"{page.pte:#x}", invariant=STAYS)
    if not page.pte:
        return
    if not page.version and not page.flags & SEEN and page.users > 1:
        run.wrong(where, f"nothing: it was {NOT_MADE}, by any of the {page.users} that share it "
                  "for good", f"{page.frame:#x} is mapped", invariant=SHARED,
                  hint=f"What one of them {CHANGES}, no "
                  "other may still map: it sees the new page, or none, at its next fault.")
        return
    if not page.version and not page.flags & SEEN:
        run.wrong(where, "nothing: it is not mapped, or was thrown away",
                  f"{page.frame:#x} is mapped", invariant=NOT_MAPPED)
        return
    word = oracle.memory.word(page.frame)
    wanted = state.words.get(page.version, 0)
    if word != wanted:
        run.wrong(f"{where}: its first word", wanted, word, invariant=SHOWS)
    if page.pte & PTE["PTE_W"] and not page.flags & WRITABLE:
        run.wrong(f"{where}: its PTE", "read-only", "writable", invariant=RIGHTS)


def judge_frames(state: State, oracle: Oracle, reader: Reader, run: Run) -> None:
    where: defaultdict[int, set[int]] = defaultdict(set)
    for frame, pages in state.frames.items():
        cells = {page.cell for page in pages}
        writers = [page for page in pages if page.pte & PTE["PTE_W"]]
        if len(cells) > 1 and writers:
            other = next(page for page in pages if page.cell != writers[0].cell)
            run.wrong(f"{writers[0]} at point {state.name}: its PTE",
                      f"read-only, as {other} shows the same frame", "writable", invariant=OTHERS)
        if len(cells) > 1 and any(page.flags & WIRED for page in pages):
            run.wrong(f"who sees the wired {pages[0]} at point {state.name}", "its space alone",
                      ", ".join(map(str, pages[:MAX_SAID])), invariant=STAYS)
        for page in pages:
            where[page.cell].add(frame)
    for cell, frames in where.items():
        if len(frames) > 1:
            pages = [page for page in state.pages if page.cell == cell]
            run.wrong(f"frames of {pages[0]} and {pages[-1]} at point {state.name}", "the same",
                      ", ".join(f"{frame:#x}" for frame in sorted(frames)), invariant=SHARED)
    judge_anons(state, oracle, reader, run)


def judge_anons(state: State, oracle: Oracle, reader: Reader, run: Run) -> None:
    """The anons of the pages that are mapped."""
    size = oracle.types.structs["vm_page"].size
    for frame, pages in state.frames.items():
        struct_at = next(
            seg.pages + (frame - seg.start_pa) // PAGE * size
            for seg in oracle.segments
            if 0 <= (frame - seg.start_pa) // PAGE < seg.count
        )
        anon = oracle.page_field(struct_at, "anon")
        where = f"{pages[0]} at point {state.name}"
        if not anon and not any(page.version for page in pages):
            continue # what lies below, or zeroes
        if not oracle.page_field(struct_at, "wire_count") and \
                not oracle.page_field(struct_at, "on_queue"):
            run.wrong(f"{where}: its frame", "on a page queue, as it is not wired", "on none",
                      invariant=EVICTABLE, hint="A new page is activated when its slot holds it, "
                      "also if it could not be mapped; a fork's copy, too.")
        if not anon or reader.anon_field(anon, "page") != struct_at:
            run.wrong(f"{where}: the anon of its frame", "one that has this frame",
                      f"{anon:#x}", invariant=ONE_PAGE)
            continue
        nrefs, most = reader.anon_field(anon, "nrefs"), state.users.get(pages[0].version, SPACES)
        if not 1 <= nrefs <= most:
            run.wrong(f"{where}: references of its anon", f"1 to {most}, as so many see it", nrefs,
                      invariant=REFERENCES)


# ---- the tests ----

ONE = "lab_anon_"
OPS = ["start", *["ops"] * 6, "end"]
FAMILY = ["forked", *["written"] * 3, "gone", "gone", "end"]
HALVES = ["shared", "one", "both", "alone", "end"]
COPIES = ["filled", "forked", "written", "alone", "rewritten", "end"]


def plan(name: str, points: list[str], judge: object, **more: object) -> Plan:
    return Plan([Boot(ONE + name)], points, judge, **more)  # type: ignore[arg-type]


SHARED_GONE = [
    plan("swap_discarded", ["written", "end"] * 4, LOOK_AGAIN),
    plan("wired_shared", ["written", "written", "end"], ONE_MOMENT),
] if FIGURES["discard_shared"] else []
"""Where what is shared for good can be thrown away: by who shares it."""
PLANS: dict[str, Plan] = {
    "trace": plan("trace", OPS * 5, nothing_left, more=[plan("runs", ["end"], ALL_COUNTS)]),
    "lineage": plan("lineage", OPS * 4, nothing_left,
                    more=[plan("rights", ["end"] * 4, ALL_RIGHTS),
                          plan("kept", ["end"] * 22, ITS_RIGHTS)]),
    "large": plan("large", OPS, nothing_left, more=[plan("far", ["end"] * 3, nothing_left),
                        plan("far_shared", ["end"] * 3, ALL_COUNTS),
                        plan("far_gone", ["end"] * 2, LONG_LEFT),
                        plan("sparse", ["end"], SPARSE)]),
    "family": plan("family", FAMILY * 9, nothing_left,
                   more=[plan("below", ["start", "ops", "ops", "end"] * 6, nothing_left),
                         plan("generations", ["forked"] * 3 + ["end"], nothing_left),
                         plan("grown", ["end"] * 8, nothing_left),
                         plan("lend", ["end"], nothing_left),
                         plan("moment", ["end"] * 8, SNAPSHOT),
                         plan("given_up_shared", ["end"] * 4, GIVEN_UP)]),
    "partial-shared": plan("partial_shared", HALVES, exact,
                           more=[plan("many", ["end"] * 2, nothing_left),
                                 plan("left_out", ["end"] * 16, nothing_left),
                                 plan("discard_shared", ["discarded"] * 2 + ["end"],
                                      nothing_left),
                                 plan("discard_end", ["discarded", "end"], nothing_left),
                                 plan("discard_read", ["end"], THROWN),
                                 plan("discard_wired", ["discarded", "end"], KEPT_WIRED)]),
    "swapped": plan("swapped", ["start", *["ops"] * 7, "end"], swapped, records={"swapped": 1},
                    more=[plan("swap_hidden", ["end"], WITHOUT_PAGE),
                          *SHARED_GONE[:1]]),
    "wired": plan("wired", ["wired", "forked", "written", "written", "end"], nothing_left,
                  more=[plan("swap_wired", ["wired", "end"], BROUGHT_IN),
                        plan("wired_moment", ["end"] * 7, ONE_MOMENT),
                        plan("moment_waits", ["end"], WAITED),
                        plan("moment_narrowed", ["end"] * 2, NARROWED), *SHARED_GONE[1:],
                        plan("wired_later", ["end"], nothing_left),
                        plan("wired_read", ["end"] * 2, IN_PLACE),
                        plan("wired_sharer", ["written", "end"], BY_THE_PAGE),
                        plan("wired_refused", ["refused", "written", "end"], BY_THE_PAGE),
                        plan("unwired", ["end"] * (14 + FIGURES["discard_shared"]), UNWIRED)]),
    "fail-nth": plan("fail_nth", OPS * 5, fail_nth, records={"refused": 1},
                     more=[plan("short", ["end"] * 3, nothing_left),
                           plan("figures", ["end"], nothing_left),
                           plan("fork_figures", ["end"], nothing_left),
                           plan("pager_short", ["end"], nothing_left),
                           plan("counted", ["end"], nothing_left),
                           plan("fork_refused", ["end"] * 32, ONCE_MORE),
                           plan("fork_waits", ["end"], UNLOCKED_FIRST),
                           plan("map_refused", ["end"] * 3, nothing_left),
                           plan("never_waits", ["end"] * 8, nothing_left),
                           plan("fault_refused", ["end"], SAYS_SO)]),
    "dontneed": plan("dontneed", ["discarded", "discarded", "written", "end"] * 10, nothing_left,
                     more=[plan("discard_parts", ["end", *["discarded", "end"] * 3], nothing_left),
                           plan("discard_others", ["end"] * 4, nothing_left),
                           plan("thrown", ["ops", "ops", "ops", "ops", "end"] * 6,
                                nothing_left)]),
    "zeroes": plan("zeroes", ["read", "written", "read", "written", "end"] * 2, nothing_left,
                   more=[plan("room", ["end"], NO_ROOM),
                         plan("private", ["end"] * 2, nothing_left),
                         plan("looked_at", ["end"], ROOM_LATE)]),
    "check": plan("check", ["right", "right", "end"], nothing_left,
                  more=[plan("check_swapped", ["end"], nothing_left),
                        plan("new_checked", ["end"] * 2, NEW_CHECKED),
                        plan("check_locked", ["end"], PASSED_OVER),
                        Plan(together.CHECKED, ["checked"], together.checked)]),
    "threads": Plan(together.boots("threads"), ["forked", "reaped"], together.threads,
                    more=[plan("given_up", ["end"] * 4, GIVEN_UP)]),
    "smp": Plan(
        together.boots("sharers"), together.SHARERS, together.sharers,
        more=[Plan([together.PAGED], ["before", "after"], together.sharers),
              plan("pager", ["end"] * 4, AFTER_PAGER),
              plan("busy", ["end"] * 5, WAITS), plan("fork_busy", ["end"], UNLOCKED_FIRST)],
    ),
    "forks": plan("costs", COSTS, forks, records={"costs": 2},
                  more=[plan("forks_again", ["end"], again, records={"again": 4}),
                        Plan([Boot(command=together.WORK + "costs")], ["measured"],
                             of_a_program)]),
    "writes": Plan([Boot(ONE + "lineage", seed_step=1), Boot(ONE + "copies")], None, exact),
    "reuse": plan("copies", COPIES, reuse,
                  more=[plan("alone", ["end", "end"], alone, records={"alone": 1, "split": 1}),
                        plan("copied", ["end"] * 24, nothing_left)]),
    "readers": plan("readers", ["read", "end"], readers),
    "partial": Plan([Boot(ONE + "partial"), Boot(ONE + "trace", seed_step=1)], None, exact,
                    more=[plan("ref_short", ["end"] * 2, nothing_left),
                          plan("long_parts", ["end"] * 12, nothing_left),
                          plan("tables", ["end"], nothing_left)]),
    "grow": plan("grow", ["grown", "end"], grow,
                 more=[plan("grow_split", ["grown", "end"], grow),
                       plan("gap", ["gone", "end"] * 6, GAPS)]),
    "bounded": Plan([Boot(ONE + "costs"), Boot(ONE + "window_end")], None, bounded,
                    records={"costs": 2},
                    more=[plan("window_orders", ["end"] * 3, FEW_PARTS),
                          plan("alone_parts", ["end"] * 4, TAKEN_OVER),
                          plan("window_spare", ["end"] * 4, NONE_TO_SPARE)]),
    "tight": Plan([Boot(ONE + "tight", mem="64M")], ["written", "end"], nothing),
}
