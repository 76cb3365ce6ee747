# SPDX-License-Identifier: BSD-2-Clause
"""Commands on processes and threads: ps, bt-all."""

from __future__ import annotations

from typing import Iterator

import gdb

from command import KernelCommand, each, text, where

MAX_FRAMES = 32
WORD = 8
KERNEL_HALF = 1 << 63
# context_swap_stacks pushes these, the frame pointer first, below its return address.
SAVED_REGISTERS = 6


def all_processes() -> Iterator[gdb.Value]:
    """Every struct process, by pid."""
    yield from each(gdb.parse_and_eval("'process.c'::all"), "struct process", "all_link")


def all_threads() -> Iterator[tuple[gdb.Value, gdb.Value]]:
    """Every (process, thread) of user processes."""
    for process in all_processes():
        for thread in each(process["threads"], "struct thread", "link"):
            yield process, thread


def kernel_threads() -> Iterator[gdb.Value]:
    """Every struct thread without a process, but for the idle ones."""
    yield from each(gdb.parse_and_eval("'thread.c'::kthreads"), "struct thread", "link")


def space_of(pid: str) -> gdb.Value:
    """The struct vm_space of a process."""
    for process in all_processes():
        if str(int(process["pid"])) == pid:
            if not int(process["space"]):
                raise gdb.GdbError(f"process {pid} has given its address space back")
            return process["space"].dereference()
    raise gdb.GdbError(f"no process {pid}: `ps` lists them")


def cpu_contexts() -> dict[int, gdb.Value]:
    """CPU number to the struct kctx that runs on it."""
    found = {}
    for number in range(int(gdb.parse_and_eval("ncpus"))):
        percpu = gdb.parse_and_eval(f"percpu_of[{number}]")
        if int(percpu) and int(percpu["kctx"]):
            found[number] = percpu["kctx"].dereference()
    return found


def thread_contexts() -> Iterator[gdb.Value]:
    """The struct kctx of every thread but the idle ones."""
    for _, thread in all_threads():
        yield thread["kctx"]
    for thread in kernel_threads():
        yield thread["kctx"]


def state_of(thread: gdb.Value) -> str:
    """The scheduler's word for it, and the lock or queue that it waits for."""
    state = str(thread["state"]).removeprefix("THREAD_").lower()
    waiting = thread["kctx"]["waiting"]
    return f"{state}, waits for {text(waiting['name'])}" if int(waiting) else state


class Ps(KernelCommand):
    """ps: all processes and their threads."""

    name = "ps"

    def run(self, _: list[str]) -> None:
        print(f"{'PID':>5} {'PPID':>5} {'TID':>5} {'CPU':>3}  {'COMMAND':16} STATE")
        for process in all_processes():
            threads = list(each(process["threads"], "struct thread", "link"))
            ids = f"{int(process['pid']):5} {int(process['ppid']):5}"
            if not threads:
                state = "zombie" if process["zombie"] else "no threads"
                print(f"{ids} {'-':>5} {'-':>3}  {process['comm'].string():16} {state}")
            for thread in threads:
                row = f"{ids} {int(thread['tid']):5} {int(thread['cpu']):3}"
                print(f"{row}  {thread['comm'].string():16} {state_of(thread)}")


def read_word(address: int) -> int:
    memory = gdb.selected_inferior().read_memory(address, WORD)
    return int.from_bytes(memory.tobytes(), "little")


def frames(rbp: int) -> Iterator[int]:
    """Return addresses up the chain of saved frame pointers."""
    for _ in range(MAX_FRAMES):
        if rbp < KERNEL_HALF or rbp % WORD:
            return
        try:
            saved, back = read_word(rbp), read_word(rbp + WORD)
        except gdb.MemoryError:
            return
        if back < KERNEL_HALF:
            return
        yield back
        if saved <= rbp:
            return
        rbp = saved


def sleeping_frames(thread: gdb.Value) -> Iterator[int]:
    """The return addresses of a thread that context_swap_stacks (switch.S) left."""
    rsp = int(thread["context"]["rsp"])
    yield read_word(rsp + SAVED_REGISTERS * WORD)
    yield from frames(read_word(rsp + (SAVED_REGISTERS - 1) * WORD))


class BtAll(KernelCommand):
    """bt-all: the kernel backtrace of every CPU and of every thread that does not run."""

    name = "bt-all"

    def run(self, _: list[str]) -> None:
        running = {int(kctx.address) for kctx in cpu_contexts().values()}
        selected = gdb.selected_thread()
        for cpu in sorted(gdb.selected_inferior().threads(), key=lambda t: t.num):
            cpu.switch()
            print(f"CPU {cpu.num - 1}:")
            gdb.execute(f"backtrace {MAX_FRAMES}")
        selected.switch()
        known = [(f"pid {int(process['pid'])}", thread) for process, thread in all_threads()]
        known += [("kernel", thread) for thread in kernel_threads()]
        for owner, thread in known:
            if int(thread["kctx"].address) in running:
                continue
            name = thread["comm"].string()
            print(f"{name} ({owner}, tid {int(thread['tid'])}): {state_of(thread)}")
            for address in sleeping_frames(thread):
                print(f"    {address:#018x} {where(address - 1)}")


Ps()
BtAll()
