# SPDX-License-Identifier: BSD-2-Clause
"""`make variants LAB=pv [ONLY='name ...'] [QUICK=1] [JOBS=n] [STAFF=folder]`: are a lab's variants
labs of their own?

Of each variant: its reference gets every point, the lab's own reference at most 70, the starter
what the variant declares; its mutants are caught, and so are those of the lab that apply to its
reference, each by the tests that must catch it or, where another contract is watched by others, by
any. QUICK takes a few of the lab's mutants.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from grade import lab as labs
from grade import entry, lab_forms, lab_overlay, lab_variant, limited, options, qemu
from grade.lab import ROOT, Lab
from grade.staff import mutants, proof_tree

MOST = 70
"""Points that the lab's own reference may get, out of 100."""
SAMPLE = 24
"""Of the lab's mutants QUICK takes one in so many."""


def public_form(lab: Lab, out: Path) -> str:
    """The lab's own reference, as a folder that anybody could hand in."""
    folder = out / "proof" / lab.key / "public"
    for path in lab.owned:
        data = lab_forms.reference_bytes(lab.plain, path)
        lab_forms.write_changed(ROOT / folder / path, data)
    return f"{folder}/"


def score(lab: Lab, form: str, out: Path) -> tuple[int | None, str]:
    """The points of a form, None if it was not graded; and what was said."""
    name, _ = lab_overlay.forms(lab.name, form, "", "")
    result = ROOT / out / "labs" / name / "results.json"
    result.unlink(missing_ok=True)
    command = [sys.executable, "-m", "grade.lab_grade", "--lab", lab.name, "--impl", form]
    env = proof_tree.clean_environment(O=str(out), **proof_tree.variant_words(lab))
    _, said = limited.run(command, ROOT, env, limits={})
    record: dict[str, Any] = json.loads(result.read_text("utf-8")) if result.exists() else {}
    return (record["score"] if record.get("complete") else None), said


def texts(lab: Lab) -> list[str]:
    """What is wrong with the variant's changes of the handout, and with its points."""
    assert lab.home
    wrong = [] if lab.total == 100 else [f"the points sum to {lab.total}, not 100"]
    try:
        lab_variant.handout(lab.folder, lab.home)
    except SystemExit as error:
        wrong.append(str(error))
    return wrong


def forms(lab: Lab, out: Path) -> list[str]:
    """What is wrong with the points of the references and the starter."""
    wrong, points = [], []
    public = public_form(lab, out)
    for what, form, least, most in (
        ("its reference", "reference", lab.total, lab.total),
        ("the lab's own", public, 0, MOST),
        ("the starter", "starter", lab.starter_score, lab.starter_score),
    ):
        got, said = score(lab, form, out)
        points.append(f"{what} {got}")
        if got is None or not least <= got <= most:
            wanted = f"at most {most}" if least < most else str(most)
            wrong.append(f"{what} ({form}): {got} points, must be {wanted}\n{said}")
    print(f"  {', '.join(points)}", flush=True)
    return wrong


def applies(lab: Lab, patch: mutants.Variant) -> bool:
    """Whether a patch is one of this variant's reference."""
    files = [path for path in patch.files if path in lab.owned]
    with tempfile.TemporaryDirectory() as scratch:
        for path in patch.files:
            data = lab_forms.reference_bytes(lab, path) if path in files else \
                (ROOT / path).read_bytes()
            lab_forms.write_changed(Path(scratch) / path, data)
        try:
            lab_forms.apply_patch(patch.path, Path(scratch), exact=True)
        except SystemExit:
            return False
    return True


def wrong_ones(lab: Lab, out: Path, quick: bool, jobs: int) -> list[str]:
    """What is wrong with the mutants: those that nothing catches."""
    assert lab.home
    known = mutants.variants(lab, ["mutant"], set())
    own = [each for each in known if each.path.is_relative_to(lab.home)]
    others = [each for each in known if each not in own]
    spared = lab_variant.read(lab.home).get("harmless", [])
    if unknown := set(spared) - {each.name for each in others}:
        return [f"harmless: the lab has no mutant {' '.join(sorted(unknown))}"]
    fit = [each for each in others if each.name not in spared and applies(lab, each)]
    chosen = fit[::SAMPLE] if quick else fit
    troubles = [f"{each.path} does not apply" for each in own if not applies(lab, each)]
    runner = mutants.Runner(lab, out, quick=True)
    troubles += runner.grade_all([*own, *chosen], jobs, False)
    # Where the contract is another, so may be the test that sees the mistake.
    missed = [each for each in chosen if each.record and not each.right]
    troubles += mutants.Runner(lab, out).grade_all(missed, jobs, False)
    said = [f"MISSED {each.name}, by {' '.join(each.caught_by)}: {each.what}" for each in own
            if each.record and not each.right]
    said += [f"ESCAPED {each.name}: {each.what}" for each in missed if not each.caught]
    print(f"  mutants: {len(own)} of its own, {len(chosen)} of the {len(fit)} of the lab's "
          f"{len(others)} that apply ({len(others) - len(fit)} do not, or are right here): "
          f"{len(own) + len(chosen) - len(said) - len(troubles)} caught, {len(missed)} of them "
          "by other tests", flush=True)
    return said + [f"NOT GRADED {trouble}" for trouble in troubles]


def prove(lab: Lab, out: Path, quick: bool, jobs: int) -> bool:
    assert lab.home
    # All that is asked about this lab from here on is of this variant.
    os.environ["VARIANT"] = lab.variant
    print(f"variant {lab.variant}: {lab_variant.read(lab.home)['summary']}", flush=True)
    wrong = texts(lab) + forms(lab, out) + wrong_ones(lab, out, quick, jobs)
    for each in wrong:
        print(f"strata: variant {lab.variant}: {each}", flush=True)
    return not wrong


def main() -> int:
    env = os.environ.get
    lab = labs.find_plain(env("LAB") or "", "ONLY=name proves one")
    known = list(lab_variant.folders(lab.folder))
    if not known:
        raise SystemExit(f"strata: lab {lab.name} has no variants yet: doc/instructor.md says how "
                         "one is made")
    only = (env("ONLY") or "").split()
    found = [lab.of_variant(name) for name in only or known]
    quick = options.flag("QUICK", env("QUICK"))
    jobs = options.jobs()
    out = Path(env("O") or "build/gcc")
    qemu.end_on_signals()
    proof_tree.build(out, f"LAB={lab.name}", "IMPL=reference")
    right = [prove(each, out, quick, jobs) for each in found]
    print(f"lab {lab.name}: {sum(right)} of {len(found)} variants as they must be")
    return 0 if all(right) else 1


if __name__ == "__main__":
    entry.run(main)
