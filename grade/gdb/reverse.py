# SPDX-License-Identifier: BSD-2-Clause
"""Commands on the reverse map and on pools: pv, chunks, pools.

Each form of the reverse map is read by the names that the labs use: struct pv_page_part and
pv_pmap_part, and struct pv_entry, which names its pmap or lies in a struct pv_chunk that does.
"""

from __future__ import annotations

from typing import Iterator

import gdb

import processes
from command import KernelCommand, each, member, text

PAGE = 4096
KERNEL_HALF = 1 << 63


def struct(name: str) -> gdb.Type | None:
    try:
        return gdb.lookup_type(f"struct {name}")
    except gdb.error:
        return None


def part(name: str, words: gdb.Value) -> gdb.Value:
    """What the reverse map keeps in these words of a page or a pmap."""
    kind = struct(name)
    if not kind:
        raise gdb.GdbError(f"this form of the reverse map has no struct {name}")
    return gdb.Value(int(words.address)).cast(kind.pointer()).dereference()


def has(value: gdb.Value, field: str) -> bool:
    return any(f.name == field for f in value.type.strip_typedefs().fields())


def chunk_of(entry: gdb.Value) -> gdb.Value | None:
    kind = struct("pv_chunk")
    at = int(entry.address) & -PAGE
    return gdb.Value(at).cast(kind.pointer()).dereference() if kind else None


def mapping(entry: gdb.Value) -> str:
    chunk = None if has(entry, "pmap") else chunk_of(entry)
    pmap = entry["pmap"] if chunk is None else member(chunk, "pmap")
    return f"va {int(entry['va']):#x} pmap {int(pmap):#x}  entry {int(entry.address):#x}"


def page_at(number: int) -> gdb.Value:
    """The struct vm_page at a kernel address, or of a physical address."""
    if number >= KERNEL_HALF:
        pointer = gdb.lookup_type("struct vm_page").pointer()
        return gdb.Value(number).cast(pointer).dereference()
    for i in range(int(gdb.parse_and_eval("vm_page_nsegs"))):
        seg = gdb.parse_and_eval(f"vm_page_segs[{i}]")
        if int(seg["start_pa"]) <= number < int(seg["end_pa"]):
            return seg["pages"][(number - int(seg["start_pa"])) // PAGE]
    raise gdb.GdbError(f"{number:#x} is no physical address of memory")


def pmap_at(word: str) -> gdb.Value:
    """The struct pmap of a process, or at an address."""
    if word.isdecimal():
        return processes.space_of(word)["pmap"].dereference()
    pointer = gdb.lookup_type("struct pmap").pointer()
    return gdb.parse_and_eval(word).cast(pointer).dereference()


def chunks_of(pmap: gdb.Value) -> Iterator[gdb.Value]:
    yield from each(part("pv_pmap_part", pmap["pv"])["chunks"], "struct pv_chunk", "pmap_link")


def used(chunk: gdb.Value) -> list[int]:
    """The numbers of a chunk's entries in use."""
    low, high = chunk["entries"].type.range()
    words = bitmap(chunk)
    return [i for i in range(low, high + 1) if not words[i // 64] >> i % 64 & 1]


def bitmap(chunk: gdb.Value) -> list[int]:
    free = member(chunk, "free")
    return [int(free[i]) for i in range(free.type.range()[1] + 1)]


class Pv(KernelCommand):
    """pv page PA | pv pmap PID: the entries of a page or a pmap; addresses will do for either."""

    name = "pv"

    def run(self, words: list[str]) -> None:
        if len(words) != 2 or words[0] not in ("page", "pmap"):
            raise self.usage()
        entries = list(self.of_page(words[1]) if words[0] == "page" else self.of_pmap(words[1]))
        for entry in entries:
            print(mapping(entry))
        print(f"{len(entries)} entries")

    def of_page(self, word: str) -> Iterator[gdb.Value]:
        page = page_at(int(gdb.parse_and_eval(word)))
        head = part("pv_page_part", page["pv"])["entries"]
        yield from each(head, "struct pv_entry", "page_link")

    def of_pmap(self, word: str) -> Iterator[gdb.Value]:
        pmap = pmap_at(word)
        if struct("pv_chunk"):
            for chunk in chunks_of(pmap):
                yield from (chunk["entries"][i] for i in used(chunk))
        else:
            head = part("pv_pmap_part", pmap["pv"])["entries"]
            yield from each(head, "struct pv_entry", "pmap_link")


class Chunks(KernelCommand):
    """chunks [PID]: the chunks of a pmap, or of all, with their bitmaps (1: free)."""

    name = "chunks"

    def run(self, words: list[str]) -> None:
        if len(words) > 1:
            raise self.usage()
        if not struct("pv_chunk"):
            raise gdb.GdbError("this form of the reverse map has no chunks")
        every = each(gdb.parse_and_eval("pmap_list"), "struct pmap", "all_link")
        kernel = int(gdb.parse_and_eval("&kernel_pmap"))
        for pmap in [pmap_at(words[0])] if words else every:
            if int(pmap.address) == kernel:
                continue
            print(f"pmap {int(pmap.address):#x}")
            for chunk in chunks_of(pmap):
                count = chunk["entries"].type.range()[1] + 1
                free = " ".join(f"{word:016x}" for word in bitmap(chunk))
                print(f"  chunk {int(chunk.address):#x}  {len(used(chunk))}/{count} used  {free}")


class Pools(KernelCommand):
    """pools: all pools, with their items and pages."""

    name = "pools"

    def run(self, _: list[str]) -> None:
        print(f"{'name':16} {'size':>6} {'out':>8} {'free':>8} {'pages':>6} {'fails':>6}  address")
        for pool in each(gdb.parse_and_eval("'pool.c'::all_pools"), "struct pool", "all_link"):
            numbers = [int(pool[name]) for name in ("nitems_out", "nitems_free", "npages", "fails")]
            row = " ".join(f"{n:{w}}" for n, w in zip(numbers, (8, 8, 6, 6)))
            print(f"{text(pool['name']):16} {int(pool['item_size']):6} {row}  "
                  f"{int(pool.address):#x}")


Pv()
Chunks()
Pools()
