# SPDX-License-Identifier: BSD-2-Clause
"""Pictures as rows of text, for terminals of any width, with colours and without.

A row is a list of spans. Where there are no colours, what is new has a * before it or a ^ below.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any, Callable

from grade.lecture.record import Picture


@dataclass(frozen=True)
class Span:
    text: str
    tone: int = 0
    new: bool = False
    bold: bool = False


Row = list[Span]
MARK, NO_MARK = "* ", "  "
LEAST = 8
"""Columns that words are wrapped to."""


def plain(row: Row) -> str:
    return "".join(span.text for span in row)


def cut(row: Row, width: int) -> Row:
    """The row, at most `width` wide."""
    found: Row = []
    for span in row:
        if width <= 0:
            break
        found.append(Span(span.text[:width], span.tone, span.new, span.bold))
        width -= len(span.text)
    return found


def padded(row: Row, width: int) -> Row:
    row = cut(row, width)
    return [*row, Span(" " * (width - len(plain(row))))]


def beside(left: list[Row], right: list[Row], width: int, between: str = " | ") -> list[Row]:
    """Two columns; the left one is so wide."""
    rows = max(len(left), len(right))
    left = left + [[]] * (rows - len(left))
    right = right + [[]] * (rows - len(right))
    return [[*padded(a, width), Span(between), *b] for a, b in zip(left, right)]


def columns(stacks: list[list[list[Row]]], width: int) -> list[Row]:
    """Stacks of blocks side by side, each so wide: those of one place begin in the same row."""
    rows: list[Row] = []
    for number in range(max(len(stack) for stack in stacks)):
        blocks = [stack[number] if number < len(stack) else [] for stack in stacks]
        whole = blocks[-1]
        for block in reversed(blocks[:-1]):
            whole = beside(block, whole, width)
        gap: Row = [Span((" " * width + " | ") * (len(stacks) - 1))]
        rows += [gap, *whole] if number else whole
    return rows


def wrapped(text: str, width: int, indent: str = "") -> list[Row]:
    lines = textwrap.wrap(text, max(10, width), initial_indent=indent, subsequent_indent=indent)
    return [[Span(line)] for line in lines]


def paint(picture: Picture, width: int, colour: bool) -> list[Row]:
    """One picture with its title."""
    gone = picture.get("gone")
    title = picture["title"] + (f"  ({gone} gone)" if gone else "")
    body = KINDS.get(picture["kind"], _unknown)(picture, width, colour)
    return [[Span(title, bold=True)], *(cut(row, width) for row in body)]


def _unknown(picture: Picture, _: int, __: bool) -> list[Row]:
    return [[Span(f"(a picture of kind {picture['kind']})")]]


def _table(picture: Picture, width: int, _: bool) -> list[Row]:
    rows = picture["rows"]
    head = picture.get("columns")
    every = rows + ([head] if head else [])
    count = max((len(row) for row in every), default=0)
    wide = [max(len(row[i]) for row in every if i < len(row)) for i in range(count)]
    # The last column of words needs no room behind it; figures stand to the right.
    right = [i > 0 and all(_figure(row[i]) for row in rows if i < len(row)) for i in range(count)]
    right = [flag and bool(head) for flag in right]

    def lines(row: list[str]) -> list[str]:
        """Words that are too many for the last column go on below."""
        cells = [f"{v:>{wide[i]}}" if right[i] else f"{v:<{wide[i]}}" for i, v in enumerate(row)]
        last, before = cells[-1].rstrip(), "".join(f"{cell}  " for cell in cells[:-1])
        room = width - len(NO_MARK) - len(before)
        parts = textwrap.wrap(last, room) if LEAST <= room < len(last) else [last]
        return [(" " * len(before) if n else before) + part for n, part in enumerate(parts)]

    new = set(picture.get("new", ()))
    found = [[Span(NO_MARK + lines(head)[0].rstrip(), 1)]] if head else []
    for i, row in enumerate(rows):
        for n, line in enumerate(lines(row)):
            mark = MARK if i in new and not n else NO_MARK
            found.append([Span(mark + line.rstrip(), 0, i in new)])
    return found or [[Span(NO_MARK + "none")]]


def _figure(text: str) -> bool:
    return text.replace(".", "").replace(",", "").removesuffix(" KiB").isdecimal()


def _cells(picture: Picture, width: int, colour: bool) -> list[Row]:
    tones = {letter: tone for letter, _, tone in picture["legend"]}
    label_wide = max((len(row[0]) for row in picture["rows"]), default=0)
    note_wide = max((len(row[2]) for row in picture["rows"]), default=0)
    room = max(8, width - label_wide - note_wide - 4)
    new: dict[int, set[int]] = {}
    for row, first, count in picture.get("new", ()):
        new.setdefault(row, set()).update(range(first, first + count))
    found: list[Row] = []
    for number, (label, letters, note) in enumerate(picture["rows"]):
        marked = new.get(number, set())
        for first in range(0, max(1, len(letters)), room):
            part = letters[first : first + room]
            head = label if first == 0 else ""
            whole = not colour and bool(letters) and len(marked) == len(letters)
            star = "*" if whole else " "
            spans = [Span(f"{head:<{label_wide}}{star}" if label_wide else f"{star} ")]
            spans += _runs([(c, tones.get(c, 0), first + i in marked) for i, c in enumerate(part)])
            found.append([*spans, Span(f"  {note}" if note and first == 0 else "")])
            if not colour and not whole:
                found += _carets(marked, first, len(part), label_wide + 1 if label_wide else 2)
    return found


def _runs(letters: list[tuple[str, int, bool]]) -> Row:
    """Spans of letters that look alike."""
    found: Row = []
    for letter, tone, new in letters:
        if found and (found[-1].tone, found[-1].new) == (tone, new):
            found[-1] = Span(found[-1].text + letter, tone, new)
        else:
            found.append(Span(letter, tone, new))
    return found


def _carets(marked: set[int], first: int, count: int, indent: int) -> list[Row]:
    line = "".join("^" if i in marked else " " for i in range(first, first + count)).rstrip()
    return [[Span(" " * indent + line)]] if line else []


def _strip(picture: Picture, width: int, colour: bool) -> list[Row]:
    length = picture["length"]
    scale = min(1.0, (width - 1) / length)
    new = {(lane, box) for lane, box in picture.get("new", ())}
    fills = {tone: more[0] for _, _, tone, *more in picture["legend"] if more}
    found: list[Row] = []
    for lane, (label, boxes) in enumerate(picture["lanes"]):
        cells = [(".", 0, False)] * max(1, round(length * scale))
        for i, (at, long, text, tone, *_) in enumerate(boxes):
            first, last = round(at * scale), max(round(at * scale) + 1, round((at + long) * scale))
            drawn = box_text(last - first, text, "=" if colour else fills.get(tone, "="))
            fresh = (lane, i) in new
            cells[first:last] = [(c, tone, fresh) for c in drawn][: len(cells) - first]
        found.append([Span(label, 1)])
        found.append(_runs(cells))
        if not colour:
            found += _carets({i for i, c in enumerate(cells) if c[2]}, 0, len(cells), 0)
    return found


def box_text(wide: int, text: str, fill: str) -> str:
    """A box [=rw-=]; of one letter, that letter all along."""
    if len(text) == 1:
        return text * wide
    if wide == 1:
        return "|"
    inner = text.center(wide - 2, fill) if len(text) <= wide - 2 else fill * (wide - 2)
    return f"[{inner}]"


def _graph(picture: Picture, _: int, __: bool) -> list[Row]:
    """Each node below what leads to it; one that several lead to is drawn once, and named again."""
    nodes = {node[0]: node for node in picture["nodes"]}
    after: dict[str, list[str]] = {}
    for start, end in picture["edges"]:
        after.setdefault(start, []).append(end)
    new = set(picture.get("new", ()))
    found: list[Row] = []
    drawn: set[str] = set()

    def draw(key: str) -> None:
        _, layer, text, tone = nodes[key]
        mark = MARK if key in new else NO_MARK
        arrow = "  " * layer + ("-> " if layer else "")
        again = " (above)" if key in drawn else ""
        ends = after.get(key, [])
        only = ends[0] if len(ends) == 1 and not after.get(ends[0]) else ""
        tail = f" -> {nodes[only][2]}" if only and not again else ""
        found.append([Span(mark + arrow), Span(text + tail + again, tone, key in new)])
        if not again:
            drawn.add(key)
            drawn.update([only] if only else [])
            for end in [] if only else ends:
                draw(end)

    for key, layer, *_ in picture["nodes"]:
        if layer == 0:
            draw(key)
    return found or [[Span("  none")]]


def _text(picture: Picture, width: int, _: bool) -> list[Row]:
    first = (picture.get("new") or [len(picture["lines"])])[0]
    return [
        [Span((MARK if i >= first else NO_MARK) + line, 0, i >= first)]
        for i, line in enumerate(picture["lines"])
    ] or [[Span("  nothing yet")]]


KINDS: dict[str, Callable[[Picture, int, bool], list[Row]]] = {
    "table": _table, "cells": _cells, "strip": _strip, "graph": _graph, "text": _text,
}  # fmt: skip


def legend(pictures: list[Picture], colour: bool) -> list[Row]:
    """What the letters of these pictures mean, each once; of tones, what can be told apart."""
    found: dict[str, Row] = {}
    for picture in pictures:
        used = _letters(picture)
        for letter, meaning, tone, *fill in picture.get("legend", ()):
            if letter not in used:
                continue
            if not letter.isdecimal():
                found.setdefault(letter, [Span(letter, tone), Span(f" {meaning}")])
            elif colour:
                found.setdefault(letter, [Span(f"[{meaning}]", tone)])
            elif fill:
                found.setdefault(letter, [Span(f"[{fill[0]}] {meaning}")])
    return list(found.values())


def in_rows(items: list[Row], width: int) -> list[Row]:
    rows: list[Row] = [[]]
    for item in items:
        if rows[-1] and len(plain(rows[-1])) + len(plain(item)) > width:
            rows.append([])
        rows[-1] = [*rows[-1], *item, Span("   ")]
    return [row for row in rows if row]


def _letters(picture: dict[str, Any]) -> set[str]:
    """The letters, or of a strip the tones, that are really there."""
    if picture["kind"] == "cells":
        return {letter for row in picture["rows"] for letter in row[1]}
    return {str(box[3]) for _, boxes in picture.get("lanes", ()) for box in boxes}
