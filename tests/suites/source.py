# SPDX-License-Identifier: BSD-2-Clause
"""The rules that every source file keeps: licence line, header comment, size, plain text."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Callable, Iterator

from grade import contracts, lines, links
from tests.job import ROOT, Config, Job, Result

SUFFIXES = (".c", ".h", ".S", ".ld", ".py", ".mk", ".sh")
NAMES = ("Makefile", "setup", "run")
MAX_LINES = 450
MAX_COLUMNS = 100
SPDX = "SPDX-License-Identifier: BSD-2-Clause"
NOTE_TO_SELF = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")


def tree_files() -> list[Path]:
    """The files under version control, and new ones that are not ignored; in a bare copy, all."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / line for line in listed.stdout.splitlines()]
    else:
        paths = [path for path in ROOT.rglob("*") if path.relative_to(ROOT).parts[0] != "build"]
    return sorted(p for p in paths if p.is_file())


def source_files() -> list[Path]:
    return [p for p in tree_files() if p.suffix in SUFFIXES or p.name in NAMES]


def licence(lines: list[str]) -> Iterator[tuple[int, str]]:
    if not any(SPDX in line for line in lines[:2]):
        yield 1, f"no `{SPDX}` in the first two lines"


def header(lines: list[str]) -> Iterator[tuple[int, str]]:
    """After the licence line comes a comment (or docstring) that says what the file is for."""
    rest = [line.strip() for line in lines[:4] if SPDX not in line and not line.startswith("#!")]
    if not any(line.startswith(("//", "/*", "*", "#", '"""')) for line in rest[:2]):
        yield 2, "no comment that says what the file is for"


def size(lines: list[str]) -> Iterator[tuple[int, str]]:
    if len(lines) > MAX_LINES:
        yield len(lines), f"{len(lines)} lines, more than {MAX_LINES}"


def columns(lines: list[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        if len(line.expandtabs(4)) > MAX_COLUMNS and not line.startswith("// link: "):
            yield number, f"{len(line.expandtabs(4))} columns, more than {MAX_COLUMNS}"
        elif line != line.rstrip():
            yield number, "spaces at the end of the line"


def notes(lines: list[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        if NOTE_TO_SELF.search(line):
            yield number, "a note to self"


RULES: dict[str, Callable[[list[str]], Iterator[tuple[int, str]]]] = {
    "licence": licence,
    "header": header,
    "size": size,
    "columns": columns,
    "notes": notes,
}


def check(rule: str) -> Iterator[Result]:
    broken = []
    for path in source_files():
        lines = path.read_text(encoding="utf-8").splitlines()
        name = path.relative_to(ROOT)
        broken += [f"{name}:{number}: {what}" for number, what in RULES[rule](lines)]
    yield Result(f"source/{rule}", not broken, "\n".join(broken))


SHARED = re.compile(
    r"\bmo" r"ck\b|redirect_std(?:out|err)|os\.(?:chdir|umask|putenv)\b"
    r"|sys\.(?:std\w+|argv|path) *=[^=]"
    r"|environ(?:\[[^]]*\] *=[^=]|\.(?:update|pop|clear|setdefault)\b)"
    r"|(?:signal\.signal|locale\.setlocale|random\.seed)\b"
)
"""What changes something for every job of the check at once, which are threads of one process."""
BEFORE_ALL = "tests/run.py"
"""Sets such things before the first job begins."""


def check_shared() -> Iterator[Result]:
    """A test changes nothing that others read meanwhile: what needs another environment, standard
    error or time is a process of its own, or is told by a parameter."""
    paths = [p for p in source_files() if p.suffix == ".py"]
    names = {path.relative_to(ROOT).as_posix(): path for path in paths}
    wrong = [f"{name}:{number}: {found[0]}"
             for name, path in names.items() if name.startswith("tests/") and name != BEFORE_ALL
             for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
             if (found := SHARED.search(line))]
    yield Result("source/shared", not wrong, "\n".join(wrong))


def check_links() -> Iterator[Result]:
    """Every relative link in a text leads to something in the tree."""
    texts = [path for path in tree_files() if path.suffix == ".md"]
    broken = []
    for path in texts:
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        broken += links.dead(name, text, lambda target: (ROOT / target).exists())
    if not any(links.LINK.search(path.read_text(encoding="utf-8")) for path in texts):
        broken.append("no link found anywhere")
    yield Result("source/links", not broken, "\n".join(broken))


SUBJECT = ("pmap", "mem", "vm")
NO_MODULE = ("kernel/mem/memlayout.h", "kernel/vm/stat.h", "kernel/vm/vm_init.h")
"""Headers of the subject's floors without a module: a table, counters, start-up. And *_impl.h,
which are private to one."""
SCREEN = 60


def check_theory() -> Iterator[Result]:
    """Each module of the subject opens with its theory: a screen at most, a typical sequence."""
    broken = []
    for path in sorted(p for floor in SUBJECT for p in (ROOT / "kernel" / floor).glob("*.h")):
        name = str(path.relative_to(ROOT))
        head = path.read_text(encoding="utf-8").partition("#pragma once")[0]
        if name in NO_MODULE or name.endswith("_impl.h"):
            continue
        if "A typical sequence is" not in head:
            broken.append(f"{name}: no typical sequence")
        if head.count("\n") > SCREEN:
            broken.append(f"{name}: {head.count(chr(10))} lines before its first declaration")
    yield Result("source/theory", not broken, "\n".join(broken))


UNASSERTED = 1
"""Contracts of the subject and of sync that no assertion holds yet: the number may only fall."""


def check_contracts() -> Iterator[Result]:
    """What comments claim of locks and sleep is asserted; `make contracts` lists it."""
    bare = [f"{c.path}: {c.name}: {c.words}" for c in contracts.all_contracts() if not c.assertion]
    yield Result("source/contracts", len(bare) <= UNASSERTED, "\n".join(bare))


ANOTHER_NAME = re.compile(r"\bint (?:err|e|ret|rc|rv|res|errno)\b|, (?:err|ret|rc|rv) = ")


NEGATED = re.compile(r"-(?:E[A-Z][A-Z0-9_]+|error)\b")
BOUNDARY = ("kernel/sys/syscall.c", "kernel/proc/sigdeliver.c")
"""Where a call's answer is written to the program's register, and where it is read there."""


def check_errors() -> Iterator[Result]:
    """A variable that holds an errno is called `error', or ends so where there are two; and an
    errno is negated at the boundary to programs alone."""
    broken = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted((ROOT / "kernel").rglob("*.[ch]"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if ANOTHER_NAME.search(line)
        or (NEGATED.search(line) and str(path.relative_to(ROOT)) not in BOUNDARY)
    ]
    yield Result("source/errors", not broken, "\n".join(broken))


SAMPLE = """// a comment
int f(void)
{
    /* one
       more */
    KASSERT(x, "// no comment");

    return 0;
}
void assert_x(void);
"""


def check_lines() -> Iterator[Result]:
    """`make lines` counts what its rule says."""
    found = lines.code_lines(SAMPLE), list(lines.functions(SAMPLE))
    right = len(found[0]) == 6 and found[1] == [5]
    yield Result("source/lines", right, str(found))


def check_types() -> Iterator[Result]:
    """Types of grade/ and tests/ are right, as mypy.ini asks: strictly; and of each lab's judge,
    which imports what lies beside it."""
    if importlib.util.find_spec("mypy") is None:
        yield Result("source/types", True, skipped="no mypy here: ./setup installs it")
        return
    command = [sys.executable, "-m", "mypy", "--no-error-summary"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    yield Result("source/types", done.returncode == 0, done.stdout + done.stderr)
    for judge in sorted(ROOT.glob("labs/*/tests/judge.py")):
        pictures = judge.parent.parent.glob("demo/*.py")
        paths = [str(path) for path in [*judge.parent.glob("*.py"), *pictures]]
        env = {**os.environ, "MYPYPATH": str(judge.parent)}
        done = subprocess.run(
            [*command, *paths], cwd=ROOT, capture_output=True, text=True, check=False, env=env
        )
        name = f"source/types/{judge.parent.parent.name}"
        yield Result(name, done.returncode == 0, done.stdout + done.stderr)


FORMATTER = "version 14."
"""The clang-format that .clang-format was written for. Others set some lines another way."""


def check_format() -> Iterator[Result]:
    """C is set as .clang-format says; headers and tables are set in columns by hand."""
    try:
        asked = subprocess.run(["clang-format", "--version"], capture_output=True, check=False)
        version = asked.stdout.decode()
    except FileNotFoundError:
        version = ""
    if FORMATTER not in version:
        yield Result("source/format", True, skipped=f"no clang-format of {FORMATTER}x here")
        return
    files = [path for path in tree_files() if path.suffix == ".c"]
    command = ["clang-format", "--dry-run", "-Werror", *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    yield Result("source/format", done.returncode == 0, done.stderr)


GOAL = re.compile(r"\bmake (?:-s )?([a-z][a-z-]*)")


def check_settings() -> Iterator[Result]:
    """What editors and containers read is JSON, and make knows each goal that is called there."""
    help_text = (ROOT / "mk" / "help.txt").read_text(encoding="utf-8")
    known = set(re.findall(r"^  ([a-z][a-z-]+) ", help_text, re.MULTILINE))
    paths = [p for p in tree_files() if p.parent.name in (".vscode", ".devcontainer")]
    broken = [] if paths else ["none found"]
    for path in paths:
        text = path.read_text(encoding="utf-8")
        broken += [f"{path}: no goal {goal}" for goal in GOAL.findall(text) if goal not in known]
        if path.suffix == ".json":
            try:
                json.loads(text)
            except ValueError as error:
                broken.append(f"{path}: {error}")
    yield Result("source/settings", not broken, "\n".join(broken))


def jobs(_: Config) -> list[Job]:
    found = [Job(f"source/{rule}", partial(check, rule)) for rule in RULES]
    for rule, work in (("shared", check_shared), ("links", check_links), ("lines", check_lines),
                       ("theory", check_theory), ("contracts", check_contracts),
                       ("errors", check_errors), ("types", check_types),
                       ("settings", check_settings), ("format", check_format)):
        found.append(Job(f"source/{rule}", work))
    return found
