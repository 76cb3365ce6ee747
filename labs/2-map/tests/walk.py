# SPDX-License-Identifier: BSD-2-Clause
"""Reads the kernel's address maps from outside: entries, tree, reserve, lock; and what must always
hold of them, whoever mapped what.

Layouts come from the debug information of the tests' own object, which is built from pristine
headers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from grade import layout
from grade.lab_judge import Run
from grade.oracle import Oracle, OracleError

from model import ends_cell

PAGE = 4096
MOST_ENTRIES = 1 << 17
MOST_MAPS = 64
MAX_SAID = 3
TOP_FLAGS = 3 << 30     # RW_WRITER, RW_WAITERS

ORDERED = "entries are in order, do not overlap, and lie inside the map"
TREE = "the tree and the list hold the same entries, in the same order"
COUNTED = "nentries and size say what the entries say"
LAW = "the reserve is what the live quanta will need, exactly"
RESERVE = "the reserve holds entries that are nowhere else, and nreserve of them"
HINT = "the hint is NULL or an entry of the map"
UNLOCKED = "whoever locks a map unlocks it, on every way out"
SEPARATE = "merge only where everything agrees"
PROMISED = "each function does what map_entry.h promises of it"


@dataclass(frozen=True)
class Entry:
    at: int
    start: int
    end: int
    object: int
    offset: int
    amap: int
    amap_slot: int
    wired: int
    prot: int
    max_prot: int
    inherit: int
    advice: int
    flags: int

    @property
    def npages(self) -> int:
        return (self.end - self.start) // PAGE

    def agrees(self, after: Entry) -> bool:
        """Whether the entry `after` goes on where this one ends, amaps aside."""
        offset = self.offset + (self.end - self.start if self.object else 0)
        mine = (self.end, self.object, offset, self.wired, self.prot, self.max_prot, self.inherit,
                self.advice, self.flags)
        return mine == (after.start, after.object, after.offset, after.wired, after.prot,
                        after.max_prot, after.inherit, after.advice, after.flags)

    def __str__(self) -> str:
        return f"[{self.start:#x}, {self.end:#x})"


FIELDS = {"start": "start_va", "end": "end_va"}


@dataclass
class Map:
    address: int
    kernel: bool
    min_va: int
    max_va: int
    nentries: int
    size: int
    nreserve: int
    nquanta: int
    hint: int
    lock_state: int
    owner: int
    entries: list[Entry] = field(default_factory=list)
    by_tree: list[int] = field(default_factory=list)
    reserve: list[int] = field(default_factory=list)

    def within(self, start: int, end: int) -> list[Entry]:
        return [e for e in self.entries if start <= e.start and e.end <= end]

    def quantum_entries(self, quantum: int) -> list[Entry]:
        return [e for e in self.entries if e.flags & quantum]


class Walker:
    """What a guest's memory says of its maps, at one point."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle
        self.types = layout.types_of(oracle.out / "labs/2-map/tests/lab_map.o")
        self.entry = self.types.structs["vm_map_entry"]
        self.attr = self.types.structs["vm_map_attr"]
        self.map = self.types.structs["vm_map"]
        self.flags = self.types.enums["map_entry_flags"]
        self.list_next = self.types.structs["list"].fields["next"].offset

    def number(self, struct: str, at: int, name: str) -> int:
        found = self.types.structs[struct].fields[name]
        data = self.oracle.memory.read(self.oracle.translate(at + found.offset), found.size)
        return int.from_bytes(data, "little")

    def _block(self, at: int, size: int) -> bytes:
        """Bytes that may cross into another page."""
        data = b""
        while len(data) < size:
            here = min(size - len(data), PAGE - (at + len(data)) % PAGE)
            data += self.oracle.memory.read(self.oracle.translate(at + len(data)), here)
        return data

    def read_entry(self, at: int) -> tuple[Entry, bytes]:
        data = self._block(at, self.entry.size)

        def number(name: str) -> int:
            name = FIELDS.get(name, name)
            start, fields = 0, self.entry.fields
            if name not in fields:
                start, fields = fields["attr"].offset, self.attr.fields
            start += fields[name].offset
            return int.from_bytes(data[start : start + fields[name].size], "little")

        names = [name for name in Entry.__dataclass_fields__ if name != "at"]
        return Entry(at, **{name: number(name) for name in names}), data

    def read_map(self, at: int) -> Map:
        names = ("min_va", "max_va", "nentries", "size", "nreserve", "nquanta", "hint")
        numbers: dict[str, Any] = {name: self.number("vm_map", at, name) for name in names}
        found = Map(
            at,
            **numbers,
            kernel=bool(self.number("vm_map", at, "kernel")),
            lock_state=self._lock(at, "state"),
            owner=self._lock(at, "owner"),
        )
        self._entries(found)
        self._tree(found)
        self._reserve(found)
        return found

    def _lock(self, at: int, name: str) -> int:
        lock = self.types.structs["rwlock"].fields
        base = at + self.map.fields["lock"].offset
        if name == "state":
            return self.number("rwlock", base, name)
        return self.number("lock", base + lock["lock"].offset, name)

    def _walk(self, head: int) -> list[int]:
        """The nodes of a circular list."""
        nodes: list[int] = []
        at = self.oracle.word(head + self.list_next)
        while at != head:
            nodes.append(at)
            if len(nodes) > MOST_ENTRIES:
                raise OracleError(f"the list at {head:#x} does not end")
            at = self.oracle.word(at + self.list_next)
        return nodes

    def _entries(self, found: Map) -> None:
        head = found.address + self.map.fields["entries"].offset
        link = self.entry.fields["link"].offset
        at = self.oracle.word(head + self.list_next)
        while at != head:
            entry, data = self.read_entry(at - link)
            found.entries.append(entry)
            if len(found.entries) > MOST_ENTRIES:
                raise OracleError("the list of a map's entries does not end")
            at = int.from_bytes(data[link + self.list_next : link + self.list_next + 8], "little")

    def _tree(self, found: Map) -> None:
        """The entries in the order of the tree."""
        node = self.types.structs["rb_node"]
        child = node.fields["child"].offset
        offset = self.entry.fields["node"].offset
        tree = found.address + self.map.fields["tree"].offset
        at = self.oracle.word(tree + self.types.structs["rb_tree"].fields["root"].offset)
        above: list[int] = []
        while at or above:
            while at:
                above.append(at)
                if len(above) > 256:
                    raise OracleError("the tree of a map's entries is no tree")
                at = self.oracle.word(at + child)
            at = above.pop()
            found.by_tree.append(at - offset)
            if len(found.by_tree) > MOST_ENTRIES:
                raise OracleError("the tree of a map's entries does not end")
            at = self.oracle.word(at + child + 8)

    def _reserve(self, found: Map) -> None:
        head = found.address + self.map.fields["reserve"].offset
        link = self.entry.fields["link"].offset
        found.reserve = [at - link for at in self._walk(head)]

    def all_maps(self) -> list[Map]:
        """Every map on the kernel's list of maps."""
        head = self.oracle.image.symbols["maps"]
        link = self.map.fields["all_link"].offset
        nodes = self._walk(head)
        if len(nodes) > MOST_MAPS:
            raise OracleError(f"{len(nodes)} maps")
        return [self.read_map(at - link) for at in nodes]


# ---- what always holds ----


def judge_map(found: Map, name: str, quantum: int, run: Run) -> None:
    """The rules that need no knowledge of what was mapped."""
    where = f"map {name}: "
    last = found.min_va
    for entry in found.entries:
        if not last <= entry.start < entry.end <= found.max_va or entry.start % PAGE:
            run.wrong(where + "entries", f"the next one from {last:#x} on", str(entry),
                      invariant=ORDERED)
            break
        last = entry.end
    in_list = [entry.at for entry in found.entries]
    if in_list != found.by_tree:
        run.wrong(where + "entries in the tree", f"the {len(in_list)} of the list",
                  f"{len(found.by_tree)}, or in another order", invariant=TREE)
    run.expect(where + "nentries", len(in_list), found.nentries, invariant=COUNTED)
    run.expect(where + "size in bytes", sum(e.end - e.start for e in found.entries), found.size,
               invariant=COUNTED)
    run.expect(where + "nreserve", len(found.reserve), found.nreserve, invariant=RESERVE)
    if len(set(found.reserve)) != len(found.reserve) or set(found.reserve) & set(in_list):
        run.wrong(where + "entries of the reserve", "each once, and none of them in the map",
                  "some twice, or in the map", invariant=RESERVE)
    if found.hint and found.hint not in in_list:
        kind = "an entry of the reserve" if found.hint in found.reserve else "something else"
        run.wrong(where + "hint", "NULL or an entry of the map", kind, invariant=HINT,
                  hint="Whoever takes an entry out of the map, or frees it, clears a hint that "
                  "points to it: merging does so, too.")
    if found.lock_state or found.owner:
        run.wrong(where + "lock while nobody works", "free", "taken", invariant=UNLOCKED)
    judge_law(found, where, quantum, run)


def judge_law(found: Map, where: str, quantum: int, run: Run) -> None:
    entries = len(found.quantum_entries(quantum))
    if entries + len(found.reserve) == found.nquanta:
        return
    more = entries + len(found.reserve) > found.nquanta
    run.wrong(
        where + f"entries in reserve, beside {entries} with ME_QUANTUM",
        f"{max(found.nquanta - entries, 0)} for {found.nquanta} live quanta",
        f"{len(found.reserve)}: too {'many' if more else 'few'}",
        invariant=LAW,
        hint="How many entries does a block bring, and how many does it take along? And whose are "
        "those that a merge leaves over?"
        if more
        else "Where is the entry that the last merge made superfluous, or who else took one? Or is "
        "nquanta too high? It is counted down by ME_QUANTUM of what is on c->dead.",
    )


def name_rules(run: Run) -> None:
    """Of what the guest saw itself: a hint that leads nowhere, a function that says what is not."""
    for i, finding in enumerate(run.findings):
        if "the hint leads to" in finding.got:
            run.findings[i] = replace(finding, invariant=HINT)
        elif "map_entry_need says" in finding.got:
            run.findings[i] = replace(finding, invariant=PROMISED)


def unmerged(found: Map, flags: dict[str, int]) -> list[tuple[Entry, Entry]]:
    """Neighbours that agree, and are not one entry although they may be."""
    return [
        (a, b)
        for a, b in zip(found.entries, found.entries[1:])
        if a.agrees(b) and not a.flags & flags["ME_SUBMAP"] and not a.amap and not b.amap
        and not (a.flags & flags["ME_QUANTUM"] and ends_cell(a.end))
    ]


def is_sound(found: Map, flags: dict[str, int]) -> bool:
    """Whether a form's own check may find nothing."""
    entries = len(found.quantum_entries(flags["ME_QUANTUM"]))
    lawful = entries + len(found.reserve) == found.nquanta
    return lawful and len(found.reserve) == found.nreserve and not unmerged(found, flags)


def describe(entries: list[Any]) -> str:
    some = ", ".join(str(entry) for entry in entries[:MAX_SAID])
    return f"{len(entries)}: {some}{' ...' if len(entries) > MAX_SAID else ''}"
