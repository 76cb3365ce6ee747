# SPDX-License-Identifier: BSD-2-Clause
"""One record as others read it: `python3 -m grade.staff.render gradescope|junit|text FILE`.

The record is a batch's record.json or a grading's results.json.
"""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as xml
from pathlib import Path
from typing import Any

from grade import entry

Record = dict[str, Any]
WORDS = {"expected": "expected", "got": "got", "invariant": "rule", "hint": "hint"}


def trouble(record: Record) -> str:
    """Why there are no tests in it, or nothing."""
    if record.get("verdict", "graded") != "graded":
        return f"{record['verdict']}: {record['detail']}"
    return ""


def explain(test: Record) -> str:
    """What was found, as the terminal says it."""
    if why := test.get("not_run"):
        return f"not run: {why}"
    lines = list(test["notes"])
    for finding in test["findings"]:
        lines.append(f"- {finding['what']}")
        for key, word in WORDS.items():
            lines += [f"  {word}: {finding[key]}"] if finding.get(key) else []
        lines += [f"  see: {finding['place']}"] if finding.get("place") else []
    if not test["ok"]:
        panic = test["console"][:1] and test["console"][0].startswith("panic: ")
        lines += [f"| {line}" for line in test["console"][0 if panic else -12 :]]
        words = " ".join(f"{name}={value}" for name, value in test["repro"].items())
        lines.append(f"again: make repro {words}")
    return "\n".join(lines)


def printable(text: str) -> str:
    """XML cannot carry most control characters."""
    return "".join(c if c >= " " or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def gradescope(record: Record) -> str:
    """results.json of a Gradescope autograder."""
    tests = [
        {
            "name": f"{test['name']}: {test['title']}",
            "score": test["points"],
            "max_score": test["max_points"],
            "status": "passed" if test["ok"] else "failed",
            "output": explain(test),
            "output_format": "text",
        }
        for test in record.get("tests", [])
    ]
    data = {"score": record["score"], "output": trouble(record), "tests": tests}
    return json.dumps(data, indent=1)


def junit(record: Record) -> str:
    name = record.get("submission", record.get("impl", ""))
    tests = record.get("tests", [])
    failed = sum(not test["ok"] for test in tests)
    title = f"lab {record['lab']} {printable(name)}"
    root = xml.Element("testsuite", name=title, tests=str(len(tests)))
    root.set("failures", str(failed))
    root.set("errors", "1" if trouble(record) else "0")
    for test in tests:
        case = xml.SubElement(root, "testcase", classname=f"lab.{record['lab']}", name=test["name"])
        if not test["ok"]:
            node = xml.SubElement(case, "failure", message=f"{test['points']}/{test['max_points']}")
            node.text = printable(explain(test))
    if trouble(record):
        case = xml.SubElement(root, "testcase", classname=f"lab.{record['lab']}", name="build")
        xml.SubElement(case, "error", message=printable(trouble(record)))
    return xml.tostring(root, encoding="unicode")


def text(record: Record) -> str:
    lines = [trouble(record)] if trouble(record) else []
    for test in record.get("tests", []):
        points = f"{test['points']:2}/{test['max_points']:<2}"
        lines.append(f"{points} {test['name']:17} {test['title']}")
        lines += [] if test["ok"] else [f"      {line}" for line in explain(test).splitlines()]
    return "\n".join([*lines, f"{record['score']}/{record['max_score']} points"])


FORMS = {"gradescope": gradescope, "junit": junit, "text": text}


def main() -> int:
    if len(sys.argv) != 3 or sys.argv[1] not in FORMS:
        raise SystemExit(f"strata: python3 -m grade.staff.render {'|'.join(FORMS)} record.json")
    print(FORMS[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))))
    return 0


if __name__ == "__main__":
    entry.run(main)
