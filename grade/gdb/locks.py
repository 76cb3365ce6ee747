# SPDX-License-Identifier: BSD-2-Clause
"""The command `locks`: who holds what, and who waits for what."""

from __future__ import annotations

from typing import Iterator

import gdb

import processes
from command import KernelCommand, text


def contexts() -> Iterator[gdb.Value]:
    """The struct kctx of every thread, and of CPUs that run none yet."""
    seen: set[int] = set()
    for kctx in [*processes.cpu_contexts().values(), *processes.thread_contexts()]:
        if int(kctx.address) not in seen:
            seen.add(int(kctx.address))
            yield kctx


def describe(lock: gdb.Value) -> str:
    """A lock by name, rank and address."""
    rank = gdb.Value(int(lock["rank"])).cast(gdb.lookup_type("enum lock_rank"))
    return f"{text(lock['name'])} ({rank}) at {int(lock.address):#x}"


class Locks(KernelCommand):
    """locks: the locks that each thread holds and waits for."""

    name = "locks"

    def run(self, _: list[str]) -> None:
        nothing = True
        for kctx in contexts():
            held = [kctx["held"][i].dereference() for i in range(1, int(kctx["nheld"]) + 1)]
            waiting = kctx["waiting"]
            if not held and not int(waiting):
                continue
            nothing = False
            print(f"{text(kctx['name'])} ({int(kctx['id'])}):")
            for lock in held:
                print(f"    holds {describe(lock)}")
            if int(waiting):
                lock = waiting.dereference()
                owner = lock["owner"]
                by = f", held by {text(owner['name'])} ({int(owner['id'])})" if int(owner) else ""
                print(f"    waits for {describe(lock)}{by}")
        if nothing:
            print("no thread holds or waits for a lock")


Locks()
