# SPDX-License-Identifier: BSD-2-Clause
"""The record of a lecture: one JSON file, written once, that every player shows.

    {"strata-lecture": 1, "title": ..., "forms": [...], "sources": {path: {line: text}},
     "steps": [difference, ...]}

A step is {"scene", "name", "say", "show": [names of pictures], "forms": [{"pictures": {name:
picture}, "where": {"function", "file", "line", "stack"}}, ...]}. Only the first is stored whole:
each other is stored as how it differs from the one before (`difference`, `apply`; player.js has the
same `apply`). Unknown keys are kept and ignored, so the format is open for more readings.

A picture is one of these kinds, and no player knows more:
    table   {"columns"?, "rows": [[name, value...], ...]}
    cells   {"legend": [[letter, meaning, tone], ...], "rows": [[label, letters, note], ...]}
    strip   {"length", "legend", "lanes": [[label, [[at, length, text, tone, id?], ...]], ...]}
    graph   {"layers": [heading, ...], "nodes": [[id, layer, text, tone], ...],
             "edges": [[from, to], ...]}
    text    {"lines": [...]}
each with "kind" and "title"; "new" says which elements changed since the step before and "gone" how
many went (marks.py). A box with an id is the same wherever it lies. A legend is [[letter, meaning,
tone, fill?], ...]: a strip's letters are its tones, and its boxes are filled so without colours. A
tone is a colour's number, 0 to 7; nothing is told by a colour alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VERSION = 1
MAGIC = "strata-lecture"
Picture = dict[str, Any]
Step = dict[str, Any]


class RecordError(Exception):
    """A file is no record, or one of another version."""


@dataclass
class Record:
    title: str
    forms: list[str]
    steps: list[Step] = field(default_factory=list)
    sources: dict[str, dict[str, str]] = field(default_factory=dict)
    key: str = ""
    """What the record was made from: another key, another record."""

    def encode(self) -> str:
        steps: list[Any] = []
        before: Any = {}
        for step in self.steps:
            steps.append(difference(before, step))
            before = step
        data = {
            MAGIC: VERSION,
            "title": self.title,
            "key": self.key,
            "forms": self.forms,
            "sources": self.sources,
            "steps": steps,
        }
        return json.dumps(data, separators=(",", ":"), ensure_ascii=False)

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        fresh.write_text(self.encode(), encoding="utf-8")
        fresh.replace(path)


def decode(text: str) -> Record:
    try:
        data = json.loads(text)
        version = data[MAGIC]
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"no record of a lecture: {error}") from None
    if version != VERSION:
        raise RecordError(f"a record of version {version}; this player knows {VERSION}")
    record = Record(data["title"], data["forms"], [], data["sources"], data.get("key", ""))
    step: Any = {}
    for change in data["steps"]:
        step = apply(step, change)
        record.steps.append(step)
    return record


# ---- differences ----
#
# null: the same. {"=": value}: another value. {"k": {key: difference}, "-": [keys that went]}: of a
# dictionary. {"i": {index: difference}}: of a list of the same length. {"@": [from, number that
# went, values that came]}: of a list.


def difference(old: Any, new: Any) -> Any:
    if old == new and type(old) is type(new):
        return None
    if isinstance(old, dict) and isinstance(new, dict):
        keys = {k: difference(old[k], v) if k in old else {"=": v} for k, v in new.items()}
        keys = {key: value for key, value in keys.items() if value is not None}
        gone = [key for key in old if key not in new]
        return shorter({"k": keys, **({"-": gone} if gone else {})}, new)
    if isinstance(old, list) and isinstance(new, list):
        choices = [_splice(old, new)]
        if len(old) == len(new):
            pairs = enumerate(zip(old, new))
            changes = {str(i): difference(a, b) for i, (a, b) in pairs if a != b}
            choices.append({"i": changes})
        return shorter(min(choices, key=_length), new)
    return {"=": new}


def _splice(old: list[Any], new: list[Any]) -> Any:
    first, most = 0, min(len(old), len(new))
    while first < most and old[first] == new[first]:
        first += 1
    last = 0
    while last < most - first and old[-1 - last] == new[-1 - last]:
        last += 1
    return {"@": [first, len(old) - last - first, new[first : len(new) - last]]}


def shorter(change: Any, new: Any) -> Any:
    whole = {"=": new}
    return change if _length(change) < _length(whole) else whole


def _length(value: Any) -> int:
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def apply(old: Any, change: Any) -> Any:
    """The new value; what did not change is shared with the old one, which stays as it was."""
    if change is None:
        return old
    if "=" in change:
        return change["="]
    if "@" in change:
        first, gone, came = change["@"]
        return old[:first] + came + old[first + gone :]
    if "i" in change:
        fresh = list(old)
        for index, inner in change["i"].items():
            fresh[int(index)] = apply(fresh[int(index)], inner)
        return fresh
    found = {key: value for key, value in old.items() if key not in change.get("-", ())}
    for key, inner in change["k"].items():
        found[key] = apply(found.get(key), inner)
    return found
