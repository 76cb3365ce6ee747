# SPDX-License-Identifier: BSD-2-Clause
"""The terminal player without a terminal: which step is shown and how, and what a key does to it.

It holds the whole record: no key reads a file or starts anything.
"""

from __future__ import annotations

from typing import Any

from grade.lecture import paint
from grade.lecture.paint import Row, Span
from grade.lecture.record import Picture, Record, Step

BESIDE_COLUMNS = 120
"""From this width on the source stands beside both forms; below it, beside one."""
SOURCE_COLUMNS = 56
HELP = [
    "right, space, Enter, PgDn   forward          left, Backspace, PgUp   back",
    "Home, g   first step        End, G   last    a number, Enter   that step",
    "/words, Enter   the next step that has them  n, N   the next, the one before",
    "s   the source beside it    c   starter and the other, or one of them",
    "p   other pictures of this step, one after the other",
    "up, down   scroll           ?   this help    q   end",
    "* or ^ or bright: changed since the step before. (n gone): no longer there.",
]


class Player:
    def __init__(self, record: Record, colour: bool) -> None:
        self.record = record
        self.colour = colour
        self.index = 0
        self.only: int | None = None
        self.source = False
        self.extra = ""
        self.scroll = 0
        self.help = False
        self.typed = ""
        self.sought = ""
        self.note = ""
        self.done = False

    # ---- keys ----

    def key(self, name: str) -> None:
        """A key by its name; printable ones name themselves."""
        self.note = ""
        if self.typed[:1] == "/" or self.typed and (name.isdecimal() or name in EDITING):
            self._edit(name)
        elif name == "/" or name.isdecimal():
            self.typed = name
        else:
            self.typed = ""
            self._command(name)

    def _edit(self, name: str) -> None:
        if name == "enter":
            typed, self.typed = self.typed, ""
            if typed[0] == "/":
                self.sought = typed[1:] or self.sought
                self._search(1)
            else:
                self.go(int(typed) - 1)
        elif name == "back":
            self.typed = self.typed[:-1]
        elif name == "escape":
            self.typed = ""
        elif len(name) == 1:
            self.typed += name

    def _command(self, name: str) -> None:
        if self.help:
            self.help = False
            return
        if name in FORWARD:
            self.go(self.index + 1)
        elif name in BACK:
            self.go(self.index - 1)
        elif name in ("home", "g"):
            self.go(0)
        elif name in ("end", "G"):
            self.go(len(self.record.steps) - 1)
        elif name in ("n", "N"):
            self._search(1 if name == "n" else -1)
        elif name == "s":
            self.source = not self.source
        elif name == "c":
            count = len(self.record.forms)
            following = 0 if self.only is None else self.only + 1
            self.only = following if following < count and count > 1 else None
        elif name == "p":
            names = ["", *self.others()]
            self.extra = names[(names.index(self.extra) + 1) % len(names)]
        elif name in ("up", "down"):
            self.scroll = max(0, self.scroll + (1 if name == "down" else -1))
            return
        elif name == "?":
            self.help = True
        elif name in ("q", "Q"):
            self.done = True
        self.scroll = 0

    def go(self, index: int) -> None:
        last = len(self.record.steps) - 1
        if not 0 <= index <= last:
            self.note = "the first step" if index < 0 else f"the last step is {last + 1}"
        self.index = min(max(index, 0), last)
        self.scroll = 0
        if self.extra not in self.others():
            self.extra = ""

    def _search(self, way: int) -> None:
        count = len(self.record.steps)
        for n in range(1, count + 1):
            at = (self.index + way * n) % count
            if self.sought and self.sought.lower() in self.words(self.record.steps[at]).lower():
                self.go(at)
                return
        self.note = f"no step has `{self.sought}'" if self.sought else "nothing to look for"

    def words(self, step: Step) -> str:
        """What a search looks at: all that the step says and shows."""
        found = [step["scene"], step["name"], step["say"]]
        for form in step["forms"]:
            found += [form["where"].get("function", ""), form["where"].get("file", "")]
            for name in step["show"]:
                if picture := form["pictures"].get(name):
                    found += [paint.plain(row) for row in paint.paint(picture, 200, True)]
        return "\n".join(found)

    def others(self) -> list[str]:
        """The names of pictures that this step has beyond what it shows."""
        step = self.step
        names = dict.fromkeys(name for form in step["forms"] for name in form["pictures"])
        return [name for name in names if name not in step["show"]]

    # ---- the screen ----

    @property
    def step(self) -> Step:
        return self.record.steps[self.index]

    def screen(self, width: int, height: int) -> list[Row]:
        """Exactly `height` rows, none wider than `width`."""
        step = self.step
        count = f"step {self.index + 1} of {len(self.record.steps)}"
        title = self.record.title[: max(0, width - len(count) - 1)]
        space = max(1, width - len(title) - len(count))
        head: list[Row] = [[Span(title + " " * space + count, bold=True)],
                [Span(f"{step['scene']}: {step['name']}", 2)]]  # fmt: skip
        foot = [*paint.wrapped(step["say"], width - 2, "  "), *self._legend(width)]
        foot.append([Span(self._prompt())])
        room = height - len(head) - len(foot) - 1
        body = self._body(width, room)
        self.scroll = min(self.scroll, max(0, len(body) - room))
        shown = body[self.scroll : self.scroll + max(0, room)]
        if len(body) - self.scroll > room > 0:
            more = len(body) - self.scroll - room + 1
            shown[-1] = [Span(f"({more} more rows: down)")]
        shown += [[]] * (room - len(shown))
        rows: list[Row] = [*head, *shown, [], *foot]
        rows = [*rows[: height - 1], rows[-1]]
        return [paint.cut(row, width) for row in rows[:height]]

    def _prompt(self) -> str:
        if self.typed:
            return ("step " if self.typed[0] != "/" else "") + self.typed + "_"
        if self.note:
            return self.note
        return "right: forward  left: back  s: source  p: pictures  ?: all keys  q: end"

    def shown(self) -> list[int]:
        every = list(range(len(self.record.forms)))
        return every if self.only is None else [self.only]

    def _pictures(self, form: int) -> list[Picture]:
        pictures = self.step["forms"][form]["pictures"]
        names = [self.extra] if self.extra else self.step["show"]
        return [pictures[name] for name in names if name in pictures]

    def _legend(self, width: int) -> list[Row]:
        shown = [p for form in self.shown() for p in self._pictures(form)]
        return paint.in_rows(paint.legend(shown, self.colour), width)

    def _body(self, width: int, height: int) -> list[Row]:
        if self.help:
            return [[Span(line)] for line in HELP]
        forms = self.shown()
        if self.source and width < BESIDE_COLUMNS:
            forms = forms[-1:]
        room = width - (SOURCE_COLUMNS if width >= BESIDE_COLUMNS else width // 2) - 3
        wide = room if self.source else width
        each = (wide - 3 * (len(forms) - 1)) // len(forms)
        rows = paint.columns([self._form(form, each) for form in forms], each)
        if self.source:
            text = self._source(forms[-1], width - room - 3, height)
            rows = paint.beside(rows, text, room)
        return rows

    def _form(self, form: int, width: int) -> list[list[Row]]:
        """The form's name and its pictures, a block each; those of a place stand side by side."""
        name = self.record.forms[form]
        pictures = self.step["forms"][form]["pictures"]
        blocks: list[list[Row]] = [[[Span(name if "/" in name else name.upper(), bold=True)]]]
        for wanted in [self.extra] if self.extra else self.step["show"]:
            there = wanted in pictures
            blocks.append(paint.paint(pictures[wanted], width, self.colour) if there else [
                [Span(f"(no {wanted} at this step)")]])  # fmt: skip
        return blocks

    def _source(self, form: int, width: int, height: int) -> list[Row]:
        where: dict[str, Any] = self.step["forms"][form]["where"]
        if not where:
            return [[Span("where it stopped is not known")]]
        lines = self.record.sources.get(where["file"], {})
        file, line = where["file"], where["line"]
        rows: list[Row] = [[Span(f"{where['function']}  {file}:{line}", bold=True)], []]
        near = [(int(n), text) for n, text in lines.items() if line - 6 <= int(n) <= line + 17]
        for number, text in sorted(near):
            here = number == line
            mark = ">" if here else " "
            code = text.expandtabs(4).replace("    ", "  ")
            rows.append([Span(f"{mark}{number:4} {code}", 0, here, here)])
        return [paint.cut(row, width) for row in rows[: max(3, height)]]


FORWARD = ("right", " ", "enter", "pgdn")
BACK = ("left", "back", "pgup", "b")
EDITING = ("enter", "back", "escape")
