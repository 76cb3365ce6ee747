# SPDX-License-Identifier: BSD-2-Clause
"""`make batch-merge RECORDS='folder ...' LAB=pv OUT=file.csv [PEOPLE=points.csv]`: one table of
many records, with the points that people gave beside those of the tests.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
from pathlib import Path
from typing import Any

from grade import entry
from grade import lab as labs
from grade.lab import Lab

COLUMNS = ["submission", "score", "max_score", "verdict", "detail", "seed", "seconds", "digest"]
TOTAL = "total"
MAX_DETAIL = 200


TELLING = re.compile(r"\berror: |undefined reference|multiple definition|did not end")


def gist(detail: str) -> str:
    """Of all that a compiler and a linker say, the first line that tells what is wrong."""
    lines = detail.splitlines()
    return next((line for line in lines if TELLING.search(line)), "".join(lines[:1]))


def cell(value: object) -> str:
    """One line; a spreadsheet takes what begins with these letters for a formula."""
    text = " ".join(str(value).split())[:MAX_DETAIL]
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def row(record: dict[str, Any]) -> dict[str, str]:
    cells = {name: cell(record.get(name, "")) for name in COLUMNS}
    cells["detail"] = cell(gist(record.get("detail", "")))
    for test in record.get("tests", []):
        cells[test["name"]] = str(test["points"])
    return cells


class People:
    """Points that people gave: a table with a column `submission`, and one for each thing judged.

    SystemExit if a cell is no number, or what it says cannot be joined to the records.
    """

    def __init__(self, lab: Lab, path: Path | None) -> None:
        self.path = path
        self.columns: list[str] = []
        self.points: dict[str, dict[str, float]] = {}
        if path is None:
            return
        try:
            with open(path, newline="", encoding="utf-8") as file:
                table = csv.DictReader(file, strict=True)
                self.columns = [name for name in table.fieldnames or () if name != "submission"]
                taken = {*COLUMNS[1:], TOTAL, *(test.name for test in lab.tests)}
                if "submission" not in (table.fieldnames or ()) or taken & set(self.columns):
                    raise self.wrong(1, "its columns are `submission' and names that no test has")
                for each in table:
                    self._add(each, table.line_num)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise SystemExit(f"strata: PEOPLE={path}: {error}") from None

    def wrong(self, line: int, why: str) -> SystemExit:
        return SystemExit(f"strata: PEOPLE={self.path}, line {line}: {why}")

    def _add(self, each: dict[str, Any], line: int) -> None:
        name = each["submission"]
        if not name or name in self.points:
            raise self.wrong(line, f"{name} stands there twice" if name else "no name")
        try:
            found = {column: float(each[column]) for column in self.columns if each[column]}
        except (TypeError, ValueError):
            raise self.wrong(line, f"the points of {name} are no numbers") from None
        if not all(math.isfinite(value) for value in found.values()):
            raise self.wrong(line, f"the points of {name} are no numbers")
        self.points[name] = found

    def cells(self, record: dict[str, Any]) -> dict[str, str]:
        """The points of one submission. No total as long as any are missing."""
        if self.path is None:
            return {}
        found = self.points.get(str(record["submission"]), {})
        cells = {name: f"{value:g}" for name, value in found.items()}
        if len(found) == len(self.columns) and record.get("score") is not None:
            cells[TOTAL] = f"{float(record['score']) + sum(found.values()):g}"
        return cells

    def check(self, records: list[dict[str, Any]]) -> None:
        unknown = self.points.keys() - {str(record["submission"]) for record in records}
        if unknown:
            names = " ".join(sorted(unknown))
            raise SystemExit(f"strata: PEOPLE={self.path}: no submission is called {names}")


def write_csv(
    lab: Lab, records: list[dict[str, Any]], path: Path, people: People | None = None
) -> None:
    people = people or People(lab, None)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    with open(temporary, "w", newline="", encoding="utf-8", errors="replace") as file:
        names = [test.name for test in lab.tests]
        names += [*people.columns, TOTAL] if people.path else []
        table = csv.DictWriter(file, [*COLUMNS, *names], extrasaction="ignore")
        table.writeheader()
        by_name = sorted(records, key=lambda record: str(record["submission"]))
        table.writerows({**row(record), **people.cells(record)} for record in by_name)
    temporary.replace(path)


def collect(folders: list[Path], lab: Lab) -> list[dict[str, Any]]:
    """All records below the folders. Of two of one submission the later written counts."""
    found: dict[str, tuple[float, dict[str, Any]]] = {}
    for folder in folders:
        for path in sorted(folder.rglob("record.json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            if (record.get("lab"), record.get("part", "")) != (lab.name, lab.part):
                continue
            when = path.stat().st_mtime
            if record["submission"] not in found or found[record["submission"]][0] <= when:
                found[record["submission"]] = (when, record)
    return [record for _, record in found.values()]


def main() -> int:
    lab = labs.find_part(os.environ.get("LAB", ""))
    folders = [Path(word) for word in os.environ.get("RECORDS", "").split()]
    target = os.environ.get("OUT", "")
    if not folders or not target or not all(folder.is_dir() for folder in folders):
        raise SystemExit("strata: make batch-merge RECORDS='folder ...' LAB=pv OUT=file.csv")
    people = People(lab, Path(word) if (word := os.environ.get("PEOPLE")) else None)
    records = collect(folders, lab)
    people.check(records)
    write_csv(lab, records, Path(target), people)
    print(f"{len(records)} submissions: {target}")
    return 0


if __name__ == "__main__":
    entry.run(main)
