# SPDX-License-Identifier: BSD-2-Clause
"""The labs: what each folder labs/<number>-<name>/ declares in its lab.toml."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grade import lab_variant

ROOT = Path(__file__).resolve().parent.parent
MAX_OWNED = 4
CURRENT = "labs/current"
"""In a tree made for the students of one lab: its name; and the part's, if they get only that."""


@dataclass
class Test:
    """One graded test, as lab.toml declares it; labs/<n>-<name>/tests/judge.py judges it."""

    name: str
    points: int
    title: str
    kind: str
    """functional: the starter passes it, too; cost or reliability: only the final form does."""
    invariant: str = ""
    """The rule of the handout that the test watches over."""
    hint: str = ""
    starter: bool = True
    """Whether the starter gets the points."""
    part: str = ""
    """The part of the lab that it belongs to, where a lab has parts."""
    step: int = 0
    """The handout's step that turns it green; 0: it is green from the start."""


@dataclass
class Hint:
    """What is seen of a mistake, and what to think of."""

    name: str
    seen: str
    """A pattern: of what was looked at, of what was found there, or of a panic's message."""
    think: str
    ours: bool | None = None
    """For panics alone: whether one of the lab's own files was at work."""
    rule: str = ""
    """The rule that it breaks, where the judge names none; without it, it is the test's."""


@dataclass
class Lab:
    number: int
    name: str
    title: str
    folder: Path
    owned: list[str]
    """Paths from the root of the files that a solution consists of."""
    frozen: list[str]
    limit: int
    """Guest instructions that one boot may take."""
    challenges: dict[str, str]
    callers: list[str] = field(default_factory=list)
    """Of the owned files those that only use what the lab changes. A lab that has some is a branch
    of its own: in no stage, and beside no other lab's starter."""
    headers: list[str] = field(default_factory=list)
    """Patterns of the kernel's headers that a solution may include; its own besides."""
    symbols: list[str] = field(default_factory=list)
    """Patterns of the kernel's functions and variables that it may use; its own besides."""
    rules: dict[str, str] = field(default_factory=dict)
    """Invariants that findings name, and where the handout has them: the start of a heading."""
    hints: list[Hint] = field(default_factory=list)
    """The first that fits is shown."""
    hunted: list[str] = field(default_factory=list)
    """Mutants that a test tells from the reference without counting what anything costs."""
    tests: list[Test] = field(default_factory=list)
    parts: dict[str, str] = field(default_factory=dict)
    """Parts that may be graded alone, and what each is about."""
    part: str = ""
    """The part whose tests alone these are."""
    figures: dict[str, Any] = field(default_factory=dict)
    """What tests, rules and texts rest on, and a variant has others of."""
    variant: str = ""
    """The variant's name, where this is one: a lab with another contract, and another reference."""
    home: Path | None = None
    """The variant's own folder."""

    def of_variant(self, name: str) -> Lab:
        """The lab with the contract of one of its variants; itself without a name."""
        if not name:
            return self
        home = lab_variant.find(self.folder, name)
        lab = parse(self.folder, lab_variant.merged(self.folder, home))
        if unknown := lab.figures.keys() - self.figures.keys():
            raise SystemExit(f"strata: {home}: the lab has no figure {' '.join(sorted(unknown))}")
        return dataclasses.replace(lab, variant=name, home=home)

    @property
    def plain(self) -> Lab:
        """With the reference and starter of the lab itself."""
        return dataclasses.replace(self, variant="", home=None)

    @property
    def key(self) -> str:
        """What tells it from other labs and variants, in the names of folders."""
        return f"{self.name}.{self.variant}" if self.variant else self.name

    def of_part(self, part: str) -> Lab:
        """The lab with the tests of one part alone; all of it without a name."""
        if not part:
            return self
        if part not in self.parts:
            names = f"has the parts {' '.join(self.parts)}" if self.parts else "has no parts"
            raise SystemExit(f"strata: PART={part}: lab {self.name} {names}")
        tests = [test for test in self.tests if test.part == part]
        return dataclasses.replace(self, tests=tests, part=part)

    @property
    def title_of_part(self) -> str:
        variant = f", variant {self.variant}" if self.variant else ""
        return self.name + variant + (f", part {self.part}" if self.part else "")

    @property
    def own(self) -> list[str]:
        """The owned files that are no mere callers."""
        return [path for path in self.owned if path not in self.callers]

    @property
    def code(self) -> list[str]:
        """The owned files that the compiler reads."""
        return [path for path in self.owned if path.endswith((".c", ".h"))]

    @property
    def total(self) -> int:
        return sum(test.points for test in self.tests)

    @property
    def starter_score(self) -> int:
        return sum(test.points for test in self.tests if test.starter)

    def test(self, name: str) -> Test:
        for test in self.tests:
            if test.name == name:
                return test
        names = " ".join(test.name for test in self.tests)
        raise SystemExit(f"strata: T={name}: the tests of lab {self.title_of_part} are {names}")

    def patches(self, kind: str = "mutants") -> dict[str, Path]:
        """The patches of a kind, by name; a variant's own beside the lab's, or instead of them."""
        places = [self.folder, *([self.home] if self.home else [])]
        found = {path.stem: path for place in places for path in (place / kind).glob("*.patch")}
        return dict(sorted(found.items()))

    def mutants(self) -> list[str]:
        return list(self.patches())

def read(folder: Path) -> Lab:
    return parse(folder, (folder / "lab.toml").read_text(encoding="utf-8"))


def parse(folder: Path, text: str) -> Lab:
    """The lab in this folder, as the text of its lab.toml has it."""
    data: dict[str, Any] = tomllib.loads(text)
    figures: dict[str, Any] = data.get("figures", {})
    data = lab_variant.filled(data, figures)
    lab = Lab(
        number=data["number"],
        name=data["name"],
        title=data["title"],
        folder=folder,
        owned=[*data["owned"], *data.get("callers", [])],
        callers=data.get("callers", []),
        frozen=data["frozen"],
        limit=data["limit"],
        challenges=data.get("challenges", {}),
        headers=data["uses"]["headers"],
        symbols=data["uses"]["symbols"],
        rules=data.get("rules", {}),
        hints=[Hint(**hint) for hint in data.get("hint", [])],
        hunted=data.get("hunt", {}).get("mutants", []),
        tests=[Test(**test) for test in data["test"]],
        parts=data.get("parts", {}),
        figures=figures,
    )
    if {test.part for test in lab.tests} != set(lab.parts or [""]):
        raise SystemExit(f"strata: {folder}/lab.toml: each test is of one of its parts")
    own = len(data["owned"]) if not lab.callers else 1
    if folder.name != f"{lab.number}-{lab.name}" or not 1 <= own <= MAX_OWNED:
        raise SystemExit(f"strata: {folder}/lab.toml: wrong number, name or count of owned files")
    return lab


def all_labs(root: Path = ROOT) -> list[Lab]:
    """All labs, by number; of one number the branches last."""
    folders = [path.parent for path in (root / "labs").glob("*/lab.toml")]
    found = [read(folder) for folder in folders]
    return sorted(found, key=lambda lab: (lab.number, bool(lab.callers)))


def in_row(root: Path = ROOT) -> list[Lab]:
    """The labs that a kernel is made of, each in some form: all but the branches."""
    return [lab for lab in all_labs(root) if not lab.callers]


def with_lab(known: list[Lab], lab: Lab | None) -> list[Lab]:
    """These labs, with this variant of one of them in its place."""
    return [lab if lab and each.name == lab.name else each for each in known]


def current(root: Path = ROOT) -> tuple[str, str]:
    """The lab that this tree is for, and the part; or nothing."""
    path = root / CURRENT
    words = path.read_text(encoding="utf-8").split() if path.exists() else []
    return words[0] if words else "", words[1] if len(words) > 1 else ""


def find(name: str, root: Path = ROOT) -> Lab:
    """The lab called `name`, or whose number it is; without one, what this tree is for. With
    VARIANT, that variant of it."""
    labs = all_labs(root)
    name = name or current(root)[0]
    for lab in labs:
        if name in (lab.name, str(lab.number)):
            return lab.of_variant(os.environ.get("VARIANT", ""))
    names = " ".join(lab.name for lab in labs) or "(none)"
    if not name:
        raise SystemExit(f"strata: LAB is missing: LAB=pv; the labs are {names}")
    raise SystemExit(f"strata: LAB={name}: the labs are {names}")


def find_plain(name: str, why: str) -> Lab:
    """The lab itself, for what is not done with its variants."""
    lab = find(name)
    if lab.variant:
        raise SystemExit(f"strata: VARIANT={lab.variant}: {why}")
    return lab


def of_judge(judge: str) -> Lab:
    """For a lab's judge, a file of its tests: the lab, by whose figures it judges."""
    return find(Path(judge).parent.parent.name.partition("-")[2])


def find_part(name: str, root: Path = ROOT) -> Lab:
    """The same, with the tests of one part alone if PART or this tree says so."""
    lab = find(name, root)
    here, part = current(root)
    return lab.of_part(os.environ.get("PART") or (part if here == lab.name else ""))
