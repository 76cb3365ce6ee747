# SPDX-License-Identifier: BSD-2-Clause
"""Where the CPUs of a QEMU stand, read through its monitor: for the report on a hang. And file and
line of the places that a kernel names in its own reports.

Frames are found by the chain of saved frame pointers, which the kernel is built to keep, and named
by addr2line.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from grade import qemu

MAX_FRAMES = 24
KERNEL_HALF = 1 << 63
FLAG_IF = 1 << 9


@dataclass
class Cpu:
    number: int
    rip: int
    rbp: int
    rsp: int
    interrupts: bool
    halted: bool


def cpus(vm: qemu.Qemu) -> list[Cpu]:
    """The registers of every CPU. Raises OSError if QEMU does not answer."""
    found = []
    for number in range(vm.machine.cpus):
        text = vm.monitor("info registers", number)
        value = {
            name: int(digits, 16) for name, digits in re.findall(r"\b([ER]\w\w|HLT)=\s*(\w+)", text)
        }
        flags = value.get("RFL", value.get("EFL", 0))
        found.append(
            Cpu(
                number,
                value.get("RIP", value.get("EIP", 0)),
                value.get("RBP", value.get("EBP", 0)),
                value.get("RSP", value.get("ESP", 0)),
                bool(flags & FLAG_IF),
                bool(value.get("HLT", 0)),
            )
        )
    return found


def all_halted(vm: qemu.Qemu, for_ever: bool = False) -> bool:
    """Whether every CPU waits for an interrupt; for ever: with interrupts off."""
    try:
        return all(cpu.halted and not (for_ever and cpu.interrupts) for cpu in cpus(vm))
    except OSError:
        return False


def of_all_cpus(vm: qemu.Qemu) -> str:
    """A symbolised backtrace of every CPU, as text."""
    lines = []
    try:
        for cpu in cpus(vm):
            state = "halted" if cpu.halted else "running"
            flag = "on" if cpu.interrupts else "off"
            lines.append(f"CPU {cpu.number}: {state}, interrupts {flag}, rsp {cpu.rsp:#x}")
            found = frames(vm, cpu.number, cpu.rip, cpu.rbp)
            lines += [f"    {name}" for name in names(str(vm.machine.kernel), found)]
    except OSError as error:
        lines.append(f"no backtrace: {error}")
    return "\n".join(lines)


def frames(vm: qemu.Qemu, cpu: int, rip: int, rbp: int) -> list[int]:
    """An address of code, and the return addresses up the chain of frame pointers."""
    found = [rip]
    while rbp >= KERNEL_HALF and rbp % 8 == 0 and len(found) < MAX_FRAMES:
        words = re.findall(r"0x([0-9a-f]{16})", vm.monitor(f"x/2gx {rbp:#x}", cpu))
        if len(words) < 2:
            break
        saved, back = int(words[-2], 16), int(words[-1], 16)
        if back < KERNEL_HALF:
            break
        found.append(back)
        if saved <= rbp:
            break
        rbp = saved
    return found


def names(kernel: str, found: list[int]) -> list[str]:
    """What the addresses that `frames` found are called."""
    # A return address points after the call: look up the call itself.
    wanted = [f"{at if i == 0 else at - 1:#x}" for i, at in enumerate(found)]
    return [f"{at:#018x} {text}" for at, text in zip(found, _looked_up(kernel, "-fp", wanted))]


PLACE = re.compile(r"(0x[0-9a-f]{16}) [\w.]+\+0x?[0-9a-f]+(?! \()")
"""An address and the function, as kernel/amd64/crash.c prints them."""


def with_lines(kernel: str, text: str) -> str:
    """The text of a console, with file and line behind each place that the kernel names there."""
    wanted = [match[1] for match in PLACE.finditer(text)]
    lines = iter(_looked_up(kernel, "-p", wanted)) if wanted else iter(())

    def located(match: re.Match[str]) -> str:
        line = next(lines).partition(" (discriminator")[0]
        return match[0] if "?" in line else f"{match[0]} ({line})"

    return PLACE.sub(located, text)


def _looked_up(kernel: str, options: str, addresses: list[str]) -> list[str]:
    """What addr2line says of each address; a question mark if it cannot."""
    tool = os.environ.get("ADDR2LINE") or "addr2line"
    command = [tool, options, "-e", kernel, *addresses]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = done.stdout.splitlines()
    except OSError:
        said = []
    lines = [re.sub(r"/[^\s:]+", _here, line) for line in said]
    return lines + ["?"] * (len(addresses) - len(said))


def _here(path: re.Match[str]) -> str:
    """A source file as it is called in this tree, which may have been moved since it was built."""
    parts = Path(path[0]).parts[1:]
    tails = (Path(*parts[i:]) for i in range(len(parts)))
    return next((str(tail) for tail in tails if tail.exists()), path[0])
