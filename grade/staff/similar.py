# SPDX-License-Identifier: BSD-2-Clause
"""Which submissions of a class look alike, and like what is public: pairs to look at, no verdict.

A file is taken as tokens: without comments and layout, numbers and strings as one sign each, and
names, too, but for those that the lab's starter or a header of the kernel knows. What is compared
are the runs of LENGTH tokens that a form has; those of the starter are taken out before. The figure
of a pair is the part of the shorter one's runs that the other has, too. Beside the class stand the
reference, its rewrites and the worked challenges. Forms with few runs of their own are left out:
there is nothing in them to compare.
"""

from __future__ import annotations

import csv
import itertools
import re
import tempfile
from pathlib import Path

from grade import lab_forms, lab_variant
from grade.lab import ROOT, Lab

LENGTH = 12
FEWEST = 100
"""Runs of its own that a form must have: a few lines are alike in all who write them."""
LISTED, SHOWN = 0.3, 0.6
"""From here on a pair is in the table; and on the terminal."""
TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|[A-Za-z_]\w*|\d\w*|[^\s\w]')
COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
WORD = re.compile(r"[A-Za-z_]\w*")
Runs = frozenset[tuple[str, ...]]
Texts = dict[str, str]
"""What a form's files hold, by their paths."""


def tokens(text: str, known: set[str]) -> list[str]:
    bare = COMMENT.sub(lambda m: m.group() if m.group()[0] == '"' else " ", text)
    lines = [line for line in bare.split("\n") if not line.lstrip().startswith("#include")]
    found = TOKEN.findall("\n".join(lines))
    return [
        t if t in known else "name" if WORD.fullmatch(t) else "0" if t[0] in '"0123456789' else t
        for t in found
    ]


def runs(texts: Texts, known: set[str]) -> Runs:
    found: set[tuple[str, ...]] = set()
    for text in texts.values():
        sequence = tokens(text, known)
        found |= set(zip(*(sequence[i:] for i in range(LENGTH))))
    return frozenset(found)


def starter(lab: Lab) -> Texts:
    found = {path: lab_forms.starter(lab, path) for path in lab.code}
    return {path: each.read_text(encoding="utf-8") for path, each in found.items() if each.exists()}


def public_names(lab: Lab) -> set[str]:
    """What nobody has to think of: the kernel's headers', and the starter's."""
    headers = [p for p in (ROOT / "kernel").rglob("*.h")
               if p.relative_to(ROOT).as_posix() not in lab.owned]
    texts = [p.read_text(encoding="utf-8") for p in headers] + list(starter(lab).values())
    return {word for text in texts for word in WORD.findall(text)}


def public_forms(lab: Lab) -> dict[str, Texts]:
    """The reference, what is made from it, and those of variants."""
    def texts(form: Lab) -> Texts:
        return {path: lab_forms.reference_bytes(form, path).decode() for path in lab.code}

    reference = texts(lab.plain)
    forms = {"reference": reference}
    for name in lab_variant.folders(lab.folder):
        forms[f"variant {name}"] = texts(lab.plain.of_variant(name))
    for name in lab.challenges:
        folder = lab_forms.challenge(lab, name)
        found = {p: (folder / p).read_text(encoding="utf-8")
                 for p in lab.code if (folder / p).exists()}
        forms |= {name: found} if found else {}
    for patch in sorted((lab.folder / "rewrites").glob("*.patch")):
        with tempfile.TemporaryDirectory() as scratch:
            for path, text in reference.items():
                lab_forms.write_changed(Path(scratch) / path, text.encode())
            try:
                lab_forms.apply_patch(patch, Path(scratch))
            except SystemExit:
                continue  # it changes another file, or another form
            forms[patch.stem] = {p: (Path(scratch) / p).read_text("utf-8") for p in reference}
    return forms


def submitted(folder: Path) -> dict[str, Texts]:
    """What `make batch` took from each submission."""
    return {
        home.parent.name: {
            str(path.relative_to(home)): path.read_text("utf-8", "replace")
            for path in sorted(home.rglob("*")) if path.suffix in (".c", ".h")
        }
        for home in sorted(folder.glob("*/files"))
    }


def pairs(lab: Lab, students: dict[str, Texts]) -> list[tuple[float, str, str]]:
    """The share of each pair with a student in it, the largest first."""
    known = public_names(lab)
    given = runs(starter(lab), known)
    forms = {f"({name})": texts for name, texts in public_forms(lab).items()}
    own = {name: runs(texts, known) - given for name, texts in {**students, **forms}.items()}
    own = {name: found for name, found in own.items() if len(found) >= FEWEST}
    shares = [
        (len(own[a] & own[b]) / min(len(own[a]), len(own[b])), a, b)
        for a, b in itertools.combinations(own, 2) if a in students or b in students
    ]
    return sorted((share for share in shares if share[0] >= LISTED), reverse=True)


def report(lab: Lab, folder: Path) -> None:
    """Writes similarity.csv, and says which pairs are worth a look."""
    found = pairs(lab, submitted(folder))
    path = folder / "similarity.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["share", "one", "other"])
        table.writerows((f"{share:.2f}", one, other) for share, one, other in found)
    told: set[str] = set()
    for share, one, other in (pair for pair in found if pair[0] >= SHOWN):
        public = other.startswith("(")
        if not (public and one in told):  # of what is public, the nearest
            print(f"look at {one} and {other}: {share:.0%} of the shorter one's code is in both")
        told |= {one} if public else set()
    print(f"{len(found)} pairs alike in part, no verdict: {path}")
