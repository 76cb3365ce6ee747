# SPDX-License-Identifier: BSD-2-Clause
"""What an instructor does: grades a class, exports a tree, uploads an autograder. For check-all.

The records are also looked at as others will: Gradescope's fields, the CI files' syntax.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Iterator

from grade import lab as labs
from grade import lab_forms
from grade.lab import Lab
from grade.staff import batch, render
from tests.job import ROOT, Config, Job, Result, clean_environment
from tests.suites import course_class
from tests.suites.course_class import Expected
from tests.suites.proof import check_long, descendants

LIMIT_SECONDS = 1500
TOP_FIELDS = {"score", "output", "tests", "output_format", "stdout_visibility", "visibility",
              "execution_time", "extra_data", "leaderboard", "test_output_format",
              "test_name_format"}
TEST_FIELDS = {"score", "max_score", "status", "name", "name_format", "number", "output",
               "output_format", "tags", "visibility", "extra_data"}
"""The fields of results.json that Gradescope documents."""


def start(config: Config, lab: Lab, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "grade.staff.batch", "--lab", lab.name, "--submissions",
         str(folder / "class"), "--out", str(folder / "records")],
        cwd=ROOT,
        env=clean_environment(O=str(config.out)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def times(folder: Path) -> dict[str, float]:
    return {str(p): p.stat().st_mtime for p in (folder / "records").rglob("record.json")}


def kill_half_way(config: Config, lab: Lab, folder: Path, half: int) -> str:
    """Starts the batch, kills it when half is done. What it left behind, or nothing."""
    process = start(config, lab, folder)
    while len(times(folder)) < half and process.poll() is None:
        time.sleep(0.2)
    children = descendants(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    time.sleep(3)
    left = [pid for pid in children if Path(f"/proc/{pid}").exists()]
    return f"processes {left} outlive the batch" if left else ""


def table(folder: Path) -> dict[str, tuple[str, int]]:
    with open(folder / "records" / "results.csv", newline="", encoding="utf-8") as file:
        return {
            row["submission"].lstrip("'"): (row["verdict"], int(row["score"]))
            for row in csv.DictReader(file)
        }


def differences(expected: list[Expected], got: dict[str, tuple[str, int]]) -> list[str]:
    wrong = [f"not expected: {name}" for name in got.keys() - {name for name, _, _ in expected}]
    for name, verdict, score in expected:
        found = got.get(name)
        if not found or found[0] != verdict or found[1] not in score:
            wrong.append(f"{name}: expected {verdict}, points in {score}, got {found}")
    return wrong


def check_class(config: Config, lab: Lab) -> Iterator[Result]:
    """A class of every kind, the grading killed half way and taken up again."""
    name = f"course/{lab.name}/class"
    with tempfile.TemporaryDirectory(prefix="strata-class-") as scratch:
        folder = Path(scratch)
        expected = course_class.make_class(lab, folder / "class", folder / "scratch")
        yield Result(f"{name}/size", len(expected) >= 30, f"{len(expected)} submissions")
        left = kill_half_way(config, lab, folder, len(expected) // 2)
        yield Result(f"{name}/killed", not left, left)
        before = times(folder)
        process = start(config, lab, folder)
        said, _ = process.communicate(timeout=LIMIT_SECONDS)
        yield Result(f"{name}/end", process.returncode == 0, said)
        wrong = differences(expected, table(folder))
        yield Result(f"{name}/results", not wrong, "\n".join([*wrong, said]))
        anew = [path for path, when in times(folder).items() if before.get(path, when) != when]
        graded = [p for p in anew if json.loads(Path(p).read_text())["verdict"] == "graded"]
        yield Result(f"{name}/resumed", not graded, f"graded twice: {graded}")
        yield from check_renderings(name, folder)
        names = {batch.identifier(each[0]) for each in expected}
        made = [p.name for p in (config.out / "labs").iterdir()
                if any(p.name.endswith(f"_{each}_files") for each in names)]
        yield Result(f"{name}/clean", not made, f"left in the build: {made}")


def check_renderings(name: str, folder: Path) -> Iterator[Result]:
    """Each record as Gradescope's results.json: documented fields, the right types, no more."""
    wrong = []
    for path in sorted((folder / "records").rglob("record.json")):
        data = json.loads(render.gradescope(json.loads(path.read_text(encoding="utf-8"))))
        wrong += [f"{path}: field {key}" for key in data.keys() - TOP_FIELDS]
        if not isinstance(data["score"], (int, float)):
            wrong.append(f"{path}: score {data['score']!r}")
        for test in data["tests"]:
            wrong += [f"{path}: field {key}" for key in test.keys() - TEST_FIELDS]
            if not 0 <= test["score"] <= test["max_score"]:
                wrong.append(f"{path}: {test['name']}: {test['score']} of {test['max_score']}")
            if test["status"] not in ("passed", "failed"):
                wrong.append(f"{path}: {test['name']}: {test['status']}")
        if data["tests"] and sum(test["score"] for test in data["tests"]) != data["score"]:
            wrong.append(f"{path}: the tests do not sum to {data['score']}")
    yield Result(f"{name}/gradescope", not wrong, "\n".join(wrong[:20]))


def check_files() -> Iterator[Result]:
    """Scripts parse; workflows have no tab, balanced braces, and name targets that there are."""
    scripts = [ROOT / "grade/ci/slurm-array.sh", ROOT / "setup",
               *(ROOT / "grade/gradescope" / name for name in ("setup.sh", "run_autograder"))]
    for path in scripts:
        done = subprocess.run(["sh", "-n", str(path)], capture_output=True, text=True, check=False)
        yield Result(f"course/files/{path.name}", done.returncode == 0, done.stderr)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "mk/proof.mk").read_text(), re.MULTILINE))
    for path in sorted((ROOT / "grade/ci").glob("*.yml")):
        text = path.read_text(encoding="utf-8")
        called = set(re.findall(r"make (?:-s )?([a-z-]+)", text))
        wrong = [f"make {name}: no such target" for name in called - targets]
        wrong += ["a tab"] if "\t" in text else []
        wrong += ["braces"] if text.count("{{") != text.count("}}") else []
        yield Result(f"course/files/{path.name}", not wrong, "\n".join(wrong))


def in_root(root: Path, script: str) -> subprocess.CompletedProcess[str]:
    """A shell in a root of its own; what it mounts goes with it."""
    mounts = 'mount -t proc proc "$0/proc"; mount --rbind /dev "$0/dev"; '
    path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", f'{mounts}exec chroot "$0" env -i {path} sh -c "$1"',
         str(root), script],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )


def check_clean_root(config: Config, lab: Lab) -> Iterator[Result]:
    """The students' tree in a new Debian: it sets itself up, and grades starter and reference."""
    name = f"course/{lab.name}/clean-root"
    if os.geteuid() or not shutil.which("debootstrap"):
        yield Result(name, True, skipped="needs root and debootstrap")
        return
    root = (config.out / "clean-root").absolute()
    if not (root / "etc").exists():
        made = subprocess.run(["debootstrap", "--variant=minbase", "bookworm", str(root)],
                              capture_output=True, text=True, check=False)
        if made.returncode != 0:
            yield Result(name, True, skipped="debootstrap did not get a system")
            return
    tree = root / "strata"
    shutil.rmtree(tree, ignore_errors=True)
    yield from check_long(config, f"{name}/export", "export", f"LAB={lab.name}", f"OUT={tree}",
                          "TRY=0")
    done = in_root(root, "cd /strata && ./setup && make -s grade")
    right = f"{lab.starter_score}/{lab.total} points" in done.stdout
    yield Result(f"{name}/starter", right and done.returncode == 0, done.stdout)
    for path in lab.owned:
        (tree / path).write_bytes(lab_forms.reference_bytes(lab, path))
    done = in_root(root, "cd /strata && make -s grade")
    right = f"{lab.total}/{lab.total} points" in done.stdout
    yield Result(f"{name}/reference", right and done.returncode == 0, done.stdout)


def jobs(config: Config) -> list[Job]:
    if config.variant or not config.kernel.exists():
        return []
    found = [Job("course/files", check_files)]
    known = labs.all_labs()
    if config.all:
        found += [
            Job("course/pv/class", partial(check_class, config, lab), heavy=True)
            for lab in known if lab.name == "pv"
        ]
        for lab in known:
            found.append(
                Job(f"course/{lab.name}/clean-root",
                    partial(check_clean_root, config, lab), heavy=True)
            )
            name = f"course/{lab.name}/many"
            words = ("grade-many", f"LAB={lab.name}", f"N={os.environ.get('N') or 200}")
            found.append(
                Job(name, partial(check_long, config, name, *words), heavy=True)
            )
    return found
