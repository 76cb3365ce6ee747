# SPDX-License-Identifier: BSD-2-Clause
"""Judges lab 1: compares the reverse map's own report with the page tables, at every point.

The page tables, the pages and their owners are read from outside (grade/oracle.py); the report
is what pv_first, pv_next, pv_count and pv_get_stats said, collected by lab_pv.c in the guest.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field

from grade import layout
from grade.lab_judge import PROGRAMS, Boot, Last, Plan, Run, programs_work
from grade.oracle import PTE, Oracle, OracleError

import figures
import memory
import model
import wired
import workloads
from memory import AGREE

HEADER = (1 << 64) - 1
MAX_SAID = 3
ONE_EACH = "one entry for each managed PTE and none besides"
COUNTS = "pv_count and pv_is_mapped agree with the page's list"
FIGURES_OF = {"lab_pv_ops", "lab_pv_thousand", "lab_pv_steal_sparse", "lab_pv_steal_own",
              "lab_pv_smp", "lab_pv_smp_steal"}
"""A figure that is wrong is so at every point of every test. It costs the points of these."""

Mapping = tuple[int, int, int]
"""Address of the pmap, virtual address, physical address of the page."""


@dataclass
class State:
    """The reverse map and what it should say, at one point."""

    name: str
    owners: Counter[str]
    ptes: dict[tuple[int, int], int]
    """(pmap's address, va): the PTE."""
    entries: Counter[Mapping]
    pmaps: list[int]
    """Addresses of the test's pmaps, by number; 0 for none."""
    pages: list[int]
    """Physical addresses of the test's pages, by number."""
    attrs: dict[int, int] = field(default_factory=dict)
    stats: dict[str, int] = field(default_factory=dict)

    def space(self, number: int) -> dict[int, int]:
        """What pmap `number` maps: va: PTE."""
        address = self.pmaps[number] if number < len(self.pmaps) else 0
        return {va: pte for (pmap, va), pte in self.ptes.items() if pmap == address}

    def numbered(self) -> dict[tuple[int, int], int]:
        """The test's mappings by number: (pmap, va): page."""
        pmap_number = {address: i for i, address in enumerate(self.pmaps) if address}
        page_number = {pa: i for i, pa in enumerate(self.pages) if pa >= 0}
        return {
            (pmap_number[pmap], va): page_number.get(pte & PTE["PTE_PA"], -1)
            for (pmap, va), pte in self.ptes.items()
            if pmap in pmap_number
        }


def look(name: str, oracle: Oracle, run: Run) -> State:
    """Reads the state of the machine, and judges what must hold at every point."""
    types = layout.types_of(oracle.out / "labs/1-pv/tests/lab_pv.o")
    report = types.structs["lab_report"]
    base = oracle.symbol_pa("lab_report")

    def word(field_name: str) -> int:
        return oracle.memory.word(base + report.fields[field_name].offset)

    lines = word("nlines")
    if word("cut") or lines * 24 > report.fields["line"].size:
        raise OracleError("pv_first and pv_next report more mappings than there can be")
    data = oracle.memory.read(base + report.fields["line"].offset, lines * 24)
    entries: Counter[Mapping] = Counter()
    headers: dict[int, int] = {}
    listed: Counter[int] = Counter()
    for page, pmap, va in struct.iter_unpack("<3Q", data):
        if pmap == HEADER:
            headers[page] = va
        else:
            entries[pmap, va, oracle.page_pa(page)] += 1
            listed[page] += 1
    ptes = {(s.address, va): pte for s in oracle.spaces() for va, pte in s.ptes.items()}
    stats_type = types.structs["pv_stats"]
    stats_at = base + report.fields["stats"].offset
    state = State(
        name,
        oracle.owners(),
        ptes,
        entries,
        pointers(oracle, "lab_pmap", types, "LAB_MAX_PMAPS", 64),
        [],
        stats={
            stat: oracle.memory.word(stats_at + found.offset)
            for stat, found in stats_type.fields.items()
        },
    )
    pages = pointers(oracle, "lab_page", types, "LAB_MAX_PAGES", 12288)
    while pages and not pages[-1]:
        pages.pop()
    state.pages = [oracle.page_pa(page) if page else -1 for page in pages]
    if len(pages) < 1000:
        state.attrs = {i: oracle.page_field(page, "attrs") for i, page in enumerate(pages) if page}
    memory.judge_contents(state, oracle, run)
    judge_entries(state, run)
    judge_counts(headers, listed, run)
    judge_figures(state, run)
    if run.boot.ktest:
        memory.judge_memory(state, oracle, run)
    if word("nfaults"):
        text = oracle.memory.read(base + report.fields["text"].offset, report.fields["text"].size)
        first = text.split(b"\0")[0].decode(errors="replace").strip().splitlines()
        run.wrong(
            f"the kernel's own checks at point {name}",
            "no fault",
            f"{word('nfaults')} faults: " + "; ".join(first[:MAX_SAID]),
            invariant="page_check, pool_check, pmap_check and pv_check find nothing",
        )
    return state


def pointers(oracle: Oracle, name: str, _: layout.Types, __: str, count: int) -> list[int]:
    return list(struct.unpack(f"<{count}Q", oracle.memory.read(oracle.symbol_pa(name), 8 * count)))


def describe(mapping: Mapping, state: State) -> str:
    pmap, va, pa = mapping
    name = str(state.pmaps.index(pmap)) if pmap in state.pmaps else f"{pmap:#x}"
    return f"pmap {name} va {va:#x} page {pa:#x}"


def judge_entries(state: State, run: Run) -> None:
    """Invariant 1, both ways: entries against PTEs."""
    managed = Counter(
        (pmap, va, pte & PTE["PTE_PA"])
        for (pmap, va), pte in state.ptes.items()
        if pte & PTE["PTE_MANAGED"] and pte & PTE["PTE_P"]
    )
    if managed == state.entries:
        return
    missing, extra = managed - state.entries, state.entries - managed
    for index, part in enumerate(("pmap", "address", "page")):
        judge_wrong_part(state, run, (missing, extra), index, part)
    missing, extra = +missing, +extra
    twice = Counter({mapping: n for mapping, n in extra.items() if mapping in managed})
    extra -= twice
    expected = f"{managed.total()} entries, one for each managed PTE"
    for found, what, hint in (
        (missing, "PTEs have no entry", "A page whose mapping is not recorded cannot be taken "
         "back: look at the ways on which an entry is unlinked, and at what a second enter at the "
         "same address does."),
        (twice, "entries too many, of mappings that are recorded twice", ""),
        (extra, "entries too many", "An entry outlived its mapping: see what removal, "
         "replacement, stealing and exit do with the page's list."),
    ):
        if found:
            some = "; ".join(describe(m, state) for m in list(found)[:MAX_SAID])
            run.wrong(entries_at(state), expected, f"{found.total()} {what}: {some}",
                      invariant=ONE_EACH, hint=hint)


def entries_at(state: State) -> str:
    return f"pv entries against page tables at point {state.name}"


def judge_wrong_part(
    state: State, run: Run, wrong: tuple[Counter[Mapping], Counter[Mapping]], index: int, part: str
) -> None:
    """A PTE without an entry and an entry too many that differ in one part are one mistake: the
    entry has that part wrong. Both are taken out of `wrong'."""
    missing, extra = wrong
    others: dict[tuple[int, ...], list[Mapping]] = {}
    for mapping in extra.elements():
        others.setdefault(mapping[:index] + mapping[index + 1 :], []).append(mapping)
    pairs = []
    for right in list(missing.elements()):
        if same := others.get(right[:index] + right[index + 1 :]):
            pairs.append((right, same.pop()))
    missing.subtract(right for right, _ in pairs)
    extra.subtract(entry for _, entry in pairs)
    if pairs:
        some = "; ".join(
            f"the PTE: {describe(right, state)}, the entry: {describe(entry, state)}"
            for right, entry in pairs[:MAX_SAID]
        )
        stolen = state.stats["pv_reclaims"]
        run.wrong(
            entries_at(state),
            f"the {part} that has the PTE, in each entry",
            f"{len(pairs)} entries name another {part}: {some}"
            + (f"; chunks were stolen {stolen} times before" if stolen else ""),
            invariant=ONE_EACH,
        )


def judge_counts(headers: dict[int, int], listed: Counter[int], run: Run) -> None:
    wrong = 0
    for page in headers.keys() | listed.keys():
        count, mapped = headers.get(page, 0) >> 1, headers.get(page, 0) & 1
        if (count, mapped) != (listed[page], int(listed[page] > 0)) and wrong < MAX_SAID:
            wrong += 1
            run.wrong(
                f"struct vm_page {page:#x}",
                f"pv_count {listed[page]}, pv_is_mapped {listed[page] > 0}",
                f"pv_count {count}, pv_is_mapped {bool(mapped)}",
                invariant=COUNTS,
            )


def judge_figures(state: State, run: Run) -> None:
    """The identities of pv_get_stats."""
    st, held = state.stats, state.owners["PV"] * 4096
    total = state.entries.total()
    where = f"pv_get_stats at point {state.name}: "
    if held > st["pv_bytes"] == st["pc_chunk_count"] * 4096:
        # The figures agree, and it is the pages that are too many.
        memory.judge_kept(state, held // 4096 - st["pc_chunk_count"], run)
        held = st["pv_bytes"]
    if run.boot.ktest and run.boot.ktest not in FIGURES_OF:
        return
    if not held and st["pv_bytes"] == st["pc_chunk_count"] * 4096 > 0:
        run.wrong(where + "pages whose owner is the reverse map", st["pc_chunk_count"], 0,
                  invariant=memory.ACCOUNTED,
                  hint="The figures know chunks, but no page has PAGE_PV as its owner: what is "
                  "said to vm_page_alloc when the page of a chunk is asked for?")
        return
    for what, expected, got in (
        ("pv_entry_count is the number of mappings", total, st["pv_entry_count"]),
        (
            "pv_entry_allocs - pv_entry_frees is the number of mappings",
            total,
            st["pv_entry_allocs"] - st["pv_entry_frees"],
        ),
        ("pv_bytes is what pages of the reverse map hold", held, st["pv_bytes"]),
        (
            "pc_chunk_allocs - pc_chunk_frees is pc_chunk_count",
            st["pc_chunk_count"],
            st["pc_chunk_allocs"] - st["pc_chunk_frees"],
        ),
    ):
        run.expect(where + what, expected, got, invariant=AGREE,
                   hint="pv_bytes is the pages that are held times the page size: what a page "
                   "keeps beside its entries is memory, too."
                   if got == st["pv_bytes"] != held else "")
    # An entry cannot take less than eight bytes, whatever its form.
    if st["pv_entry_spare"] * 8 > held:
        run.wrong(where + "pv_entry_spare", f"at most what {held} bytes can hold",
                  st["pv_entry_spare"], invariant=AGREE)
    if st["pc_chunk_count"] and st["pc_chunk_count"] * 4096 != held:
        run.wrong(
            where + "a chunk is a page", held // 4096, st["pc_chunk_count"], invariant=AGREE
        )


def stolen(run: Run) -> None:
    workloads.shortage(run)


ONE = "lab_pv_"
WORK = ["before", "mapped", "after"]
POISON = ("poison=full",)
"""Every word of a freed page is poison: who looks at a chunk that was given back is lost."""


def several_cpus(name: str) -> list[Boot]:
    """Four CPUs that take turns by seed, which replays; and two that really run at once."""
    turns = ("turns",)
    taking_turns = [Boot(ONE + name, cpus=4, jitter=4, seed_step=i, words=turns) for i in range(2)]
    return [*taking_turns, Boot(ONE + name, cpus=2, icount=False, seed_step=2)]


PLANS: dict[str, Plan] = {
    "replace": Plan([Boot(ONE + "replace")], ["replaced", "again", "end"], model.judge_replace),
    "sequence": Plan(
        [Boot(ONE + "ops", seed_step=i, words=POISON) for i in range(3)],
        ["start", *["ops"] * 6, "end"],
        model.judge_ops,
        more=[Plan([Boot(ONE + "many")], ["far", "thinned", "end"], model.judge_many),
              Plan([Boot(ONE + "high")], ["end"], records={"entered": 1}),
              Plan([Boot(ONE + "absent" + how) for how in ("", "_twice", "_here", "_there")],
                   ["recorded"], model.judge_absent)],
    ),
    "wired": Plan(
        [Boot(ONE + "wired", words=POISON)],
        ["entered", "removed", "refilled", "end"],
        model.judge_wired,
    ),
    "given-back": Plan(
        [Boot(ONE + "given_back", words=POISON)],
        ["before", "full", "emptied", "wired", "end"],
        workloads.given_back,
    ),
    "steal-used": Plan(
        [Boot(ONE + "steal_used")], ["exhausted", "stolen"] * 13, workloads.steal_used,
        more=[Plan([Boot(ONE + "steal_passed")], ["exhausted", "stolen"],
                   workloads.steal_passed, {"tried": 1}),
              Plan([Boot(ONE + "steal_stolen")], ["exhausted", "stolen"],
                   stolen)],
    ),
    "fork": Plan(
        [Boot(command="/tests/pvwork fork")],
        ["start", "forked", "unmapped", "reaped"],
        workloads.fork,
    ),
    "truncate": Plan(
        [Boot(command="/tests/pvwork truncate")],
        ["mapped", "truncated", "extended", "reaped"],
        workloads.truncate,
    ),
    "fail-nth": Plan([Boot(ONE + "fail_nth")], None, workloads.fail_nth),
    "check": Plan(
        [Boot(ONE + "check")], ["checked", "end"], model.judge_check, {"damage": 15},
        more=[Plan([Boot(ONE + "check_meanwhile")], ["checked", "end"])],
    ),
    "smp": Plan(
        [Boot(ONE + "locks")], ["worked", "end"], figures.asked, {"asked": 1},
        [Plan(several_cpus("smp"), ["worked", "end"])],
    ),
    "small": Plan([Boot(ONE + "bytes_small")], WORK, workloads.bytes_per_mapping),
    "large": Plan([Boot(ONE + "bytes_large")], WORK, workloads.bytes_per_mapping),
    "rounded": Plan([Boot(ONE + "bytes_rounded")], WORK, workloads.bytes_per_mapping),
    "thousand": Plan(
        [Boot(ONE + "thousand")],
        WORK,
        workloads.bytes_per_mapping,
        more=[Plan([Boot(ONE + "counted")], WORK, figures.counted, {"counted": 1})],
    ),
    "reuse": Plan(
        [Boot(ONE + "reuse"), Boot(ONE + "reuse_row"), Boot(ONE + "reuse_page")],
        ["before", "full", "thinned", "refilled", "after"],
        workloads.reuse,
        more=[Plan([Boot(ONE + "room")], ["used", "end"])],
    ),
    "speed": Plan(
        [Boot(ONE + "speed")], ["measured"], figures.speed, {"ticks": 9},
        [Plan([Boot(ONE + "exit_wired")], ["measured"], figures.exit_wired, {"ticks": 1})],
    ),
    "steal": Plan(
        [Boot(ONE + "steal")],
        ["exhausted", "stolen", "end"],
        workloads.steal,
        {"entered": 1, "left": 1, "without": 1},
    ),
    "steal-sparse": Plan(
        [Boot(ONE + "steal_sparse")], ["exhausted", "stolen", "again", "returned", "end"],
        workloads.steal_sparse, {"entered": 1, "given": 1},
    ),
    "steal-own": Plan(
        [Boot(ONE + "steal_own")], ["low", "exhausted", "stolen", "end"], workloads.steal_own,
        {"entered": 1},
        [Plan([Boot(ONE + "steal_enough")], ["exhausted", "stolen", "end"],
              workloads.steal_enough)],
    ),
    "steal-wired": Plan(
        [Boot(ONE + "steal_wired")], ["exhausted", "stolen", "end"], wired.steal_wired,
        {"entered": 2, "asked": 1, "looked": 1},
        [Plan([Boot(ONE + "steal_room")], ["exhausted", "stolen"] * 2, wired.steal_room),
         Plan([Boot(ONE + "steal_wired_own")], ["exhausted", "stolen", "end"],
              wired.steal_wired_own, {"entered": 2, "looked": 1}),
         Plan([Boot(ONE + "steal_far")], ["sparse", "stolen", "end"], wired.steal_far),
         Plan([Boot(ONE + "steal_locked")], ["exhausted", "stolen", "end"]),
         Plan([Boot(ONE + "steal_in_vain")], ["exhausted", "stolen", "end"]),
         Plan([Boot(ONE + "steal_unwired")], ["exhausted", "unwired", "stolen", "end"]),
         Plan([Boot(ONE + "steal_flushes")], ["exhausted", "stolen", "end"],
              wired.steal_flushes, {"entered": 1, "flushed": 1})],
    ),
    "nothing-to-steal": Plan(
        [Boot(ONE + "nothing_to_steal")],
        ["exhausted", "failed", "end"],
        workloads.nothing_to_steal,
        {"failed": 1, "asked": 1},
    ),
    "steal-smp": Plan(
        [Boot(ONE + "forget"), Boot(ONE + "busy"), *several_cpus("smp_steal")],
        ["worked", "end"],
        workloads.steal_smp,
        {"refused": 1},
    ),
}

LAST = Last(
    Boot(typed=PROGRAMS, mem="24M", swap=32 << 20),
    {
        "fork": programs_work,
        "truncate": programs_work,
        "cost": figures.programs_cost,
        "reliability": figures.programs_steal,
    },
)
