# SPDX-License-Identifier: BSD-2-Clause
"""What the oracle reads at every step, as pictures: frames, owners, queues, pools, spaces, the
entries of maps, amaps with their anons, swap.

READINGS names them, and a lab's demo/pictures.py has more; a reading that this form or this moment
of the start does not have is left out.
Nothing that differs from run to run is shown: kernel addresses are not, but by order.
"""

from __future__ import annotations

from collections import Counter
from typing import Callable, NamedTuple

from grade.lecture.record import Picture
from grade.lecture.walk import Walker
from grade.oracle import PAGE, OracleError

OWNERS = [
    (".", "FREE", 0), ("K", "KERNEL", 1), ("T", "PT", 2), ("V", "PV", 3), ("P", "POOL", 4),
    ("M", "KMEM", 5), ("O", "OBJECT", 6), ("A", "ANON", 7), ("B", "BUF", 1),
]  # fmt: skip
MEANING = {
    "FREE": "free", "KERNEL": "kernel image and arrays", "PT": "page tables", "PV": "reverse map",
    "POOL": "pools", "KMEM": "kernel memory", "OBJECT": "files and shared memory",
    "ANON": "private memory", "BUF": "file-system buffers",
}  # fmt: skip
CELLS = 512
PER_ROW = 32
MOST_ROWS = 40
MOST_ANONS = 16
ANONS = 2
"""Their layer in the graph of private memory."""
RIGHTS = ((1, "r"), (2, "w"), (4, "x"))


def table(title: str, rows: list[list[str]], columns: list[str] | None = None) -> Picture:
    found: Picture = {"kind": "table", "title": title, "rows": rows}
    return {**found, "columns": columns} if columns else found


def owner_bytes(walker: Walker) -> list[tuple[int, bytes]]:
    """Each segment's first physical address, and the owner of each of its frames."""
    page = walker.oracle.types.structs["vm_page"]
    at = page.fields["owner"].offset
    return [
        (seg.start_pa, walker.oracle.memory.read(seg.array_pa, seg.count * page.size)[
            at :: page.size])
        for seg in walker.oracle.segments
    ]  # fmt: skip


def frames(walker: Walker) -> Picture:
    """Physical memory in order; a letter is the owner who has most of those frames that are not
    free. Rows of nothing but free frames are one row."""
    segments = owner_bytes(walker)
    total = sum(len(owners) for _, owners in segments)
    each = 1
    while total / each > CELLS:
        each *= 2
    letters = {name: letter for letter, name, _ in OWNERS}
    names = walker.oracle.owner_names
    rows: list[list[str]] = []
    for start, owners in segments:
        row = ""
        for first in range(0, len(owners), each):
            part = Counter(names.get(value, "") for value in owners[first : first + each])
            part.pop("FREE", None)
            row += letters.get(part.most_common(1)[0][0], "?") if part else "."
        for first in range(0, len(row), PER_ROW):
            at = (start + first * each * PAGE) >> 20
            letters_here = row[first : first + PER_ROW]
            if rows and set(letters_here) == {"."} == set(rows[-1][1]):
                rows[-1][2] = f"to {at + (len(letters_here) * each * PAGE >> 20)}M"
            else:
                rows.append([f"{at:4}M", letters_here, ""])
    legend = [[letter, MEANING[name], tone] for letter, name, tone in OWNERS]
    title = f"frames, {each} a letter" if each > 1 else "frames"
    return {"kind": "cells", "title": title, "legend": legend, "rows": rows}


def owners(walker: Walker) -> Picture:
    found = walker.oracle.owners()
    rows = [[MEANING[name], str(found[name])] for _, name, _ in OWNERS if found[name]]
    return table("frames by owner", rows)


def queues(walker: Walker) -> Picture:
    state = walker.struct("page_queue_state", "vm_page_queue")
    active, inactive, wired = walker.at(
        state, walker.symbol("page_queues"), "nactive", "ninactive", "nwired"
    )
    free = walker.oracle.owners()["FREE"]
    rows = [["free", str(free)], ["inactive", str(inactive)], ["active", str(active)]]
    return table("page queues", [*rows, ["wired", str(wired)]])


def pools(walker: Walker) -> Picture:
    pool = walker.struct("pool", "pool")
    rows = []
    for at in walker.each(walker.symbol("all_pools", "pool.c"), pool, "all_link"):
        name, size, out, free, pages = walker.at(
            pool, at, "name", "item_size", "nitems_out", "nitems_free", "npages"
        )
        if pages:
            rows.append([walker.text(name), *map(str, (size, out, free, pages))])
    return table("pools", sorted(rows), ["pool", "bytes", "out", "free", "pages"])


def spaces(walker: Walker) -> Picture:
    """Every address space: what its page tables map, walked."""
    names = {}
    process = walker.struct("process", "process")
    space = walker.struct("vm_space", "vm_space")
    for at in walker.each(walker.symbol("all", "process.c"), process, "all_link"):
        pid, own = walker.at(process, at, "pid", "space")
        if own:
            comm = walker.text(at + process.fields["comm"].offset, 16)
            names[walker.at(space, own, "pmap")[0]] = f"{pid} {comm}"
    rows = []
    for number, found in enumerate(walker.oracle.spaces()):
        name = names.get(found.address, f"space {number}")
        rows.append([name, str(len(found.ptes)), str(1 + found.tables)])
    return table("address spaces", rows, ["space", "pages", "tables"])


# ---- maps ----


def rights(prot: int) -> str:
    return "".join(letter if prot & bit else "-" for bit, letter in RIGHTS)


def entries_of(walker: Walker, vm_map: int) -> list[dict[str, int]]:
    entry = walker.struct("vm_map_entry", "vm_map")
    head = vm_map + walker.struct("vm_map", "vm_map").fields["entries"].offset
    attr = walker.struct("vm_map_attr", "vm_map")
    names = ("start_va", "end_va", "amap", "amap_slot", "flags", "wired")
    shared = ("object", "offset", "prot")
    below = entry.fields["attr"].offset
    return [
        dict(zip(names, walker.at(entry, at, *names)))
        | dict(zip(shared, walker.at(attr, at + below, *shared)))
        for at in walker.each(head, entry, "link")
    ]


def current_map(walker: Walker) -> int:
    process = walker.process()
    if not process:
        raise OracleError("no process runs")
    space = walker.at(walker.struct("process", "process"), process, "space")[0]
    if not space:
        raise OracleError("the process has no address space")
    return space + walker.struct("vm_space", "vm_space").fields["map"].offset


def what_of(entry: dict[str, int], flags: dict[str, int]) -> str:
    names = [name.removeprefix("ME_").lower() for name in flags if entry["flags"] & flags[name]]
    kind = "file" if entry["object"] else "memory"
    return ", ".join([kind, *names, *(["amap"] if entry["amap"] else [])])


def entries(walker: Walker) -> Picture:
    """The map of the process that runs."""
    flags = walker.enum("map_entry_flags", "vm_map")
    found = entries_of(walker, current_map(walker))
    rows = [
        [f"{e['start_va']:#x}", str((e["end_va"] - e["start_va"]) // PAGE), rights(e["prot"]),
         what_of(e, flags)]
        for e in found
    ]  # fmt: skip
    return table(
        f"map of {walker.program()}", rows[:MOST_ROWS], ["from", "pages", "may", "what"]
    )


def space(walker: Walker) -> Picture:
    """The same map as a strip: entries in order, a large one wider, gaps left out; below them what
    the page tables map of each."""
    found = entries_of(walker, current_map(walker))
    pmap = walker.at(walker.struct("vm_map", "vm_map"), current_map(walker), "pmap")[0]
    spaces_now = walker.oracle.spaces()
    ptes: list[int] = next((list(s.ptes) for s in spaces_now if s.address == pmap), [])
    at, boxes, mapped = 0, [], []
    for entry in found:
        npages = (entry["end_va"] - entry["start_va"]) // PAGE
        wide = max(4, min(12, 2 + npages.bit_length()))
        present = sum(entry["start_va"] <= va < entry["end_va"] for va in ptes)
        tone = 6 if entry["object"] else 7 if entry["amap"] else 5
        which = f"{entry['start_va']:x}-{entry['end_va']:x}"
        boxes.append([at, wide, rights(entry["prot"]), tone, which])
        if present:
            part = max(2, round(wide * present / npages))
            mapped.append([at, part, str(present), 3, which])
        at += wide + 1
    legend = [["6", "of a file", 6, "~"], ["7", "private memory", 7, "="],
              ["5", "nothing there yet", 5, " "], ["3", "so many of its pages are mapped", 3]]
    return {
        "kind": "strip", "title": f"address space of {walker.program()}", "length": max(at, 1),
        "legend": legend, "lanes": [["map entries", boxes], ["mapped of each", mapped]],
    }  # fmt: skip


def kernel_maps(walker: Walker) -> Picture:
    vm_map = walker.struct("vm_map", "vm_map")
    rows = []
    for name in ("kernel_map", "kmem_map"):
        at = walker.word(walker.symbol(name))
        figures = walker.at(vm_map, at, "nentries", "nreserve", "nquanta", "size")
        rows.append([name, *map(str, figures[:3]), f"{figures[3] >> 10} KiB"])
    return table("kernel maps", rows, ["map", "entries", "reserve", "quanta", "mapped"])


# ---- private memory ----


def anons_of(walker: Walker, amap: int) -> list[tuple[int, int]]:
    """(slot, address of the anon) of an amap, in order."""
    chunk = walker.struct("amap_chunk", "amap")
    count = chunk.fields["anons"].size // 8
    root = amap + walker.struct("vm_amap", "amap").fields["chunks"].offset
    found = []
    part = walker.struct("amap_part", "amap")
    for below in walker.tree(root, part, "node", "amap"):
        first = walker.at(part, below, "first")[0]
        at = below - chunk.fields["part"].offset
        data = walker.bytes(at + chunk.fields["anons"].offset, 8 * count)
        for i in range(count):
            anon = int.from_bytes(data[8 * i : 8 * i + 8], "little")
            if anon:
                found.append((first + i, anon))
    return found


def amaps(walker: Walker) -> Picture:
    """Of every process, the entries that have an amap; the amaps, the anons and where these are.
    The process that runs comes first. What a step changes keeps its name: the first way to it."""
    process = walker.struct("process", "process")
    space_type = walker.struct("vm_space", "vm_space")
    nodes: dict[str, list[object]] = {}
    edges: list[list[str]] = []
    order: dict[int, str] = {}
    every = list(walker.each(walker.symbol("all", "process.c"), process, "all_link"))
    runs = walker.process()
    for at in sorted(every, key=lambda at: at != runs):
        pid, own = walker.at(process, at, "pid", "space")
        if not own:
            continue
        for entry in entries_of(walker, own + space_type.fields["map"].offset):
            if entry["amap"]:
                key = f"e{pid}:{entry['start_va']:x}"
                text = f"{pid}: {entry['start_va']:#x} {rights(entry['prot'])}"
                nodes[key] = [key, 0, text, 5]
                edges.append([key, amap_of(walker, entry["amap"], key, order, nodes, edges)])
    return memory_graph(nodes, edges)


def memory_graph(nodes: dict[str, list[object]], edges: list[list[str]]) -> Picture:
    """Neighbours in an amap that look alike, are reached alike, and whose pages are nobody else's,
    are one node: it has the first one's name, and says how many there are."""
    ways: dict[str, list[str]] = {key: [] for key in nodes}
    ends: dict[str, list[str]] = {key: [] for key in nodes}
    for start, end in edges:
        ways[end].append(start)
        ends[start].append(end)
    runs: list[list[str]] = []
    before: object = None
    for key in (key for key, node in nodes.items() if node[1] == ANONS):
        amap, _, slot = key.rpartition(".")
        page = ends[key][0] if ends[key] and ways[ends[key][0]] == [key] else ""
        kind = str(nodes[page][2]).rpartition(" ")[0] if page else key
        like = (amap, ways[key], str(nodes[key][2]).partition(", ")[2], kind)
        if slot.isdecimal() and before == (like, int(slot) - 1):
            runs[-1].append(key)
        else:
            runs.append([key])
        before = (like, int(slot)) if slot.isdecimal() else None
    for first, *others in (run for run in runs if len(run) > 1):
        refs = str(nodes[first][2]).partition(", ")[2]
        slots = f"{first.rpartition('.')[2]}-{others[-1].rpartition('.')[2]}"
        nodes[first] = [first, ANONS, f"slots {slots}, {refs}", nodes[first][3]]
        page = ends[first][0]
        kind = str(nodes[page][2]).rpartition(" ")[0]
        nodes[page] = [page, ANONS + 1, f"{len(others) + 1} {kind}s", nodes[page][3]]
        for key in others:
            del nodes[ends[key][0]], nodes[key]
    heads = ["map entries", "amaps", "anons", "where"]
    return {"kind": "graph", "title": "private memory", "layers": heads,
            "nodes": list(nodes.values()),
            "edges": [edge for edge in edges if nodes.keys() >= set(edge)]}  # fmt: skip


def amap_of(
    walker: Walker, at: int, entry: str, order: dict[int, str], nodes: dict[str, list[object]],
    edges: list[list[str]],
) -> str:  # fmt: skip
    if at in order:
        return order[at]
    key = order[at] = f"m{entry}"
    nrefs, nslots, nused = walker.at(
        walker.struct("vm_amap", "amap"), at, "nrefs", "nslots", "nused"
    )
    nodes[key] = [key, 1, f"refs {nrefs}, {nused} of {nslots} slots", 4]
    found = anons_of(walker, at)
    for slot, anon in found[:MOST_ANONS]:
        edges.append([key, _anon(walker, anon, f"{key}.{slot}", order, nodes, edges)])
    if len(found) > MOST_ANONS:
        more = f"{key}+"
        nodes[more] = [more, 2, f"and {len(found) - MOST_ANONS} more", 0]
        edges.append([key, more])
    return key


def _anon(
    walker: Walker, at: int, name: str, order: dict[int, str], nodes: dict[str, list[object]],
    edges: list[list[str]],
) -> str:  # fmt: skip
    nrefs, page, swap_slot = walker.at(
        walker.struct("vm_anon", "anon"), at, "nrefs", "page", "swap_slot"
    )
    key = order.setdefault(at, name)
    slot = key.rpartition(".")[2]
    nodes[key] = [key, 2, f"slot {slot}, refs {nrefs}", 7]
    if page:
        pa = walker.oracle.page_pa(page)
        frame = f"f{pa >> 12:x}"
        nodes[frame] = [frame, 3, f"frame {pa >> 12:#x}", 3]
    else:
        frame = f"s{swap_slot}"
        nodes[frame] = [frame, 3, f"swap slot {swap_slot}", 2]
    if [key, frame] not in edges:
        edges.append([key, frame])
    return key


def swap(walker: Walker) -> Picture:
    figures = walker.struct("swap_stats", "swap")
    if not walker.word(walker.symbol("device", "swap.c")):
        raise OracleError("no swap")
    names = ("nslots", "nused", "ins", "outs", "errors")
    values = walker.at(figures, walker.symbol("stats", "swap.c"), *names)
    words = ("slots", "in use", "pages read back", "pages written", "errors")
    return table("swap", [[word, str(value)] for word, value in zip(words, values)])


Readings = dict[str, Callable[[Walker], Picture]]
READINGS: Readings = {
    "frames": frames, "owners": owners, "queues": queues, "pools": pools, "spaces": spaces,
    "entries": entries, "space": space, "kernel-maps": kernel_maps, "amaps": amaps, "swap": swap,
}  # fmt: skip


class Own(NamedTuple):
    """A lab's own readings; `of_tests' are those that know nothing but what its tests make."""

    everywhere: Readings = {}
    of_tests: Readings = {}


def read(walker: Walker, own: Readings) -> dict[str, Picture]:
    """All that can be read now."""
    found = {}
    for name, look in {**READINGS, **own}.items():
        try:
            found[name] = look(walker)
        except (OracleError, KeyError):
            continue
    return found
