# SPDX-License-Identifier: BSD-2-Clause
"""Decodes .debug_line of DWARF 4, the version that the kernel is built with.

A line program is a byte code that appends rows to a table (address, file, line); section 6.2 of
the standard. This decoder keeps what a backtrace needs. pyelftools can do it too, in ten times
the time, and it runs in every build.
"""

from __future__ import annotations

import re
import struct
from typing import Iterator

Row = tuple[int, str, int]
"""Address, file, line. Line 0 ends a run of addresses."""

ADVANCE_PC, ADVANCE_LINE, SET_FILE, CONST_ADD_PC, FIXED_ADVANCE_PC = 2, 3, 4, 8, 9
COPY = 1
END_SEQUENCE, SET_ADDRESS = 1, 2


class Reader:
    """A position in the section's bytes."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def number(self, code: str) -> int:
        (value,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize("<" + code)
        return value

    def string(self) -> str:
        end = self.data.index(0, self.at)
        text = self.data[self.at : end].decode()
        self.at = end + 1
        return text

    def uleb(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def sleb(self) -> int:
        start = self.at
        value = self.uleb()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if value >> bits - 1 else value


def file_names(reader: Reader) -> list[str]:
    """The unit's files by number, each from `kernel/' or `tests/kernel/' on."""
    folders = [""]
    while folder := reader.string():
        folders.append(folder)
    names = [""]
    while name := reader.string():
        folder = folders[reader.uleb()]
        reader.uleb()
        reader.uleb()
        path = f"{folder}/{name}" if folder else name
        found = re.search(r"(tests/)?kernel/", path)
        names.append(path[found.start() if found else 0 :])
    return names


def rows(data: bytes) -> Iterator[Row]:
    """The rows of all units."""
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        yield from unit_rows(data, at + 4, at + 4 + length)
        at += 4 + length


def unit_rows(data: bytes, start: int, end: int) -> Iterator[Row]:
    reader = Reader(data, start)
    version = reader.number("H")
    if version != 4:
        raise SystemExit(f"line numbers in DWARF {version}: only version 4 is understood")
    program = reader.number("I") + reader.at
    reader.at += 3  # instruction length, operations per instruction, default_is_stmt: 1, 1, 1
    line_base, line_range, opcode_base = reader.number("b"), reader.number("B"), reader.number("B")
    operands = [0, *data[reader.at : reader.at + opcode_base - 1]]
    reader.at += opcode_base - 1
    names = file_names(reader)
    reader.at = program
    const_add = (255 - opcode_base) // line_range
    address, file, line = 0, 1, 1
    while reader.at < end:
        opcode = data[reader.at]
        reader.at += 1
        if opcode >= opcode_base:
            step = opcode - opcode_base
            address += step // line_range
            line += line_base + step % line_range
            yield address, names[file], line
        elif opcode == COPY:
            yield address, names[file], line
        elif opcode == ADVANCE_PC:
            address += reader.uleb()
        elif opcode == ADVANCE_LINE:
            line += reader.sleb()
        elif opcode == SET_FILE:
            file = reader.uleb()
        elif opcode == CONST_ADD_PC:
            address += const_add
        elif opcode == FIXED_ADVANCE_PC:
            address += reader.number("H")
        elif opcode == 0:
            length = reader.uleb()
            extended, after = data[reader.at], reader.at + length
            if extended == SET_ADDRESS:
                (address,) = struct.unpack_from("<Q", data, reader.at + 1)
            elif extended == END_SEQUENCE:
                yield address, "", 0
                address, file, line = 0, 1, 1
            reader.at = after
        else:
            for _ in range(operands[opcode]):
                reader.uleb()
