# SPDX-License-Identifier: BSD-2-Clause
"""Makes the table of functions and lines that the kernel prints in backtraces.

    ksyms.py first.elf ksyms.s

The table, all numbers little-endian and 32 bits, offsets from its start:
    header     number of functions, number of files, offsets of functions, files, steps, strings
    functions  by address: offset from text_start, size, name, first step
    files      names of source files, as offsets into the strings
    steps      per function a stream of ULEB128 numbers: address delta + 1 (0 ends the function),
               then zigzag(line delta) * 2, + 1 if a file number follows
"""

from __future__ import annotations

import struct
import sys
from bisect import bisect_left
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from dwarf_line import Row, rows


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


def uleb(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Table:
    """Strings and steps as they grow."""

    def __init__(self) -> None:
        self.strings = bytearray()
        self.steps = bytearray()
        self.files: dict[str, int] = {}
        self.file_names: list[int] = []

    def string(self, text: str) -> int:
        at = len(self.strings)
        self.strings += text.encode() + b"\0"
        return at

    def file(self, name: str) -> int:
        if name not in self.files:
            self.files[name] = len(self.files)
            self.file_names.append(self.string(name))
        return self.files[name]

    def function_steps(self, start: int, lines: list[Row]) -> int:
        """Encodes one function's rows; the place of the first step."""
        at = len(self.steps)
        address, file, line = start, "", 0
        for row_address, row_file, row_line in lines:
            if row_line == 0 or (row_file, row_line) == (file, line):
                continue
            delta = row_line - line
            code = (delta << 1 ^ delta >> 63) << 1
            self.steps += uleb(max(row_address, start) - address + 1)
            self.steps += uleb(code | (row_file != file))
            if row_file != file:
                self.steps += uleb(self.file(row_file))
            address, file, line = max(row_address, start), row_file, row_line
        self.steps += b"\0"
        return at


def build(path: Path) -> bytes:
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        start, found = functions(elf)
        # A later row for the same address is the one that counts.
        last = {row[0]: row for row in rows(elf.get_section_by_name(".debug_line").data())}
    lines = sorted(last.values())
    addresses = [row[0] for row in lines]
    table = Table()
    entries = b""
    for address, size, name in found:
        first, end = bisect_left(addresses, address), bisect_left(addresses, address + size)
        steps = table.function_steps(address, lines[first:end])
        entries += struct.pack("<4I", address - start, size, table.string(name), steps)
    files = struct.pack(f"<{len(table.file_names)}I", *table.file_names)
    places = [24]
    for part in (entries, files, table.steps):
        places.append(places[-1] + len(part) + -len(part) % 4)
    header = struct.pack("<6I", len(found), len(table.file_names), *places)
    body = header + entries + files + bytes(table.steps) + bytes(-len(table.steps) % 4)
    return body + bytes(table.strings)


def main() -> None:
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    blob = target.with_suffix(".bin")
    blob.write_bytes(build(source))
    target.write_text(f'.section .ksyms, "a"\n.balign 16\n.incbin "{blob}"\n', encoding="utf-8")


if __name__ == "__main__":
    main()
