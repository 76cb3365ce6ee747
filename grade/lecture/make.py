# SPDX-License-Identifier: BSD-2-Clause
"""Makes the record of a lecture: builds the kernels, runs every scene on each form, and says so.

A record that was made from the same kernels and steps is used again.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from grade import lab_overlay
from grade.lab import ROOT, Lab
from grade.lab_grade import LAB_WORDS
from grade.lecture import guest, known, looks, source, steps
from grade.lecture.record import Picture, Record, RecordError, decode

BUILD_WORDS = ("LLVM", "UBSAN", "POISON", "V")
SILENCE = 10.0
"""Seconds."""


class Progress:
    """One line on standard error that says what is done; where that is no terminal, lines of their
    own, and one where nothing was said for so many seconds."""

    def __init__(self, screen: TextIO = sys.stderr) -> None:
        self.screen = screen
        self.tty = screen.isatty() and os.environ.get("TERM") != "dumb"
        self._what = ""
        self._said = 0.0

    def say(self, what: str, detail: str = "") -> None:
        line = f"strata: {what}{': ' if detail else ''}{detail}"
        if self.tty:
            width = max(20, os.get_terminal_size(self.screen.fileno()).columns) - 1
            print(f"\r\033[K{line[:width]}", end="", file=self.screen, flush=True)
        elif what != self._what or time.monotonic() > self._said + SILENCE:
            print(line, file=self.screen, flush=True)
            self._said = time.monotonic()
        self._what = what

    def end(self) -> None:
        if self.tty and self._what:
            print("\r\033[K", end="", file=self.screen, flush=True)
        self._what = ""


def build(goal: str, words: list[str], progress: Progress, what: str) -> None:
    """Runs make; what it says it does is said while it does it."""
    out = os.environ.get("O") or "build/gcc"
    env = {k: v for k, v in os.environ.items() if k not in LAB_WORDS and not k.startswith("MAKE")}
    command = ["make", goal, f"O={out}", *words]
    said: list[str] = []
    with subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:  # fmt: skip
        assert process.stdout
        progress.say(what)
        for line in process.stdout:
            said.append(line)
            if not line.startswith("make: "):  # that nothing is to be done is no progress
                progress.say(what, f"{len(said)} {' '.join(line.split())}")
    if process.returncode != 0:
        progress.end()
        raise SystemExit(f"strata: {what}: it does not build:\n{''.join(said[-40:])}")


def kernels(lab: Lab | None, forms: list[str], progress: Progress) -> dict[str, Path]:
    """The folder of each form's kernel, built."""
    out = Path(os.environ.get("O") or "build/gcc")
    make_words = [f"{name}={value}" for name in BUILD_WORDS if (value := os.environ.get(name))]
    build("image", make_words, progress, "building the programs and the disk")
    if not lab:
        build("kernel", make_words, progress, "building the kernel")
        return {forms[0]: out}
    base = os.environ.get("BASE") or ""
    chosen = {"VARIANT": lab.variant, "STAFF": os.environ.get("STAFF", ""), "BASE": base}
    found = {}
    for form in forms:
        words = [f"LAB={lab.name}", f"IMPL={form}",
                 *[f"{name}={value}" for name, value in chosen.items() if value]]
        build("kernel", [*words, *make_words], progress, f"building the {form} of lab {lab.name}")
        found[form] = out / "labs" / lab_overlay.forms(lab.name, form, base, "")[0]
    return found


def pictures_of(lab: Lab | None) -> looks.Own:
    """The lab's own pictures: demo/pictures.py."""
    path = lab.folder / "demo" / "pictures.py" if lab else None
    if not path or not path.exists():
        return looks.Own()
    spec = importlib.util.spec_from_file_location(f"pictures_{path.parent.parent.name}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return looks.Own(module.EVERYWHERE, module.OF_TESTS)


def key_of(text: str, lab: Lab | None, variants: dict[str, Path]) -> str:
    """What a record depends on: steps, kernels, and all that reads and draws."""
    found = hashlib.sha256(text.encode())
    files = sorted(Path(__file__).parent.glob("*.py")) + [ROOT / "grade" / "oracle.py"]
    for folder in ("demo", "tests") if lab else ():
        files += sorted((lab.folder / folder).glob("*.py")) if lab else []
    files += [variant / "kernel.elf" for variant in variants.values()]
    files += [ROOT / "grade" / "layout.py", next(iter(variants.values())) / "kernel.elf"]
    for path in files:
        found.update(path.name.encode() + path.read_bytes())
    disk = (Path(os.environ.get("O") or "build/gcc") / "disk.img").stat()
    found.update(f"{disk.st_size} {disk.st_mtime_ns}".encode())
    return found.hexdigest()[:16]


def make(path: Path, lab: Lab | None, forms: list[str]) -> Record:
    """The record of the list of steps in a file."""
    progress = Progress()
    try:
        return _make(path, lab, forms, progress)
    except steps.StepError as error:
        raise SystemExit(f"strata: {error}") from None
    finally:
        progress.end()


def _make(path: Path, lab: Lab | None, forms: list[str], progress: Progress) -> Record:
    text = path.read_text(encoding="utf-8")
    inside = path.is_absolute() and path.is_relative_to(ROOT)
    lecture = steps.parse(text, str(path.relative_to(ROOT) if inside else path))
    own = pictures_of(lab)
    known.check_pictures(lecture, own)
    variants = kernels(lab, forms, progress)
    out = Path(os.environ.get("O") or "build/gcc")
    key = key_of(text, lab, variants)
    kept = out / "demo" / f"{'-'.join([*names_of(path, lab), *map(safe, forms)])}.json"
    try:
        record = decode(kept.read_text(encoding="utf-8"))
        if record.key == key:
            return record
    except (OSError, RecordError):
        pass
    for form in forms:
        known.check_kernel(lecture, form, (variants[form], out))
    record = Record(lecture.title, forms, key=key)
    total = sum(len(scene.stops) for scene in lecture.scenes)
    for scene in lecture.scenes:
        done = len(record.steps)
        seen = []
        for form in forms:
            def tell(step: int, count: str, form: str = form, done: int = done) -> None:
                detail = f"{done + step} of {total} steps"
                progress.say(f"running the {form}", f"{detail}{', ' if count else ''}{count}")
            progress.say(f"running the {form}")
            seen.append(guest.run(scene, form, variants[form], out, own, tell))
        add_scene(record, scene, seen)
    record.write(kept)
    return record


def names_of(path: Path, lab: Lab | None) -> list[str]:
    """Of the record: each list has its own."""
    if not lab:
        return [path.stem]
    return [lab.key] if path.parent == lab.folder / "demo" else [lab.key, path.stem]


def safe(form: str) -> str:
    return lab_overlay.safe_name(form)


def add_scene(record: Record, scene: steps.Scene, seen: list[list[dict[str, Any]]]) -> None:
    keep_scale([form["pictures"] for forms in seen for form in forms])
    for stop, *forms in zip(scene.stops, *seen):
        record.steps.append({"scene": scene.title, "name": stop.heading, "say": stop.say,
                             "show": stop.show, "forms": forms})  # fmt: skip
        for form in forms:
            if form["where"]:
                lines = record.sources.setdefault(form["where"]["file"], {})
                lines.update(source.lines_around(form["where"]))


def keep_scale(steps_of_scene: list[dict[str, Picture]]) -> None:
    """A strip is as long at every step as at its longest: what stays looks as it did."""
    longest: dict[str, int] = {}
    strips = [(name, picture) for pictures in steps_of_scene for name, picture in pictures.items()
              if picture["kind"] == "strip"]  # fmt: skip
    for name, picture in strips:
        longest[name] = max(longest.get(name, 0), picture["length"])
    for name, picture in strips:
        picture["length"] = longest[name]
