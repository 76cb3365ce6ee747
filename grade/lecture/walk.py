# SPDX-License-Identifier: BSD-2-Clause
"""Walks the kernel's structures from outside, by the names that they have in the sources.

Which object file tells of a structure is found by the file's name, wherever in the tree it lies,
and first in the form that is looked at.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Iterator

from elftools.elf.elffile import ELFFile

from grade import layout
from grade.oracle import PAGE, Oracle, OracleError

MOST = 1 << 16


@lru_cache(maxsize=None)
def object_named(stem: str, folders: tuple[Path, ...]) -> Path:
    for folder in folders:
        for path in sorted((folder / "kernel").rglob(f"{stem}.o")):
            return path
    raise OracleError(f"no object {stem}.o")


@lru_cache(maxsize=None)
def struct_of(name: str, stem: str, folders: tuple[Path, ...]) -> layout.Struct:
    structs = layout.types_of(object_named(stem, folders)).structs
    if name not in structs:
        raise OracleError(f"{stem}.o knows no struct {name}")
    return structs[name]


@lru_cache(maxsize=None)
def statics(kernel: Path) -> dict[tuple[str, str], int]:
    """Addresses of the variables and functions that only one source file knows: by its name."""
    found, file = {}, ""
    with open(kernel, "rb") as image:
        for symbol in ELFFile(image).get_section_by_name(".symtab").iter_symbols():
            if symbol["st_info"]["type"] == "STT_FILE":
                file = symbol.name
            elif symbol["st_info"]["bind"] == "STB_LOCAL":
                found[file, symbol.name] = int(symbol["st_value"])
    return found


class Walker:
    """What can be read of a guest that stands still. Everything raises OracleError where memory
    does not hold what was looked for, and KeyError where this form has no such name."""

    def __init__(self, oracle: Oracle, variant: Path) -> None:
        self.oracle = oracle
        self.folders = (variant, oracle.out)
        self.kernel = variant / "kernel.elf"

    def struct(self, name: str, stem: str) -> layout.Struct:
        return struct_of(name, stem, self.folders)

    def enum(self, name: str, stem: str) -> dict[str, int]:
        return layout.types_of(object_named(stem, self.folders)).enums[name]

    def bytes(self, va: int, size: int) -> bytes:
        """Bytes at a kernel address, which may cross into other pages."""
        data = b""
        while len(data) < size:
            here = min(size - len(data), PAGE - (va + len(data)) % PAGE)
            data += self.oracle.memory.read(self.oracle.translate(va + len(data)), here)
        return data

    def word(self, va: int) -> int:
        return int.from_bytes(self.bytes(va, 8), "little")

    def text(self, va: int, most: int = 32) -> str:
        return self.bytes(va, most).split(b"\0")[0].decode(errors="replace") if va else ""

    def symbol(self, name: str, file: str = "") -> int:
        """The address of a symbol; of a static one, with the source file that has it."""
        return statics(self.kernel)[file, name] if file else self.oracle.image.symbols[name]

    def at(self, struct: layout.Struct, va: int, *names: str) -> list[int]:
        """Fields of up to eight bytes of the structure at va, read at once."""
        data = self.bytes(va, struct.size)
        found = []
        for name in names:
            field = struct.fields[name]
            found.append(int.from_bytes(data[field.offset : field.offset + field.size], "little"))
        return found

    def each(self, head: int, struct: layout.Struct, link: str) -> Iterator[int]:
        """The structures on a circular list, of which the first word leads on."""
        at = self.word(head)
        for _ in range(MOST):
            if at == head:
                return
            yield at - struct.fields[link].offset
            at = self.word(at)
        raise OracleError(f"the list at {head:#x} does not end")

    def tree(self, root: int, struct: layout.Struct, node: str, stem: str) -> Iterator[int]:
        """The structures of a balanced tree, in order."""
        child = self.struct("rb_node", stem).fields["child"].offset
        at, above = self.word(root), []
        for _ in range(MOST):
            while at:
                above.append(at)
                at = self.word(at + child)
            if not above:
                return
            at = above.pop()
            yield at - struct.fields[node].offset
            at = self.word(at + child + 8)
        raise OracleError(f"the tree at {root:#x} does not end")

    def thread(self) -> int:
        """The struct thread that CPU 0 runs, or 0 while the kernel starts."""
        percpu = self.word(self.symbol("percpu_of"))
        if not percpu:
            return 0
        return self.at(self.struct("percpu", "thread"), percpu, "kctx")[0]

    def process(self) -> int:
        """The struct process that CPU 0 runs, or 0."""
        thread = self.thread()
        boot = self.struct("cpu", "cpu")
        first = self.symbol("cpus")
        if not thread or first <= thread < first + boot.size:
            return 0
        return self.at(self.struct("thread", "thread"), thread, "proc")[0]

    def program(self) -> str:
        """What the running process is called; "" for none."""
        process = self.process()
        if not process:
            return ""
        return self.text(process + self.struct("process", "process").fields["comm"].offset, 16)
