# SPDX-License-Identifier: BSD-2-Clause
"""`make batch-merge RECORDS='folder ...' LAB=pv OUT=file.csv`: one table of many records."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from grade import lab as labs
from grade.lab import Lab

COLUMNS = ["submission", "score", "max_score", "verdict", "detail", "seed", "seconds", "digest"]
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


def write_csv(lab: Lab, records: list[dict[str, Any]], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    with open(temporary, "w", newline="", encoding="utf-8", errors="replace") as file:
        names = [test.name for test in lab.tests]
        table = csv.DictWriter(file, [*COLUMNS, *names], extrasaction="ignore")
        table.writeheader()
        by_name = sorted(records, key=lambda record: str(record["submission"]))
        table.writerows(row(record) for record in by_name)
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
    records = collect(folders, lab)
    write_csv(lab, records, Path(target))
    print(f"{len(records)} submissions: {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
