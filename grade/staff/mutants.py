# SPDX-License-Identifier: BSD-2-Clause
"""`make mutants LAB=pv [JOBS=n] [ONLY='name ...'] [QUICK=1] [WITHOUT='test ...']`: what is caught?

Grades every seeded wrong solution (mutants/) and every harmless rewrite (rewrites/), prints which
test caught which, and fails if a mutant loses no points, if a test that must catch it does not, or
if a rewrite loses any. `make cheats` does the same with kernels that fake what they cannot do
(cheats/): each must get nothing for that. What was graded already and did not change is not graded
again. QUICK runs of each mutant only the tests that must catch it. WITHOUT grades nothing: by the
recorded table (kills.txt, written by RECORD=1) it says what would escape without those tests.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grade import lab as labs
from grade import entry, lab_forms, lab_overlay, limited, options, parallel, qemu
from grade.lab import ROOT, Lab
from grade.staff import kills, proof_tree

JUDGING = "authentic lab_grade lab_judge lab_session oracle layout qemu records session".split()
"""The parts of the grader that a verdict rests on."""
CAUGHT, PASSED, MISSED, NOT_RUN = "x", ".", "!", " "
KINDS = {"mutant": "mistake", "rewrite": "rewrite", "cheat": "cheat"}
"""Each kind of patch has a folder of its name, in the plural, and says by this key what it is."""


@dataclass
class Variant:
    """One patch against the reference or the starter, and what its header says of it."""

    name: str
    path: Path
    kind: str
    what: str
    base: str = "reference"
    caught_by: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    """The files that it changes."""
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def caught(self) -> list[str]:
        return [test["name"] for test in self.record["tests"] if not test["ok"]]

    @property
    def harmless(self) -> bool:
        return self.kind == "rewrite"

    @property
    def missed(self) -> list[str]:
        """Tests that had to catch it and did not."""
        return [name for name in self.caught_by if name not in self.caught]

    @property
    def right(self) -> bool:
        return not self.caught if self.harmless else bool(self.caught) and not self.missed


def read(path: Path, kind: str, lab: Lab) -> Variant:
    """The header of a patch: lines `key: value' before the first difference."""
    text = path.read_text(encoding="utf-8")
    head, _, body = text.partition("\n--- ")
    keys = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    files = re.findall(r"^\+\+\+ b/([^\t\n]+)", body, re.MULTILINE)
    names = (keys.get("caught-by") or keys.get("fakes") or "").split()
    if names == ["all"]:
        names = [test.name for test in lab.tests]
    for name in names:
        lab.test(name)
    what, base = keys.get(KINDS[kind], ""), keys.get("base", "reference")
    if not files or not what or base not in ("reference", "starter"):
        raise SystemExit(f"strata: {path}: no `{KINDS[kind]}:', no difference, or a wrong base")
    if bool(names) == (kind == "rewrite"):
        raise SystemExit(f"strata: {path}: which tests catch it?")
    return Variant(path.stem, path, kind, what, base, names, files)


def variants(lab: Lab, kinds: list[str], only: set[str]) -> list[Variant]:
    found = [
        read(path, kind, lab)
        for kind in kinds
        for path in lab.patches(f"{kind}s").values()
    ]
    if unknown := only - {variant.name for variant in found}:
        raise SystemExit(f"strata: not among the {' '.join(kinds)}s: {' '.join(sorted(unknown))}")
    return [variant for variant in found if not only or variant.name in only]


def fingerprint(lab: Lab, variant: Variant) -> str:
    """Changes when the patch, the reference, the tests or the grader change."""
    digest = hashlib.sha256(variant.path.read_bytes())
    for name in lab.owned:
        digest.update(lab_forms.reference_bytes(lab, name))
    paths = [ROOT / name for name in [*lab.frozen, *variant.files]]
    paths += [lab.home / "lab.toml"] if lab.home else []
    paths += [lab.folder / "lab.toml", *sorted((lab.folder / "tests").iterdir())]
    paths += [lab_forms.starter(lab, name) for name in variant.files]
    paths += [ROOT / "grade" / f"{name}.py" for name in JUDGING]
    paths += sorted((ROOT / "kernel").rglob("*.h"))
    for path in paths:
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


class Runner:
    """Grades variants, each in a directory of its own."""

    def __init__(self, lab: Lab, out: Path, quick: bool = False) -> None:
        self.lab = lab
        self.out = out
        self.quick = quick
        self.folder = out / "proof" / lab.key

    def grade(self, variant: Variant) -> None:
        full = ROOT / self.folder / f"{variant.name}.json"
        kept = full.with_suffix(".quick.json") if self.quick else full
        print_of = fingerprint(self.lab, variant)
        if kept.exists():
            data = json.loads(kept.read_text(encoding="utf-8"))
            if data["fingerprint"] == print_of:
                variant.record = data["record"]
                return
        variant.record = self._run(variant)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps({"fingerprint": print_of, "record": variant.record}))

    def _run(self, variant: Variant) -> dict[str, Any]:
        if set(variant.files) <= set(self.lab.owned):
            root, form = ROOT, f"{self.folder}/{variant.name}/"
            self._patched(variant, ROOT / form)
        else:
            root, form = ROOT / self.folder / f"{variant.name}.tree", "reference"
            proof_tree.private_tree(root, self.out)
            self._apply(variant, root)
        name, _ = lab_overlay.forms(self.lab.name, form, "", "")
        result = root / self.out / "labs" / name / "results.json"
        shutil.rmtree(result.parent, ignore_errors=True)  # a link may have been broken off there
        command = [sys.executable, "-m", "grade.lab_grade", "--trusted", "--whole"]
        command += ["--lab", self.lab.name, "--impl", form, "--workers", "1"]
        command += ["--test", self._tests(variant)]
        env = proof_tree.clean_environment(O=str(self.out), **proof_tree.variant_words(self.lab))
        _, said = limited.run(command, root, env, limits={})
        (ROOT / self.folder / f"{variant.name}.log").write_text(said, encoding="utf-8")
        record: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        if record["verdict"] != "graded" or not (self.quick or record["complete"]):
            raise SystemExit(f"strata: {variant.path} was not graded:\n{said}")
        return record

    def _tests(self, variant: Variant) -> str:
        return " ".join(variant.caught_by) if self.quick else ""

    def _patched(self, variant: Variant, folder: Path) -> None:
        for path in self.lab.owned:
            starter = lab_forms.starter(self.lab, path)
            if variant.base == "starter" and not starter.exists():
                continue
            data = starter.read_bytes() if variant.base == "starter" else b""
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data or lab_forms.reference_bytes(self.lab, path))
        self._apply(variant, folder)

    def _apply(self, variant: Variant, folder: Path) -> None:
        lab_forms.apply_patch(variant.path, folder)

    def grade_all(self, found: list[Variant], jobs: int, screen: bool) -> list[str]:
        """Grades all; returns what went wrong with the grading itself."""
        troubles: list[str] = []

        def work(variant: Variant) -> None:
            try:
                self.grade(variant)
                if screen:
                    print(f"  {variant.name}: {variant.record['score']}", flush=True)
            except (Exception, SystemExit) as error:
                troubles.append(f"{variant.name}: {error}")

        parallel.for_each(found, jobs, work)
        return troubles


def matrix(lab: Lab, found: list[Variant]) -> str:
    """A row for each variant, a column for each test."""
    width = max(len(variant.name) for variant in found)
    names = [test.name for test in lab.tests]
    lines = [f"{'':{width}}  points  " + " ".join(f"{i:2}" for i in range(1, len(names) + 1))]
    for variant in found:
        run = {test["name"]: test["ok"] for test in variant.record["tests"]}
        points = sum(test.points for test in lab.tests if run.get(test.name))
        marks = [
            CAUGHT if name in variant.caught
            else MISSED if name in variant.missed
            else PASSED if name in run
            else NOT_RUN
            for name in names
        ]
        lines.append(f"{variant.name:{width}}  {points:6}  " + " ".join(f" {m}" for m in marks))
    key = ", ".join(f"{i} {name}" for i, name in enumerate(names, 1))
    legend = f"{CAUGHT} caught, {PASSED} not, {MISSED} must have caught it and did not"
    return "\n".join([*lines, "", f"tests: {key}", legend])


def verdict(found: list[Variant]) -> list[str]:
    said = []
    for variant in found:
        if variant.harmless and variant.caught:
            names = " ".join(sorted(variant.caught))
            said.append(f"FALSE ALARM {variant.name} is harmless, but fails {names}")
        elif not variant.harmless and not variant.caught:
            said.append(f"ESCAPED {variant.name}: {variant.what}")
        elif variant.missed:
            word = "FOOLED BY" if variant.kind == "cheat" else "MISSED"
            names = " ".join(variant.missed)
            said.append(f"{word} {variant.name}, which passes {names}: {variant.what}")
    return said


def say_escaping(lab: Lab, without: set[str]) -> int:
    """By the recorded table: what would escape if these tests were not there."""
    table = kills.read(lab)
    what = {variant.name: variant.what for variant in variants(lab, ["mutant"], set())}
    escaping = kills.escaping(table, without)
    for name in escaping:
        print(f"ESCAPES {name}: {what.get(name, '')}")
    print(f"without {' '.join(sorted(without))} {len(escaping)} of {len(table)} mutants escape")
    return 1 if escaping else 0


def main() -> int:
    env = os.environ.get
    parser = argparse.ArgumentParser(description="grades seeded wrong solutions")
    parser.add_argument("--lab", default=env("LAB") or "")
    parser.add_argument("--jobs", type=int, default=options.jobs())
    parser.add_argument("--kinds", nargs="+", default=["mutant", "rewrite"], choices=list(KINDS))
    parser.add_argument("--only", default=env("ONLY") or "", help="these mutants and rewrites")
    parser.add_argument("--quick", default=env("QUICK"), help="1: only the tests that must catch")
    parser.add_argument("--record", default=env("RECORD"), help="1: write kills.txt")
    parser.add_argument("--without", default=env("WITHOUT") or "", help="as if without these tests")
    args = parser.parse_args()
    lab = labs.find_plain(args.lab, "make variants grades a variant's mutants")
    if without := {lab.test(name).name for name in args.without.replace(",", " ").split()}:
        return say_escaping(lab, without)
    quick = options.flag("QUICK", args.quick)
    # Of a rewrite every test must say that it is right.
    kinds = [kind for kind in args.kinds if not quick or kind != "rewrite"]
    found = variants(lab, kinds, set(args.only.split()))
    out = Path(env("O") or "build/gcc")
    qemu.end_on_signals()
    proof_tree.build(out, f"LAB={lab.name}", "IMPL=reference")
    troubles = Runner(lab, out, quick).grade_all(found, args.jobs, True)
    graded = [variant for variant in found if variant.record]
    if graded:
        print(matrix(lab, graded))
    said = verdict(graded) + [f"NOT GRADED {trouble}" for trouble in troubles]
    now = {v.name: v.caught for v in graded if v.kind == "mutant"}
    table = kills.read(lab)
    said += [] if quick else [f"WEAKER {line}" for line in kills.changes(table, now)]
    if options.flag("RECORD", args.record):
        known = {variant.name for variant in variants(lab, ["mutant"], set())}
        if quick:  # some tests only: what is known of the others stays
            now = {name: kills.union(lab, table.get(name, []), now[name]) for name in now}
        kills.write(lab, {n: t for n, t in {**table, **now}.items() if n in known})
    print("\n".join(said))
    right = sum(variant.right for variant in graded)
    sorts = Counter(variant.kind for variant in found)
    counts = ", ".join(f"{count} {kind}s" for kind, count in sorts.items())
    print(f"{counts}: {right} of {len(found)} as they must be")
    return 0 if right == len(found) else 1


if __name__ == "__main__":
    entry.run(main)
