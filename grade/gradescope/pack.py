# SPDX-License-Identifier: BSD-2-Clause
"""`make gradescope LAB=pv OUT=autograder.zip`: the archive to upload as an autograder.

It holds the whole tree, references too: Gradescope keeps it from the students.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from grade import entry
from grade import lab as labs
from grade.lab import CURRENT, ROOT, Lab
from grade.staff import proof_tree

TOP = ("setup.sh", "run_autograder")


def add(archive: zipfile.ZipFile, name: str, data: bytes, mode: int) -> None:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, data)


def pack(lab: Lab, target: Path) -> int:
    names = [name for name in proof_tree.tree_files() if name != CURRENT]
    with zipfile.ZipFile(target, "w") as archive:
        for name in TOP:
            add(archive, name, (Path(__file__).parent / name).read_bytes(), 0o100755)
        for name in names:
            mode = (ROOT / name).stat().st_mode
            add(archive, f"strata/{name}", (ROOT / name).read_bytes(), mode)
        add(archive, f"strata/{CURRENT}", f"{lab.name} {lab.part}".strip().encode() + b"\n",
            0o100644)
    return len(names)


def main() -> int:
    lab = labs.find_part(os.environ.get("LAB", ""))
    if lab.variant:
        raise SystemExit(f"strata: VARIANT={lab.variant}: an archive is of the lab itself")
    target = os.environ.get("OUT", "")
    if not target.endswith(".zip"):
        raise SystemExit("strata: make gradescope LAB=pv OUT=autograder.zip")
    print(f"{pack(lab, Path(target))} files: {target}")
    return 0


if __name__ == "__main__":
    entry.run(main)
