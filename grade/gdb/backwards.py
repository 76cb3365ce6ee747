# SPDX-License-Identifier: BSD-2-Clause
"""Commands that go back in the run: last-write, back-to, back, forward.

The driver (grade/rewind.py) runs the same run again and stops it earlier; these commands say where,
in numbers of instructions, and lead GDB to the new machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from typing import Any, Iterator

import gdb

from command import KernelCommand

WINDOWS = (10_000, 1_000_000, 10_000_000, 100_000_000)
"""So many instructions are looked at, one window after the other: most of what is asked for
happened just now, and in a whole run it may have happened very often, which costs a stop each."""
LINES_WINDOWS = WINDOWS[:2]
"""Those for `back'."""
STACK_BYTES = 16 << 10
"""Of a kernel stack: what lies further above is another one."""
END = 1 << 62
"""The place of a machine that has ended."""
left: list[int] = []
"""Where `forward' leads: the places that were left. A place is a number of instructions."""
repeats = False
"""Whether GDB's machine repeats what was recorded."""


def ask(do: str, *words: Any) -> Any:
    """The driver's answer."""
    with socket.socket(socket.AF_UNIX) as driver:
        driver.connect(os.environ["STRATA_PAST"])
        with driver.makefile("rw", encoding="utf-8") as stream:
            stream.write(json.dumps({"do": do, "with": words}) + "\n")
            stream.flush()
            line = stream.readline()
    answer = json.loads(line) if line else {"error": "the driver is gone"}
    if "error" in answer:
        raise gdb.GdbError(answer["error"])
    return answer["answer"]


def here() -> int:
    if trouble := os.environ["STRATA_NO_PAST"]:
        raise gdb.GdbError(f"this run cannot be gone back in: {trouble}")
    return int(ask("here")) if gdb.selected_inferior().pid else END


def alive() -> None:
    """GdbError for a machine in which nothing can be looked at."""
    if here() == END:
        raise gdb.GdbError("the machine has ended: only back-to and forward lead into its run")


@contextlib.contextmanager
def let_go() -> Iterator[int]:
    """For asking the driver for the past, which ends GDB's machine. The place that GDB was at; if
    all this leads nowhere, GDB is there again."""
    place = here()
    if place != END:
        gdb.execute("disconnect", to_string=True)
    try:
        yield place
    except BaseException:
        if place != END:
            go(place)
        raise


def go(place: int) -> None:
    """GDB goes to a place, and shows where it stands there."""
    global repeats
    gdb.execute(f"target remote {ask('go', place)}", to_string=True)
    repeats = True


def leave(place: int, to: int) -> None:
    """Goes back from a place, which `forward' leads to again."""
    left.extend([place] if place != END else [])
    go(to)


def beginnings(place: int) -> Iterator[int]:
    """From where to search for what happened last before a place, one after the other."""
    if place != END:
        yield from (place - window for window in WINDOWS if window < place)
    yield 0


def say_end(event: gdb.StopEvent) -> None:
    """A replay stands still at its end, and QEMU calls that SIGQUIT."""
    if isinstance(event, gdb.SignalEvent) and event.stop_signal == "SIGQUIT":
        print("The recorded run has ended here.")


def say_gone(_: gdb.ExitedEvent) -> None:
    print("The machine has ended.")


class Back(KernelCommand):
    """back [N]: go back a line of the source, or N; calls on the way count as one line.

    At the first line of a function it leads to the call. `forward' returns.
    """

    name = "back"

    def run(self, words: list[str]) -> None:
        count = number_in(words)
        if len(words) > 1 or count < 1:
            raise self.usage()
        alive()
        pc, rsp = (int(gdb.parse_and_eval(name)) for name in ("$pc", "$rsp"))
        codes = list(line_starts(count))
        with let_go() as place:
            lines: list[int] = []
            for window in LINES_WINDOWS:
                first = max(0, place - window)
                _, starts = ask("entered", codes, first, place, window)
                lines = lines_before(starts, pc, rsp)
                if len(lines) > count:
                    break  # where the line begins is certain: another one is before it
            if len(lines) < count:
                within = f"within {LINES_WINDOWS[-1]} instructions"
                raise gdb.GdbError(f"only {len(lines)} lines are {within}: try back-to")
            leave(place, lines[count - 1])


def line_starts(depth: int) -> Iterator[int]:
    """Where lines begin, in the function that is looked at and in so many of its callers."""
    frame: gdb.Frame | None = gdb.newest_frame()
    seen: set[int] = set()
    while frame and len(seen) <= depth:
        function = frame.function()
        if frame.type() == gdb.NORMAL_FRAME and function and entry_of(function) not in seen:
            entry = entry_of(function)
            seen.add(entry)
            lines = function.symtab.linetable()
            yield from {line.pc for line in lines if function_at(line.pc) == entry}
        frame = frame.older()


def line_of(pc: int) -> tuple[str, int] | None:
    found = gdb.find_pc_line(pc)
    return (found.symtab.filename, found.line) if found.symtab else None


def lines_before(starts: list[list[int]], pc: int, rsp: int) -> list[int]:
    """The places where lines begin, the latest first: in the function that holds `pc', not in
    those that it called, and in its callers once its own beginning is passed."""
    found: list[int] = []
    line, floor, ceiling = line_of(pc), rsp, rsp + STACK_BYTES
    for at, start_pc, start_rsp in reversed(starts):
        if not floor <= start_rsp < ceiling:
            continue  # in a call, or on another stack
        if line_of(start_pc) != line:
            line = line_of(start_pc)
            found.append(at)
        elif found:
            found[-1] = at
        if start_pc == function_at(start_pc):
            floor = start_rsp + 8
    return found


def entry_of(function: gdb.Symbol) -> int:
    return int(function.value().address)


def function_at(pc: int) -> int:
    """Where the function begins that holds this code, also code that is inlined into it."""
    block, found = gdb.block_for_pc(pc), 0
    while block:
        found = entry_of(block.function) if block.function else found
        block = block.superblock
    return found


class BackTo(KernelCommand):
    """back-to FUNCTION [N]: go back to where FUNCTION was entered last, or the Nth last time."""

    name = "back-to"

    def run(self, words: list[str]) -> None:
        count = number_in(words[1:])
        if len(words) not in (1, 2) or count < 1:
            raise self.usage()
        codes = [start.pc for start in gdb.decode_line(words[0])[1] or ()]
        with let_go() as place:
            for first in beginnings(place):
                total, times = ask("entered", codes, first, place, count)
                if total >= count:
                    break
            if total < count:
                raise gdb.GdbError(f"{words[0]} was entered {total} times before this")
            leave(place, times[0][0])


class LastWrite(KernelCommand):
    """last-write EXPRESSION: go back to the line that wrote this value last.

    It stands before the write: the value is still the old one. Writes by devices, and through
    another mapping of the same memory, are not seen. `forward' returns.
    """

    name = "last-write"
    raw = True

    def run(self, words: list[str]) -> None:
        if not words[0].strip():
            raise self.usage()
        alive()
        value = gdb.parse_and_eval(words[0])
        if value.address is None:
            raise gdb.GdbError(f"{words[0]} has no address: it is computed, or in a register")
        value.fetch_lazy()  # an error if no memory is there
        address, kind, new = int(value.address), value.type, show(value)
        with let_go() as place:
            for first in beginnings(place):
                at = ask("written", address, kind.sizeof, first, place)
                if at is not None:
                    break
            else:
                raise gdb.GdbError(f"nobody has written {words[0]} since the start")
            leave(place, at)
        old = gdb.Value(address).cast(kind.pointer()).dereference()
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
        place = here()
        while left and left[-1] <= place < END:
            left.pop()  # passed by going on
        if not left:
            raise gdb.GdbError("you have not gone back: go on with `continue'")
        with let_go():
            go(left.pop())


def number_in(words: list[str]) -> int:
    return int(words[0]) if words and words[0].isdecimal() else 0 if words else 1


gdb.events.stop.connect(say_end)
gdb.events.exited.connect(say_gone)
Back()
BackTo()
LastWrite()
Forward()
