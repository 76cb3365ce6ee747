# SPDX-License-Identifier: BSD-2-Clause
"""What changed in a picture since the step before: written into the picture as "new" and "gone".

new:  table  indexes of rows                     cells  [row, first letter, how many]
      strip  [lane, index of the box]            graph  ids of nodes
      text   [index of the first new line]
gone: how many rows, boxes or nodes are no longer there.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from grade.lecture.record import Picture


def mark(picture: Picture, before: Picture | None) -> None:
    """Marks nothing where there was no such picture."""
    picture["new"], picture["gone"] = [], 0
    if before and before["kind"] == picture["kind"]:
        MARKS[picture["kind"]](picture, before)


def _table(picture: Picture, before: Picture) -> None:
    known = {row[0]: row for row in before["rows"]}
    rows = picture["rows"]
    picture["new"] = [i for i, row in enumerate(rows) if known.get(row[0]) != row]
    picture["gone"] = len(known.keys() - {row[0] for row in rows})


def _cells(picture: Picture, before: Picture) -> None:
    known = _numbered(before["rows"])
    here = _numbered(picture["rows"])
    for number, (key, row) in enumerate(here.items()):
        old = known[key][1] if key in known else ""
        letters = row[1]
        changed = [i for i, letter in enumerate(letters) if old[i : i + 1] != letter]
        for _, group in groupby(enumerate(changed), lambda pair: pair[1] - pair[0]):
            run = [at for _, at in group]
            picture["new"].append([number, run[0], len(run)])
    picture["gone"] = len(known.keys() - here.keys())


def _numbered(rows: list[Any]) -> dict[tuple[str, int], Any]:
    """Rows by label, and by how often it was there before: several chunks are of one process."""
    seen: dict[str, int] = {}
    found = {}
    for row in rows:
        seen[row[0]] = seen.get(row[0], 0) + 1
        found[row[0], seen[row[0]]] = row
    return found


def _strip(picture: Picture, before: Picture) -> None:
    def boxes(of: Picture) -> dict[tuple[Any, ...], tuple[list[int], list[Any]]]:
        """By what each is: its place, and its text and tone."""
        return {
            (label, *(box[4:] or box)): ([lane, i], box[2:4])
            for lane, (label, row) in enumerate(of["lanes"])
            for i, box in enumerate(row)
        }

    known, here = boxes(before), boxes(picture)
    picture["new"] = [
        place for key, (place, look) in here.items() if key not in known or known[key][1] != look
    ]
    picture["gone"] = len(known.keys() - here.keys())


def _graph(picture: Picture, before: Picture) -> None:
    def nodes(of: Picture) -> dict[str, Any]:
        arrows: dict[str, list[str]] = {}
        for start, end in of["edges"]:
            arrows.setdefault(start, []).append(end)
        return {node[0]: (node, arrows.get(node[0])) for node in of["nodes"]}

    known, here = nodes(before), nodes(picture)
    picture["new"] = [key for key, node in here.items() if known.get(key) != node]
    picture["gone"] = len(known.keys() - here.keys())


def _text(picture: Picture, before: Picture) -> None:
    old, new = before["lines"], picture["lines"]
    same = sum(1 for _ in _common(old, new))
    picture["new"] = [same] if same < len(new) else []


def _common(old: list[str], new: list[str]) -> list[str]:
    found = []
    for a, b in zip(old, new):
        if a != b:
            break
        found.append(a)
    return found


MARKS = {"table": _table, "cells": _cells, "strip": _strip, "graph": _graph, "text": _text}
