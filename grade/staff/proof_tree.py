# SPDX-License-Identifier: BSD-2-Clause
"""Private copies of the tree, built or not, for work that must not touch the one at hand."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from grade import limited
from grade.lab import ROOT, Lab

LAB_WORDS = "LAB PART VARIANT IMPL BASE STAGE TESTS T GDB O JOBS WITHOUT ONLY OUT FROM".split()
LAB_WORDS += "SUBMISSIONS RECORDS QUICK RECORD N STAFF HUNT SEED CPUS MEM JITTER".split()
LEFT_OUT = {"labs", "tests", "proof"}
"""Parts of a build directory that belong to one kind of work."""


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without what an outer make and its variables put there."""
    kept = {k: v for k, v in os.environ.items() if k not in LAB_WORDS and not k.startswith("MAKE")}
    return {**kept, **more}


def variant_words(lab: Lab) -> dict[str, str]:
    """What says to a grader that it is this variant of a lab."""
    return {"VARIANT": lab.variant, "STAFF": os.environ.get("STAFF", "")} if lab.variant else {}


def tree_files(root: Path = ROOT) -> list[str]:
    """Every file of the tree but what git ignores; in a tree without git, all but build/."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0 and listed.stdout:
        return sorted({name for name in listed.stdout.splitlines() if (root / name).is_file()})
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and not {"build", "__pycache__", ".git"} & set(path.parts)
    )


def copy_files(names: list[str], target: Path, root: Path = ROOT) -> None:
    """Copies files by their paths; times stay, so that make sees nothing new."""
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target / name)


def private_tree(target: Path, out: Path) -> None:
    """A copy of the tree with what `out` holds already built; the disk image is shared."""
    shutil.rmtree(target, ignore_errors=True)
    copy_files(tree_files(), target)
    built = target / out
    built.mkdir(parents=True)
    for entry in sorted((ROOT / out).iterdir()):
        if entry.name in LEFT_OUT:
            continue
        if entry.is_dir():
            shutil.copytree(entry, built / entry.name, symlinks=True)
        elif entry.name == "disk.img":
            os.link(entry, built / entry.name)
        else:
            shutil.copy2(entry, built / entry.name)


def build(out: Path, *words: str, root: Path = ROOT) -> None:
    """Builds what all variants share. SystemExit if that fails."""
    command = ["make", "-s", f"O={out}", "kernel", "image", *words]
    status, said = limited.run(command, root, clean_environment(), limits={})
    if status != 0:
        raise SystemExit(f"strata: the tree does not build:\n{said}")
