# SPDX-License-Identifier: BSD-2-Clause
"""The functions and variables of a C file, found by its braces: enough to say who calls whom,
and who counts in what others see, and where.

No parser: a macro that opens or closes a brace, or declares a function, is not seen through.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import AbstractSet, Iterator

HIDDEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', re.DOTALL)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
CALLED = re.compile(r"\b([A-Za-z_]\w*)\s*\(")
NO_CALLS = {"if", "while", "for", "switch", "return", "sizeof", "_Static_assert", "__attribute__"}


@dataclass(frozen=True)
class Function:
    name: str
    head: str
    """From its type to the closing parenthesis, on one line."""
    line: int
    """Of its opening brace, from 1."""
    lines: tuple[str, ...]
    """From there to its closing brace, as `bare' leaves them."""

    @property
    def body(self) -> str:
        return "\n".join(self.lines)

    def calls(self) -> Iterator[tuple[int, str]]:
        """What it calls, macros too, and at which line of the file."""
        for number, line in enumerate(self.lines, self.line):
            for name in CALLED.findall(line):
                if name not in NO_CALLS:
                    yield number, name


def bare(text: str) -> str:
    """The text with comments, strings and directives blanked, every character else at its place."""

    def blank(found: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", found.group())

    return DIRECTIVE.sub(blank, HIDDEN.sub(blank, text))


def functions(text: str) -> list[Function]:
    """Those that are defined in the file, in their order."""
    source, found = bare(text), []
    depth = start = opened = 0
    for match in re.finditer("[{};]", source):
        at, sign = match.start(), match.group()
        if sign == "{":
            opened, depth = (at, 1) if not depth else (opened, depth + 1)
        elif sign == "}" and depth:
            depth -= 1
            if not depth:
                head = " ".join(source[start:opened].split())
                name = CALLED.search(head.replace("__attribute__", ""))
                if name and head.endswith(")"):
                    lines = tuple(source[opened : at + 1].split("\n"))
                    line = source.count("\n", 0, opened) + 1
                    found.append(Function(name[1], head, line, lines))
                start = at + 1
        elif sign == ";" and not depth:
            start = at + 1
    return found


NO_NAMES = re.compile(r"\b(?:typedef|struct\s+\w+\s*$|union\s+\w+\s*$|enum\s+\w+\s*$)|\(")


def variables(text: str) -> set[str]:
    """The file's own, outside its functions, but for arrays: each CPU may have its part of one."""
    depth, outside = 0, ""
    for sign in bare(text):
        depth -= sign == "}"
        outside += sign if not depth and sign != "}" else ""
        depth += sign == "{"
    declarations = (part.split("=")[0].strip() for part in outside.split(";"))
    return {
        found[0]
        for declaration in declarations
        if not NO_NAMES.search(declaration) and (found := re.findall(r"\w+$", declaration))
    }


def counted_plainly(text: str, more: AbstractSet[str]) -> Iterator[tuple[int, str]]:
    """Where a variable of the file, or one of `more', is counted in by ++, += and their like, and
    the line. Nothing of a file that has a lock of its own: it may be held there."""
    own = variables(text)
    locked = re.findall(r"\b(?:spin|mutex)_(?:try)?lock\(\s*&\s*(\w+)", bare(text))
    if own & {*locked}:
        return
    name = rf"\b(?<![.>])(?:{'|'.join(sorted(own | more))})(?:\.\w+)*"
    changed = re.compile(rf"(?:\+\+|--)\s*\(?{name}\b(?![.\[])|{name}\)?\s*(?:\+\+|--|[-+]=)")
    for function in functions(text):
        for number, line in enumerate(function.lines, function.line):
            if changed.search(line):
                yield number, line.strip()
