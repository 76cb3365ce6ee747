# SPDX-License-Identifier: BSD-2-Clause
"""Plays on a model what t_ops.c does in the guest, draw by draw, and compares the mappings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from grade import lab
from grade.lab_judge import THE_END, Run
from grade.oracle import PTE
from grade.rng import Rng
from grade.session import End

if TYPE_CHECKING:
    from judge import State

PAGE = 4096
VA = 0x40000000
PMAPS, PAGES, SLOTS, POINTS, ROUND = 4, 48, 1024, 6, 500
RIGHT_MAPPINGS = "what was entered last is mapped, and what was removed is not"
ABSENT = "removing what is not recorded panics"
EXIT_RULE = "exit leaves wired mappings alone, and forgets all others"
LEFT = """It was not removed: by its address, with its page, or at exit, which goes on behind each \
entry for which fn says false."""


@dataclass
class Mapping:
    page: int
    writable: bool
    wired: bool = False


Space = dict[int, Mapping]
Mappings = dict[tuple[int, int], tuple[int, bool, bool]]
"""(pmap, va): page, writable, wired."""
PER_CHUNK: int = lab.of_judge(__file__).figures["entries"]


def slot_va(slot: int) -> int:
    table = slot // 256
    return VA + (table << 21 if table < 3 else 1 << 40) + slot % 256 * PAGE


class Ops:
    """The model of lab_pv_ops: spaces of mappings by slot."""

    def __init__(self, seed: int) -> None:
        self.rng = Rng(seed, 0)
        self.spaces: list[Space] = [{} for _ in range(PMAPS)]

    def step(self) -> None:
        below = self.rng.below
        what = below(100)
        if what < 60:
            pmap, page, slot, kind = below(PMAPS), below(PAGES), below(SLOTS), below(16)
            self.spaces[pmap][slot] = Mapping(page, bool(kind & 1), kind == 15)
        elif what < 68:
            pmap, slot, writable = below(PMAPS), below(SLOTS), below(2)
            if old := self.spaces[pmap].get(slot):
                self.spaces[pmap][slot] = Mapping(old.page, bool(writable))
        elif what < 92:
            self._range(what < 88)
        elif what < 97:
            self._page(below(PAGES), what < 95)
        elif what < 99:
            self._copy(below(PMAPS), below(PMAPS), below(SLOTS))
        else:
            pmap = below(PMAPS)
            self.spaces[pmap] = {s: m for s, m in self.spaces[pmap].items() if m.wired}

    def _range(self, remove: bool) -> None:
        space = self.spaces[self.rng.below(PMAPS)]
        first = self.rng.below(SLOTS)
        for slot in range(first, first + 1 + self.rng.below(24 if remove else 64)):
            if remove:
                space.pop(slot, None)
            elif slot in space:
                space[slot].writable = False

    def _page(self, page: int, remove: bool) -> None:
        for space in self.spaces:
            for slot in [s for s, m in space.items() if m.page == page]:
                if remove:
                    del space[slot]
                else:
                    space[slot].writable = False

    def _copy(self, source: int, target: int, first: int) -> None:
        if source == target:
            return
        for slot in range(first, first + 200):
            if old := self.spaces[source].get(slot):
                self.spaces[target][slot] = Mapping(old.page, False)

    def mappings(self) -> Mappings:
        return {
            (pmap, slot_va(slot)): (m.page, m.writable, m.wired)
            for pmap, space in enumerate(self.spaces)
            for slot, m in space.items()
        }


def seen(state: State) -> Mappings:
    """The test's mappings as the page tables have them: page, writable, wired."""
    numbers = {address: i for i, address in enumerate(state.pmaps) if address}
    pages = state.numbered()
    return {
        (numbers[pmap], va): (
            pages[numbers[pmap], va],
            bool(pte & PTE["PTE_W"]),
            bool(pte & PTE["PTE_WIRED"]),
        )
        for (pmap, va), pte in state.ptes.items()
        if pmap in numbers
    }


def compare(run: Run, state: State, expected: Mappings) -> None:
    got = seen(state)
    if got == expected:
        return
    for key in sorted(expected.keys() | got.keys()):
        if expected.get(key) != got.get(key):
            pmap, va = key
            run.wrong(
                f"pmap {pmap} at {va:#x}, point {state.name}",
                words(expected.get(key)),
                words(got.get(key)),
                invariant=RIGHT_MAPPINGS,
                hint="" if key in expected else LEFT,
            )
            return


def words(mapping: tuple[int, bool, bool] | None) -> str:
    if mapping is None:
        return "no mapping"
    page, writable, wired = mapping
    return f"page {page}{' writable' if writable else ' read-only'}{' wired' if wired else ''}"


def judge_ops(run: Run) -> None:
    ops = Ops(run.seed)
    for state in run.named("ops"):
        for _ in range(ROUND):
            ops.step()
        compare(run, state, ops.mappings())
    for state in run.named("end"):
        run.expect("mappings after the pmaps are gone", {}, seen(state))


def judge_replace(run: Run) -> None:
    rng = Rng(run.seed, 0)
    expected = {}
    for _ in range(400):
        slot = rng.below(8)
        expected[0, VA + slot * PAGE] = (rng.below(64), True, False)
    for state in run.named("replaced"):
        compare(run, state, expected)
    expected.update({(1, VA + i * PAGE): (i, False, False) for i in range(4)})
    for state in run.named("again"):
        compare(run, state, expected)


def judge_many(run: Run) -> None:
    ends = {0: 0, 9: (1 << 47) - 2 * PAGE}
    apart = [i << 32 if i < 11 else (i - 10) << 44 for i in range(15)]
    far = {(1, ends.get(i, VA + at)): (1, False, False) for i, at in enumerate(apart)}
    left = {key: page for i, (key, page) in enumerate(far.items()) if i % 3 != 1}
    wanted: dict[str, Mappings] = {"far": far, "thinned": left, "end": {}}
    for name, expected in wanted.items():
        for state in run.named(name):
            compare(run, state, expected)


def judge_absent(run: Run) -> None:
    """The kernel must say so: it panics."""
    if run.outcome.end is End.PANIC and [state.name for state in run.states] == ["recorded"]:
        run.findings[:] = [f for f in run.findings if not f.what.startswith(THE_END)]
    elif run.outcome.end is End.EXIT:
        which = {
            "lab_pv_absent_twice": "was removed before",
            "lab_pv_absent_here": "is another pmap's, of a page that has no other",
            "lab_pv_absent_there": "is at another address, of a page that has no other",
        }.get(run.boot.ktest, "is not recorded, while its pmap, its address and its page are in "
              "other entries")
        run.wrong(f"pv_remove of a mapping that {which}", "a panic", "pv_remove returned",
                  invariant=ABSENT,
                  hint="Whoever removes what is not there has lost count. A panic says so at once, "
                  "and later there is only what came of it.")


def wired(pmap: int, i: int) -> bool:
    if pmap < 2:
        return i % 100 == pmap
    n = PER_CHUNK
    return i < n or i == 200 if pmap == 2 else i == 0 or n <= i < 2 * n


def judge_wired(run: Run) -> None:
    everything = {
        (pmap, VA + i * PAGE): (i, True, wired(pmap, i))
        for pmap in range(4)
        for i in range(400)
    }
    kept = {key: mapping for key, mapping in everything.items() if mapping[2]}
    refilled = dict(kept)
    for pmap in range(4):
        refilled.update({(pmap, VA + (1 << 21) + i * PAGE): (i, True, False) for i in range(160)})
    for state in run.named("removed"):
        left = seen(state).keys() - kept.keys()
        if left:
            run.wrong("mappings that are not wired after pmap_remove_all_user, point removed",
                      "none", f"{len(left)}, the first of them of pmap {min(left)[0]} at "
                      f"{min(left)[1]:#x}", invariant=EXIT_RULE,
                      hint="Where fn says false that one entry stays, and the walk goes on.")
            return
    for name, expected in (("entered", everything), ("removed", kept), ("refilled", refilled)):
        for state in run.named(name):
            compare(run, state, expected)
    for full, again in zip(run.named("entered"), run.named("refilled")):
        if again.owners["PV"] > full.owners["PV"]:
            run.wrong(
                "pages of the reverse map after exit and as many mappings less 960",
                f"at most {full.owners['PV']}",
                again.owners["PV"],
                invariant="room that a process has is used before a page is taken",
            )


DAMAGE = {
    "nothing-mapped": "an entry at an address where nothing is mapped",
    "twice": "a second entry for the same mapping",
    "another-page-mapped": "an entry of a page at an address where another one is mapped",
    "mapping-gone": "a mapping that vanished from the page table, its entry still there",
    "mapping-changed": "a page-table entry that leads to another page than the entry",
}
"""What t_check.c does, in its order, three times."""
CHECKED = "pv_check verifies each entry against its PTE, and says what is wrong"


def judge_check(run: Run) -> None:
    found = run.records("damage")
    if [words[0] for words in found] != [*DAMAGE] * 3:
        run.wrong("damages tried", " ".join(DAMAGE), " ".join(words[0] for words in found))
    for name, faults, said in found:
        if not int(faults) or not int(said):
            run.wrong(
                f"pv_check, and {DAMAGE.get(name, name)}",
                "one fault or more, and a line that describes it",
                f"{faults} faults, {'a' if int(said) else 'no'} line",
                invariant=CHECKED,
                hint="What is said must be counted, too: pv_check returns the faults of all pmaps, "
                "chunks and entries together, not those of the last one." if int(said) else
                "For each entry in use: pmap_page_at says what is mapped there, and exactly "
                "one entry like it must be on that page's list.",
            )
            return
