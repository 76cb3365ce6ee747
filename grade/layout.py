# SPDX-License-Identifier: BSD-2-Clause
"""Where things lie in a kernel: structures from DWARF, symbols and segments from ELF.

Structures are read from the object files of the pristine sources, so that a submission cannot say
where its judge looks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from elftools.dwarf.die import DIE
from elftools.elf.elffile import ELFFile


POINTER = 8
SIGNED = (5, 6)
"""DW_ATE_signed and DW_ATE_signed_char."""


@dataclass(frozen=True)
class Field:
    offset: int
    size: int


@dataclass(frozen=True)
class Struct:
    size: int
    fields: dict[str, Field]


class Types:
    """The structures and enumerations that one object file knows."""

    def __init__(self, path: Path) -> None:
        self.structs: dict[str, Struct] = {}
        self.enums: dict[str, dict[str, int]] = {}
        with open(path, "rb") as file:
            for unit in ELFFile(file).get_dwarf_info().iter_CUs():
                for die in unit.get_top_DIE().iter_children():
                    self._take(die)

    def _take(self, die: DIE) -> None:
        name = name_of(die)
        if not name or "DW_AT_declaration" in die.attributes:
            return
        if die.tag == "DW_TAG_structure_type":
            fields = {}
            for member in die.iter_children():
                if name_of(member) and member.tag == "DW_TAG_member":
                    offset = member.attributes["DW_AT_data_member_location"].value
                    fields[name_of(member)] = Field(offset, size_of(member))
            size = die.attributes["DW_AT_byte_size"].value
            self.structs[name] = Struct(size, fields)
        elif die.tag == "DW_TAG_enumeration_type":
            self.enums[name] = enumerators(die)


def name_of(die: DIE) -> str:
    name = die.attributes.get("DW_AT_name")
    return str(name.value.decode()) if name else ""


def meant(die: DIE) -> DIE | None:
    """The type of a variable, or what a pointer points to, typedefs and qualifiers looked through;
    none for void."""
    while "DW_AT_type" in die.attributes:
        die = die.get_DIE_from_attribute("DW_AT_type")
        if die.tag not in ("DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type"):
            return die
    return None


KEYWORDS = {
    "DW_TAG_structure_type": "struct ",
    "DW_TAG_union_type": "union ",
    "DW_TAG_enumeration_type": "enum ",
}


def written(die: DIE | None) -> str:
    """A type as in C."""
    if die is None:
        return "void"
    if die.tag == "DW_TAG_pointer_type":
        to = written(meant(die))
        return to + ("*" if to.endswith("*") else " *")
    return KEYWORDS.get(die.tag, "") + (name_of(die) or "function")


def is_signed(die: DIE) -> bool:
    encoding = die.attributes.get("DW_AT_encoding")
    return encoding is not None and encoding.value in SIGNED


def enumerators(die: DIE) -> dict[str, int]:
    """An enumeration's; none of another type."""
    return {
        name_of(child): child.attributes["DW_AT_const_value"].value
        for child in die.iter_children()
        if child.tag == "DW_TAG_enumerator"
    }


def size_of(die: DIE) -> int:
    """The size in bytes of what a member or typedef holds."""
    while True:
        if "DW_AT_byte_size" in die.attributes:
            return int(die.attributes["DW_AT_byte_size"].value)
        if die.tag == "DW_TAG_pointer_type":  # clang does not say
            return POINTER
        inner = die.get_DIE_from_attribute("DW_AT_type")
        if die.tag == "DW_TAG_array_type":
            count = 1
            for bound in die.iter_children():
                if "DW_AT_upper_bound" in bound.attributes:
                    count *= int(bound.attributes["DW_AT_upper_bound"].value) + 1
                elif "DW_AT_count" in bound.attributes:
                    count *= int(bound.attributes["DW_AT_count"].value)
            return count * size_of(inner)
        die = inner


@lru_cache(maxsize=None)
def types_of(path: Path) -> Types:
    return Types(path)


CODE = ("STT_FUNC", "STT_NOTYPE")
"""Kinds of symbols: functions, and what the assembler's files name."""


class Image:
    """A linked kernel: its symbols, those of code, and where they are in physical memory."""

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as file:
            elf = ELFFile(file)
            self._loads = [
                (seg["p_vaddr"], seg["p_memsz"], seg["p_paddr"])
                for seg in elf.iter_segments()
                if seg["p_type"] == "PT_LOAD"
            ]
            table = elf.get_section_by_name(".symtab")
            named = [(s.name, int(s["st_value"]), s["st_info"]["type"])
                     for s in table.iter_symbols() if s.name]  # fmt: skip
        self.symbols = {name: at for name, at, _ in named}
        self.code = {name: at for name, at, kind in named if kind in CODE}

    def phys(self, va: int) -> int:
        """The physical address of an address inside the image."""
        for start, size, pa in self._loads:
            if start <= va < start + size:
                return int(pa + va - start)
        raise KeyError(f"{va:#x} is not in the kernel's image")


@lru_cache(maxsize=None)
def image_of(path: Path) -> Image:
    return Image(path)


def macros(header: Path, prefix: str) -> dict[str, int]:
    """The numeric #defines of a header whose names begin with `prefix`."""
    found = {}
    number = r"(?:\(1ul << (\d+)\)|(0x[0-9a-f]+|\d+)(?:ul)?)"
    pattern = rf"^#define ({prefix}\w+)\s+{number}\s*(?://.*)?$"
    for name, shift, number in re.findall(pattern, header.read_text("utf-8"), re.MULTILINE):
        found[name] = 1 << int(shift) if shift else int(number, 0)
    return found
