# SPDX-License-Identifier: BSD-2-Clause
"""Variants of a lab: the same work under another contract, so that a solution of the one is none of
the other.

A variant is a folder, labs/<lab>/variants/<name> or STAFF/<lab>/variants/<name>. Its lab.toml has a
`summary' and, of the lab's own lab.toml, the values that differ, each on one line: keys of tables
such as [figures], and of a [[test]] or [[hint]] beside its name. A `[[change]]' has words of the
handout that would not be true (`old') and what is said instead (`new'); `harmless' lists those of
the lab's mutants that are no mistakes here. reference.patch makes its reference of the lab's,
starter/ has the files that differ, mutants/ the wrong solutions that the lab does not have.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any

TOML = "lab.toml"
HANDOUT = ("README.md", "GUIDE.md", "DESIGN-template.md")
OWN = ("summary", "change", "harmless")
"""What a variant's lab.toml says of itself."""


def staff_folder() -> Path | None:
    """STAFF: an instructor's own folder, which is in no tree of students."""
    folder = os.environ.get("STAFF", "")
    if folder and not Path(folder).is_dir():
        raise SystemExit(f"strata: STAFF={folder}: no folder")
    return Path(folder).absolute() if folder else None


def folders(lab: Path) -> dict[str, Path]:
    """The variants of the lab in this folder, by name; an instructor's own come last."""
    places = [lab / "variants"]
    if staff := staff_folder():
        places.append(staff / lab.name.partition("-")[2] / "variants")
    return {path.parent.name: path.parent for place in places
            for path in sorted(place.glob(f"*/{TOML}"))}


def find(lab: Path, name: str) -> Path:
    known = folders(lab)
    if name not in known:
        names = f"are {' '.join(known)}" if known else "are none here"
        raise SystemExit(f"strata: VARIANT={name}: the variants of lab "
                         f"{lab.name.partition('-')[2]} {names}")
    return known[name]


def read(home: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads((home / TOML).read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SystemExit(f"strata: {home / TOML}: {error}") from None
    if not isinstance(data.get("summary"), str):
        raise SystemExit(f"strata: {home / TOML}: summary is missing")
    return data


# ---- lab.toml ----


def merged(lab: Path, home: Path) -> str:
    """The lab's lab.toml with the variant's values in the place of its own."""
    lines = (lab / TOML).read_text(encoding="utf-8").splitlines()
    for table, value in read(home).items():
        if table in OWN:
            continue
        if isinstance(value, dict):
            _set_all(lines, home, f"[{table}]", "", value)
        elif isinstance(value, list) and all(isinstance(each, dict) for each in value):
            for each in value:
                _set_all(lines, home, f"[[{table}]]", each.get("name", ""), each)
        else:
            _set(lines, home, (0, _end(lines, 0)), table, value)
    return "\n".join(lines) + "\n"


def _end(lines: list[str], start: int) -> int:
    """The line at which the next table begins."""
    return next((i for i in range(start, len(lines)) if lines[i].startswith("[")), len(lines))


def _set_all(lines: list[str], home: Path, header: str, name: str, values: dict[str, Any]) -> None:
    starts = [i for i, line in enumerate(lines) if line == header]
    starts = [i for i in starts if not name or f'name = "{name}"' in lines[i : _end(lines, i + 1)]]
    if len(starts) != 1:
        raise SystemExit(f"strata: {home / TOML}: the lab has no {header} {name}")
    for key, value in values.items():
        _set(lines, home, (starts[0] + 1, _end(lines, starts[0] + 1)), key, value)


def _set(lines: list[str], home: Path, part: tuple[int, int], key: str, value: Any) -> None:
    """A value in the lines from part[0] to part[1]; a key that is not there comes first."""
    name = key if re.fullmatch(r"[\w-]+", key) else json.dumps(key)
    new = f"{name} = {json.dumps(value, ensure_ascii=False)}"
    for i in range(*part):
        if lines[i].startswith((f"{name} ", f"{name}=")):
            try:
                tomllib.loads(lines[i])
            except tomllib.TOMLDecodeError:
                raise SystemExit(f"strata: {home / TOML}: {key} of the lab is not on one line, "
                                 "and cannot be another") from None
            lines[i] = new
            return
    lines.insert(part[0], new)


def filled(value: Any, figures: dict[str, Any]) -> Any:
    """A value out of a lab.toml with each {name} in its strings replaced by that figure."""
    if isinstance(value, dict):
        return {filled(key, figures): filled(each, figures) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, figures) for each in value]
    if isinstance(value, str):
        return re.sub(r"\{([a-z]\w*)\}", lambda found: _figure(found[1], figures), value)
    return value


def _figure(name: str, figures: dict[str, Any]) -> str:
    if name not in figures:
        known = " ".join(figures) or "none"
        raise SystemExit(f"strata: {{{name}}} is no figure of the lab: they are {known}")
    return str(figures[name])


def declared(figures: dict[str, Any]) -> str:
    """C that defines the figures that are numbers for a lab's tests, which declare those that they
    use."""
    return "".join(f"const unsigned lab_{name} = {value};\n" for name, value in figures.items()
                   if isinstance(value, int))


# ---- the handout ----


def handout(lab: Path, home: Path) -> dict[str, str]:
    """The files of the lab's handout, with the variant's words in them. What is changed must be
    there once in all of them, however its lines are broken, and no two changes may share a word."""
    texts = {name: (lab / name).read_text(encoding="utf-8") for name in HANDOUT
             if (lab / name).exists()}
    spans: dict[str, list[tuple[int, int, str]]] = {name: [] for name in texts}
    for change in read(home).get("change", []):
        pattern = r"\s+".join(re.escape(word) for word in change["old"].split())
        found = [(name, *match.span()) for name, text in texts.items()
                 for match in re.finditer(pattern, text)]
        if len(found) != 1:
            raise SystemExit(f"strata: {home / TOML}: the handout has {len(found)} times, and must "
                             f"have once: {change['old'].strip()}")
        name, start, end = found[0]
        spans[name].append((start, end, change["new"].strip()))
    return {name: _spliced(text, sorted(spans[name]), home) for name, text in texts.items()}


def _spliced(text: str, spans: list[tuple[int, int, str]], home: Path) -> str:
    for (_, end, _), (start, _, new) in zip(spans, spans[1:]):
        if start < end:
            raise SystemExit(f"strata: {home / TOML}: two changes overlap: {new}")
    for start, end, new in reversed(spans):
        text = text[:start] + new + text[end:]
    return text
