# SPDX-License-Identifier: BSD-2-Clause
"""The forms that a lab's owned files come in, and where the sources of each form are.

starter and challenges lie below the lab's folder; mine is the work tree's; the reference is the
file whose git blob id is sealed in the lab's reference.ids, found in the work tree or, once a
learner has put something else there, where `make start` kept it or in git's store. A branch's
callers are not sealed: they are what the work tree has, or had before `make start`. A challenge is
the reference but for the files that it has of its own. A mutant is the reference with a patch, and
so is a branch's starter. What a variant has of its own (grade/lab_variant.py) stands for the lab's.
A value with a slash in it is a folder of somebody's files.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import threading
from functools import lru_cache
from pathlib import Path

from grade.lab import ROOT, Lab, read

MUTANT = "mutant-"
REFERENCE = "reference.patch"
"""What makes a variant's reference of the lab's."""
_making = threading.Lock()


def blob_id(data: bytes) -> str:
    """The name by which git knows these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sealed_ids(lab: Lab) -> dict[str, str]:
    """The blob id of the reference's files, by path."""
    path = lab.folder / "reference.ids"
    if not path.exists():
        return {}
    lines = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return {words[1]: words[0] for words in lines if words and not words[0].startswith("#")}


def kept(lab: Lab, path: str) -> Path:
    """Where `make start` keeps a reference that it replaces."""
    return lab.folder / ".kept" / path


def from_git(wanted: str) -> bytes | None:
    try:
        found = subprocess.run(
            ["git", "cat-file", "blob", wanted], cwd=ROOT, capture_output=True, check=False
        )
    except FileNotFoundError:
        return None
    return found.stdout if found.returncode == 0 else None


def reference_bytes(lab: Lab, path: str) -> bytes:
    """One file of the reference. SystemExit if this tree does not have it."""
    if lab.home:
        with _making:
            made = f"references/{lab.folder.name}.{lab.variant}"
            return (_patched(lab.folder, lab.home / REFERENCE, made) / path).read_bytes()
    wanted = sealed_ids(lab).get(path)
    if path in lab.callers and sealed_ids(lab):
        place = kept(lab, path)
        return (place if place.exists() else ROOT / path).read_bytes()
    for place in (ROOT / path, kept(lab, path)):
        if wanted and place.exists() and blob_id(place.read_bytes()) == wanted:
            return place.read_bytes()
    if wanted and (data := from_git(wanted)) is not None:
        return data
    raise SystemExit(f"strata: the reference of {path} (lab {lab.name}) is not in this tree")


def is_reference(lab: Lab, path: str, data: bytes) -> bool:
    if lab.home or (path in lab.callers and sealed_ids(lab)):
        return data == reference_bytes(lab, path)
    return sealed_ids(lab).get(path) == blob_id(data)


def starter(lab: Lab, path: str) -> Path:
    """The starter's file, which need not be there."""
    if lab.home and (lab.home / "starter" / path).exists():
        return lab.home / "starter" / path
    patch = lab.folder / "starter.patch"
    if not patch.exists():
        return lab.folder / "starter" / path
    with _making:
        return _patched(lab.folder, patch, f"starters/{lab.folder.name}") / path


@lru_cache(maxsize=None)
def _patched(folder: Path, patch: Path, name: str) -> Path:
    """The patched reference, made once for each process. Others may be reading what is there."""
    lab = read(folder)
    made = ROOT / "build" / name
    with tempfile.TemporaryDirectory() as scratch:
        for path in lab.owned:
            write_changed(Path(scratch) / path, reference_bytes(lab, path))
        apply_patch(patch, Path(scratch))
        for path in lab.owned:
            data, new = (Path(scratch) / path).read_bytes(), made / f"{path}.{os.getpid()}"
            if not (made / path).exists() or (made / path).read_bytes() != data:
                write_changed(new, data).replace(made / path)
    return made


def form_names(lab: Lab) -> list[str]:
    """The forms that this tree has: one made for students has no solutions."""
    found = ["mine", "starter"]
    found += ["reference"] if sealed_ids(lab) else []
    found += [name for name in lab.challenges if challenge(lab, name).is_dir()]
    found += [f"{MUTANT}NAME"] if lab.mutants() else []
    return [*found, "a/folder"]


def challenge(lab: Lab, name: str) -> Path:
    return lab.folder / "challenges" / name


def sources(lab: Lab, form: str, scratch: Path) -> dict[str, Path]:
    """The source of each owned file in this form; a file that the form does without is left out.

    What is not a file of the tree is written below `scratch`, and only if it changed.
    """
    if form == "mine":
        found = {path: ROOT / path for path in lab.owned}
    elif form == "starter":
        found = {path: starter(lab, path) for path in lab.owned}
    elif form == "reference":
        found = _reference(lab, scratch / "reference")
    elif form in lab.challenges and challenge(lab, form).is_dir():
        found = _reference(lab, scratch / "reference")
        places = {path: challenge(lab, form) / path for path in lab.owned}
        found |= {path: place for path, place in places.items() if place.exists()}
    elif form.startswith(MUTANT):
        found = _mutant(lab, form.removeprefix(MUTANT), scratch / form)
    elif "/" in form:
        found = in_folder(lab, Path(form))
    else:
        why = "not in this tree; " if form in lab.challenges else ""
        names = " ".join(form_names(lab))
        raise SystemExit(f"strata: IMPL={form}: {why}the forms of lab {lab.name} here are {names}")
    found = {path: source for path, source in found.items() if source.exists()}
    if not found:
        raise SystemExit(f"strata: IMPL={form}: none of {' '.join(lab.owned)} is there")
    return found


def _reference(lab: Lab, scratch: Path) -> dict[str, Path]:
    found = {}
    for path in lab.owned:
        data = reference_bytes(lab, path)
        same = (ROOT / path).exists() and (ROOT / path).read_bytes() == data
        found[path] = ROOT / path if same else write_changed(scratch / path, data)
    return found


def _mutant(lab: Lab, name: str, scratch: Path) -> dict[str, Path]:
    patch = lab.patches().get(name)
    if not patch:
        names = " ".join(lab.mutants()) or "not in this tree"
        raise SystemExit(f"strata: IMPL={MUTANT}{name}: the mutants are {names}")
    fresh = scratch.with_name(scratch.name + ".new")
    for path in lab.owned:
        write_changed(fresh / path, reference_bytes(lab, path))
    apply_patch(patch, fresh)
    found = {}
    for path in lab.owned:
        if (fresh / path).read_bytes() != reference_bytes(lab, path):
            found[path] = write_changed(scratch / path, (fresh / path).read_bytes())
    return {**_reference(lab, scratch.with_name("reference")), **found}


def apply_patch(patch: Path, folder: Path, exact: bool = False) -> None:
    """SystemExit if it does not apply to what lies there; if it is to be exact, also where lines
    around the change are others."""
    command = ["patch", "-p1", "--force", "-s", "-d", str(folder), "-i", str(patch)]
    command += ["--fuzz=0"] if exact else []
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SystemExit("strata: patch not found: install patch (./setup does)") from None
    if done.returncode != 0:
        raise SystemExit(f"strata: {patch} does not apply: {done.stdout}")


def in_folder(lab: Lab, folder: Path) -> dict[str, Path]:
    """Where each owned file is, or would be. A folder holds the files by their paths, or side by
    side; or compiled, as objects."""
    folder = folder if folder.is_absolute() else ROOT / folder
    found = {}
    for path in lab.owned:
        flat = folder / Path(path).name
        places = (folder / path, flat, (folder / path).with_suffix(".o"))
        found[path] = next((place for place in places if place.exists()), flat)
    return found


def write_changed(path: Path, data: bytes) -> Path:
    """Writes the file unless it holds just that already, so that make sees no change."""
    if not path.exists() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return path
