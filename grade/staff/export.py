# SPDX-License-Identifier: BSD-2-Clause
"""`make export LAB=pv OUT=folder [VARIANT=name] [FROM=folder] [GUIDE=1] [HUNT='seed ...']`: the
students' tree, proved to hold no solution.

An allow-list says what goes in. This lab and later ones come as starters, earlier ones as
references, or as the student's own files out of FROM. A branch's own tree has the branch's starter
in place of whatever those have. Then no distinctive line of what stays behind may be in it; and,
unless TRY=0, a copy is built, booted and graded with this tree out of sight, must reach the
starter's declared score, and what was built is looked through as well. GUIDE=1 adds the paths
through this lab and earlier ones. HUNT adds ten kernels for each seed, as objects without source
(grade/hunt.py). A variant's tree has the lab with its lab.toml and its sentences in the place
of the lab's own, and nothing else of any variant.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterable

from grade import lab as labs
from grade import entry, hunt, lab_forms, lab_variant, links, options
from grade.lab import CURRENT, ROOT, Lab
from grade.staff import hunt_kernels, proof_tree

ALLOWED = """
Makefile LICENSE README.md setup .gitignore .clang-format .editorconfig mypy.ini .vscode/*
.devcontainer/*
mk/*.mk mk/*.c mk/*.sh mk/*.txt
kernel/* user/* mkfs/*
grade/*.py grade/gdb/* grade/lecture/*
tests/*.py tests/host/* tests/kernel/* tests/guests/* tests/busybox/* tests/bench/* tests/stress/*
tests/suites/*.py
doc/architecture.md doc/filesystem.md doc/*-experiments.md
""".split()
HUNTED = re.compile(rb"^(?:#.*\n)*\[hunt\]\n(?:(?!\[|#).*\n)*", re.MULTILINE)
"""Of a lab.toml: which mistakes are hunted, and the words above. Hunts never say what they were."""
OF_A_LAB = "README.md HINT.md DESIGN-template.md lab.toml tests/* starter/* demo/*".split()
"""What students get of this lab's folder and of earlier ones'; of later labs' nothing."""
GUIDE = "GUIDE.md"
"""How to do it, step by step: for those who are to have it."""
DENIED = """
mk/proof.mk mk/help-proof.txt grade/staff/* grade/gradescope/*
tests/suites/labs.py tests/suites/lecture.py tests/suites/messages*.py tests/suites/handouts.py
tests/suites/patches.py tests/suites/proof.py tests/suites/hunt.py tests/suites/variant_labs.py
tests/suites/backwards.py tests/suites/course*.py tests/suites/tools.py tests/lecture/*
tests/host/test_map_quanta.c tests/host/test_map_merge.c tests/host/test_pool_shortage.c
tests/host/test_cow.c tests/host/test_loan.c tests/host/test_pmap_link.c
""".split()
HIDDEN = "SOLUTION.md mutants/* rewrites/* challenges/* parts/*".split()
HIDDEN_OF_A_VARIANT = ("reference.patch", "mutants/*")
C_FILES = (".c", ".h", ".S")
BUILT = (".o", ".elf", ".d", ".s", "")
MIN_LINE, MIN_LETTERS, MIN_NAME = 24, 14, 8


def present(names: Iterable[str]) -> set[str]:
    """The files of a tree and the folders that they lie in."""
    return {part for name in names for part in (name, *map(str, Path(name).parents))}


def matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


class Export:
    def __init__(self, lab: Lab, source: Path | None, guide: bool = False) -> None:
        self.lab = lab
        self.guides = [GUIDE] if guide else []
        self.labs = [*labs.with_lab(labs.in_row(), lab), *([lab] if lab.callers else [])]
        self.files = proof_tree.tree_files()
        self.source = source

    # ---- what goes in ----

    def contents(self) -> dict[str, bytes]:
        """Every file of the students' tree."""
        names = [n for n in self.files if matches(n, ALLOWED) and not matches(n, DENIED)]
        found = {name: (ROOT / name).read_bytes() for name in names}
        for each in self.labs:
            self._forms(each, found)
            if each.number <= self.lab.number:
                prefix = f"{each.folder.relative_to(ROOT)}/"
                below = [n for n in self.files if n.startswith(prefix)]
                given = [*OF_A_LAB, *self.guides]
                given += ["reference.ids"] if each.number < self.lab.number else []
                below = [n for n in below if matches(n.removeprefix(prefix), given)]
                found |= {name: (ROOT / name).read_bytes() for name in below}
        if self.lab.home:
            found |= self._of_variant(self.lab.home, found)
        if self.lab.callers:
            folder = self.lab.folder.relative_to(ROOT)
            found |= {f"{folder}/starter/{path}": found[path] for path in self.lab.owned}
        found[CURRENT] = f"{self.lab.name} {self.lab.part}".strip().encode() + b"\n"
        for name in [name for name in found if name.endswith("/lab.toml")]:
            found[name] = HUNTED.sub(b"", found[name])
        there = present(found)
        for name in [name for name in found if name.endswith(".md")]:
            text = links.without_dead(name, found[name].decode("utf-8"), there.__contains__)
            found[name] = text.encode()
        return found

    def _of_variant(self, home: Path, found: dict[str, bytes]) -> dict[str, bytes]:
        """What is otherwise in a variant's tree than in the lab's."""
        prefix = self.lab.folder.relative_to(ROOT).as_posix()
        other = {f"{prefix}/lab.toml": lab_variant.merged(self.lab.folder, home).encode()}
        for name, text in lab_variant.handout(self.lab.folder, home).items():
            if f"{prefix}/{name}" in found:
                other[f"{prefix}/{name}"] = text.encode()
        for path in self.lab.owned:
            if f"{prefix}/starter/{path}" in found:
                data = lab_forms.starter(self.lab, path).read_bytes()
                other[f"{prefix}/starter/{path}"] = data
        return other

    def _forms(self, each: Lab, found: dict[str, bytes]) -> None:
        """Puts a lab's owned files in, in the form that they have for these students: an earlier
        lab's are their own where they have any of them."""
        places = lab_forms.in_folder(each, self.source) if self.source else {}
        own = {path: place for path, place in places.items() if place.exists()}
        for path in each.owned:
            found.pop(path, None)
            if each.number >= self.lab.number:
                if lab_forms.starter(each, path).exists():
                    found[path] = lab_forms.starter(each, path).read_bytes()
            elif own:
                if path in own:
                    found[path] = own[path].read_bytes()
            else:
                found[path] = lab_forms.reference_bytes(each, path)

    def write(self, target: Path) -> int:
        contents = self.contents()
        for name, data in contents.items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            if (ROOT / name).exists():
                path.chmod((ROOT / name).stat().st_mode & 0o777)
        return len(contents)

    # ---- what must not be in ----

    def hidden_texts(self) -> dict[str, str]:
        """What stays behind, by name: solutions from this lab on, and all that tells of them."""
        found: dict[str, str] = {}
        hidden = [*HIDDEN, *([] if self.guides else [GUIDE])]
        for each in self.labs:
            if each.number < self.lab.number:
                continue
            for path in each.own:
                data = lab_forms.reference_bytes(each.plain, path)
                found[f"the reference's {path}"] = data.decode("utf-8")
            prefix = f"{each.folder.relative_to(ROOT)}/"
            for name in self.files:
                if name.startswith(prefix) and matches(name.removeprefix(prefix), hidden):
                    text = (ROOT / name).read_text(encoding="utf-8")
                    found[name] = added(text) if name.endswith(".patch") else text
            for home in lab_variant.folders(each.folder).values():
                found |= self._hidden_of_variant(each, home)
        return found

    def _hidden_of_variant(self, lab: Lab, home: Path) -> dict[str, str]:
        """The solutions and mistakes of a variant; of another one than this, its sentences, too."""
        name = f"variant {home.name}"
        found = {}
        for path in sorted(home.rglob("*")):
            below = path.relative_to(home).as_posix()
            if path.is_file() and matches(below, [*HIDDEN_OF_A_VARIANT]):
                text = path.read_text(encoding="utf-8")
                text = added(text) if below.endswith(".patch") else text
                word = "the reference's " if below == lab_forms.REFERENCE else ""
                found[f"{word}{below} of {name}"] = text
        if lab.home != home:
            known = self._sentences(lab.home, "new") if lab.home else set()
            news = self._sentences(home, "new") - self._sentences(home, "old") - known
            found[f"the sentences of {name}"] = "\n".join(sorted(news))
        return found

    @staticmethod
    def _sentences(home: Path, which: str) -> set[str]:
        """The lines of the handout that a variant replaces, or has instead."""
        changes = lab_variant.read(home).get("change", [])
        return {plain(line) for change in changes for line in change[which].splitlines()}

    def known_lines(self) -> set[str]:
        """Lines that tell nothing: in the starters, or in kernel files that nobody hides."""
        owned = {path for each in self.labs for path in each.owned}
        names = [n for n in self.files if n.startswith("kernel/") and n not in owned]
        paths = [ROOT / name for name in names]
        paths += [lab_forms.starter(each, path) for each in self.labs for path in each.owned]
        paths += [ROOT / path for each in self.labs for path in each.frozen]
        texts = (p.read_text(encoding="utf-8") for p in paths if p.is_file())
        return {plain(line) for text in texts for line in text.splitlines()}

    def distinctive(self) -> dict[str, str]:
        """Each line that gives a solution away, and where it is from."""
        known = self.known_lines()
        return {
            plain(line): name
            for name, text in self.hidden_texts().items()
            for line in text.splitlines()
            if is_telling(plain(line)) and plain(line) not in known
        }

    def names(self) -> set[str]:
        """Functions and macros that only the hidden references have."""
        pattern = re.compile(r"\b(?:[a-z]\w*_\w+(?=\()|[A-Z][A-Z0-9]+_\w+)")
        hidden = set()
        for name, text in self.hidden_texts().items():
            if name.startswith("the reference's"):
                hidden |= set(pattern.findall(text))
        others = " ".join(self.known_lines())
        public = set(re.findall(r"\w+", others))
        for name in (n for n in self.files if not matches(n, DENIED)):
            if name.startswith(("user/", "mkfs/", "tests/", "grade/gdb")):
                public |= set(re.findall(r"\w+", (ROOT / name).read_text("utf-8", "replace")))
        return {name for name in hidden - public if len(name) >= MIN_NAME}

    def leaks(self, target: Path) -> list[str]:
        """Where a distinctive line is in the exported tree, whatever the file; or a hidden name in
        C, as a test's own function may have it by chance."""
        distinctive, found = self.distinctive(), []
        hidden = re.compile(r"\b(?:%s)\b" % ("|".join(sorted(self.names())) or "(?!)"))
        for path in sorted(p for p in target.rglob("*") if p.is_file()):
            name = path.relative_to(target)
            if "build" in name.parts:
                continue
            for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
                if origin := distinctive.get(plain(line)):
                    found.append(f"{name}:{number}: a line of {origin}: {plain(line)[:70]}")
                elif path.suffix in C_FILES and (same := hidden.search(line)):
                    found.append(f"{name}:{number}: {same[0]}, a name that the reference has")
        return found

    def built_leaks(self, target: Path) -> list[str]:
        """Names of hidden functions in what was built."""
        names = [name.encode() for name in self.names()]
        found = []
        for path in sorted((target / "build").rglob("*")):
            if path.is_file() and not path.is_symlink() and path.suffix in BUILT:
                data = path.read_bytes()
                found += [
                    f"{path.relative_to(target)}: {name.decode()}" for name in names
                    if re.search(rb"\b%s\b" % name, data)
                ]
        return found


def plain(line: str) -> str:
    return " ".join(line.split())


def added(patch: str) -> str:
    """A patch's header, and the lines that it adds."""
    head, _, body = patch.partition("\n--- ")
    return "\n".join([head, *(line[1:] for line in body.splitlines() if line.startswith("+"))])


def is_telling(line: str) -> bool:
    letters = sum(c.isalpha() for c in line)
    boring = line.startswith(("#include", "// SPDX", "#pragma", "# SPDX", "+++"))
    return len(line) >= MIN_LINE and letters >= MIN_LETTERS and not boring


def out_of_sight(command: list[str], tree: Path) -> list[str]:
    """Runs a command with this tree hidden under an empty one, where that is allowed."""
    script = 'mount -t tmpfs none "$0" 2>/dev/null; cd "$1" && shift && exec "$@"'
    probe = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    inside = tree.is_relative_to(ROOT)
    if probe.returncode != 0 or inside:
        return ["sh", "-c", 'cd "$1" && shift && exec "$@"', "-", str(tree), *command]
    return ["unshare", "-m", "sh", "-c", script, str(ROOT), str(tree), *command]


def try_out(export: Export, target: Path) -> list[str]:
    """Grades a copy of the exported tree by itself; what went wrong."""
    with tempfile.TemporaryDirectory(prefix="strata-export-") as scratch:
        tree = Path(scratch) / "tree"
        shutil.copytree(target, tree, ignore=shutil.ignore_patterns("build"))
        env = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": scratch}
        goals: list[list[str]] = [[], ["run", "CMD=echo booted"], ["grade"]]
        for goal in goals:
            command = ["make", "-s", *goal]
            print(f"strata: in a copy: {' '.join(command)}", file=sys.stderr, flush=True)
            done = subprocess.run(
                out_of_sight(command, tree), cwd=scratch, env=env, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            )
            if done.returncode != 0:
                return [f"{' '.join(command)} in the exported tree: {done.stdout[-2000:]}"]
        results = sorted(tree.glob("build/*/labs/*/results.json"))
        record = json.loads(results[0].read_text(encoding="utf-8")) if results else {}
        wanted = export.lab.starter_score
        if record.get("score") != wanted or not record.get("complete"):
            got = record.get("score")
            return [f"graded by itself: {got} points, declared {wanted}\n{done.stdout}"]
        print(f"  builds, boots, and grades itself: {wanted}/{export.lab.total} points")
        return export.built_leaks(tree)


def main() -> int:
    env = os.environ.get
    lab = labs.find_part(env("LAB") or "")
    if not env("OUT"):
        raise SystemExit("strata: OUT is missing: make export LAB=pv OUT=folder")
    target = Path(env("OUT") or "").absolute()
    if target.exists() and any(target.iterdir()):
        raise SystemExit(f"strata: OUT={target}: there is something in it already")
    source = Path(env("FROM") or "").absolute() if env("FROM") else None
    staff = lab_variant.staff_folder()
    if env("HUNT") and lab.variant:
        raise SystemExit(f"strata: VARIANT={lab.variant}: {hunt.NO_VARIANT}")
    hunts = [options.number("HUNT", word, 1, 10**9) for word in (env("HUNT") or "").split()]
    export = Export(lab, source, guide=options.flag("GUIDE", env("GUIDE")))
    print(f"  {export.write(target)} files in {target}")
    for seed in hunts:
        folder = target / lab.folder.relative_to(ROOT) / "hunt" / str(seed)
        hunt_kernels.make(lab, seed, Path(env("O") or "build/gcc"), folder, staff)
        print(f"  ten kernels of seed {seed} to hunt in")
    distinctive = len(export.distinctive())
    troubles = export.leaks(target)
    print(f"  {distinctive} distinctive lines stay behind, {len(troubles)} leaked")
    if not troubles and env("TRY") != "0":
        troubles = try_out(export, target)
    for trouble in troubles:
        print(f"strata: export: {trouble}", file=sys.stderr)
    return 1 if troubles else 0


if __name__ == "__main__":
    entry.run(main)
