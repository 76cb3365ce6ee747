# SPDX-License-Identifier: BSD-2-Clause
"""The labs' files in the work tree: `make start`, `make lab-status`, `make diff`, `make lab-seal`.

start replaces a file that holds somebody's work only if FORCE=1 says so; otherwise it says what
would be lost.
"""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path

from grade import lab as labs
from grade import options
from grade.lab import ROOT, Lab
from grade.lab_forms import blob_id, reference_bytes, sealed_ids, write_changed


def state(lab: Lab, path: str) -> str:
    """What the work tree holds under this path: starter, reference, modified or missing."""
    mine = ROOT / path
    if not mine.exists():
        return "missing"
    data = mine.read_bytes()
    starter = lab.starter(path)
    same = ["starter"] if starter.exists() and starter.read_bytes() == data else []
    same += ["reference"] if sealed_ids(lab).get(path) == blob_id(data) else []
    return " = ".join(same) or "modified"


def chosen(name: str) -> list[Lab]:
    return [labs.find(name)] if name else labs.all_labs()


def start(name: str) -> int:
    lab = labs.find(name)
    states = {path: state(lab, path) for path in lab.owned}
    modified = [path for path, what in states.items() if what == "modified"]
    if modified and not options.flag("FORCE", os.environ.get("FORCE")):
        raise SystemExit(
            f"strata: {' '.join(modified)}: modified, and starting anew would lose that. "
            "Save the work (git commit on a branch, or a copy); then: "
            f"make start LAB={lab.name} FORCE=1"
        )
    for path in lab.owned:
        write_changed(ROOT / path, lab.starter(path).read_bytes())
        print(f"  {path}: starter (was {states[path]})")
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
        old = lab.starter(path).read_text(encoding="utf-8").splitlines(keepends=True)
        new = reference_bytes(lab, path).decode().splitlines(keepends=True)
        sys.stdout.writelines(
            difflib.unified_diff(old, new, f"starter/{path}", f"reference/{path}")
        )
    return 0


def seal(name: str) -> int:
    """Declares the work tree's files to be the reference."""
    for lab in chosen(name):
        lines = ["# SPDX-License-Identifier: BSD-2-Clause"]
        lines += ["# Git's names of the reference's files; `make lab-seal` writes this."]
        lines += [f"{blob_id((ROOT / path).read_bytes())} {path}" for path in lab.owned]
        path: Path = lab.folder / "reference.ids"
        write_changed(path, ("\n".join(lines) + "\n").encode())
        print(f"  {path.relative_to(ROOT)}")
    return 0


COMMANDS = {"start": start, "status": status, "diff": diff, "seal": seal}

if __name__ == "__main__":
    try:
        sys.exit(COMMANDS[sys.argv[1]](sys.argv[2] if len(sys.argv) > 2 else ""))
    except BrokenPipeError:
        sys.exit(141)
