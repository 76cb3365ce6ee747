# SPDX-License-Identifier: BSD-2-Clause
"""Reads a guest's memory from outside while it stands still: pages, address spaces, page tables.

Nothing here asks the guest: structures are found by the kernel's symbols and walked in the memory
that QEMU shares. Addresses are translated by the kernel's own page tables, starting at the root.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from grade import layout
from grade.lab import ROOT

PAGE = 4096
ENTRIES = 512
MEMFD = "/memfd:"
PTE = layout.macros(ROOT / "kernel/pmap/pmap_impl.h", "PTE_")
MAX_WALK = 1 << 16


class OracleError(Exception):
    """What should be a structure of the kernel is not: memory is damaged, or hidden."""


@dataclass
class Space:
    """One address space: its mappings of 4 KiB pages by virtual address, as PTEs."""

    address: int
    ptes: dict[int, int]
    tables: int
    links: dict[int, int] = field(default_factory=dict)
    """Tables of shared spaces that it links: their physical addresses. What they map is theirs."""


@dataclass
class Segment:
    start_pa: int
    pages: int
    """Address of the first struct vm_page."""
    count: int
    array_pa: int


@dataclass
class Snapshot:
    """The machine at one point."""

    name: str
    owners: Counter[str] = field(default_factory=Counter)
    spaces: list[Space] = field(default_factory=list)
    npages: int = 0


class Memory:
    """The guest's physical memory, as a file that QEMU shares."""

    def __init__(self, pid: int) -> None:
        folder = f"/proc/{pid}/fd"
        for name in os.listdir(folder):
            path = f"{folder}/{name}"
            if os.readlink(path).startswith(MEMFD):
                with open(path, "rb") as file:
                    self._map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
                return
        raise OracleError("QEMU shares no memory")

    def close(self) -> None:
        self._map.close()

    def read(self, pa: int, size: int) -> bytes:
        if pa < 0 or pa + size > len(self._map):
            raise OracleError(f"physical address {pa:#x} is beyond memory")
        return self._map[pa : pa + size]

    def word(self, pa: int) -> int:
        return int.from_bytes(self.read(pa, 8), "little")

    def table(self, pa: int) -> tuple[int, ...]:
        return struct.unpack("<512Q", self.read(pa, PAGE))


def arguments(mem: str) -> list[str]:
    """QEMU's arguments that share the guest's memory and stop it at points, or when it is late."""
    shared = f"memory-backend-memfd,id=ram,size={mem},share=on"
    return [
        *("-object", shared, "-machine", "memory-backend=ram"),
        *("-device", "pvpanic,ioport=0x505", "-action", "panic=pause"),
        *("-device", "ib700", "-action", "watchdog=pause"),
    ]


class Oracle:
    """What can be known of a guest whose kernel is `kernel` and whose objects are below `out`."""

    def __init__(self, kernel: Path, out: Path, memory: Memory) -> None:
        self.out = out
        self.image = layout.image_of(kernel)
        self.types = layout.types_of(out / "kernel/pmap/pmap.o")
        self.memory = memory
        self._cache: dict[int, int] = {}
        pmap = self.types.structs["pmap"]
        root = self.symbol_pa("kernel_pmap") + pmap.fields["pml4_pa"].offset
        self._root = memory.word(root)
        self.segments = self._segments()
        owners = self.types.enums["page_owner"]
        self.owner_names = {value: name.removeprefix("PAGE_") for name, value in owners.items()}

    # ---- addresses ----

    def symbol_pa(self, name: str) -> int:
        return self.image.phys(self.image.symbols[name])

    def translate(self, va: int) -> int:
        """The physical address behind a kernel address."""
        known = self._cache.get(va >> 12)
        if known is None:
            known = self._walk(va) & ~0xFFF
            self._cache[va >> 12] = known
        return known | (va & 0xFFF)

    def _walk(self, va: int) -> int:
        table = self._root
        for level in (4, 3, 2, 1):
            shift = 12 + 9 * (level - 1)
            entry = self.memory.word(table + 8 * ((va >> shift) & (ENTRIES - 1)))
            if not entry & PTE["PTE_P"]:
                raise OracleError(f"kernel address {va:#x} is not mapped")
            base = entry & PTE["PTE_PA"]
            if level == 1 or entry & PTE["PTE_PS"]:
                offset = (1 << shift) - 1
                return (base & ~offset) | (va & offset)
            table = base
        raise AssertionError

    def word(self, va: int) -> int:
        return self.memory.word(self.translate(va))

    def field(self, struct_name: str, address: int, name: str) -> int:
        """A field of up to eight bytes of the structure at a kernel address."""
        found = self.types.structs[struct_name].fields[name]
        data = self.memory.read(self.translate(address + found.offset), found.size)
        return int.from_bytes(data, "little")

    # ---- pages ----

    def _segments(self) -> list[Segment]:
        seg = self.types.structs["vm_page_seg"]
        size = self.types.structs["vm_page"].size
        base, count = self.symbol_pa("vm_page_segs"), self.memory.word(
            self.symbol_pa("vm_page_nsegs")
        )
        found = []
        for i in range(count & 0xFFFFFFFF):
            at = base + i * seg.size
            start, end, pages = (
                self.memory.word(at + seg.fields[name].offset)
                for name in ("start_pa", "end_pa", "pages")
            )
            array = self.translate(pages)
            if (end - start) // PAGE * size + array > len(self.memory._map):
                raise OracleError("the array of pages is beyond memory")
            found.append(Segment(start, pages, (end - start) // PAGE, array))
        return found

    def page_pa(self, page: int) -> int:
        """The physical address of the frame that a struct vm_page stands for."""
        size = self.types.structs["vm_page"].size
        for seg in self.segments:
            index, rest = divmod(page - seg.pages, size)
            if 0 <= index < seg.count and rest == 0:
                return seg.start_pa + index * PAGE
        raise OracleError(f"{page:#x} is no struct vm_page")

    def page_field(self, page: int, name: str) -> int:
        return self.field("vm_page", page, name)

    def owners(self) -> Counter[str]:
        """How many pages each owner has."""
        page = self.types.structs["vm_page"]
        at = page.fields["owner"].offset
        total: Counter[str] = Counter()
        for seg in self.segments:
            data = self.memory.read(seg.array_pa, seg.count * page.size)
            for value, count in Counter(data[at :: page.size]).items():
                total[self.owner_names.get(value, f"owner {value}")] += count
        return total

    # ---- address spaces ----

    def spaces(self) -> list[Space]:
        """Every user pmap on the kernel's list, with what its page tables map."""
        pmap = self.types.structs["pmap"]
        head = self.image.symbols["pmap_list"]
        link = pmap.fields["all_link"].offset
        kernel = self.image.symbols["kernel_pmap"]
        found: list[Space] = []
        at = self.memory.word(self.symbol_pa("pmap_list"))
        while at != head:
            address = at - link
            if address != kernel:
                found.append(self._space(address, self.field("pmap", address, "pml4_pa")))
            at = self.word(at)
            if len(found) > MAX_WALK:
                raise OracleError("the list of pmaps does not end")
        return found

    def _space(self, address: int, root: int) -> Space:
        space = Space(address, {}, 0)
        self._tables(space, root, 4, 0)
        return space

    def _tables(self, space: Space, pa: int, level: int, va: int) -> None:
        entries = self.memory.table(pa)
        shift = 12 + 9 * (level - 1)
        if level == 4:
            entries = entries[: ENTRIES // 2]
        for index, entry in enumerate(entries):
            if not entry:
                continue
            below = va | index << shift
            if level == 1:
                space.ptes[below] = entry
            elif level == 2 and entry & PTE["PTE_SHARED"]:
                space.links[below] = entry & PTE["PTE_PA"]
            else:
                space.tables += 1
                self._tables(space, entry & PTE["PTE_PA"], level - 1, below)

    def snapshot(self, name: str) -> Snapshot:
        snap = Snapshot(name, self.owners(), self.spaces())
        snap.npages = sum(seg.count for seg in self.segments)
        return snap
