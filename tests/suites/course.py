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
from grade.staff import batch, render, viva
from tests.job import ROOT, Config, Job, Result, clean_environment, run_as_user
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


def lines_of(said: str) -> list[tuple[str, int, str]]:
    """Of each question of a viva that is about a line: the file, the line's number, its text."""
    pattern = r"^\d\. (\S+):(\d+), in \S+\n {7}(\S.*)$"
    return [(name, int(line), text) for name, line, text in re.findall(pattern, said, re.MULTILINE)]


def check_viva(lab: Lab) -> Iterator[Result]:
    """Five questions about lines that are there, the same for a seed; who hands in the starter, or
    comments, is told so."""
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder, empty = Path(scratch) / "ann", Path(scratch) / "bob"
        for path in lab.code:
            data = lab_forms.reference_bytes(lab, path)
            lab_forms.write_changed(folder / path, data)
            first = lab_forms.starter(lab, path)
            given = first.read_bytes() if first.exists() else b""
            lab_forms.write_changed(empty / path, b"// mine: spin_lock(&x);\n" + given)
        said = {seed: viva.viva(lab, folder, seed, False) for seed in range(1, 9)}
        for seed, text in said.items():
            asked = re.findall(r"^\d\. ", text, re.MULTILINE)
            wrong += [f"seed {seed}: {len(asked)} questions"] if len(asked) != 5 else []
            for name, number, line in lines_of(text):
                path = next(path for path in lab.code if Path(path).name == name)
                there = (folder / path).read_text(encoding="utf-8").splitlines()[number - 1].strip()
                wrong += [f"seed {seed}: {name}:{number}: {line}"] if there != line else []
        wrong += ["a seed asks twice in two ways"] if viva.viva(lab, folder, 3, False) != said[3] \
            else []
        wrong += ["all seeds ask the same"] if len(set(said.values())) < 4 else []
        alone = viva.viva(lab, folder, 3, True)
        told = re.compile(r"^   (?:good|rule, by its words|contract|mutant \S+):", re.MULTILINE)
        left = told.split(said[3])[0]
        if told.search(alone) or not told.search(said[3]) or not alone.startswith(left):
            wrong.append(f"STUDENT=1 says\n{alone}\nand without\n{said[3]}")
        try:
            wrong.append(f"comments are asked about: {viva.viva(lab, empty, 1, False)}")
        except SystemExit as error:
            wrong += [] if "it is the starter, unchanged" in str(error) else [str(error)]
    yield Result(f"course/{lab.name}/viva", not wrong, "\n".join(wrong))


ADDED = """
static int mine(struct pmap *pm)
{
    struct vm_page *pg = vm_page_alloc(PAGE_PV, PA_RESERVE);

    if (!pg && pm->resident > 3)
        return ENOMEM;
    spin_lock(&pv_lock);
    pmap_flush_all(pm);
    pv_remove(pm, 0, pg);
    spin_unlock(&pv_lock);
    vm_page_free(pg);
    return 0;
}
"""
"""What a student has added to the starter, and nothing else."""


def check_viva_own(lab: Lab) -> Iterator[Result]:
    """Who adds a function is asked about that one, whatever the seed."""
    with tempfile.TemporaryDirectory() as scratch:
        for path in lab.owned:
            data = lab_forms.starter(lab, path).read_bytes()
            data += ADDED.encode() if path == lab.owned[0] else b""
            lab_forms.write_changed(Path(scratch) / "ann" / path, data)
        said = "\n".join(viva.viva(lab, Path(scratch) / "ann", seed, True) for seed in range(1, 9))
    asked = re.findall(r"^\d\. \S+, in (\S+)$", said, re.MULTILINE)
    kinds = ("vm_page_alloc() can fail", "pmap_flush_all(), and then pv_remove() in",
             "pm->resident > 3", "spin_lock(): which data", "spin_unlock(): why here",
             "spin_unlock(), and then")
    lacking = [kind for kind in kinds if kind not in " ".join(said.split())]
    yield Result("course/viva/own", {*asked} == {"mine"} and len(asked) == 40 and not lacking,
                 f"lacking: {lacking}\n{said}")


def check_viva_kinds(config: Config, lab: Lab) -> Iterator[Result]:
    """Of lab 1: the order of the flush, with the rule it hangs on and a wrong solution; each kind
    of question is asked by some seed; what make says without a folder, or for one that is none."""
    with tempfile.TemporaryDirectory() as scratch:
        for path in lab.owned:
            lab_forms.write_changed(Path(scratch) / "ann" / path,
                                    lab_forms.reference_bytes(lab, path))
        handed_in = viva.Submission(lab, Path(scratch) / "ann")
        kinds = {site.kind for seed in range(1, 20) for site in handed_in.chosen(seed)}
        lacking = sorted(viva.KINDS.keys() - kinds)
        yield Result("course/viva/kinds", not lacking, f"never asked: {lacking}")
        flush = next((site for site in handed_in.sites
                      if (site.kind, site.call) == ("order", "pmap_flush_all")), None)
        said = "\n".join(viva.told(handed_in, flush)) if flush else "not found"
        right = "forgotten only after its PTE is gone and the TLBs are flushed" in said
        right = right and bool(re.search(r"^mutant \S*flush\S*: .*caught by", said, re.MULTILINE))
        yield Result("course/viva/flush", right, said)
        usage = "make viva LAB=pv SUB=folder SEED=n: a folder or an archive"
        cases = {f"SUB={scratch}/ann": (0, "1. pv"), "SUB=": (2, usage),
                 "SUB=README.md": (2, usage),
                 "SUB=labs/1-pv/starter": (2, "it is the starter, unchanged")}
        for word, (status, part) in cases.items():
            done = run_as_user(["make", "-s", "viva", "LAB=pv", word, *config.make_words])
            right = done.returncode == status and part in done.stdout
            name = "course/viva/make" + ("" if not status else f"-{word}")
            detail = f"expected {part!r}, {status}: {done.returncode} {done.stdout}"
            yield Result(name, right, detail)


PEOPLE_TABLES = {
    "joined": ("submission,design,review\nann,26,18\nbob,20.5,\n", ""),
    "unknown": ("submission,design\nann,26\neve,30\n", "no submission is called eve"),
    "twice": ("submission,design\nann,26\nann,27\n", "line 3: ann stands there twice"),
    "no-number": ("submission,design\nann,good\n", "line 2: the points of ann are no numbers"),
    "no-column": ("name,design\nann,26\n", "line 1: its columns are"),
    "a-test's": ("submission,score\nann,26\n", "line 1: its columns are"),
}
"""What people wrote, and what is said of it."""
JOINED = {"ann": ("26", "18", "94"), "bob": ("20.5", "", ""), "cy": ("", "", "")}
"""Design, review and total of each."""


def check_people(lab: Lab) -> Iterator[Result]:
    """Points that people gave stand beside the tests' in one table; none of them gets lost."""
    with tempfile.TemporaryDirectory() as folder:
        for name in JOINED:
            record = {"lab": lab.name, "submission": name, "score": 50, "tests": []}
            (Path(folder) / name).mkdir()
            (Path(folder) / name / "record.json").write_text(json.dumps(record), "utf-8")
        for case, (table, complaint) in PEOPLE_TABLES.items():
            people, made = Path(folder) / "people.csv", Path(folder) / f"{case}.csv"
            people.write_text(table, "utf-8")
            done = run_as_user(["make", "-s", "batch-merge", f"LAB={lab.name}", f"OUT={made}",
                                f"RECORDS={folder}", f"PEOPLE={people}"])
            if complaint:
                right = done.returncode != 0 and complaint in done.stdout and not made.exists()
            else:
                rows = list(csv.DictReader(made.open(encoding="utf-8"))) if made.exists() else []
                found = {r["submission"]: (r["design"], r["review"], r["total"]) for r in rows}
                right = done.returncode == 0 and found == JOINED
            yield Result(f"course/people/{case}", right, done.stdout)


def jobs(config: Config) -> list[Job]:
    if config.variant or not config.kernel.exists():
        return []
    found = [Job("course/files", check_files)]
    known = labs.all_labs()
    found += [Job(f"course/{lab.name}/viva", partial(check_viva, lab)) for lab in known]
    for lab in (lab for lab in known if lab.name == "pv"):
        found.append(Job("course/people", partial(check_people, lab)))
        found.append(Job("course/viva", partial(check_viva_kinds, config, lab)))
        found.append(Job("course/viva/own", partial(check_viva_own, lab)))
    if config.all:
        found += [
            Job("course/pv/class", partial(check_class, config, lab), long=True)
            for lab in known if lab.name == "pv"
        ]
        for lab in known:
            found.append(
                Job(f"course/{lab.name}/clean-root",
                    partial(check_clean_root, config, lab), long=True)
            )
            name = f"course/{lab.name}/many"
            words = ("grade-many", f"LAB={lab.name}", f"N={os.environ.get('N') or 200}")
            found.append(
                Job(name, partial(check_long, config, name, *words), long=True)
            )
    return found
