# SPDX-License-Identifier: BSD-2-Clause
"""Variants of labs: each is a lab of its own, is exported as one and gives nothing away; and one
that an instructor keeps elsewhere is like those of the tree.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Iterator

from grade import lab as labs
from grade import lab_forms, lab_variant
from grade.lab import Lab
from grade.staff import export
from tests.job import ROOT, Config, Job, Result, run_as_user
from tests.suites.proof import check_long

TOML = lab_variant.TOML


def refused(variant: Path, lab: Lab, text: str) -> str:
    """Why a variant with this lab.toml is none; nothing if it is one."""
    variant.mkdir(parents=True, exist_ok=True)
    (variant / TOML).write_text(text, encoding="utf-8")
    try:
        lab_variant.handout(lab.folder, variant)
        found = labs.parse(lab.folder, lab_variant.merged(lab.folder, variant))
        return "" if found.figures.keys() == lab.figures.keys() else "an unknown figure"
    except SystemExit as error:
        return str(error)


def check_mistakes(lab: Lab) -> Iterator[Result]:
    """What a variant changes must be there: a value, a test, words of the handout, once."""
    name, value = next(iter(lab.figures.items()))
    title = (lab.folder / "README.md").read_text(encoding="utf-8").splitlines()[0]
    summary = 'summary = "x"\n'
    cases = {
        summary + f"[figures]\n{name} = {json.dumps(value)}\n": "",
        f"[figures]\n{name} = {json.dumps(value)}\n": "summary is missing",
        summary + "[figures]\nof-none = 1\n": "unknown figure",
        summary + "[none]\nx = 1\n": "no [none]",
        summary + '[[test]]\nname = "none"\npoints = 1\n': "no [[test]] none",
        summary + "[uses]\nsymbols = []\n": "not on one line",
        summary + f'[[change]]\nold = {json.dumps(title)}\nnew = "# x"\n': "",
        summary + '[[change]]\nold = "no such words"\nnew = "x"\n': "has 0 times",
        summary + '[[change]]\nold = "the"\nnew = "x"\n': "times, and must",
        summary + f'[[change]]\nold = {json.dumps(title)}\nnew = "x"\n' * 2: "overlap",
    }
    with tempfile.TemporaryDirectory() as scratch:
        wrong = [f"{text}expected `{wanted}', got `{got}'" for text, wanted in cases.items()
                 if (got := refused(Path(scratch) / "x", lab, text)) is not None
                 and (wanted not in got or bool(wanted) != bool(got))]
    yield Result("variant_labs/mistakes", not wrong, "\n".join(wrong))


def check_names(lab: Lab) -> Iterator[Result]:
    """A name that is none is refused with those that there are, by all who take one."""
    names = f"the variants of lab {lab.name} are {' '.join(lab_variant.folders(lab.folder))}"
    other = next((each for each in labs.all_labs() if not lab_variant.folders(each.folder)), None)
    for goal, wanted in (
        (["grade", f"LAB={lab.name}", "VARIANT=none"], f"VARIANT=none: {names}"),
        (["kernel", f"LAB={lab.name}", "VARIANT=none"], f"VARIANT=none: {names}"),
        (["export", f"LAB={lab.name}", "VARIANT=none", "OUT=/none"], f"VARIANT=none: {names}"),
        (["image", "VARIANT=none"], "VARIANT=none needs a lab"),
        (["mutants", f"LAB={lab.name}", f"VARIANT={next(iter(lab_variant.folders(lab.folder)))}"],
         "make variants grades"),
        *([(["variants", f"LAB={other.name}"], f"lab {other.name} has no variants yet")]
          if other else []),
    ):
        done = run_as_user(["make", *goal])
        right = done.returncode != 0 and wanted in done.stdout
        yield Result(f"variant_labs/names/{goal[0]}", right, f"expected {wanted}: {done.stdout}")


def check_export(lab: Lab) -> Iterator[Result]:
    """Its students get its own handout and figures, and nothing of it or of others besides; and the
    lab's own students get no sentence of it."""
    assert lab.home
    folder = lab.folder.relative_to(ROOT)
    wrong = []
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch)
        made = export.Export(lab, None)
        made.write(tree)
        wrong += made.leaks(tree)
        wrong += [str(path) for path in (tree / folder).glob("variants*")]
        text = (tree / folder / "README.md").read_text(encoding="utf-8")
        changes = lab_variant.read(lab.home).get("change", [])
        plain = export.plain(text)
        known = export.plain((lab.folder / "README.md").read_text(encoding="utf-8"))
        for change in changes:
            old, new = export.plain(change["old"]), export.plain(change["new"])
            if old in known and (new not in plain or (old in plain and old not in new)):
                wrong.append(f"the handout has not: {new}")
        found = labs.read(tree / folder)
        if (found.figures, found.tests) != (lab.figures, lab.tests):
            wrong.append(f"figures {found.figures}, must be {lab.figures}")
        wrong += [f"{path} is not the starter's" for path in lab.owned
                  if (tree / path).read_bytes() != lab_forms.starter(lab, path).read_bytes()]
        # A line of its reference would be found, in its own tree and in that of the lab.
        public = {export.plain(line) for path in lab.owned for line in
                  lab_forms.reference_bytes(labs.read(lab.folder), path).decode().splitlines()}
        for each in (made, export.Export(labs.find(lab.name), None)):
            line = next((line for line, name in each.distinctive().items()
                         if f"of variant {lab.variant}" in name and line not in public), "")
            (tree / "README.md").write_text(f"Hint:\n   {line}\n", encoding="utf-8")
            found_at = [leak for leak in each.leaks(tree) if leak.startswith("README.md:2:")]
            wrong += [] if line and found_at else [f"not found: {line}"]
    yield Result(f"variant_labs/{lab.name}/{lab.variant}/export", not wrong, "\n".join(wrong[:20]))


def check_staff(config: Config, lab: Lab) -> Iterator[Result]:
    """A variant in STAFF is graded and exported as those of the tree are, and is named with it
    alone."""
    assert lab.home
    name = f"variant_labs/{lab.name}/staff"
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "staff" / lab.name / "variants" / "another"
        shutil.copytree(lab.home, home)
        title = (lab.folder / "README.md").read_text(encoding="utf-8").splitlines()[0]
        with open(home / TOML, "a", encoding="utf-8") as file:
            file.write(f"\n[[change]]\nold = {json.dumps(title)}\nnew = '# Another lab'\n")
        words = [f"LAB={lab.name}", "VARIANT=another", f"STAFF={scratch}/staff"]
        test = next(test for test in lab.tests if not test.starter)
        asked = ["make", "grade", *config.make_words, *words, "IMPL=reference", f"T={test.name}"]
        done = run_as_user(asked)
        right = f"ok    {test.points}/{test.points}" in done.stdout
        yield Result(f"{name}/grade", right, done.stdout, " ".join(asked))
        path = config.out / "labs" / f"{lab.name}.another-reference" / "results.json"
        shutil.rmtree(path.parent, ignore_errors=True)
        done = run_as_user(["make", "export", *words, f"OUT={scratch}/tree", "TRY=0"])
        handout = Path(scratch) / "tree" / lab.folder.relative_to(ROOT) / "README.md"
        right = done.returncode == 0 and handout.read_text("utf-8").startswith("# Another lab")
        yield Result(f"{name}/export", right, done.stdout)
        done = run_as_user(["make", "grade", f"LAB={lab.name}", "VARIANT=another"])
        right = done.returncode != 0 and f"are {' '.join(lab_variant.folders(lab.folder))}\n" \
            in done.stdout
        yield Result(f"{name}/without", right, done.stdout)


def check_tree(lab: Lab) -> Iterator[Result]:
    """The exported tree builds, boots and grades itself, and its score is the declared one."""
    with tempfile.TemporaryDirectory() as scratch:
        command = ["make", "export", f"LAB={lab.name}", f"VARIANT={lab.variant}",
                   f"OUT={scratch}/tree"]
        done = run_as_user(command)
        wanted = f"grades itself: {lab.starter_score}/{lab.total} points"
        right = done.returncode == 0 and wanted in done.stdout
        yield Result(f"variant_labs/{lab.name}/{lab.variant}/tree", right, done.stdout,
                     " ".join(command))


def check_kernels(lab: Lab) -> Iterator[Result]:
    """A lab and its variants are built beside each other."""
    seen = {}
    with tempfile.TemporaryDirectory() as out:
        for variant in ("", *lab_variant.folders(lab.folder)):
            done = run_as_user([sys.executable, "-m", "grade.lab_overlay"], LAB=lab.name,
                               VARIANT=variant, IMPL="reference", O=out)
            seen[variant] = done.stdout if done.returncode == 0 else ""
    right = len(set(seen.values())) == len(seen) and all(seen.values())
    yield Result(f"variant_labs/{lab.name}/kernels", right, str(seen))


def jobs(config: Config) -> list[Job]:
    if config.variant or not config.graded or not config.kernel.exists():
        return []
    known = [lab for lab in labs.all_labs() if lab_variant.folders(lab.folder)]
    if not known:
        return []
    found = [Job("variant_labs/mistakes", partial(check_mistakes, known[0])),
             Job("variant_labs/names", partial(check_names, known[0]))]
    for lab in known:
        found.append(Job(f"variant_labs/{lab.name}/kernels", partial(check_kernels, lab)))
        for number, name in enumerate(lab_variant.folders(lab.folder)):
            variant, prefix = lab.of_variant(name), f"variant_labs/{lab.name}/{name}"
            found.append(Job(f"{prefix}/export", partial(check_export, variant)))
            words = ("variants", f"LAB={lab.name}", f"ONLY={name}",
                     *([] if config.all else ["QUICK=1"]))
            found.append(Job(f"{prefix}/proved",
                             partial(check_long, config, f"{prefix}/proved", *words), long=True))
            if config.all or lab is known[0] and not number:
                found.append(Job(f"{prefix}/tree", partial(check_tree, variant), long=True))
            if not number:
                found.append(Job(f"variant_labs/{lab.name}/staff",
                                 partial(check_staff, config, variant)))
    return found
