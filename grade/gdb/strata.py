# SPDX-License-Identifier: BSD-2-Clause
"""GDB commands for Strata, loaded by `make gdb` once GDB is connected: `strata` lists them."""

from __future__ import annotations

import os
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# Importing a module registers its commands.
import backwards  # noqa: E402
import locks  # noqa: E402,F401
import memory  # noqa: E402,F401
import processes  # noqa: E402,F401
import reverse  # noqa: E402,F401
from command import COMMANDS, KernelCommand  # noqa: E402

ENTRY = "kernel_main"


class Strata(KernelCommand):
    """strata: list Strata's commands."""

    name = "strata"

    def run(self, _: list[str]) -> None:
        for command in sorted(COMMANDS):
            print("  " + COMMANDS[command].summary())


class Console(KernelCommand):
    """console TEXT: type a line into the guest's console; it is read once the guest runs."""

    name = "console"
    raw = True

    def run(self, words: list[str]) -> None:
        if backwards.repeats:
            raise gdb.GdbError("this run is over and only repeated: nobody hears what you type")
        if int(gdb.parse_and_eval("'uart.c'::receiver")):
            type_text(words[0] + "\n")
        else:
            Listening(words[0] + "\n")


class Listening(gdb.Breakpoint):
    """Types its text once the guest listens to its console: what comes before is lost."""

    def __init__(self, text: str) -> None:
        super().__init__("uart_set_receiver", internal=True)
        self.text = text

    def stop(self) -> bool:
        type_text(self.text)
        self.enabled = False
        return False


def type_text(text: str) -> None:
    with open(os.environ["STRATA_CONSOLE"], "w", encoding="utf-8") as console:
        console.write(text)


Strata()
Console()
# A hardware breakpoint: the kernel's addresses are not mapped yet.
gdb.execute(f"thbreak {ENTRY}")
gdb.execute("continue")
print("Stopped where the kernel's C code begins. `strata` lists this kernel's own commands.")
