# SPDX-License-Identifier: BSD-2-Clause
"""Lectures: the record, the list of steps, and the players, walked through every step and back.

The record is lab 1's, made as `make demo` makes it. The page is driven in a headless Chromium, the
terminal player in a pseudo-terminal; where one is not installed its tests are skipped.
"""

from __future__ import annotations

import io
import random
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Iterator

from grade import lab as labs
from grade.lecture import looks, make, marks, page, paint, record, source
from grade.lecture.player import Player
from grade.lecture.record import Record
from tests.job import Config, Job, Result, run_as_user
from tests.lecture import browser, lists, screen, walk_page

MOST_RECORD, MOST_PAGE, MANY_STEPS = 2 << 20, 3 << 20, 200
SIZES = ((80, 24), (200, 50))


def lecture(config: Config) -> tuple[Record | None, Path, str]:
    """Lab 1's record as make demo keeps it, where it is, and what went wrong."""
    with tempfile.TemporaryDirectory(prefix="strata-demo-") as folder:
        out = Path(folder) / "pv.html"
        command = ["make", "demo", *config.make_words, "LAB=pv", f"OUT={out}"]
        done = run_as_user(command, stderr=subprocess.STDOUT)
        kept = config.out / "demo" / "pv-starter-reference.json"
        if done.returncode != 0 or not out.exists() or not kept.exists():
            return None, kept, done.stdout
        return record.decode(kept.read_text(encoding="utf-8")), kept, ""


# ---- the record ----


def random_value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(6 if depth < 4 else 3)
    if kind == 0:
        return rng.randrange(5)
    if kind == 1:
        return rng.choice(["a", "b", "</script>", "\u2713"])
    if kind == 2:
        return rng.choice([True, None, ""])
    if kind < 5:
        return [random_value(rng, depth + 1) for _ in range(rng.randrange(6))]
    keys = [rng.choice("abcdef@=ik-") for _ in range(rng.randrange(5))]
    return {key: random_value(rng, depth + 1) for key in keys}


def changed(rng: random.Random, value: Any) -> Any:
    """The value with something changed somewhere in it."""
    if isinstance(value, list) and value and rng.randrange(3):
        at = rng.randrange(len(value))
        return rng.choice([value[:at] + value[at + 1 :], value[:at] + [1] + value[at:],
                           value[:at] + [changed(rng, value[at])] + value[at + 1 :]])  # fmt: skip
    if isinstance(value, dict) and value and rng.randrange(3):
        key = rng.choice(sorted(value))
        return {**value, key: changed(rng, value[key])}
    return random_value(rng)


def check_differences(seed: int) -> Iterator[Result]:
    """Whatever a step holds, its difference from the one before gives it back."""
    rng, wrong = random.Random(seed), []
    for _ in range(3000):
        old = random_value(rng)
        new = changed(rng, old)
        got = record.apply(old, record.difference(old, new))
        if repr(got) != repr(new) and got != new:
            wrong.append(f"{old!r} to {new!r} gave {got!r}")
    yield Result("lecture/differences", not wrong, "\n".join(wrong[:5]))


def check_version() -> Iterator[Result]:
    """A record of another version, or none, is refused in words."""
    words = []
    for text in ('{"strata-lecture": 2}', "{}", "[]", "no JSON"):
        try:
            record.decode(text)
            words.append("taken")
        except record.RecordError as error:
            words.append(str(error))
    right = "version 2" in words[0] and "taken" not in words
    yield Result("lecture/version", right, "\n".join(words))


def check_marks() -> Iterator[Result]:
    """What is new in each kind of picture, and how much went."""
    cases: list[tuple[dict[str, Any], dict[str, Any], Any, int]] = [
        ({"kind": "table", "rows": [["a", "1"], ["b", "2"], ["c", "3"]]},
         {"kind": "table", "rows": [["a", "1"], ["b", "3"], ["d", "4"]]}, [1, 2], 1),
        ({"kind": "cells", "rows": [["0", "##..", ""], ["0", "#...", ""]]},
         {"kind": "cells", "rows": [["0", "#+.#", ""]]}, [[0, 1, 1], [0, 3, 1]], 1),
        ({"kind": "strip", "lanes": [["e", [[0, 2, "", 1], [2, 2, "", 1]]]]},
         {"kind": "strip", "lanes": [["e", [[0, 4, "", 1]]]]}, [[0, 0]], 2),
        ({"kind": "strip", "lanes": [["e", [[0, 2, "r", 1, "a"], [3, 2, "w", 1, "b"]]]]},
         {"kind": "strip", "lanes": [["e", [[0, 4, "", 1, "c"], [5, 2, "r", 1, "a"],
                                            [8, 2, "r", 1, "b"]]]]}, [[0, 0], [0, 2]], 0),
        ({"kind": "graph", "nodes": [["a", 0, "x", 1], ["b", 1, "y", 1]], "edges": [["a", "b"]]},
         {"kind": "graph", "nodes": [["a", 0, "x", 1], ["c", 1, "y", 1]], "edges": [["a", "c"]]},
         ["a", "c"], 1),
        ({"kind": "text", "lines": ["a", "b"]}, {"kind": "text", "lines": ["a", "b", "c"]}, [2], 0),
    ]  # fmt: skip
    wrong = []
    for old, new, expected, gone in cases:
        marks.mark(new, old)
        if (new["new"], new["gone"]) != (expected, gone):
            wrong.append(f"{new['kind']}: {new['new']}, {new['gone']}; not {expected}, {gone}")
    lengths: list[dict[str, Any]] = [{"s": {"kind": "strip", "length": n}} for n in (3, 9, 5)]
    make.keep_scale(lengths)
    if [step["s"]["length"] for step in lengths] != [9, 9, 9]:
        wrong.append(f"strips of a scene have scales of their own: {lengths}")
    yield Result("lecture/marks", not wrong, "\n".join(wrong))


def check_text() -> Iterator[Result]:
    """Without colours: what a strip's boxes are filled with, and words that are too many."""
    strip: dict[str, Any] = {
        "kind": "strip", "title": "t", "length": 12,
        "lanes": [["e", [[0, 6, "rw", 1], [6, 6, "x-", 2]]]],
        "legend": [["1", "of a file", 1, "~"], ["2", "memory", 2, " "], ["3", "none", 3, "x"]],
    }  # fmt: skip
    table = {"kind": "table", "title": "t", "rows": [["a", "long words that have no room"]]}
    found = [paint.plain(row) for picture in (strip, table)
             for row in [*paint.paint(picture, 20, False), *paint.legend([picture], False)]]
    wanted = ["t", "e", "[~rw~][ x- ]", "[~] of a file", "[ ] memory",
              "t", "  a  long words that", "     have no room"]  # fmt: skip
    found.append(source.short("f  labs/1-pv/starter/kernel/pmap/pv.c:7"))
    wanted.append("f  pmap/pv.c:7")
    yield Result("lecture/text", found == wanted, f"{found}\nnot {wanted}")


def check_numbers() -> Iterator[Result]:
    """What a register holds, by type."""
    signed = source.Parameter("fd", 4, "int", {}, True)
    plain = source.Parameter("len", 8, "unsigned long", {}, False)
    told = [of.told(of.value(n)) for of in (signed, plain) for n in (0x1FFFFFFFF, 2)]
    yield Result("lecture/numbers", told == ["-1", "2", "0x1ffffffff", "0x2"], f"{told}")


def check_records() -> Iterator[Result]:
    """Each list of steps has a record of its own."""
    lab = labs.find("pv")
    lists_of_lab = [lab.folder / "demo" / "steps", Path("a.steps"), Path("b.steps")]
    names = [make.names_of(path, lab) for path in lists_of_lab]
    wanted = [["pv"], ["pv", "a"], ["pv", "b"]]
    yield Result("lecture/records", names == wanted, f"{names}")


def check_progress() -> Iterator[Result]:
    """Where there is no terminal, too, what takes long is said to go on."""
    said = io.StringIO()
    progress = make.Progress(said)
    for detail in ("", "calls of f: 1", "calls of f: 2"):
        progress.say("running", detail)
        progress._said -= make.SILENCE if detail else 0
    wanted = "strata: running\nstrata: running: calls of f: 2\n"
    yield Result("lecture/progress", said.getvalue() == wanted, said.getvalue())


def check_neighbours() -> Iterator[Result]:
    """Anons beside each other that look alike are one node; not where a reference, the way to them
    or what they lead to differs, nor across an empty slot."""
    refs = {0: 1, 1: 1, 2: 2, 3: 2, 5: 2, 6: 2, 7: 2}
    nodes: dict[str, list[object]] = {"e": ["e", 0, "entry", 5], "m": ["m", 1, "amap", 4],
                                      "other": ["other", 1, "amap", 4]}  # fmt: skip
    edges = [["e", "m"]]
    for slot, count in refs.items():
        where = "swap slot" if slot == 7 else "frame"
        nodes[f"m.{slot}"] = [f"m.{slot}", 2, f"slot {slot}, refs {count}", 7]
        nodes[f"f{slot}"] = [f"f{slot}", 3, f"{where} {slot}", 3]
        edges += [["m", f"m.{slot}"], [f"m.{slot}", f"f{slot}"]]
    edges += [["other", "m.3"]]
    texts = [node[2] for node in looks.memory_graph(nodes, edges)["nodes"]]
    wanted = ["entry", "amap", "amap", "slots 0-1, refs 1", "2 frames", "slot 2, refs 2",
              "frame 2", "slot 3, refs 2", "frame 3", "slots 5-6, refs 2", "2 frames",
              "slot 7, refs 2", "swap slot 7"]  # fmt: skip
    yield Result("lecture/neighbours", texts == wanted, f"{texts}\nnot {wanted}")


def check_size(found: Record) -> Iterator[Result]:
    """200 steps of as much as this lecture's."""
    many = Record(found.title, found.forms, [], found.sources)
    while len(many.steps) < MANY_STEPS:
        many.steps += found.steps[: MANY_STEPS - len(many.steps)]
    sizes = len(many.encode().encode()), len(page.text_of(many).encode())
    right = sizes[0] <= MOST_RECORD and sizes[1] <= MOST_PAGE
    detail = f"record and page of {MANY_STEPS} steps: {sizes} bytes"
    yield Result("lecture/players/size", right, detail)


# ---- the terminal ----


def expected(player: Player, columns: int, lines: int) -> list[str]:
    return [paint.plain(row).rstrip() for row in player.screen(columns, lines)]


def check_terminal(found: Record, kept: Path, columns: int, lines: int, **env: str) -> str:
    """Every step forward and back, a search, a number, another size, a key in pieces. What is
    wrong."""
    colour = not env
    player = Player(found, colour)
    last = len(found.steps)
    walk = ["right"] * (last - 1) + ["left"] * (last - 1) + ["end", "home", "s", "right"]
    walk += ["c", "c", "c", "s", "p", "p", "7", "enter", "/", *"stolen", "enter", "n", "?"]
    walk += [" ", "up", "down", "G"]
    with screen.Terminal(kept, columns, lines, **env) as terminal:
        def same(rows: list[str]) -> bool:
            return rows == expected(player, *size)

        size = (columns, lines)
        seen = set()
        for number, key in enumerate(["", *walk]):
            if key:
                player.key(key)
                terminal.send(screen.KEYS.get(key, key))
            if not terminal.until(same):
                return difference(f"after {key or 'the start'}", expected(player, *size), terminal)
            seen.add(player.index)
            if number < last and (wrong := mark_faults(player, terminal, colour)):
                return wrong
        if seen != set(range(last)):
            return f"steps seen: {sorted(seen)} of {last}"
        size = (columns + 17, lines + 5)
        terminal.resize(*size)
        if not terminal.until(same):
            return difference("after another size", expected(player, *size), terminal)
        for piece in screen.KEYS["home"]:
            terminal.send(piece)
        player.key("home")
        if not terminal.until(same):
            return difference("after a key in pieces", expected(player, *size), terminal)
        terminal.send("q")
        status = terminal.end()
        return "" if status == 0 else f"status {status}, not 0: 99 is a file opened or a start"


def check_gone(found: Record, kept: Path) -> str:
    """The window is closed."""
    player = Player(found, True)
    with screen.Terminal(kept, 80, 24) as terminal:
        if not terminal.until(lambda rows: rows == expected(player, 80, 24)):
            return difference("at the start", expected(player, 80, 24), terminal)
        return "" if terminal.ends_if_gone() else "the player goes on"


def mark_faults(player: Player, terminal: screen.Terminal, colour: bool) -> str:
    """Changes are reversed where there are colours, and marked by letters where there are none."""
    marked = any(form["pictures"][name].get("new") for form in player.step["forms"]
                 for name in player.step["show"])  # fmt: skip
    coloured, reversed_ = terminal.looks()
    text = "".join(terminal.rows())
    lettered = any(letter in text for letter in "*^") or "more rows" in text
    if coloured != colour or marked and not (reversed_ if colour else lettered):
        return f"step {player.index + 1}: colours {coloured}, reversed {reversed_}, *^ {lettered}"
    return ""


def difference(when: str, wanted: list[str], terminal: screen.Terminal) -> str:
    pairs = zip(wanted, terminal.rows())
    rows = [f"row {i}: wanted {a!r}\n       got {b!r}" for i, (a, b) in enumerate(pairs) if a != b]
    return "\n".join([when, *rows[:8]])


def check_sizes(found: Record) -> Iterator[Result]:
    """A window of any size is filled just so, whatever is shown."""
    wrong = []
    for columns in (1, 7, 20, 39, 80, 119, 120, 300):
        for lines in (1, 2, 5, 9, 24, 80):
            player = Player(found, True)
            player.go(1)
            for key in ["c", "s", "c", "p", "c", "?", "x", "s", "/", "m"]:
                player.key(key)
                rows = expected(player, columns, lines)
                if len(rows) != lines or max(map(len, rows)) > columns:
                    wrong.append(f"{columns}x{lines} after {key}: {len(rows)} rows")
    yield Result("lecture/players/sizes", not wrong, "\n".join(wrong[:10]))


def check_dumb(found: Record, kept: Path) -> str:
    """A terminal that can place nothing: a step is printed, a line read."""
    typed = "\n" * (len(found.steps) - 1) + "b\n1\n/stolen\nq\n"
    done = run_as_user(["/usr/bin/env", "python3", "-m", "tests.lecture.sealed", str(kept)],
                       typed=typed, TERM="dumb")  # fmt: skip
    counts = [line.rsplit("step ", 1)[1] for line in done.stdout.splitlines() if " step " in line
              and line.endswith(f"of {len(found.steps)}")]  # fmt: skip
    order = [*range(1, len(found.steps) + 1), len(found.steps) - 1, 1, len(found.steps)]
    wanted = [f"{n} of {len(found.steps)}" for n in order]
    if done.returncode != 0 or counts != wanted or "\x1b" in done.stdout:
        return f"status {done.returncode}, steps {counts}, wanted {wanted}\n{done.stdout[-1500:]}"
    return ""


# ---- jobs ----


def check_players(config: Config) -> Iterator[Result]:
    found, kept, trouble = lecture(config)
    again = "make demo LAB=pv OUT=pv.html"
    yield Result("lecture/players/record", found is not None, trouble, again)
    if not found:
        return
    yield from check_size(found)
    yield from check_sizes(found)
    ways: list[tuple[str, int, int, dict[str, str]]] = [(f"{c}x{n}", c, n, {}) for c, n in SIZES]
    ways.append(("no-color", 100, 30, {"NO_COLOR": "1"}))
    for name, columns, lines, env in ways:
        why = screen.missing()
        wrong = "" if why else check_terminal(found, kept, columns, lines, **env)
        yield Result(f"lecture/players/terminal-{name}", not wrong, wrong, skipped=why)
    why = screen.missing()
    wrong = "" if why else check_gone(found, kept)
    yield Result("lecture/players/terminal-gone", not wrong, wrong, skipped=why)
    wrong = check_dumb(found, kept)
    yield Result("lecture/players/terminal-dumb", not wrong, wrong)
    if not browser.path():
        why = "no Chromium is installed: ./setup --all installs it"
        yield Result("lecture/players/page", True, skipped=why)
        return
    with tempfile.TemporaryDirectory(prefix="strata-page-") as folder:
        for part, wrong in walk_page.check_page(found, Path(folder)):
            yield Result(f"lecture/players/page-{part}", not wrong, wrong)


def jobs(config: Config) -> list[Job]:
    found = [
        Job("lecture/differences", lambda: check_differences(config.seed)),
        Job("lecture/version", check_version),
        Job("lecture/marks", check_marks),
        Job("lecture/steps", lists.check_steps),
        Job("lecture/text", check_text),
        Job("lecture/numbers", check_numbers),
        Job("lecture/records", check_records),
        Job("lecture/progress", check_progress),
        Job("lecture/neighbours", check_neighbours),
    ]
    if not config.variant and config.kernel.exists() and config.graded:
        found.append(Job("lecture/guide", lambda: lists.check_guide(config)))
        found.append(Job("lecture/program", lambda: lists.check_program(config), long=True))
        found.append(Job("lecture/lists", lambda: lists.check_lists(config), long=True))
        found.append(Job("lecture/players", lambda: check_players(config), long=True))
    return found
