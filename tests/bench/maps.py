# SPDX-License-Identifier: BSD-2-Clause
"""The part of `make bench` on address maps: what entries cost in each form of lab 2.

Each form's kernel is built and booted under -icount with the lab's own tests; a form that this tree
does not have is left out.
"""

from __future__ import annotations

from grade import lab as labs
from grade import lab_forms, lab_grade, qemu
from grade.lab import ROOT, Lab
from grade.session import End, Session

LIMIT_SECONDS = 300
WORDS = ["test=lab_map_cost_*", "quiet", "kva=1G"]
ROWS = {
    "blocks": "blocks at the end of 40,000 calls",
    "entries": "entries of the map",
    "entries_most": "  at most, during them",
    "reserve": "entries in reserve",
    "entry_bytes": "bytes of entries, reserve included",
    "map": "mapping a block, mean",
    "unmap": "unmapping it, mean",
    "unmap_worst": "unmapping it, the worst",
    "middle_quantum": "unmapping the middle, a quantum",
    "middle_plain": "unmapping the middle, reserved before",
    "lookup_10": "lookup beside 10 entries",
    "lookup_1000": "lookup beside 1000 entries",
    "lookup_100000": "lookup beside 100,000 entries",
}


def forms(lab: Lab) -> list[str]:
    """Those that are there: the students' tree has no reference and no challenges."""
    scratch = ROOT / "build/forms"
    found = []
    for form in ("starter", "reference", *lab.challenges):
        try:
            lab_forms.sources(lab, form, scratch)
        except SystemExit:
            continue
        found.append(form)
    return found if len(found) > 1 else [*found, "mine"]


def figures(lab: Lab, form: str, seed: int) -> dict[str, int]:
    variant, trouble = lab_grade.make_kernel(lab, form, "", [])
    if trouble:
        raise SystemExit(f"strata: bench: the {form} of lab {lab.name} does not build\n{trouble}")
    machine = qemu.Machine(
        kernel=variant / "kernel.elf", icount=True, seed=seed, words=list(WORDS)
    )
    outcome = Session(machine, limit=LIMIT_SECONDS, want_exit=False).run()
    if outcome.end is not End.EXIT:
        raise SystemExit(f"strata: bench: {form}: {outcome.describe()}")
    lines = (payload.decode().split() for payload in outcome.records)
    return {words[1]: int(words[2]) for words in lines if words[0] == "figure"}


def print_maps(seed: int) -> None:
    """A column for each form."""
    try:
        lab = labs.find("map")
    except SystemExit:
        return
    found = {form: figures(lab, form, seed) for form in forms(lab)}
    print(f"{'map entries, instructions':38} " + " ".join(f"{form:>12}" for form in found))
    for name, title in ROWS.items():
        print(f"{title:38} " + " ".join(f"{each.get(name, 0):12,}" for each in found.values()))
