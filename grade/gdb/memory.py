# SPDX-License-Identifier: BSD-2-Clause
"""Commands on address spaces: map, pt."""

from __future__ import annotations

import re
from pathlib import Path

import gdb

import processes
from command import KernelCommand, each

PAGE_BITS = 12
INDEX_BITS = 9
LEVELS = ["PML4", "PDPT", "PD", "PT"]
ADDRESS_MASK = 0x000FFFFFFFFFF000
FLAGS = {
    0: "present", 1: "write", 2: "user", 3: "write-through", 4: "uncached", 5: "accessed",
    6: "dirty", 7: "large", 8: "global", 9: "managed", 10: "wired", 11: "shared",
    63: "no-execute",
}  # fmt: skip
LARGE = 1 << 7
MEMLAYOUT = Path(__file__).resolve().parents[2] / "kernel/mem/memlayout.h"


def dmap_base() -> int:
    """Where the direct map of memory begins, as the kernel's header says."""
    match = re.search(r"#define\s+DMAP_BASE\s+(0x[0-9a-f]+)", MEMLAYOUT.read_text("utf-8"))
    if not match:
        raise gdb.GdbError(f"no DMAP_BASE in {MEMLAYOUT}")
    return int(match[1], 16)


def read_entry(table_pa: int, index: int) -> int:
    at = dmap_base() + table_pa + 8 * index
    return int.from_bytes(gdb.selected_inferior().read_memory(at, 8).tobytes(), "little")


class Map(KernelCommand):
    """map PID: the entries of a process's address map; `map kernel` and `map kmem` for the
    kernel's, `map EXPRESSION` for one that a struct vm_map * points to."""

    name = "map"

    def run(self, words: list[str]) -> None:
        if len(words) != 1:
            raise self.usage()
        if words[0].isdecimal():
            vm_map = processes.space_of(words[0])["map"]
        else:
            named = {"kernel": "kernel_map", "kmem": "kmem_map"}
            vm_map = gdb.parse_and_eval(named.get(words[0], words[0])).dereference()
        for entry in each(vm_map["entries"], "struct vm_map_entry", "link"):
            print(describe(entry))
        if int(vm_map["kernel"]):
            print(f"{int(vm_map['nentries'])} entries, {int(vm_map['nreserve'])} in reserve, "
                  f"{int(vm_map['nquanta'])} live quanta")


def describe(entry: gdb.Value) -> str:
    """One line on a map entry."""
    attr = entry["attr"]
    prot = "".join(
        letter if int(attr["prot"]) & bit else "-"
        for letter, bit in (("r", 1), ("w", 2), ("x", 4))
    )
    parts = [f"{int(entry['start_va']):#018x}-{int(entry['end_va']):#018x} {prot}"]
    for name, value in (("object", attr["object"]), ("amap", entry["amap"])):
        if int(value):
            parts.append(f"{name} {int(value):#x}")
    if int(attr["object"]):
        parts.append(f"offset {int(attr['offset']):#x}")
    if int(entry["wired"]):
        parts.append(f"wired {int(entry['wired'])}")
    flags = gdb.lookup_type("enum map_entry_flags").fields()
    parts += [flag.name for flag in flags if int(entry["flags"]) & flag.enumval]
    return " ".join(parts)


class PageTable(KernelCommand):
    """pt PID ADDRESS: the page-table entries that translate an address; PID may be `kernel`."""

    name = "pt"

    def run(self, words: list[str]) -> None:
        if len(words) != 2:
            raise self.usage()
        if words[0] == "kernel":
            pmap = gdb.parse_and_eval("kernel_pmap")
        else:
            pmap = processes.space_of(words[0])["pmap"].dereference()
        where = gdb.parse_and_eval(words[1])
        if where.type.code == gdb.TYPE_CODE_FUNC:
            where = where.address
        va = int(where) & (1 << 64) - 1
        table = int(pmap["pml4_pa"])
        for level, name in enumerate(LEVELS):
            shift = PAGE_BITS + INDEX_BITS * (len(LEVELS) - 1 - level)
            index = va >> shift & (1 << INDEX_BITS) - 1
            entry = read_entry(table, index)
            flags = [word for bit, word in FLAGS.items() if entry >> bit & 1]
            print(f"{name:4} [{index:3}] at pa {table + 8 * index:#011x}: {entry:#018x} {flags}")
            if not entry & 1:
                print("not mapped")
                return
            table = entry & ADDRESS_MASK
            if entry & LARGE and shift > PAGE_BITS:
                break
        pa = table & ~((1 << shift) - 1) | va & (1 << shift) - 1
        print(f"{va:#x} is at pa {pa:#x}, in the direct map {dmap_base() + pa:#x}")


Map()
PageTable()
