# SPDX-License-Identifier: BSD-2-Clause
"""Where in the source a guest stands: the function, its line, who called it, and some lines."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from grade import backtrace, qemu
from grade.lab import ROOT

BEFORE, AFTER = 6, 17
"""Lines around the one where it stopped."""
POINTS = re.compile(r"judge_point|lab_\w*point|outb")
"""Functions that only stop the machine: the step is their caller's."""
PLACE = re.compile(r"(\S+) at (.*?):(\d+)")
MOST_CALLERS = 12


def where(vm: qemu.Qemu, entered: bool) -> dict[str, Any]:
    """{} where nothing is known. `entered': it stands at a function's first instruction, so the way
    back is still on top of the stack, and the frame is the caller's."""
    cpu = backtrace.cpus(vm)[0]
    found = backtrace.frames(vm, 0, cpu.rip, cpu.rbp)
    if entered:
        words = re.findall(r"0x([0-9a-f]{16})", vm.monitor(f"x/1gx {cpu.rsp:#x}"))
        found[1:1] = [int(word, 16) for word in words[-1:]]
    places = [place for place in _places(vm.machine.kernel, found) if place]
    while places and POINTS.fullmatch(places[0][0]):
        del places[0]
    if not places:
        return {}
    function, file, line = places[0]
    stack = [f"{name}  {path}:{number}" for name, path, number in places[:MOST_CALLERS]]
    return {"function": function, "file": file, "line": line, "stack": stack}


def _places(kernel: Path, found: list[int]) -> list[tuple[str, str, int] | None]:
    """(function, path from the root, line) of each address, innermost first."""
    tool = os.environ.get("ADDR2LINE") or "addr2line"
    wanted = [f"{at if i == 0 else at - 1:#x}" for i, at in enumerate(found)]
    done = subprocess.run(
        [tool, "-fpe", str(kernel), *wanted], capture_output=True, text=True, check=False
    )
    return [_place(line) for line in done.stdout.splitlines()]


def _place(text: str) -> tuple[str, str, int] | None:
    match = PLACE.match(text)
    if not match:
        return None
    path = os.path.relpath(os.path.join(ROOT, match[2]), ROOT)
    return match[1], path, int(match[3])


def lines_around(place: dict[str, Any]) -> dict[str, str]:
    """Number to text of the lines that a player shows."""
    path = ROOT / place["file"]
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    first = max(0, place["line"] - 1 - BEFORE)
    return {str(i + 1): lines[i] for i in range(first, min(len(lines), place["line"] + AFTER))}
