# SPDX-License-Identifier: BSD-2-Clause
"""The patches of the labs: wrong solutions, harmless rewrites, cheats."""

from __future__ import annotations

import json
import shlex
import tempfile
from functools import partial
from pathlib import Path
from typing import Iterator

from grade import lab as labs
from grade.lab import Lab
from grade.staff import mutants
from tests.job import ROOT, Config, Job, Result, run_as_user


def check(config: Config, lab: Lab) -> Iterator[Result]:
    """Every patch says what it is, applies, and leaves what compiles."""
    made = run_as_user(["make", "-s", "compile_commands.json", *config.make_words])
    listed = json.loads((ROOT / "compile_commands.json").read_text(encoding="utf-8"))
    commands = {entry["file"]: shlex.split(entry["command"]) for entry in listed}
    wrong = [made.stdout] if made.returncode else []
    for variant in mutants.variants(lab, list(mutants.KINDS), set()):
        with tempfile.TemporaryDirectory() as scratch:
            runner = mutants.Runner(lab, Path("build/none"))
            try:
                for name in variant.files:
                    target = Path(scratch) / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes((ROOT / name).read_bytes())
                if set(variant.files) <= set(lab.owned):
                    runner._patched(variant, Path(scratch))
                else:
                    runner._apply(variant, Path(scratch))
                wrong += miscompiled(variant, Path(scratch), commands)
            except SystemExit as error:
                wrong.append(str(error))
    yield Result(f"patches/{lab.name}", not wrong, "\n".join(wrong))


def miscompiled(
    variant: mutants.Variant, folder: Path, commands: dict[str, list[str]]
) -> list[str]:
    """What the compiler says of the files below `folder' that the patch changed, or of all there
    if it changed a header."""
    names = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*.c"))]
    if not any(name.endswith(".h") for name in variant.files):
        names = [name for name in names if name in variant.files]
    said = []
    for name in names:
        compiler, *words, source = (word for word in commands[name] if word != "-Werror")
        command = [compiler, f"-I{folder}/kernel", *words, str(folder / source), "-fsyntax-only",
                   "-Werror=implicit-function-declaration"]
        done = run_as_user(command)
        said += [f"{variant.path} does not compile:\n{done.stdout}"] if done.returncode else []
    return said


def jobs(config: Config) -> list[Job]:
    if config.variant or not config.graded:
        return []
    return [Job(f"patches/{lab.name}", partial(check, config, lab)) for lab in labs.all_labs()]
