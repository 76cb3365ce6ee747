# SPDX-License-Identifier: BSD-2-Clause
"""A record as one HTML file that loads nothing: the record, and the player of web/ beside it."""

from __future__ import annotations

import html
from pathlib import Path

from grade.lecture.record import Record

WEB = Path(__file__).parent / "web"


def text_of(record: Record) -> str:
    def part(name: str) -> str:
        return (WEB / name).read_text(encoding="utf-8")

    # Within a script element nothing but `</' and `<!--' can end the text too early.
    data = record.encode().replace("<", "\\u003c")
    fields = {
        "@TITLE@": html.escape(record.title),
        "@STYLE@": part("player.css"),
        "@SCRIPT@": part("pictures.js") + part("player.js"),
        "@RECORD@": data,
    }
    text = part("player.html")
    for name, value in fields.items():
        text = text.replace(name, value)
    return text


def write(record: Record, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text_of(record), encoding="utf-8")
