# SPDX-License-Identifier: BSD-2-Clause
"""The threads that wait while all CPUs of a QEMU idle, read through its monitor: for a hang.

They are found on the kernel's lists; where those are damaged, what was found until then is told.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Iterator

from grade import backtrace, layout, qemu

OBJECT = "kernel/proc/process.o"
"""Knows the structures."""
SAVED_REGISTERS = 6     # by context_swap_stacks, the frame pointer first
MAX_LIST = 64
MAX_THREADS = 8
MAX_FRAMES = 5
WAITING = re.compile(r" at \S+/(context|sched|waitq)\.c:")
"""Frames in which every thread that waits stands."""


class Reader:
    """The kernel's structures in a machine that stands still."""

    def __init__(self, vm: qemu.Qemu) -> None:
        self.vm = vm
        kernel = Path(vm.machine.kernel)
        objects = [folder / OBJECT for folder in (kernel.parent, *kernel.parents[2:3])]
        self.types = layout.types_of(next(path for path in objects if path.exists()))
        self.symbols = layout.image_of(kernel).symbols

    def word(self, at: int) -> int:
        found = re.findall(r"0x([0-9a-f]{16})", self.vm.monitor(f"x/1gx {at:#x}", 0))
        return int(found[-1], 16)

    def field(self, kind: str, name: str, at: int) -> int:
        """Where a member lies of the structure at this address."""
        return at + self.types.structs[kind].fields[name].offset

    def each(self, head: int, kind: str, link: str) -> Iterator[int]:
        """The structures on a list, whose nodes begin with the pointer to the next."""
        node = self.word(head)
        for _ in range(MAX_LIST):
            if node == head:
                return
            yield node - self.types.structs[kind].fields[link].offset
            node = self.word(node)

    def threads(self) -> Iterator[tuple[str, int]]:
        for process in self.each(self.symbols["all"], "process", "all_link"):
            pid = self.word(self.field("process", "pid", process)) & 0xFFFFFFFF
            threads = self.field("process", "threads", process)
            for thread in self.each(threads, "thread", "link"):
                yield f"process {pid}", thread
        for thread in self.each(self.symbols["kthreads"], "thread", "link"):
            yield "kernel", thread

    def describe(self, owner: str, thread: int) -> list[str]:
        states = {number: name for name, number in self.types.enums["thread_state"].items()}
        state = self.word(self.field("thread", "state", thread)) & 0xFFFFFFFF
        comm = self.word(self.field("thread", "comm", thread)).to_bytes(8, "little")
        context = self.field("thread", "context", thread)
        rsp = self.word(self.field("cpu_context", "rsp", context))
        back = self.word(rsp + SAVED_REGISTERS * 8)
        rbp = self.word(rsp + (SAVED_REGISTERS - 1) * 8)
        frames = backtrace.frames(self.vm, 0, back - 1, rbp)
        word = states.get(state, "?").removeprefix("THREAD_").lower()
        name = comm.split(b"\0")[0].decode(errors="replace")
        names = backtrace.names(str(self.vm.machine.kernel), frames)
        names = [each for each in names if not WAITING.search(each)]
        return [f"{name} ({owner}): {word}", *(f"    {each}" for each in names[:MAX_FRAMES])]


def of_threads(vm: qemu.Qemu) -> str:
    """Each thread and where it waits, if no CPU runs anything; with a line break before."""
    lines: list[str] = []
    with contextlib.suppress(OSError, LookupError, StopIteration):
        if not all(cpu.halted for cpu in backtrace.cpus(vm)):
            return ""
        reader = Reader(vm)
        for number, (owner, thread) in enumerate(reader.threads()):
            if number == MAX_THREADS:
                break
            lines += reader.describe(owner, thread)
    return "".join("\n" + line for line in lines)
