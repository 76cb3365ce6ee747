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


def lent(source: str, name: str) -> set[str]:
    """The functions that are given the address of what `name' matches."""
    return set(re.findall(rf"\b(\w+)\s*\((?:[^;{{}}]*[,(])?\s*&\s*{name}", source))


def pointers(function: Function, name: str, borrowers: set[str]) -> set[str]:
    """The pointers of a function that may lead to what `name' matches: what it sets to its
    address, and what it is given, if somebody gives it that."""
    found = set(re.findall(rf"\b(\w+)\s*=\s*&\s*{name}", function.body))
    if function.name in borrowers:
        found |= set(re.findall(r"\*\s*(\w+)\s*[,)]", function.head))
    return found


def counting(places: str) -> re.Pattern[str]:
    """A place that is counted in: by ++, --, += and -=, or as it is given a sum."""
    step = r"(?:\+\+|--)"
    added = rf"{places}\)?\s*(?:{step}|[-+]=|=(?!=)[^;=]*[\w)\]]\s*[-+](?![-+>=]))"
    return re.compile(rf"{step}\s*\(?{places}(?![.\[\w]|->)|{added}")


def counted_plainly(text: str, more: AbstractSet[str]) -> Iterator[tuple[int, str]]:
    """Where a variable of the file, or one of `more', is counted in by other than atomic steps, by
    its name or by a pointer, and the line. Nothing of a file that has a lock of its own: it may be
    held there."""
    own = variables(text)
    source = bare(text)
    locked = re.findall(r"\b(?:spin|mutex)_(?:try)?lock\(\s*&\s*(\w+)", source)
    if own & {*locked}:
        return
    name = rf"\b(?<![.>])(?:{'|'.join(sorted(own | more))})\b(?:\.\w+)*"
    borrowers = lent(source, name)
    for function in functions(text):
        places = [name]
        if leads := "|".join(sorted(pointers(function, name, borrowers))):
            places += [rf"\*\s*(?:{leads})\b", rf"\b(?<![.>])(?:{leads})->\w+(?:\.\w+)*"]
        changed = counting(f"(?:{'|'.join(places)})")
        for number, line in enumerate(function.lines, function.line):
            if changed.search(line):
                yield number, line.strip()
