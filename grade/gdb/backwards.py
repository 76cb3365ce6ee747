# SPDX-License-Identifier: BSD-2-Clause
"""Commands that go back in the run: last-write, back-to, back, forward.

The driver (grade/rewind.py) runs the same run again and stops it earlier; these commands say where,
in numbers of instructions, and lead GDB to the new machine.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any

import gdb

from command import KernelCommand

WINDOWS = (1000, 8000, 64000)
"""So many instructions are looked at for `back', one window after the other."""
CANNOT = (
    "this run cannot go back: only one whose instructions are counted, on a fresh disk"
    " (make gdb ICOUNT=1, without PERSIST=1)"
)
places: list[tuple[int, int]] = []
"""Where `forward' leads: the places that were left, and their threads."""


def ask(do: str, *words: Any) -> Any:
    path = os.environ.get("STRATA_PAST")
    if not path:
        raise gdb.GdbError(CANNOT)
    with socket.socket(socket.AF_UNIX) as driver:
        driver.connect(path)
        with driver.makefile("rw", encoding="utf-8") as stream:
            stream.write(json.dumps({"do": do, "with": words}) + "\n")
            stream.flush()
            line = stream.readline()
    answer = json.loads(line) if line else {"error": "the driver is gone"}
    if "error" in answer:
        raise gdb.GdbError(answer["error"])
    return answer["answer"]


def here() -> int:
    if not gdb.selected_inferior().pid:
        raise gdb.GdbError("the machine has ended: begin again, and stop before its end")
    return int(ask("here"))


def thread() -> int:
    return int(gdb.selected_thread().num)


def let_go() -> None:
    """Before the driver is asked for the past: it ends the machine."""
    gdb.execute("disconnect", to_string=True)


def go(at: int, number: int) -> None:
    """GDB goes to a place, and shows where it stands there."""
    gdb.execute(f"target remote {ask('go', at)}", to_string=True)
    if number != thread():
        gdb.execute(f"thread {number}")


def leave(at: int, number: int, to: int, to_number: int) -> None:
    """Goes back from a place, which `forward' leads to again."""
    places.append((at, number))
    go(to, to_number)


class Back(KernelCommand):
    """back [N]: go back a line of the source, or N; calls on the way count as one line.

    At the first line of a function it leads to the call. `forward' returns.
    """

    name = "back"

    def run(self, words: list[str]) -> None:
        count = number_in(words)
        if len(words) > 1 or count < 1:
            raise self.usage()
        at, number = here(), thread()
        here_pc, here_rsp = (int(gdb.parse_and_eval(name)) for name in ("$pc", "$rsp"))
        let_go()
        for window in WINDOWS:
            first = max(0, at - window)
            lines = lines_before(ask("steps", first, at), here_pc, here_rsp)
            if len(lines) >= count:
                leave(at, number, lines[count - 1], number)
                return
            if not first:
                break
        go(at, number)
        raise gdb.GdbError(f"not {count} lines in {WINDOWS[-1]} instructions: try back-to")


def line_of(pc: int) -> tuple[str, int] | None:
    found = gdb.find_pc_line(pc)
    return (found.symtab.filename, found.line) if found.symtab else None


def lines_before(steps: list[list[int]], pc: int, rsp: int) -> list[int]:
    """The places where lines begin, the latest first: in the function that holds `pc', not in
    those that it called, and in its callers once its own beginning is passed."""
    found: list[int] = []
    line, floor = line_of(pc), rsp
    began = None
    for at, step_pc, step_rsp in reversed(steps):
        if step_rsp < floor:
            continue  # in a call
        floor = max(floor, step_rsp) if function(step_pc) != function(pc) else floor
        here_line = line_of(step_pc)
        if here_line == line:
            began = at
            continue
        if began is not None and found:
            found[-1] = began
        found.append(at)
        line, began = here_line, at
    if found and began is not None:
        found[-1] = began
    return found


def function(pc: int) -> str:
    block = gdb.block_for_pc(pc)
    while block and not block.function:
        block = block.superblock
    return block.function.name if block else ""


class BackTo(KernelCommand):
    """back-to FUNCTION [N]: go back to where FUNCTION was entered last, or the Nth last time."""

    name = "back-to"

    def run(self, words: list[str]) -> None:
        count = number_in(words[1:])
        if len(words) not in (1, 2) or count < 1:
            raise self.usage()
        places_of = gdb.decode_line(words[0])[1]
        if not places_of:
            raise gdb.GdbError(f"no function {words[0]}")
        at, number = here(), thread()
        let_go()
        stops: list[list[Any]] = []
        for found in places_of:
            stops += ask("find", "enter", found.pc, 1, at)
        stops.sort()
        if len(stops) < count:
            go(at, number)
            raise gdb.GdbError(f"{words[0]} was entered {len(stops)} times before")
        leave(at, number, *stops[-count])


class LastWrite(KernelCommand):
    """last-write EXPRESSION: go back to the line that wrote this value last.

    It stands before the write: the value is still the old one. Writes through another mapping of
    the same memory are not seen. `forward' returns.
    """

    name = "last-write"
    raw = True

    def run(self, words: list[str]) -> None:
        if not words[0].strip():
            raise self.usage()
        value = gdb.parse_and_eval(words[0])
        if value.address is None:
            raise gdb.GdbError(f"{words[0]} lies in no memory that could be watched")
        address, size, new = int(value.address), value.type.sizeof, show(value)
        value.fetch_lazy()
        at, number = here(), thread()
        let_go()
        stops = ask("find", "write", address, size, at)
        if not stops:
            go(at, number)
            raise gdb.GdbError(f"nobody has written {words[0]} since the start")
        leave(at, number, *stops[-1])
        old = gdb.Value(address).cast(value.type.pointer()).dereference()
        print(f"{words[0]}: this writes {new}; before it was {show(old)}.")


def show(value: gdb.Value) -> str:
    try:
        return value.format_string(max_elements=8).replace("\n", " ")
    except gdb.error as error:
        return str(error)


class Forward(KernelCommand):
    """forward: return to where you were before you last went back."""

    name = "forward"

    def run(self, words: list[str]) -> None:
        if words:
            raise self.usage()
        if not places:
            raise gdb.GdbError("this is where you were before you went back")
        here()
        at, number = places.pop()
        let_go()
        go(at, number)


def number_in(words: list[str]) -> int:
    return int(words[0]) if words and words[0].isdecimal() else 0 if words else 1


Back()
BackTo()
LastWrite()
Forward()
