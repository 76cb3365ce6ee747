# SPDX-License-Identifier: BSD-2-Clause
"""What can be asked about in a submission: its functions, and in the lines that the starter has
not, locks, orders of two calls, calls that can fail, checks and assertions; by braces and names."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from dataclasses import dataclass
from typing import Iterator

from grade import csource
from grade.csource import Function
from grade.lab import ROOT

LOCK = re.compile(r"(?:\w+_)?(?:try)?lock(?:_(?:read|write|\w*try))?|SCOPED_\w+")
UNLOCK = re.compile(r"\w*_?unlock(?:_\w+)?")
CLASSES = {
    "unlock": UNLOCK,
    "flush": re.compile(r"\w*(?:flush|tlb)\w*"),
    "free": re.compile(r"\w*(?:free|put|unref|destroy|release)(?:_\w+)?"),
    "remove": re.compile(r"\w*(?:remove|unlink|drop|take|clear|protect|unmap|detach|pop)(?:_\w+)?"),
    "lock": LOCK,
    "enter": re.compile(r"\w*(?:enter|insert|link|push|replace)(?:_\w+)*"),
    "allocate": re.compile(r"\w*(?:alloc|_get|reserve|grow)(?:_\w+)?"),
}
"""What calls do whose order matters, by their names: the first that fits."""
ORDERS = {
    "remove": "flush free unlock", "flush": "remove free unlock", "free": "unlock",
    "unlock": "free lock", "enter": "flush unlock", "allocate": "lock enter",
    "lock": "allocate enter remove",
}
"""By the first call's class, those of the next one with which their order is worth a question."""
NEAR = 12
"""Lines between the two."""
CHECK = re.compile(r"\bif \((.*)\)(?: \{)?$|\bwhile \((.*)\)(?: \{)?$")
DECLARED = re.compile(r"^([A-Za-z][^;{}()#=]*?)\b(\w+)\(", re.MULTILINE)
WORTH = re.compile(r"[A-Za-z]\w*->|\b\w+\(|[<>=]=|[<>]")


@dataclass(frozen=True)
class Site:
    """One thing to ask about."""

    kind: str
    path: str
    line: int
    function: str
    call: str = ""
    """The call, or the condition."""
    other: str = ""
    """The call that follows, of an order."""
    later: int = 0
    """Its line."""


def own_lines(starter: str, text: str) -> set[int]:
    """The lines that the starter has not, from 1; comments, layout and braces are nobody's."""
    old, new = ([" ".join(line.split()) for line in csource.bare(each).split("\n")]
                for each in (starter, text))
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    found: set[int] = set()
    for tag, _, _, start, end in matcher.get_opcodes():
        if tag in ("replace", "insert"):
            found |= {at + 1 for at in range(start, end) if re.search(r"\w", new[at])}
    return found


class Headers:
    """What the kernel's headers declare."""

    def __init__(self) -> None:
        self.declared: dict[str, str] = {}
        """Functions, and the header of each."""
        self.failing: set[str] = set()
        """Those whose result must be looked at."""
        for path in sorted((ROOT / "kernel").rglob("*.h")):
            for head, name in DECLARED.findall(path.read_text(encoding="utf-8")):
                self.declared[name] = str(path.relative_to(ROOT))
                self.failing |= {name} if head.startswith("MUST_CHECK") else set()


def sites_of(path: str, text: str, own: set[int], headers: Headers) -> Iterator[Site]:
    for function in csource.functions(text):
        mine = [n for n, line in enumerate(function.lines, function.line)
                if n in own and re.search(r"\w", line)]
        if not mine:
            continue
        yield from (Site(kind, path, function.line, function.name)
                    for kind in ("walk", "twice", "cost"))
        yield from in_function(path, function, set(mine), headers)


def in_function(path: str, function: Function, own: set[int], headers: Headers) -> Iterator[Site]:
    calls = [(line, name) for line, name in function.calls() if line in own]
    for line, name in calls:
        if UNLOCK.fullmatch(name):
            yield Site("unlock", path, line, function.name, name)
        elif LOCK.fullmatch(name):
            yield Site("lock", path, line, function.name, name)
        if name in headers.failing or re.search(r"_(try|alloc)|try(lock)?$", name):
            yield Site("failure", path, line, function.name, name)
        elif headers.declared.get(name, path) != path and not class_of(name).endswith("lock"):
            yield Site("contract", path, line, function.name, name)
        if name == "KASSERT":
            yield Site("assert", path, line, function.name, name)
    sorted_calls = [(line, name, class_of(name)) for line, name in calls if class_of(name)]
    for (line, name, first), (later, other, second) in zip(sorted_calls, sorted_calls[1:]):
        if second in ORDERS[first].split() and 0 < later - line <= NEAR:
            yield Site("order", path, line, function.name, name, other, later)
    for line, code in enumerate(function.lines, function.line):
        found = CHECK.search(code.strip())
        condition = (found[1] or found[2] or "") if found and line in own else ""
        if WORTH.search(condition):
            yield Site("check", path, line, function.name, condition)


def class_of(name: str) -> str:
    return next((each for each, pattern in CLASSES.items() if pattern.fullmatch(name)), "")


def sizes(sites: list[Site], own: dict[str, set[int]], texts: dict[str, str]) -> Counter[str]:
    """How many lines of their own the functions have that are asked about."""
    named = {site.function for site in sites}
    found: Counter[str] = Counter()
    for path, lines in own.items():
        for function in csource.functions(texts[path]):
            if function.name in named:
                end = function.line + len(function.lines)
                found[function.name] += len(lines & set(range(function.line, end)))
    return found
