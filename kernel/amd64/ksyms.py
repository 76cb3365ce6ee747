# SPDX-License-Identifier: BSD-2-Clause
"""Makes the table of functions that the kernel names in backtraces.

    ksyms.py first.elf ksyms.s

The table, all numbers little-endian and 32 bits: how many functions there are; of each, by
address, its offset from text_start, its size and the place of its name, from the table's start;
the names.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection


def functions(elf: ELFFile) -> tuple[int, list[tuple[int, int, str]]]:
    """text_start and (address, size, name) of every function, by address."""
    table = elf.get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    start = end = 0
    found: dict[int, tuple[int, str]] = {}
    text = next(i for i, s in enumerate(elf.iter_sections()) if s.name == ".text")
    for symbol in table.iter_symbols():
        if symbol.name == "text_start":
            start = symbol["st_value"]
            continue
        if symbol.name == "text_end":
            end = symbol["st_value"]
        elif symbol["st_shndx"] == text and symbol.name and symbol.name[0] not in ".$":
            old = found.get(symbol["st_value"], (0, ""))
            found[symbol["st_value"]] = max(old, (symbol["st_size"], symbol.name))
    ordered = sorted(item for item in found.items() if start <= item[0] < end)
    bounds = [address for address, _ in ordered[1:]] + [end]
    # Assembly has no sizes: such a function reaches to the next one.
    return start, [(a, size or nxt - a, name) for (a, (size, name)), nxt in zip(ordered, bounds)]


def build(path: Path) -> bytes:
    with path.open("rb") as stream:
        start, found = functions(ELFFile(stream))
    entries, names = b"", b""
    for address, size, name in found:
        place = 4 + 12 * len(found) + len(names)
        entries += struct.pack("<3I", address - start, size, place)
        names += name.encode() + b"\0"
    return struct.pack("<I", len(found)) + entries + names


def main() -> None:
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    blob = target.with_suffix(".bin")
    blob.write_bytes(build(source))
    target.write_text(f'.section .ksyms, "a"\n.balign 16\n.incbin "{blob}"\n', encoding="utf-8")


if __name__ == "__main__":
    main()
