# SPDX-License-Identifier: BSD-2-Clause
"""The players on a terminal: curses, which reads key sequences whole and follows the window's size;
line by line where the terminal can place nothing (TERM=dumb); all at once (AUTO=1).
"""

from __future__ import annotations

import curses
import locale
import os
import sys
import termios
from typing import Any

from grade.lecture import paint
from grade.lecture.paint import Row, Span
from grade.lecture.player import Player
from grade.lecture.record import Picture, Record

AUTO_WIDTH = 47
DUMB_HEIGHT = 200
COLOURS = [-1, curses.COLOR_WHITE, curses.COLOR_CYAN, curses.COLOR_MAGENTA, curses.COLOR_YELLOW,
           curses.COLOR_BLUE, curses.COLOR_GREEN, curses.COLOR_RED]  # fmt: skip
NAMES = {
    curses.KEY_RIGHT: "right", curses.KEY_LEFT: "left", curses.KEY_UP: "up",
    curses.KEY_DOWN: "down", curses.KEY_HOME: "home", curses.KEY_END: "end",
    curses.KEY_NPAGE: "pgdn", curses.KEY_PPAGE: "pgup", curses.KEY_BACKSPACE: "back",
    curses.KEY_ENTER: "enter",
}  # fmt: skip
LETTERS = {"\n": "enter", "\r": "enter", "\x7f": "back", "\b": "back", "\x1b": "escape"}


def wants_colour() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def play(record: Record) -> None:
    """Shows the record until the instructor has enough."""
    player = Player(record, wants_colour())
    if os.environ.get("TERM", "dumb") == "dumb":
        by_lines(player)
        return
    locale.setlocale(locale.LC_ALL, "")
    try:
        with_screen(player)
    except curses.error as error:
        print(f"strata: {error}: line by line, then", file=sys.stderr)
        player.colour = False
        by_lines(player)


def with_screen(player: Player) -> None:
    """As curses.wrapper, which would set colours where none are wanted."""
    screen = curses.initscr()
    try:
        curses.noecho()
        curses.cbreak()
        screen.keypad(True)
        loop(screen, player)
    finally:
        screen.keypad(False)
        curses.nocbreak()
        curses.echo()
        curses.endwin()


def loop(screen: Any, player: Player) -> None:
    colour = player.colour and curses.has_colors()
    player.colour = colour
    if colour:
        curses.start_color()
        curses.use_default_colors()
        for tone, number in enumerate(COLOURS[1:], 1):
            curses.init_pair(tone, number, -1)
    try:
        curses.curs_set(0)
    except curses.error:
        pass  # a terminal that cannot hide its cursor
    while not player.done:
        draw(screen, player, colour)
        name = read_key(screen)
        if name:
            player.key(name)


def read_key(screen: Any) -> str:
    """The name of the next key, however many bytes it sends; "" for none that means anything. As if
    the end were asked for where the terminal is gone, and who started this let no signal say so."""
    try:
        key = screen.get_wch()
    except curses.error:  # a signal came, or nothing ever will
        return "" if is_there(sys.stdin.fileno()) else "q"
    if isinstance(key, int):
        if key == curses.KEY_RESIZE:
            curses.update_lines_cols()
            screen.clear()
        return NAMES.get(key, "")
    return LETTERS.get(key, key if key.isprintable() else "")


def is_there(terminal: int) -> bool:
    try:
        termios.tcgetattr(terminal)
    except termios.error:
        return False
    return True


def draw(screen: Any, player: Player, colour: bool) -> None:
    height, width = screen.getmaxyx()
    screen.erase()
    for y, row in enumerate(player.screen(width, height)):
        x = 0
        for span in row:
            look = curses.color_pair(span.tone) if colour and span.tone else 0
            look |= curses.A_BOLD if span.bold else 0
            look |= curses.A_REVERSE if span.new and colour else 0
            try:
                screen.addstr(y, x, span.text, look)
            except curses.error:
                pass  # the last place of the last row is written, though curses complains
            x += len(span.text)
    screen.refresh()


# ---- without a screen ----


def by_lines(player: Player) -> None:
    """A step is printed whole, and a line read: nothing or n, b, a number, /words, s, c, p, q."""
    while not player.done:
        width = 79
        rows = player.screen(width, DUMB_HEIGHT)
        lines = [paint.plain(row).rstrip() for row in rows]
        print("\n".join(line for i, line in enumerate(lines) if line or lines[i - 1]), flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        words = line.strip()
        if not words:
            player.key("enter")
        elif words[0] == "/" or words.isdecimal():
            for letter in words:
                player.key(letter)
            player.key("enter")
        else:
            player.key(words[0])


def auto(record: Record) -> None:
    """Every step, one after the other, as text. What letters mean stands where they come first."""
    told: set[str] = set()
    for step in record.steps:
        print(f"=== {step['scene']}: {step['name']}\n")
        stacks = [
            paint_form(name, [form["pictures"].get(picture) for picture in step["show"]])
            for name, form in zip(record.forms, step["forms"])
        ]
        rows = paint.columns(stacks, AUTO_WIDTH)
        shown = [form["pictures"][name] for form in step["forms"] for name in step["show"]
                 if name in form["pictures"]]  # fmt: skip
        fresh = [row for row in paint.legend(shown, False) if paint.plain(row) not in told]
        told.update(map(paint.plain, fresh))
        rows += [[]] if fresh else []
        rows += [[Span("  "), *row] for row in paint.in_rows(fresh, 2 * AUTO_WIDTH)]
        for row in rows:
            print(paint.plain(row).rstrip())
        print(f"\n  {step['say']}\n")


def paint_form(name: str, pictures: list[Picture | None]) -> list[list[Row]]:
    head = [Span(name if "/" in name else name.upper())]
    return [[head], *(paint.paint(p, AUTO_WIDTH, False) if p else [] for p in pictures)]
