# SPDX-License-Identifier: BSD-2-Clause
"""`make batch SUBMISSIONS=folder LAB=pv [JOBS=n] [ONLY=name] [OUT=folder]`: grades a class.

Each entry of the folder is one submission: a folder or an archive with the lab's owned files. Each
is taken apart, looked at, built within limits and graded in a directory of its own below OUT
(build/.../batch/pv), where record.json says what became of it. A run that was broken off goes on
where it was: what has a record is graded again only if it, the tests or the seed changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

from grade import lab as labs
from grade import entry, lab_overlay, limited, options, parallel, qemu, vet
from grade.lab import ROOT, Lab
from grade.staff import batch_files, batch_merge, proof_tree, similar
from grade.vet import Refused

SUFFIXES = (".c", ".h", ".S", ".py", ".mk")
MAX_TEXT = 20000
"""Characters that a record keeps of what the compiler said."""


class NotBuilt(Exception):
    """What the compiler said, or why it was stopped."""


def identifier(name: str) -> str:
    """A folder's name for a submission's, whatever that holds."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:60].strip("_")
    return safe if safe == name else f"{safe}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"


def tests_print(lab: Lab) -> str:
    """Changes when the tests, the grader or the kernel change."""
    digest = hashlib.sha256()
    for folder in (ROOT / "kernel", ROOT / "grade", lab.folder / "tests", ROOT / "mk"):
        for path in sorted(p for p in folder.rglob("*") if p.suffix in SUFFIXES):
            digest.update(path.read_bytes())
    digest.update(f"{lab.variant} {lab.figures} {lab.tests}".encode())
    digest.update((lab.folder / "lab.toml").read_bytes())
    return digest.hexdigest()


class Batch:
    def __init__(self, lab: Lab, out: Path, folder: Path, seed: int) -> None:
        self.lab = lab
        self.out = out
        self.folder = folder
        self.seed = seed
        self.tests = tests_print(lab)
        self._lock = threading.Lock()

    # ---- one submission ----

    def grade(self, path: Path) -> dict[str, Any]:
        """The record of one submission; from its folder if nothing changed since."""
        name = batch_files.submission_name(path)
        home = self.folder / identifier(name)
        record: dict[str, Any] = {"submission": name, "lab": self.lab.name, "seed": self.seed}
        record["part"] = self.lab.part
        record |= {"variant": self.lab.variant} if self.lab.variant else {}
        record |= {"score": 0, "max_score": self.lab.total, "verdict": "refused", "detail": ""}
        started = time.monotonic()
        try:
            files = batch_files.take(path, self.lab)
            record["digest"] = self._digest(files)
            if kept := self._kept(home, record["digest"]):
                return kept
            self._write_files(home, files)
            vet.vet_text(self.lab, files)
            record |= self._build_and_grade(home)
        except Refused as error:
            record["detail"] = str(error)
        except NotBuilt as error:
            record |= {"verdict": "not built", "detail": str(error)[:MAX_TEXT]}
        except Exception as error:  # the grader's own trouble is nobody's zero
            record |= {"verdict": "infrastructure", "detail": repr(error)}
        record["seconds"] = round(time.monotonic() - started, 1)
        record.setdefault("digest", self._digest({"": record["detail"].encode()}))
        self._write(home, record)
        return record

    def _digest(self, files: dict[str, bytes]) -> str:
        digest = hashlib.sha256(f"{self.tests} {self.seed} {self.lab.part}".encode())
        for path, data in sorted(files.items()):
            digest.update(f"{path} {len(data)} ".encode() + data)
        return digest.hexdigest()

    def _kept(self, home: Path, digest: str) -> dict[str, Any] | None:
        try:
            record: dict[str, Any] = json.loads((home / "record.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        same = record.get("digest") == digest and record.get("verdict") != "infrastructure"
        return record if same else None

    def _write_files(self, home: Path, files: dict[str, bytes]) -> None:
        shutil.rmtree(home, ignore_errors=True)
        for path, data in files.items():
            (home / "files" / path).parent.mkdir(parents=True, exist_ok=True)
            (home / "files" / path).write_bytes(data)

    def _write(self, home: Path, record: dict[str, Any]) -> None:
        home.mkdir(parents=True, exist_ok=True)
        temporary = home / "record.new"
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        temporary.replace(home / "record.json")

    def _build_and_grade(self, home: Path) -> dict[str, Any]:
        form = f"{home / 'files'}/".removeprefix(f"{ROOT}/")
        name, _ = lab_overlay.forms(self.lab.name, form, "", "")
        variant = ROOT / self.out / "labs" / name
        shutil.rmtree(variant, ignore_errors=True)
        try:
            self._build(form)
            sources = [path for path in (home / "files").rglob("*") if path.is_file()]
            vet.vet_objects(self.lab, variant, ROOT / self.out, sources)
            return self._run_tests(home, form, variant)
        finally:
            shutil.rmtree(variant, ignore_errors=True)

    def _build(self, form: str) -> None:
        words = [f"O={self.out}", f"LAB={self.lab.name}", f"IMPL={form}"]
        words += [f"{k}={v}" for k, v in proof_tree.variant_words(self.lab).items()]
        status, text = limited.run(["make", "-s", "kernel", *words], ROOT,
                                   proof_tree.clean_environment())
        if status is None:
            raise RuntimeError(f"the build did not end in {limited.PATIENCE_SECONDS:.0f} s")
        if status != 0:
            raise NotBuilt(text.strip() or f"the build ended with status {status}")

    def _run_tests(self, home: Path, form: str, variant: Path) -> dict[str, Any]:
        command = [sys.executable, "-m", "grade.lab_grade", "--trusted", "--lab", self.lab.name]
        command += ["--impl", form, "--workers", "1", "--seed", str(self.seed)]
        env = proof_tree.clean_environment(O=str(self.out), PART=self.lab.part,
                                           **proof_tree.variant_words(self.lab))
        status, text = limited.run(command, ROOT, env, limits={})
        (home / "log.txt").write_text(text, encoding="utf-8")
        result = json.loads((variant / "results.json").read_text(encoding="utf-8"))
        if status != 0 or not result["complete"]:
            raise RuntimeError(f"the grader ended with status {status}: {text[-500:]}")
        return {"verdict": "graded", "score": result["score"], "tests": result["tests"]}

    # ---- all of them ----

    def grade_all(self, paths: list[Path], jobs: int) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = []
        started = time.monotonic()

        def work(path: Path) -> None:
            record = self.grade(path)
            with self._lock:
                records.append(record)
                batch_merge.write_csv(self.lab, records, self.folder / "results.csv")
                done = parallel.progress(len(records), len(paths), time.monotonic() - started)
                print(f"{summary(record)}  {done}", flush=True)

        parallel.for_each(paths, jobs, work)
        return records


def summary(record: dict[str, Any]) -> str:
    """One line."""
    said = f"{record['score']}/{record['max_score']} {record['verdict']}"
    return f"  {record['submission']!r:.60}: {said} {batch_merge.gist(record['detail'])[:120]}"


def main() -> int:
    env = os.environ.get
    parser = argparse.ArgumentParser(description="grades a folder of submissions")
    parser.add_argument("--lab", default=env("LAB") or "")
    parser.add_argument("--submissions", type=Path, default=env("SUBMISSIONS"))
    parser.add_argument("--jobs", type=int, default=options.jobs())
    parser.add_argument("--only", default=env("ONLY") or "", help="this submission only")
    parser.add_argument("--out", default=env("OUT") or "", help="where records go")
    args = parser.parse_args()
    lab = labs.find_part(args.lab)
    if not args.submissions or not args.submissions.is_dir():
        raise SystemExit("strata: SUBMISSIONS is missing: a folder of folders and archives")
    paths = sorted(path for path in args.submissions.iterdir() if batch_files.is_submission(path))
    if args.only:
        names = {path: (path.name, batch_files.submission_name(path)) for path in paths}
        paths = [path for path in paths if args.only in names[path]]
    if not paths:
        raise SystemExit(f"strata: there is no submission in {args.submissions}")
    out = Path(env("O") or "build/gcc")
    folder = Path(args.out or out / "batch" / lab.key)
    folder = folder if folder.is_absolute() else ROOT / folder
    folder.mkdir(parents=True, exist_ok=True)
    qemu.end_on_signals()
    proof_tree.build(out, f"LAB={lab.name}", "IMPL=starter")
    seed = options.optional_number("SEED", env("SEED")) or 1
    records = Batch(lab, out, folder, seed).grade_all(paths, args.jobs)
    print(f"{len(records)} submissions: {folder / 'results.csv'}")
    similar.report(lab, folder)
    troubled = [r["submission"] for r in records if r["verdict"] == "infrastructure"]
    if troubled:
        print(f"not graded, run this again: {' '.join(troubled)}")
    return 1 if troubled else 0


if __name__ == "__main__":
    entry.run(main)
