# SPDX-License-Identifier: BSD-2-Clause
"""`make demo LAB=pv`: a lecture that goes back and forth through a kernel's memory.

Its steps are the lab's, labs/<n>-<name>/demo/steps, or those of the file that STEPS names. They are
played on the starter and another form side by side: IMPL; without it the reference, or mine in a
tree that has none. STEPS without LAB plays on the plain kernel alone. OUT=file.html writes a page
that needs nothing else; AUTO=1 prints all steps and needs no terminal.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from grade import lab as labs
from grade import entry, lab_forms, qemu
from grade.lab import Lab
from grade.lecture import make, page, steps, terminal


def what_to_play() -> tuple[Path, Lab | None, list[str]]:
    """The list of steps, the lab and the forms of it."""
    name, given = os.environ.get("LAB") or "", os.environ.get("STEPS") or ""
    lab = labs.find(name) if name or not given else None
    path = steps.find(given) if given else None
    if not lab:
        assert path
        return path, None, ["kernel"]
    path = path or lab.folder / "demo" / "steps"
    if not path.exists():
        raise SystemExit(f"strata: lab {lab.name} has no demonstration")
    other = os.environ.get("IMPL") or ("reference" if lab_forms.sealed_ids(lab) else "mine")
    return path, lab, ["starter", other]


def main() -> int:
    path, lab, forms = what_to_play()
    auto, out = os.environ.get("AUTO") == "1", os.environ.get("OUT") or ""
    if not auto and not out and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise SystemExit("strata: the demonstration wants a terminal; AUTO=1 and OUT= need none")
    qemu.end_on_signals()
    record = make.make(path, lab, forms)
    if out:
        page.write(record, Path(out))
        print(f"strata: {out}: {len(record.steps)} steps, {Path(out).stat().st_size >> 10} KiB")
    elif auto:
        terminal.auto(record)
    else:
        terminal.play(record)
    return 0


if __name__ == "__main__":
    entry.run(main)
