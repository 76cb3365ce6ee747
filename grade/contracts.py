# SPDX-License-Identifier: BSD-2-Clause
"""`make contracts`: what functions of pmap, mem, vm and sync promise of locks, and the assertion.

A contract is a comment right above a function's definition or declaration that says `held',
`locked', `may sleep' or the like. Its assertion is a KASSERT or assert_* among the function's first
statements, or, if the function is one call of another one in the file, that one's; a contract
without one is listed with a dash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from grade import entry
from grade.lines import ROOT

FLOORS = ("sync", "mem", "pmap", "vm")
WORDS = re.compile(
    r"\b(?:lock(?:s)? held|is held|both held|held:|held\.|held throughout|is locked|map locked"
    r"|locked for writing|o locked|am locked|[Mm]ay (?:not )?sleep)"
)
NOT_MINE = re.compile(
    r"[Nn]ot locked|need not be locked|no lock held|No (?:spin)?lock held|unlocked"
)
NAME = re.compile(r"^(?!//|#|typedef|return|struct \w+ \{)[A-Za-z_].*?\b(\w+)\(")
ASSERTION = re.compile(r"\b(KASSERT\(.*|assert_\w+\(.*)")
ONE_CALL = re.compile(r"    (?:return )?(\w+)\(.*\);$")
FIRST = 12
"""Lines of a function in which its assertions are looked for."""


@dataclass
class Contract:
    path: str
    name: str
    words: str
    assertion: str = ""


def contracts_of(path: Path) -> dict[str, str]:
    """Functions with a contract in the comment above, and what it says."""
    found, comment = {}, ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("//"):
            comment += " " + line[2:].strip()
            continue
        name = NAME.match(line)
        if name and comment and WORDS.search(comment) and not NOT_MINE.search(comment):
            found[name[1]] = WORDS.search(comment)[0]  # type: ignore[index]
        # In headers, declarations that follow each other share the comment above them.
        if not name or path.suffix == ".c":
            comment = ""
    return found


def assertions_of(path: Path) -> dict[str, str]:
    """The first assertion of each function that is defined in the file; empty: none."""
    found: dict[str, str] = {}
    calls: dict[str, str] = {}
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if line != "{":
            continue
        start = number - 1
        while start > 0 and not NAME.match(lines[start]):
            start -= 1
        name = NAME.match(lines[start])
        body = lines[number + 1 : number + 1 + FIRST]
        body = body[: body.index("}")] if "}" in body else body
        hits = [match[1] for text in body if (match := ASSERTION.search(text))]
        if name:
            found[name[1]] = hits[0] if hits else ""
            if len(body) == 1 and (call := ONE_CALL.match(body[0])):
                calls[name[1]] = call[1]
    for caller, callee in calls.items():
        found[caller] = found[caller] or found.get(callee, "")
    return found


def all_contracts() -> list[Contract]:
    result = []
    for floor in FLOORS:
        folder = ROOT / "kernel" / floor
        said: dict[str, str] = {}
        for path in [*sorted(folder.glob("*.h")), *sorted(folder.glob("*.c"))]:
            said |= contracts_of(path)
        for path in sorted(folder.glob("*.c")):
            for name, assertion in assertions_of(path).items():
                if name in said:
                    where = str(path.relative_to(ROOT))
                    result.append(Contract(where, name, said[name], assertion))
    return result


def main() -> int:
    found = all_contracts()
    for contract in found:
        where = f"{contract.path:30} {contract.name:28} {contract.words:20}"
        print(where, contract.assertion or "-")
    asserted = sum(1 for contract in found if contract.assertion)
    print(f"{len(found)} contracts, {asserted} with an assertion")
    return 0


if __name__ == "__main__":
    entry.run(main)
