# SPDX-License-Identifier: BSD-2-Clause
"""The labs' files in the work tree: `make start`, `make restore`, `make lab-status`, `make diff`,
`make lab-seal`.

start and restore replace a file that holds somebody's work only if FORCE=1 says so; otherwise they
say what would be lost. A reference that start replaces is kept in the lab's folder: a tree without
git has no other.
"""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path

from grade import lab as labs
from grade import entry, lab_report, options
from grade.lab import ROOT, Lab
from grade.lab_forms import blob_id, is_reference, kept, reference_bytes, starter
from grade.lab_forms import write_changed


def state(lab: Lab, path: str) -> str:
    """What the work tree holds under this path: starter, reference, modified or missing."""
    mine = ROOT / path
    if not mine.exists():
        return "missing"
    data = mine.read_bytes()
    first = starter(lab, path)
    same = ["starter"] if first.exists() and first.read_bytes() == data else []
    same += ["reference"] if is_reference(lab, path, data) else []
    return " = ".join(same) or "modified"


def chosen(name: str) -> list[Lab]:
    return [labs.find(name)] if name else labs.all_labs()


def states_of(lab: Lab, command: str) -> dict[str, str]:
    """What is there before it is replaced; SystemExit if that is somebody's work."""
    states = {path: state(lab, path) for path in lab.owned}
    modified = [path for path, what in states.items() if what == "modified"]
    if modified and not options.flag("FORCE", os.environ.get("FORCE")):
        raise SystemExit(
            f"strata: {' '.join(modified)}: modified, and `make {command}' would lose that. "
            "Save the work (git commit on a branch, or a copy); then: "
            f"make {command} LAB={lab.name} FORCE=1"
        )
    return states


def restore(name: str) -> int:
    lab = labs.find(name)
    found = {path: reference_bytes(lab, path) for path in lab.owned}
    states = states_of(lab, "restore")
    for path, data in found.items():
        write_changed(ROOT / path, data)
        if path in lab.callers:
            kept(lab, path).unlink(missing_ok=True)
        print(f"  {path}: reference (was {states[path]})")
    return 0


def start(name: str) -> int:
    lab = labs.find(name)
    states = states_of(lab, "start")
    found = {path: starter(lab, path).read_bytes() for path in lab.owned}
    for path, data in found.items():
        if "reference" in states[path]:
            write_changed(kept(lab, path), (ROOT / path).read_bytes())
        write_changed(ROOT / path, data)
        print(f"  {path}: starter (was {states[path]})")
    for green in ROOT.glob(f"build/*/labs/{lab.name}-mine/{lab_report.GREEN}"):
        green.unlink()
    handout = (lab.folder / "README.md").relative_to(ROOT)
    print(f"Lab {lab.number} is yours. Read {handout}; how far you are says:")
    print(f"  make grade LAB={lab.name}")
    return 0


def status(name: str) -> int:
    for lab in chosen(name):
        print(f"lab {lab.number} {lab.name}: {lab.title}")
        for path in lab.owned:
            print(f"  {path}: {state(lab, path)}")
    return 0


def diff(name: str) -> int:
    lab = labs.find(name)
    for path in lab.owned:
        old = starter(lab, path).read_text(encoding="utf-8").splitlines(keepends=True)
        new = reference_bytes(lab, path).decode().splitlines(keepends=True)
        sys.stdout.writelines(
            difflib.unified_diff(old, new, f"starter/{path}", f"reference/{path}")
        )
    return 0


def seal(name: str) -> int:
    """Declares the work tree's files to be the reference."""
    if name:
        labs.find_plain(name, "its reference is in its own folder")
    for lab in chosen(name):
        lines = ["# SPDX-License-Identifier: BSD-2-Clause"]
        lines += ["# Git's names of the reference's files; `make lab-seal` writes this."]
        lines += [f"{blob_id((ROOT / path).read_bytes())} {path}" for path in lab.own]
        path: Path = lab.folder / "reference.ids"
        write_changed(path, ("\n".join(lines) + "\n").encode())
        print(f"  {path.relative_to(ROOT)}")
    return 0


COMMANDS = {"start": start, "restore": restore, "status": status, "diff": diff, "seal": seal}

if __name__ == "__main__":
    entry.run(lambda: COMMANDS[sys.argv[1]](sys.argv[2] if len(sys.argv) > 2 else ""))
