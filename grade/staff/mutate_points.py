# SPDX-License-Identifier: BSD-2-Clause
"""Where a C file can be changed mechanically: operators, constants, conditions, removed statements.

Works on tokens, not on syntax: what does not compile is dropped by whoever builds it. Assertions,
comments, strings and declarations are left alone.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

SWAPS = {
    "==": ["!="], "!=": ["=="], "<": ["<=", ">="], ">": [">=", "<="], "<=": ["<"], ">=": [">"],
    "&&": ["||"], "||": ["&&"], "+": ["-"], "-": ["+"], "++": ["--"], "--": ["++"],
    "&": ["|"], "|": ["&"], "+=": ["-="], "-=": ["+="], "|=": ["&="], "&=": ["|="],
    "<<": [">>"], ">>": ["<<"], "true": ["false"], "false": ["true"],
    "list_push_front": ["list_push_back"], "list_push_back": ["list_push_front"],
    "continue": ["break"], "break": ["continue"],
}
TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    r"|[A-Za-z_]\w*|0x[0-9a-f]+\w*|\d+\w*"
    r"|<<=|>>=|\+\+|--|->|==|!=|<=|>=|&&|\|\||\+=|-=|\|=|&=|<<|>>|[^\s\w]",
    re.DOTALL,
)
STATEMENT = re.compile(r"^(\s+)([^\s/#}{].*;)\s*(?://.*)?$")
NEVER = re.compile(
    r"^\s*(return|case|default|goto|struct|static|const|enum|unsigned|size_t|u?int\w*|bool|"
    r"uint64_t|vaddr_t|paddr_t|extern)\b|KASSERT|panic\("
)


@dataclass(frozen=True)
class Point:
    """One change: the bytes [start, end) of the file become `new`."""

    path: str
    start: int
    end: int
    old: str
    new: str
    line: int
    text: str
    """The line, so that it is known again when others move."""

    @property
    def name(self) -> str:
        words = f"{self.path} {self.text} {self.old} {self.new} {self.column}"
        return hashlib.sha1(words.encode()).hexdigest()[:10]

    @property
    def column(self) -> int:
        return self.text.find(self.old)

    def apply(self, source: str) -> str:
        return source[: self.start] + self.new + source[self.end :]

    def describe(self) -> str:
        change = f"`{self.old}' -> `{self.new}'" if self.new.strip(" ;") else "removed"
        return f"{self.path}:{self.line}: {change}: {self.text.strip()}"


def code_start(source: str) -> int:
    """Behind the includes and the file's own comment."""
    includes = list(re.finditer(r"^#include.*\n", source, re.MULTILINE))
    return includes[-1].end() if includes else 0


def inside_assertion(source: str, at: int) -> bool:
    start = max(source.rfind(";", 0, at), source.rfind("{", 0, at), source.rfind("}", 0, at))
    return bool(re.search(r"KASSERT|_Static_assert|FAULT\(", source[start:at]))


def points(path: str, source: str) -> list[Point]:
    found = [*_tokens(path, source), *_statements(path, source)]
    seen: set[str] = set()
    unique = []
    for point in sorted(found, key=lambda p: (p.start, p.new)):
        if point.name not in seen:
            seen.add(point.name)
            unique.append(point)
    return unique


def _line(source: str, at: int) -> tuple[int, str]:
    start = source.rfind("\n", 0, at) + 1
    end = source.find("\n", at)
    return source.count("\n", 0, at) + 1, source[start : end if end >= 0 else None]


def _tokens(path: str, source: str) -> list[Point]:
    found, previous = [], ""
    for token in TOKEN.finditer(source, code_start(source)):
        text = token.group()
        if text.startswith(("//", "/*", '"', "'")):
            continue
        line, whole = _line(source, token.start())
        directive = whole.lstrip().startswith("#")
        binary = re.match(r"[\w)\]]", previous[-1:]) is not None
        news = SWAPS.get(text, [])
        if text in ("&", "-", "+") and not binary or text == "*":
            news = []
        if text in ("<", ">") and directive:
            news = []
        if re.fullmatch(r"\d+(ul|u)?", text) and not directive:
            number = int(re.match(r"\d+", text).group())  # type: ignore[union-attr]
            news = [str(number + 1)] + ([str(number - 1)] if number > 0 else [])
        if not inside_assertion(source, token.start()):
            found += [
                Point(path, token.start(), token.end(), text, new, line, whole) for new in news
            ]
        previous = text
    return found


def _statements(path: str, source: str) -> list[Point]:
    """Whole statements on one line, removed; conditions of an if, made always and never true."""
    found, at, begin = [], 0, code_start(source)
    for line in source.splitlines(keepends=True):
        number = source.count("\n", 0, at) + 1
        statement = STATEMENT.match(line.rstrip("\n"))
        before = source[:at].rstrip()[-1:]
        whole = before in (";", "{", "}", ")") or before == ""
        if at >= begin and statement and whole and not NEVER.search(line):
            start = at + len(statement.group(1))
            end = start + len(statement.group(2))
            found.append(
                Point(path, start, end, statement.group(2), ";", number, line.rstrip("\n"))
            )
        condition = re.match(r"\s+(?:\} else )?if \((.*)\)(?: \{)?$", line.rstrip("\n"))
        if at >= begin and condition:
            start = at + condition.start(1)
            for new in ("true", "false"):
                found.append(
                    Point(path, start, start + len(condition.group(1)), condition.group(1),
                          f"({condition.group(1)}) {'|| true' if new == 'true' else '&& false'}",
                          number, line.rstrip("\n"))
                )
        at += len(line)
    return found
