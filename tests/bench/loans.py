# SPDX-License-Identifier: BSD-2-Clause
"""The part of `make bench` on pages that go through a pipe: copied, and lent (lab 4's challenge).

A kernel of each form is booted under -icount; a form that this tree does not have is left out.
"""

from __future__ import annotations

from pathlib import Path

from grade import lab as labs
from grade import lab_forms, lab_grade, qemu
from grade.lab import ROOT, Lab
from grade.session import End, Session

LIMIT_SECONDS = 600
FORMS = {"reference": "copied", "loan": "lent"}


def figures(lab: Lab, form: str, disk: Path, seed: int) -> dict[str, int]:
    variant, trouble = lab_grade.make_kernel(lab, form, "", [])
    if trouble:
        raise SystemExit(f"strata: bench: the {form} of lab {lab.name} does not build\n{trouble}")
    words = [qemu.run_word("/tests/bench loans"), "quiet"]
    machine = qemu.Machine(kernel=variant / "kernel.elf", disk=disk, icount=True, seed=seed,
                           words=words)
    outcome = Session(machine, limit=LIMIT_SECONDS).run()
    text = outcome.console.decode(errors="replace")
    if outcome.end is not End.EXIT or outcome.status:
        raise SystemExit(f"strata: bench: {form}: {outcome.describe()}\n{text}")
    rows = (line.rpartition(": ") for line in text.splitlines())
    return {name: int(value) for name, _, value in rows if value.strip().isdecimal()}


def print_loans(disk: Path, seed: int) -> None:
    """A column for each form."""
    found = {}
    for form, title in FORMS.items():
        try:
            lab = labs.find("anon")
            lab_forms.sources(lab, form, ROOT / "build/forms")
        except SystemExit:
            continue
        found[title] = figures(lab, form, disk, seed)
    if len(found) < len(FORMS):
        return
    print(f"{'pages through a pipe, instructions':38} " + " ".join(f"{t:>12}" for t in found))
    for name in found["copied"]:
        print(f"{name:38} " + " ".join(f"{each.get(name, 0):12,}" for each in found.values()))
