# SPDX-License-Identifier: BSD-2-Clause
"""`make mutate LAB=pv [JOBS=n] [ONLY='file or name']`: every mechanical change to the reference.

Each operator, constant, condition and statement of the reference is changed in turn, and the tests
run until one notices. What survives is listed; labs/*/equivalent.txt says of which survivors it is
known why no test can or need notice. Results are kept: what did not change is not run again.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import threading
from pathlib import Path

from grade import lab as labs
from grade import entry, lab_forms, lab_grade, options, parallel, qemu
from grade.lab import ROOT, Lab
from grade.lab_report import Report
from grade.staff import mutate_points, mutants, proof_tree
from grade.staff.mutate_points import Point

ORDER = "sequence reuse steal-sparse steal wired thousand small steal-own nothing-to-steal".split()
"""Tests that notice most, first; the others follow in the lab's order."""
BUILT_NOT = "does not compile"
SURVIVED = ""
LEFT_OUT = "_check.c"
"""A checker finds other people's mistakes; its own need tests with broken structures."""


def equivalents(lab: Lab) -> dict[str, str]:
    """Known survivors: name and reason, a line each."""
    path = lab.folder / "equivalent.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    pairs = (line.split(maxsplit=1) for line in lines if line.strip() and not line.startswith("#"))
    return {name: reason for name, reason in pairs}


def all_points(lab: Lab, only: set[str]) -> list[Point]:
    found = []
    for path in lab.code:
        if path.endswith(LEFT_OUT):
            continue
        source = lab_forms.reference_bytes(lab, path).decode()
        found += mutate_points.points(path, source)
    return [p for p in found if not only or p.name in only or Path(p.path).name in only]


class Mutation:
    def __init__(self, lab: Lab, out: Path) -> None:
        self.lab = lab
        self.out = out
        self.folder = out / "proof" / lab.name / "mutate"
        self.kept = ROOT / out / "proof" / lab.name / "mutate.json"
        self.results: dict[str, str] = {}
        self.print = self._fingerprint()
        self._lock = threading.Lock()
        if self.kept.exists():
            data = json.loads(self.kept.read_text(encoding="utf-8"))
            if data["fingerprint"] == self.print:
                self.results = data["results"]

    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        paths = [ROOT / name for name in self.lab.owned]
        paths += [self.lab.folder / "lab.toml"]
        paths += sorted((self.lab.folder / "tests").glob("*.[cph]*"))
        paths += [ROOT / "grade" / f"{name}.py" for name in mutants.JUDGING]
        for path in paths:
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def keep(self, point: Point, by: str) -> None:
        with self._lock:
            self.results[point.name] = by
            self.kept.parent.mkdir(parents=True, exist_ok=True)
            data = {"fingerprint": self.print, "results": self.results}
            temporary = self.kept.with_suffix(".new")
            temporary.write_text(json.dumps(data), encoding="utf-8")
            temporary.replace(self.kept)

    def run(self, point: Point) -> str:
        """The name of the test that noticed, or nothing."""
        form = f"{self.folder}/{point.name}/"
        for path in self.lab.owned:
            data = lab_forms.reference_bytes(self.lab, path)
            if path == point.path:
                data = point.apply(data.decode()).encode()
            lab_forms.write_changed(ROOT / form / path, data)
        variant, trouble = lab_grade.make_kernel(self.lab, form, "", [])
        try:
            if trouble:
                return BUILT_NOT
            report = Report(self.lab, form, 1, variant / "results.json", io.StringIO())
            grader = lab_grade.Grader(self.lab, variant, 1, report)
            known = {test.name for test in self.lab.tests}
            names = [name for name in ORDER if name in known]
            names += [test.name for test in self.lab.tests if test.name not in names]
            for name in names:
                if not grader.run_test(self.lab.test(name)).ok:
                    return name
            return SURVIVED
        finally:
            shutil.rmtree(variant, ignore_errors=True)
            shutil.rmtree(ROOT / form, ignore_errors=True)

    def run_all(self, found: list[Point], jobs: int) -> None:
        new = [point for point in found if point.name not in self.results]
        done = 0

        def work(point: Point) -> None:
            nonlocal done
            by = self.run(point)
            self.keep(point, by)
            done += 1
            print(f"  {done}/{len(new)} {by or 'SURVIVED'}: {point.describe()[:150]}", flush=True)

        parallel.for_each(new, jobs, work)


def main() -> int:
    env = os.environ.get
    parser = argparse.ArgumentParser(description="changes the reference mechanically")
    parser.add_argument("--lab", default=env("LAB") or "")
    parser.add_argument("--jobs", type=int, default=options.jobs())
    parser.add_argument("--only", default=env("ONLY") or "", help="these files or changes")
    parser.add_argument("--part", default="1/1", help="i/n: the i-th of n parts")
    args = parser.parse_args()
    lab = labs.find_plain(args.lab, "what is changed is the lab's own reference")
    out = Path(env("O") or "build/gcc")
    part, parts = (int(word) for word in args.part.split("/"))
    found = all_points(lab, set(args.only.split()))[part - 1 :: parts]
    known = equivalents(lab)
    qemu.end_on_signals()
    proof_tree.build(out, f"LAB={lab.name}", "IMPL=reference")
    mutation = Mutation(lab, out)
    mutation.run_all(found, args.jobs)
    results = [mutation.results[point.name] for point in found]
    survivors = [p for p in found if mutation.results[p.name] == SURVIVED]
    new = [point for point in survivors if point.name not in known]
    for point in survivors:
        reason = known.get(point.name, "NOT EXPLAINED")
        print(f"{point.name} {point.describe()}\n           {reason}")
    built = len(results) - results.count(BUILT_NOT)
    print(
        f"{len(found)} changes, {built} compile, {built - len(survivors)} noticed, "
        f"{len(survivors)} survive, {len(survivors) - len(new)} of them explained"
    )
    return 1 if new else 0


if __name__ == "__main__":
    entry.run(main)
