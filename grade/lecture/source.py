# SPDX-License-Identifier: BSD-2-Clause
"""Where in the source a guest stands: the function, its line, who called it, and some lines."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from elftools.dwarf.die import DIE
from elftools.elf.elffile import ELFFile

from grade import backtrace, layout, qemu
from grade.lab import ROOT
from grade.lecture.record import Picture

BEFORE, AFTER = 6, 17
"""Lines around the one where it stopped."""
POINTS = re.compile(r"judge_point|lab_\w*point|outb")
"""Functions that only stop the machine: the step is their caller's."""
REGISTERS = ("RDI", "RSI", "RDX", "RCX", "R8", "R9")
PLACE = re.compile(r"(\S+) at (.*?):(\d+)")
INTO = " (inlined by) "
MOST_CALLERS = 12


def where(vm: qemu.Qemu, entered: bool, returned: bool = False) -> dict[str, Any]:
    """{} where nothing is known. `entered': it stands at a function's first instruction, so the way
    back is still on top of the stack, and the frame is the caller's. `returned': behind a call."""
    cpu = backtrace.cpus(vm)[0]
    found = backtrace.frames(vm, 0, cpu.rip, cpu.rbp)
    if entered:
        found[1:1] = [at for at in way_back(vm)[:1] if at]
    chains = _places(vm.machine.kernel, [at - (returned or i > 0) for i, at in enumerate(found)])
    if entered and chains:  # what begins with another's code, inlined, was entered all the same
        chains[0] = chains[0][-1:]
    places = [chain[0] for chain in chains if chain]
    while places and POINTS.fullmatch(places[0][0]):
        del places[0]
    if not places:
        return {}
    function, file, line = places[0]
    stack = [f"{name}  {path}:{number}" for name, path, number in places[:MOST_CALLERS]]
    return {"function": function, "file": file, "line": line, "stack": stack}


def way_back(vm: qemu.Qemu) -> tuple[int, int]:
    """Where the function returns to that was just entered, and the stack pointer there."""
    cpu = backtrace.cpus(vm)[0]
    words = re.findall(r"0x([0-9a-f]{16})", vm.monitor(f"x/1gx {cpu.rsp:#x}"))
    return int(words[-1], 16) if words else 0, cpu.rsp + 8


def _places(kernel: Path, found: list[int]) -> list[list[tuple[str, str, int]]]:
    """Of each address (function, path from the root, line): what is inlined there, then into what;
    none where nothing is known."""
    tool = os.environ.get("ADDR2LINE") or "addr2line"
    done = subprocess.run(
        [tool, "-fipe", str(kernel), *map(hex, found)], capture_output=True, text=True, check=False
    )
    chains: list[list[tuple[str, str, int]]] = []
    for line in done.stdout.splitlines():
        into = line.startswith(INTO)
        if not into:
            chains.append([])
        if place := _place(line.removeprefix(INTO)):
            chains[-1].append(place)
    return chains


def _place(text: str) -> tuple[str, str, int] | None:
    match = PLACE.match(text)
    if not match:
        return None
    path = os.path.relpath(os.path.join(ROOT, match[2]), ROOT)
    return match[1], path, int(match[3])


class Parameter(NamedTuple):
    name: str
    size: int
    """Of what a register holds of it, in bytes; above them it may hold anything."""
    kind: str
    """As in C, typedefs looked through."""
    words: dict[int, str]
    """An enumeration's names."""
    signed: bool

    def value(self, register: int) -> int:
        found = register & ((1 << 8 * self.size) - 1)
        return found - (1 << 8 * self.size) if self.signed and found >> 8 * self.size - 1 else found

    def told(self, value: int) -> str:
        """Of a kernel address only what is there: it changes with every build."""
        if self.signed:
            return str(value)
        if value >= backtrace.KERNEL_HALF:
            return self.kind if self.kind.endswith("*") else "a kernel address"
        return self.words.get(value, f"{value:#x}")


class Signature(NamedTuple):
    parameters: list[Parameter]
    result: Parameter | None


def signature(path: Path, function: str) -> Signature | None:
    """A function's, from the object that has it."""
    with open(path, "rb") as file:
        for unit in ELFFile(file).get_dwarf_info().iter_CUs():
            for die in unit.get_top_DIE().iter_children():
                named = die.tag == "DW_TAG_subprogram" and layout.name_of(die) == function
                if named and "DW_AT_declaration" not in die.attributes:
                    taken = [
                        _parameter(child)
                        for child in die.iter_children()
                        if child.tag == "DW_TAG_formal_parameter" and layout.name_of(child)
                    ]
                    return Signature(taken, _parameter(die) if layout.meant(die) else None)
    return None


def _parameter(die: DIE) -> Parameter:
    kind = layout.meant(die)
    assert kind, f"{layout.name_of(die)}: a parameter of no type"
    words = {value: word for word, value in layout.enumerators(kind).items()}
    return Parameter(
        layout.name_of(die), layout.size_of(kind), layout.written(kind), words,
        layout.is_signed(kind),
    )  # fmt: skip


def values(vm: qemu.Qemu, of: Signature) -> list[tuple[Parameter, int]]:
    """What the function that was just entered is called with."""
    found = _registers(vm)
    return [(taken, taken.value(found[name])) for taken, name in zip(of.parameters, REGISTERS)]


def _registers(vm: qemu.Qemu) -> dict[str, int]:
    text = vm.monitor("info registers")
    return {name: int(v, 16) for name, v in re.findall(r"\b(R\w\w?)\s*=\s*([0-9a-f]{16})", text)}


def arguments(vm: qemu.Qemu, function: str, of: Signature) -> Picture:
    rows = [[parameter.name, parameter.told(value)] for parameter, value in values(vm, of)]
    return {"kind": "table", "title": f"{function} is called with", "rows": rows}


def answer(vm: qemu.Qemu, function: str, of: Signature) -> Picture:
    """The same where the function has just returned."""
    result = of.result
    rows = [[result.kind, result.told(result.value(_registers(vm)["RAX"]))]] if result else []
    return {"kind": "table", "title": f"{function} has returned", "rows": rows}


def short(line: str) -> str:
    """A line of the stack, of whose path the floor and the file are left."""
    function, _, path = line.partition("  ")
    return f"{function}  {'/'.join(path.split('/')[-2:])}"


def lines_around(place: dict[str, Any]) -> dict[str, str]:
    """Number to text of the lines that a player shows."""
    path = ROOT / place["file"]
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    first = max(0, place["line"] - 1 - BEFORE)
    return {str(i + 1): lines[i] for i in range(first, min(len(lines), place["line"] + AFTER))}
