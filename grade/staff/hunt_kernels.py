# SPDX-License-Identifier: BSD-2-Clause
"""The kernels of a hunt: the reference and nine of its mutants, as objects that tell nothing.

Which nine, and in which order, a seed says: out of those that lab.toml lists under [hunt], and of
an instructor's own in STAFF/<lab>/mutants. Each is compiled with flags of its own, so that no two
builds of anything are alike and a test that knows a kernel by its bytes knows none; what names
functions of a file, its lines and its path is left out.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from grade import lab_forms, limited
from grade.hunt import KERNELS, Kernel
from grade.lab import ROOT, Lab
from grade.rng import Rng
from grade.staff import mutants, proof_tree

CHOICE, ORDER, SALT = 101, 102, 103
"""Parts of a seed: each its own sequence."""
LEVELS = ("-O1", "-O2", "-Os")
LEFT_OUT = "--strip-debug --discard-all -R .comment -R __patchable_function_entries".split()


@dataclass
class Form:
    """One kernel of a hunt; who hunts sees its number alone."""

    name: str
    wrong: bool
    patch: Path | None = None


def pool(lab: Lab, staff: Path | None) -> list[Path]:
    """The patches of mutants that a test can tell at a point."""
    own = [lab.folder / "mutants" / f"{name}.patch" for name in lab.hunted]
    theirs = sorted((staff / lab.name / "mutants").glob("*.patch")) if staff else []
    if len(own) + len(theirs) < KERNELS - 1:
        raise SystemExit(f"strata: lab {lab.name} has {len(own)} mutants for a hunt, too few")
    return own + theirs


def drawn(items: list[Path], count: int, rng: Rng) -> list[Path]:
    """So many different ones, in the order in which they were drawn."""
    left = list(items)
    return [left.pop(rng.below(len(left))) for _ in range(count)]


def forms(lab: Lab, seed: int, staff: Path | None) -> list[Form]:
    """The ten, in the order of their numbers."""
    wrong = drawn(pool(lab, staff), KERNELS - 1, Rng(seed, CHOICE))
    found = [Form(path.stem, True, path) for path in wrong]
    found.insert(Rng(seed, ORDER).below(KERNELS), Form("reference", False))
    return found


def harmless(lab: Lab) -> list[Form]:
    """Right kernels that no hunter has seen."""
    return [Form(path.stem, False, path) for path in sorted(lab.folder.glob("rewrites/*.patch"))]


class Compiler:
    """Compiles a lab's files as the plain build does, but for what would give them away."""

    def __init__(self, lab: Lab, out: Path, seed: int) -> None:
        self.lab = lab
        self.scratch = ROOT / out / "hunt" / lab.name
        self.salt = Rng(seed, SALT)
        proof_tree.build(out)
        commands = out / "compile_commands.json"
        command = ["make", "-s", str(commands), f"O={out}"]
        limited.run(command, ROOT, proof_tree.clean_environment(), limits={})
        listed = json.loads((ROOT / commands).read_text(encoding="utf-8"))
        self.command = next(shlex.split(each["command"])[:-2] for each in listed)

    def compile(self, form: Form, target: Path) -> Kernel:
        """The objects of one form, below the folder `target`."""
        source = self.scratch / "source"
        shutil.rmtree(source, ignore_errors=True)
        for path in self.lab.owned:
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_bytes(lab_forms.reference_bytes(self.lab, path))
        if form.patch:
            lab_forms.apply_patch(form.patch, source)
        flags = [LEVELS[self.salt.below(len(LEVELS))]]
        flags += [f"-falign-functions={16 << self.salt.below(3)}",
                  f"-fpatchable-function-entry={1 + self.salt.below(24)}"]
        for path in self.lab.owned:
            if path.endswith(".c"):
                self._one(source, path, flags, target / path.replace(".c", ".o"))
        return Kernel(target.name, target)

    def _one(self, source: Path, path: str, flags: list[str], made: Path) -> None:
        made.parent.mkdir(parents=True, exist_ok=True)
        command = [word for word in self.command if word != "-Ikernel"]
        command += ["-Ikernel", f"-I{ROOT}/kernel", f"-fmacro-prefix-map={ROOT}/=", "-g0", *flags]
        run(source, [*command, "-c", "-o", str(made), path])
        compiler = Path(command[0]).name
        strip = "llvm-strip" if "clang" in compiler else command[0].replace("gcc", "strip")
        run(source, [strip, *LEFT_OUT, str(made)])


def run(folder: Path, command: list[str]) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"strata: {' '.join(command[-3:])}: {done.stderr}")


def make(lab: Lab, seed: int, out: Path, target: Path, staff: Path | None) -> list[Kernel]:
    """The ten kernels of a seed, in target/k0 to k9."""
    shutil.rmtree(target, ignore_errors=True)
    compiler = Compiler(lab, out, seed)
    found = forms(lab, seed, staff)
    return [compiler.compile(form, target / f"k{i}") for i, form in enumerate(found)]
