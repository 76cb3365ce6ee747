# SPDX-License-Identifier: BSD-2-Clause
"""`make lines`: how large the kernel is, floor by floor, and how much of it asserts.

The rule: a line of code is a line of kernel/**/*.c, *.h, *.S or *.def with something on it besides
blanks and comments. Tests are no part of the kernel: those linked into one lie in tests/kernel.
Assertions are the lines that call KASSERT or a function assert_*. A function's lines are those
between its `{' and its `}' in column 0, blanks and comments too; those of headers are not counted.
"""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator

from grade import entry

ROOT = Path(__file__).resolve().parent.parent
SUBJECT = ("pmap", "mem", "vm")
"""The floors that the course is about."""
COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
COUNTED = (".c", ".h", ".S", ".def")
ASSERTION = re.compile(r"\b(KASSERT|assert_\w+)\(")


@dataclass
class Floor:
    code: int = 0
    assertions: int = 0
    functions: list[int] = field(default_factory=list)

    def __iadd__(self, other: Floor) -> Floor:
        self.code += other.code
        self.assertions += other.assertions
        self.functions += other.functions
        return self


def code_lines(text: str) -> list[str]:
    """The lines that are left without comments and blanks."""
    bare = COMMENT.sub(
        lambda m: m.group() if m.group()[0] == '"' else "\n" * m.group().count("\n"), text
    )
    return [line for line in bare.split("\n") if line.strip()]


def functions(text: str) -> Iterator[int]:
    start = None
    for number, line in enumerate(text.split("\n")):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            yield number - start - 1
            start = None


def measure(path: Path) -> Floor:
    text = path.read_text(encoding="utf-8")
    code = code_lines(text)
    calls = [line for line in code if ASSERTION.search(line) and not line.startswith("#")]
    # A definition or declaration of an assert_* function begins in column 0.
    calls = [line for line in calls if line[0].isspace()]
    return Floor(len(code), len(calls), list(functions(text)) if path.suffix == ".c" else [])


def floors(root: Path = ROOT) -> dict[str, Floor]:
    found: dict[str, Floor] = {}
    paths = (path for path in (root / "kernel").rglob("*") if path.suffix in COUNTED)
    for path in sorted(paths):
        part = path.relative_to(root / "kernel").parts[0]
        found.setdefault(part, Floor())
        found[part] += measure(path)
    return found


def row(name: str, floor: Floor, whole: int) -> str:
    lengths = sorted(floor.functions) or [0]
    p90 = lengths[min(len(lengths) * 9 // 10, len(lengths) - 1)]
    return (
        f"{name:10} {floor.code:6} {100 * floor.code / whole:5.1f} % {floor.assertions:5}"
        f" {1000 * floor.assertions / max(floor.code, 1):6.1f} {len(floor.functions):6}"
        f" {statistics.median(lengths):6.0f} {p90:4} {lengths[-1]:4}"
    )


def main() -> int:
    found = floors()
    whole, subject = Floor(), Floor()
    for name, floor in found.items():
        whole += floor
        if name in SUBJECT:
            subject += floor
    print("floor        code          asserts  /1000  funcs median  p90  max")
    for name, floor in found.items():
        print(row(name, floor, whole.code))
    print(row("subject", subject, whole.code), f"  ({', '.join(SUBJECT)})")
    print(row("all", whole, whole.code))
    return 0


if __name__ == "__main__":
    entry.run(main)
