# SPDX-License-Identifier: BSD-2-Clause
"""Walks the page of a lecture: every step forward and back, keys and clicks, forms, print, and that
it asks for nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator

from grade.lecture import page
from grade.lecture.record import Record
from tests.lecture import browser


def check_page(found: Record, folder: Path) -> Iterator[tuple[str, str]]:
    """(part, what is wrong)."""
    file = folder / "lecture.html"
    page.write(found, file)
    last = len(found.steps)
    with browser.Browser() as tab:
        tab.open(file.as_uri(), 1280, 720)
        wrong = []
        for key in ["", *["ArrowRight"] * (last - 1), *["ArrowLeft"] * (last - 1)]:
            tab.keys(*([key] if key else []))
            index = int(tab.value("state.index"))
            shown = tab.value("[$('say').textContent, document.querySelectorAll('.dot').length, "
                              "document.querySelectorAll('.form figure').length, "
                              "stage.scrollHeight <= stage.clientHeight + 1]")  # fmt: skip
            wrong += page_faults(found.steps[index], index, shown)
        if tab.value("state.index") != 0:
            wrong.append("the way back does not end at the first step")
        yield "walk", "\n".join(wrong)
        yield "jump", page_jumps(tab, last)
        yield "compare", page_compare(tab, found)
        tab.open(file.as_uri() + "#2", 1280, 720)
        same = tab.value(f"JSON.stringify(steps) === JSON.stringify({record_json(found)})")
        yield "apply", "" if same else "the page's steps are not the record's"
        printed = tab.pdf()
        sections = tab.value("document.querySelectorAll('#handout section').length")
        tab.key("d")
        tab.call("Emulation.setEmulatedMedia", media="print")
        ink = tab.value("getComputedStyle(document.querySelector('#handout text')).fill")
        tab.call("Emulation.setEmulatedMedia", media="")
        fine = printed.startswith(b"%PDF") and sections == last and ink == "rgb(22, 24, 29)"
        yield "print", "" if fine else f"{sections} steps of {last} on paper, in {ink}"
        yield "alone", alone(tab)


def record_json(found: Record) -> str:
    return json.dumps(found.steps, ensure_ascii=True)


def page_faults(step: dict[str, Any], index: int, shown: list[Any]) -> list[str]:
    say, dots, figures, fits = shown
    pictures = [form["pictures"][name] for form in step["forms"] for name in step["show"]
                if name in form["pictures"]]  # fmt: skip
    wrong = []
    if say != step["say"]:
        wrong.append(f"step {index + 1} says {say!r}")
    if figures != len(pictures):
        wrong.append(f"step {index + 1}: {figures} pictures, not {len(pictures)}")
    if bool(dots) != any(picture["new"] for picture in pictures):
        wrong.append(f"step {index + 1}: {dots} marks")
    if not fits:
        wrong.append(f"step {index + 1} does not fit into 1280 x 720")
    return wrong


def page_jumps(tab: browser.Browser, last: int) -> str:
    wanted = [
        (("End",), last - 1), (("Home",), 0), (("7", "Enter"), 6), (("Backspace",), 5),
        ((" ",), 6), (("9", "9", "Enter"), last - 1), (("1", "Enter"), 0),
        (("/", *"stolen", "Enter"), last - 1), (("n",), last - 1),
    ]  # fmt: skip
    wrong = []
    for keys, index in wanted:
        tab.keys(*keys)
        if (got := tab.value("state.index")) != index:
            wrong.append(f"{' '.join(keys)} goes to {got}, not {index}")
    clicks = {"#first": 0, "#forward": 1, "#last": last - 1, "#back": last - 2, "#bar": last // 2}
    for selector, index in clicks.items():
        tab.click(selector)
        if (got := tab.value("state.index")) != index:
            wrong.append(f"a click on {selector} goes to {got}, not {index}")
    return "\n".join(wrong)


def page_compare(tab: browser.Browser, found: Record) -> str:
    names = "[...document.querySelectorAll('.form h3')].map(h => h.textContent).join()"
    wrong, wanted = [], [*found.forms, ",".join(found.forms)]
    for name in wanted:
        tab.key("c")
        if (got := tab.value(names)) != name:
            wrong.append(f"c shows {got}, not {name}")
    tab.key("s")
    here = tab.value("(document.querySelector('.source .here') || {}).textContent || ''")
    if "lab_point" not in here:
        wrong.append(f"the line of source is {here!r}")
    tab.key("s")
    before = tab.value("document.querySelector('svg').clientWidth")
    tab.keys("+", "+")
    if not tab.value("document.querySelector('svg').clientWidth") > before:
        wrong.append("+ makes nothing larger")
    tab.key("0")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = tab.value(paper)
    tab.key("d")
    if tab.value(paper) == light:
        wrong.append("d changes nothing")
    tab.key("d")
    tab.key("p")
    if tab.value("state.extra") in found.steps[0]["show"] + [""]:
        wrong.append("p shows no other picture")
    return "\n".join(wrong)


def alone(tab: browser.Browser) -> str:
    """Since the page was opened nothing but itself was asked for, no script failed, and the page's
    own policy had nothing to refuse."""
    asked = [event["params"]["request"]["url"] for event in tab.events
             if event.get("method") == "Network.requestWillBeSent"]  # fmt: skip
    failed = [event["params"] for event in tab.events
              if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")]  # fmt: skip
    more = [url for url in asked if not url.startswith("file:///") or ".html" not in url]
    return f"asked for {more}; failed {failed[:2]}" if more or failed else ""
