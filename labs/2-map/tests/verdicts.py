# SPDX-License-Identifier: BSD-2-Clause
"""What each test of lab 2 must leave in its maps.

Functional verdicts accept every division of a range into entries that says the same of each page;
only those on cost ask how many entries there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grade.lab_judge import Run

import model
import walk
from model import GUARD, PAGE, PLAIN, QUANTUM, READ_ONLY, USER_VA, Block
from walk import Entry, Map

if TYPE_CHECKING:
    from judge import State

NEVER_ALLOCATES = "unmapping a quantum never allocates"
WHAT_WAS_MAPPED = "the entries show what was mapped, and nothing besides"
ALL_MERGED = "neighbours that agree are one entry"
NOTHING_LOST = "every entry that was taken is given back"
FIGURES = "the figures say what there is"
REFERENCES = "an entry has one reference to its object, and one to its amap"

SLACK_PAGES = 2
BOTH = "A new entry merges with the one before it and with the one behind it, where rule 3 says so."


# ---- blocks in kernel maps ----


def fits(entry: Entry, block: Block, flags: dict[str, int]) -> bool:
    wanted = {
        QUANTUM: flags["ME_QUANTUM"],
        GUARD: flags["ME_QUANTUM"] | flags["ME_GUARD"],
        READ_ONLY: flags["ME_QUANTUM"],
        PLAIN: 0,
    }[block.kind]
    return entry.flags == wanted and entry.prot == (1 if block.kind == READ_ONLY else 3)


def joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in ranges:
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def judge_blocks(state: State, run: Run) -> None:
    """Every quantum entry of a kernel map is made of whole blocks of its kind, and every block is
    in one. Plain mappings may be cut anywhere."""
    for number, found in state.maps.items():
        if not found.kernel:
            continue
        mine = {block.va: block for block in state.blocks if block.map == number}
        where = f"map {number} at point {state.name}: "
        quanta = {va: block for va, block in mine.items() if block.kind != PLAIN}
        seen = 0
        for entry in found.quantum_entries(state.flags["ME_QUANTUM"]):
            at = entry.start
            while at < entry.end and at in quanta and fits(entry, quanta[at], state.flags):
                at = quanta[at].end
                seen += 1
                if at < entry.end and model.ends_cell(at):
                    break
            if at != entry.end:
                run.wrong(where + f"the entry {entry}", "made of whole blocks of one kind",
                          f"from {at:#x} on it is not", invariant=WHAT_WAS_MAPPED,
                          hint="Entries that differ in any attribute stay apart, and an unmap "
                          "takes away just what it was told to.")
                return
        run.expect(where + "quanta that its entries show", len(quanta), seen,
                   invariant=WHAT_WAS_MAPPED)
        if found.nquanta != len(quanta):
            # The reserve is judged by that figure.
            run.findings = [f for f in run.findings
                            if not f.what.startswith(where + "entries in reserve")]
        run.expect(where + "live quanta (nquanta)", len(quanta), found.nquanta, invariant=walk.LAW,
                   hint="vm_map_clear counts them down by ME_QUANTUM of what is on c->dead: what "
                   "is unlinked keeps its flags.")
        plain = [(block.va, block.end) for block in mine.values() if block.kind == PLAIN]
        shown = [(e.start, e.end) for e in found.entries if not e.flags]
        run.expect(where + "plain mappings", joined(sorted(plain)), joined(shown),
                   invariant=WHAT_WAS_MAPPED)


def blocks(run: Run) -> None:
    for state in run.states:
        judge_blocks(state, run)


def nothing_lost(run: Run, before: str, after: str) -> None:
    """Pages of pools: where entries come from."""
    first, last = run.named(before), run.named(after)
    if first and last and last[-1].owners["POOL"] > first[0].owners["POOL"] + SLACK_PAGES:
        run.wrong(f"pages of pools at point {after}, with nothing mapped",
                  f"at most {first[0].owners['POOL'] + SLACK_PAGES}", last[-1].owners["POOL"],
                  invariant=NOTHING_LOST,
                  hint="An entry that leaves the map is freed, kept in the reserve, or handed on.")


def figures(state: State, run: Run) -> bool:
    """map_entry_get_stats against the entries of all maps, and of their reserves."""
    live = sum(len(found.entries) + len(found.reserve) for found in state.all)
    hint = ("An entry lives from map_entry_reserve to map_entry_unreserve, wherever it is: in a "
            "map, in its reserve, spare or dead. One that was refused never did.")
    right = run.expect(f"live entries, by map_entry_get_stats, at point {state.name}", live,
                       state.report["live"], invariant=FIGURES, hint=hint)
    if right and state.report["allocated"] < live:
        run.wrong(f"allocated entries, by map_entry_get_stats, at point {state.name}",
                  f"at least the {live} that live", state.report["allocated"],
                  invariant=FIGURES, hint=hint)
        right = False
    return right


def counts(first: State, state: State, run: Run) -> None:
    """Each block brings an entry and takes one along; a merge makes one fewer, a clip one more."""
    def grown(name: str) -> int:
        return state.report[name] - first.report[name]

    entries = [sum(len(found.entries) for found in each.all) for each in (first, state)]
    clips, merges = grown("clips"), grown("merges")
    wanted = entries[1] - entries[0] - grown("mapped") + grown("unmaps")
    run.expect(f"clips - merges, by map_entry_get_stats, at point {state.name}", wanted,
               clips - merges, invariant=FIGURES,
               hint="A split counts as a clip, and each entry that merging makes superfluous as a "
               "merge: when three become one, that is two merges, and where the middle of one "
               "goes, that is two clips.")
    if grown("allocated") < grown("mapped"):
        run.wrong(f"allocated entries, by map_entry_get_stats, at point {state.name}",
                  f"{grown('mapped')} or more, one for each block", grown("allocated"),
                  invariant=FIGURES)


def sequence(run: Run) -> None:
    game = model.Sequence(run.seed)
    for state in run.named("ops"):
        game.round()
        got = {slot: (block.size, block.kind) for slot, block in state.slots.items()}
        run.expect("blocks that the test has", game.live, got, invariant=WHAT_WAS_MAPPED)
        inside = sum(block.size for block in state.blocks)
        ends = sorted((block.va, block.end) for block in state.blocks)
        if any(a[1] > b[0] for a, b in zip(ends, ends[1:])):
            run.wrong("blocks", f"{inside} bytes, side by side", "some overlap",
                      invariant=walk.ORDERED)
    blocks(run)
    for state in run.named("ops") + run.named("freed"):
        counts(run.states[0], state, run)
    unmaps = [state.report["unmaps"] for state in run.named("end")]
    run.notes += [f"{count} quanta unmapped, 0 allocations" for count in unmaps]


def short(run: Run, states: list[State], number: int = 0, hint: str = BOTH) -> None:
    """The cost: as many entries as runs of blocks that agree. One point is enough said."""
    for state in states:
        if not short_now(run, state, number, hint):
            return


def short_now(run: Run, state: State, number: int, hint: str) -> bool:
    found = state.maps[number]
    wanted = model.runs([block for block in state.blocks if block.map == number])
    got = [(entry.start, entry.end) for entry in found.entries]
    if got != wanted:
        extra = [f"[{a:#x}, {b:#x})" for a, b in got if (a, b) not in wanted]
        run.wrong(
            f"entries for {len(state.blocks)} blocks at point {state.name}",
            f"{len(wanted)}, one for each run of blocks that agree",
            f"{len(got)}; not among them: {walk.describe(extra)}",
            invariant=ALL_MERGED,
            hint=hint,
        )
    return got == wanted


def note_shape(run: Run, state: State, number: int = 0) -> None:
    found = state.maps[number]
    live = len([block for block in state.blocks if block.map == number])
    run.notes.append(f"{state.name}: {live} blocks, {len(found.entries)} entries, "
                     f"{len(found.reserve)} in reserve")


def trace(run: Run) -> None:
    blocks(run)
    short(run, run.named("ops"))
    for state in run.named("ops")[-1:]:
        note_shape(run, state)


def row(run: Run) -> None:
    blocks(run)
    short(run, run.states)
    for state in run.states:
        if state.name in ("mapped", "holes", "filled"):
            note_shape(run, state)


def both_sides(run: Run) -> None:
    blocks(run)
    short(run, run.states)


def counter(run: Run) -> None:
    """The plain mapping's pieces, and the law after each of its splits."""
    blocks(run)
    for state in run.named("left"):
        pieces = [block for block in state.blocks if block.kind == PLAIN]
        run.expect("pieces of plain mappings", 80, len(pieces))
    nothing_lost(run, "split", "end")


# ---- kernel memory ----


def kmem(run: Run) -> None:
    first, last = run.named("before"), run.named("end")
    if not first or not last:
        return
    for before, after in zip(first[0].kernel, last[0].kernel):
        run.expect("live quanta of a kernel map when all blocks are freed", before.nquanta,
                   after.nquanta, invariant=walk.LAW)
        run.expect("bytes mapped in it", before.size, after.size, invariant=WHAT_WAS_MAPPED)
    run.expect("pages of kernel memory when all blocks are freed", first[0].owners["KMEM"],
               last[0].owners["KMEM"])
    nothing_lost(run, "before", "end")


def kmem_short(run: Run) -> None:
    for state in run.named("full") + run.named("worked") + run.named("alive"):
        for found in state.kernel:
            apart = walk.unmerged(found, state.flags)
            if apart:
                run.wrong(f"entries of a kernel map at point {state.name}",
                          f"{found.nentries - len(apart)}",
                          f"{found.nentries}: {len(apart)} go on where the one before ends",
                          invariant=ALL_MERGED)
    for state in run.named("full"):
        quanta = sum(found.nquanta for found in state.kernel)
        run.notes.append(f"{quanta} quanta in {sum(f.nentries for f in state.kernel)} entries")


# ---- pairs ----

PAIR = 1 << 20
KEPT = {"link", "node", "start_va", "end_va", "gap", "max_gap"}
"""What an entry does not say of its pages, but is where it is."""
ELSEWHERE = {
    "amap": "adjacent", "amap_slot": "moved", "object": "the pairs with objects",
    "offset": "the pairs with objects",
    "ME_QUANTUM": "row", "ME_SUBMAP": "the submaps", "ME_GONE": "no live entry has it",
}
"""Fields and flags that a single value does not tell apart, and what tries them."""


def told_apart(state: State) -> set[str]:
    """Fields and flags in which alone two neighbours of the test differ."""
    found = set()
    entries = state.maps[0].entries
    for a, b in zip(entries, entries[1:]):
        if a.end != b.start:
            continue
        differ = {name for name in SAID if getattr(a, name) != getattr(b, name)}
        if differ == {"flags"}:
            found |= {name for name, bit in state.flags.items() if (a.flags ^ b.flags) == bit}
        elif len(differ) == 1:
            found |= differ
    return found


SAID = ("wired", "prot", "max_prot", "inherit", "advice", "flags")


def apart(run: Run) -> None:
    for state in run.states[:-1]:
        after = ", after map_entry_simplify" if state.name == "simplified" else ""
        both = ("map_entry_link keeps them apart, and map_entry_simplify must ask the same."
                if after and not run.findings else "")
        for pair in state.pairs:
            for order in range(2):
                got = pair.entries(state.maps[0], order)
                if len(got) != 2:
                    run.wrong(f"neighbours that differ ({pair.name}), "
                              f"{'the upper' if order else 'the lower'} one first{after}",
                              "2 entries", walk.describe(got), invariant=walk.SEPARATE, hint=both)
        run.expect(f"entries of four submaps side by side{after}", 4, len(state.maps[1].entries),
                   invariant=walk.SEPARATE, hint="Submaps never merge: an entry says which range "
                   f"is which submap's. {both}".rstrip())
        judge_refs(state, run)
        if not run.findings:
            named = state.said | state.flags.keys() - {"flags"}
            missing = named - KEPT - ELSEWHERE.keys() - told_apart(state)
            run.expect("fields and flags of an entry that the test itself does not try", set(),
                       missing - {"flags", "attr"})


ASKED = ("object", "wired", "prot", "max_prot", "inherit", "advice", "flags")


def why_apart(got: list[Entry]) -> str:
    """The hint for entries that should be one: what they say of themselves, read from outside."""
    for below, above in zip(got, got[1:]):
        if differ := [name for name in ASKED if getattr(below, name) != getattr(above, name)]:
            values = ", ".join(f"{name} ({getattr(below, name)}, {getattr(above, name)})"
                               for name in differ)
            return (f"They were asked for alike, and differ in {values}: a new entry has every "
                    "field from its request, also what is 0 there; a split copies all.")
        if not below.agrees(above):
            return "Without an object offsets must be equal; with one, they must go on."
    return ("They agree in all that the contract names: something else is asked for, or the "
            "neighbour was not looked at.")


def one_of_two(run: Run, state: State, orders: int, wanted: int, after: str = "") -> None:
    """Pairs that agree: how many entries each of them is."""
    for pair in state.pairs:
        for order in range(orders):
            got = pair.entries(state.maps[0], order)
            if len(got) != wanted:
                run.wrong(f"two neighbours that agree ({pair.name}), "
                          f"{'the upper' if order else 'the lower'} one first,{after} "
                          f"at point {state.name}", f"{wanted} entries", walk.describe(got),
                          invariant=ALL_MERGED, hint=why_apart(got))
            elif got[0].offset != pair.offset:
                run.wrong(f"the offset of the first entry ({pair.name}) at point {state.name}",
                          pair.offset, got[0].offset, invariant=WHAT_WAS_MAPPED)
    judge_refs(state, run)


def together(run: Run) -> None:
    for name, orders, wanted in (("mapped", 2, 1), ("holes", 1, 2), ("filled", 1, 1)):
        for state in run.named(name):
            one_of_two(run, state, orders, wanted)


def joined_again(run: Run) -> None:
    for state in run.named("joined"):
        one_of_two(run, state, 1, 1, " after a clip of two pages of it and map_entry_simplify,")


# ---- references and changes ----


def judge_refs(state: State, run: Run) -> None:
    """References to objects (the test holds one of each) and to amaps."""
    entries = [entry for found in state.all for entry in found.entries]
    for address, nrefs in state.refs.items():
        test = 1 if address in state.objects else 0
        users = sum(address in (entry.object, entry.amap) for entry in entries)
        if nrefs != users + test:
            run.wrong(
                f"references to an {'object' if test else 'amap'} at point {state.name}",
                f"{users + test}: {users} entries{' and the test' if test else ''}", nrefs,
                invariant=REFERENCES,
                hint="Splitting duplicates references; merging drops the second entry's, but only "
                "once, and after unlock.",
            )
            return


def shown_by(entry: Entry, page: int, objects: list[int], flags: dict[str, int]) -> model.Shown:
    number = objects.index(entry.object) if entry.object else -1
    return model.Shown(
        object=number,
        page=(entry.offset // PAGE + page - entry.start // PAGE) if entry.object else 0,
        prot=entry.prot,
        max_prot=entry.max_prot,
        inherit=entry.inherit,
        advice=entry.advice,
        cow=bool(entry.flags & flags["ME_COW"]),
    )


def why_otherwise(wanted: model.Shown | None, seen: model.Shown | None) -> str:
    """The hint for a page that shows something else."""
    if wanted is None or seen is None:
        return "A range was cut in the wrong place: look at the ends of the two halves."
    differ = [name for name, value in vars(wanted).items() if value != getattr(seen, name)]
    if differ == ["page"]:
        return ("It shows another page of the object: the offset moves along with the start, after "
                "a split and where an entry grows downward.")
    return (f"It differs in {', '.join(differ)}: an entry was made one with a neighbour that "
            "differs, or a split did not copy all.")


def compare(run: Run, state: State, game: model.Changes) -> None:
    """Page by page, whatever the entries."""
    got: list[model.Shown | None] = [None] * game.REGION
    for entry in state.maps[0].entries:
        for page in range(entry.start // PAGE, entry.end // PAGE):
            index = page - USER_VA // PAGE
            if 0 <= index < game.REGION:
                got[index] = shown_by(entry, page, state.objects, state.flags)
    for index, (wanted, seen) in enumerate(zip(game.pages, got)):
        if wanted != seen:
            run.wrong(f"page {index} of the region at point {state.name}", wanted, seen,
                      invariant=WHAT_WAS_MAPPED, hint=why_otherwise(wanted, seen))
            return


def changes(run: Run) -> None:
    walk.name_rules(run)
    game = model.Changes(run.seed)
    for state in run.named("ops"):
        game.round()
        compare(run, state, game)
        judge_refs(state, run)
    dropped(run)


def dropped(run: Run) -> None:
    for state in run.named("end"):
        run.expect("references to the objects when no map is left", [1, 1, 1],
                   [state.refs.get(address) for address in state.objects], invariant=REFERENCES)
    nothing_lost(run, "start", "end")


def touched(run: Run) -> None:
    walk.name_rules(run)
    game = model.Changes(run.seed)
    for state in run.states:
        if state.name == "ops":
            game.round()
            compare(run, state, game)
        judge_refs(state, run)
    dropped(run)


def changes_short(run: Run) -> None:
    changes(run)
    game = model.Changes(run.seed)
    for state in run.named("ops"):
        game.round()
        wanted = game.entries()
        got = [(entry.start, entry.end) for entry in state.maps[0].entries]
        if got != wanted:
            run.wrong(f"entries at point {state.name}", len(wanted), len(got),
                      invariant=ALL_MERGED,
                      hint="After a change of attributes an entry may agree with a neighbour that "
                      "it differed from before: map_entry_simplify looks at both sides.")
            return
        run.notes.append(f"{len(got)} entries")
