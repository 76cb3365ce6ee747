# SPDX-License-Identifier: BSD-2-Clause
"""What a student reads when a test fails: all of it is there, and it leads to the failure.

For a few wrong solutions of different kinds: the message has every part, the command that it names
shows the same once more, and under GDB that command stops where the mistake shows.
"""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Iterator

from grade import lab as labs
from grade.lab import Lab
from tests.job import ROOT, Config, Job, Result, run_as_user

BACKTRACE = r"#\d+\s+0x[0-9a-f]+ \w+\+0x[0-9a-f]+ \(\S+:\d+\)"
HANG = r"0x[0-9a-f]{16} \w+ at \S+:\d+"
# Wrong solution, test, what the message must show beside the usual parts, and where GDB stops.
CASES = [
    ("wrong-pmap", "sequence", BACKTRACE, "crash"),
    ("enter-no-lock", "smp", "pv_enter works on a page's part .* without pv_lock", "ktest_fail"),
    ("count-first-only", "small", "pv_count 16, pv_is_mapped True", "judge_point"),
]
SLOW_CASES = [("exhaustion-loops", "nothing-to-steal", HANG, "")]
PARTS = {
    "what was expected": r"expected: \S",
    "what was found": r"got: +\S",
    "the rule and its place": r"rule: +\S[^:]*\(1-pv/README\.md, [^)]+\)$",
    "a hint": r"hint: +\S",
    "the console": r"^ +\| \S",
    "a command": r"again: make repro LAB=pv IMPL=mutant-\S+ T=\S+ SEED=\d+$",
}
IN_GDB = {"bt": r"#\d+ ", "pv pmap lab_pmap[0]": r"\d+ entries$", "chunks": r"/168 used"}


def lacking(text: str, parts: dict[str, str]) -> str:
    gone = [name for name, part in parts.items() if not re.search(part, text, re.MULTILINE)]
    return f"{', '.join(gone)} is not in\n{text}" if gone else ""


def without_places(text: str) -> str:
    """A hang is stopped by the clock, at one instruction of its loop or another."""
    return re.sub(r"^ +(0x[0-9a-f]{16}|CPU \d+:) .*$", "", text, flags=re.MULTILINE)


def check_case(config: Config, mutant: str, test: str, shows: str, stop: str) -> Iterator[Result]:
    name = f"messages/{mutant}"
    form = ["LAB=pv", f"IMPL=mutant-{mutant}", f"T={test}"]
    text = run_as_user(["make", "grade", *config.make_words, *form]).stdout
    trouble = lacking(text, {**PARTS, "what this mistake shows": shows})
    yield Result(name, not trouble, trouble)
    found = re.search(r"again: (make repro .*)$", text, re.MULTILINE)
    if not found:
        return
    command = [*shlex.split(found[1]), *config.make_words]
    again = run_as_user(command).stdout
    right = without_places(again) == without_places(text)
    yield Result(f"{name}/repro", right, f"first\n{text}\nthen\n{again}")
    if stop:
        parts = {f"GDB in {stop}": rf"^(#0  {stop}|Breakpoint \d+, {stop}) ", **IN_GDB}
        asked = " ".join(f"-ex {shlex.quote(each)}" for each in IN_GDB)
        stopped = run_as_user([*command, "GDB=1"], GDB_ARGS=f"-batch {asked}")
        trouble = lacking(stopped.stdout, parts)
        yield Result(f"{name}/gdb", not trouble, trouble)


def named_rules(paths: list[Path]) -> Iterator[str]:
    """The invariants that a judge's sources name, by constants of their own or of each other."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    constants = {
        target.id: node.value.value
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.keyword) and node.arg == "invariant":
            if isinstance(node.value, ast.Constant):
                yield str(node.value.value)
            name = getattr(node.value, "attr", getattr(node.value, "id", ""))
            if name in constants:
                yield str(constants[name])


def check_rules(lab: Lab) -> Iterator[Result]:
    """Every rule that a finding may name is under a heading that the handout has."""
    handout = (lab.folder / "README.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", handout, re.MULTILINE)
    sources = [*(lab.folder / "tests").glob("*.py"), ROOT / "grade" / "lab_grade.py"]
    named = set(named_rules(sources))
    named |= {test.invariant for test in lab.tests}
    wrong = [f"no place in the handout for: {rule}" for rule in sorted(named - lab.rules.keys())]
    for rule, place in lab.rules.items():
        if not any(heading.startswith(place.partition(", rule")[0]) for heading in headings):
            wrong.append(f"{rule}: the handout has no heading {place}")
        if rule not in named:
            wrong.append(f"no finding names: {rule}")
    wrong += [f"{test.name}: no hint" for test in lab.tests if not test.hint]
    yield Result(f"messages/{lab.name}/rules", not wrong, "\n".join(wrong))


def jobs(config: Config) -> list[Job]:
    if config.variant or not config.kernel.exists() or not config.graded:
        return []
    known = labs.all_labs()
    found = [
        Job(f"messages/{lab.name}/rules", lambda lab=lab: check_rules(lab))
        for lab in known if lab.rules
    ]
    if any(lab.name == "pv" for lab in known):
        found += [
            Job(f"messages/{case[0]}", lambda case=case: check_case(config, *case))
            for case in CASES + (SLOW_CASES if config.all else [])
        ]
    return found
