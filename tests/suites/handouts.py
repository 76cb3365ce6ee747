# SPDX-License-Identifier: BSD-2-Clause
"""The labs' handouts: what they say of files, lines and functions is so, and nothing is left out.

A handout names what is to be read before its first test turns green, with line counts, and what a
solution may use; SOLUTION.md names for each decision of the student a rewrite that decides
otherwise.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Iterator

from grade import lab as labs
from grade import lab_forms, lab_variant
from grade.lab import Lab
from tests.job import ROOT, Config, Job, Result, run_as_user

MOST_LINES = 600
"""To be read before the first test turns green."""
DECISIONS = 3
HEADINGS = (
    "What to know first", "What to read", "The contract", "What is yours to decide", "Mistakes",
    "Questions", "How it is graded", "What you hand in", "How it went elsewhere",
)
READ = re.compile(r"^\| `([\w/.-]+)`(?:, (\d+) to (\d+))? \| (\d+) \| (.*) \|$", re.MULTILINE)
SHOWN = re.compile(r" at (kernel/[\w/]+\.[cS]):(\d+)\n\2\s+(.*)$", re.MULTILINE)
"""What GDB shows of a line of the source."""
ROW = re.compile(r"^\| (?!-)(.*) \|$", re.MULTILINE)
QUOTED = re.compile(r"`([^`\s]+)`")


def handout(lab: Lab) -> str:
    return (lab.folder / "README.md").read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """What stands below a heading that begins so (numbers apart), to the next one."""
    found = re.search(rf"^#+ (?:\d+\. )?{heading}[^\n]*\n(.*?)(?=^#|\Z)", text, re.M | re.S)
    return found[1] if found else ""


def given(lab: Lab, path: str) -> Path:
    """A file as the student finds it first."""
    return lab_forms.starter(lab, path) if path in lab.owned else ROOT / path


def in_students_tree(lab: Lab, path: str) -> Path:
    """A file that is another lab's is a starter there, too, if that lab comes later."""
    owner = next((each for each in labs.all_labs()
                  if path in each.owned and each.number >= lab.number), lab)
    return given(owner, path)


def check_shown(lab: Lab) -> Iterator[Result]:
    """A line that GDB shows, in a file that the student has not changed for it, is there."""
    wrong = []
    for path, number, line in SHOWN.findall(handout(lab)):
        lines = in_students_tree(lab, path).read_text(encoding="utf-8").splitlines()
        there = lines[int(number) - 1].strip() if int(number) <= len(lines) else "no line"
        if path not in lab.owned and there != line.strip():
            wrong.append(f"{path}:{number}: {there}")
    yield Result(f"handouts/{lab.name}/shown", not wrong, "\n".join(wrong))


def check_reading(lab: Lab) -> Iterator[Result]:
    """What is to be read is there, as long as it says, with the names that it is read for."""
    text = section(handout(lab), "What to read")
    wrong, total = [], 0
    for path, first, last, count, why in READ.findall(text):
        total += int(count)
        if not given(lab, path).exists():
            wrong.append(f"no file {path}")
            continue
        lines = given(lab, path).read_text(encoding="utf-8").splitlines()
        part = lines[int(first or 1) - 1:int(last or len(lines))]
        if len(part) != int(count) or (first and len(part) != int(last) - int(first) + 1):
            wrong.append(f"{path}: {len(part)} lines, not {count}")
        named = "\n".join(part)
        wrong += [f"{path}: no {name} in these lines" for name in QUOTED.findall(why)
                  if not re.search(rf"\b{re.escape(name.removeprefix('struct '))}\b", named)]
    if f"That is {total} lines" not in text:
        wrong.append(f"the sum is {total}")
    if not 0 < total <= MOST_LINES:
        wrong.append(f"{total} lines, at most {MOST_LINES}")
    yield Result(f"handouts/{lab.name}/reading", not wrong, "\n".join(wrong))


def check_uses(lab: Lab) -> Iterator[Result]:
    """The functions and headers that a solution may use are those of lab.toml."""
    text = re.sub(r"\bmakes? ", "", section(handout(lab), "What your files? may use"))
    table, _, headers = text.partition("\nHeaders: ")
    named = {name for row in ROW.findall(table) for name in QUOTED.findall(row)}
    named -= {name for name in named if "/" in name}
    listed = {name for name in QUOTED.findall(headers) if name.endswith(".h")}
    wrong = [f"{what}, of {name} {has}" for name, said, wanted in (
        ("symbols", named, set(lab.symbols)), ("headers", listed, set(lab.headers)))
        for what, has in (("missing", sorted(wanted - said)), ("too many", sorted(said - wanted)))
        if has]
    yield Result(f"handouts/{lab.name}/uses", not wrong, "\n".join(wrong))


def check_parts(lab: Lab) -> Iterator[Result]:
    """All that a handout has; and each decision has a full-mark solution of another kind."""
    text = handout(lab)
    wrong = [f"no heading: {name}" for name in HEADINGS if not section(text, name).strip()]
    decisions = len(re.findall(r"^(?:\d+\.|-) ", section(text, "What is yours to decide"), re.M))
    told = section((lab.folder / "SOLUTION.md").read_text(encoding="utf-8"), "The decisions")
    rows = ROW.findall(told)[1:]
    for row in rows:
        names = [name for name in QUOTED.findall(row.split("|")[-1])]
        wrong += [] if names else [f"no rewrite: {row}"]
        wrong += [f"no rewrite {name}" for name in names
                  if not (lab.folder / "rewrites" / f"{name}.patch").exists()]
    if not DECISIONS <= len(rows) <= decisions:
        wrong.append(f"{decisions} decisions, {len(rows)} of them in SOLUTION.md")
    yield Result(f"handouts/{lab.name}/parts", not wrong, "\n".join(wrong))


def check_limits(lab: Lab) -> Iterator[Result]:
    """The script that plays rules for a reserve runs as the handout calls it, and says the same."""
    command = ["python3", f"{lab.folder.relative_to(ROOT)}/tests/limits.py"]
    done = run_as_user(command)
    played = re.findall(r"(\d+) +(\d+)$", done.stdout, re.MULTILINE)
    told = re.findall(r"^\| .* \| ([\d,]+) \| (\d+)(?: of [\d,]+)? \|$",
                      section(handout(lab), "What was missing"), re.MULTILINE)
    right = bool(played) and played == [(kept.replace(",", ""), empty) for kept, empty in told]
    name = f"handouts/{lab.name}/limits"
    yield Result(name, right, f"played {played}, told {told}\n{done.stdout}", " ".join(command))


def check_variant(lab: Lab, home: Path) -> Iterator[Result]:
    """What a variant says otherwise is said by the lab's handout, just once."""
    trouble = ""
    try:
        lab_variant.handout(lab.folder, home)
    except SystemExit as error:
        trouble = str(error)
    yield Result(f"handouts/{lab.name}/variants/{home.name}", not trouble, trouble)


def jobs(_: Config) -> list[Job]:
    found = []
    for lab in labs.all_labs():
        checks = [check_reading, check_shown]
        if lab.number > 0: # lab 0 is a tour: its handout is the path, and little is to be decided
            checks += [check_parts, *([] if lab.symbols == ["*"] else [check_uses])]
        found += [Job(f"handouts/{lab.name}/{check.__name__.removeprefix('check_')}",
                      partial(check, lab)) for check in checks]
        if (lab.folder / "tests" / "limits.py").exists():
            found.append(Job(f"handouts/{lab.name}/limits", partial(check_limits, lab)))
        found += [Job(f"handouts/{lab.name}/variants/{home.parent.name}",
                      partial(check_variant, lab, home.parent))
                  for home in sorted(lab.folder.glob("variants/*/lab.toml"))]
    return found
