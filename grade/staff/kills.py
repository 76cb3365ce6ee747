# SPDX-License-Identifier: BSD-2-Clause
"""The recorded kill matrix, labs/*/kills.txt: which tests caught each wrong solution when all ran.

It answers at once what would escape without a test, and shows when a change of the tests has made
them weaker. `make mutants RECORD=1` writes it.
"""

from __future__ import annotations

from pathlib import Path

from grade.lab import Lab

Kills = dict[str, list[str]]
HEAD = """# SPDX-License-Identifier: BSD-2-Clause
# Which tests caught each wrong solution; `make mutants RECORD=1` writes this.
"""


def path_of(lab: Lab) -> Path:
    return lab.folder / "kills.txt"


def read(lab: Lab) -> Kills:
    path = path_of(lab)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    pairs = (line.split(":", 1) for line in lines if line and not line.startswith("#"))
    return {name: tests.split() for name, tests in pairs}


def write(lab: Lab, kills: Kills) -> None:
    rows = [f"{name}: {' '.join(tests)}" for name, tests in sorted(kills.items())]
    path_of(lab).write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")


def union(lab: Lab, one: list[str], other: list[str]) -> list[str]:
    """In the lab's order."""
    return [test.name for test in lab.tests if test.name in {*one, *other}]


def escaping(kills: Kills, without: set[str]) -> list[str]:
    """Wrong solutions that no test but these catches."""
    return [name for name, tests in kills.items() if not set(tests) - without]


def changes(before: Kills, now: Kills) -> list[str]:
    """Tests that caught a wrong solution when the table was recorded, and do not now."""
    lost = []
    for name, tests in now.items():
        if gone := sorted(set(before.get(name, [])) - set(tests)):
            lost.append(f"{name} is no longer caught by {' '.join(gone)}")
    return lost
