# SPDX-License-Identifier: BSD-2-Clause
"""Lists of steps: what each of their lines says, what is said of wrong ones, and those of the
kernel and of the instructor's guide, played."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, Iterator

from grade.lecture import known, looks, record, steps
from tests.job import ROOT, Config, Result, run_as_user

WRONG_STEPS = {
    "stop vm_fault: words": "before the first scene",
    "scene a\nboot\nstop vm_fault words": "was expected",
    "scene a\nrun ls\nboot": "a scene is one boot",
    "scene a\nrun ls\npoint x: words": "points are in tests",
    "scene a\nwalk ls": "none of title scene",
    "scene a\nboot": "list:1: scene `a' has no step",
    "scene a\nstop vm_fault: words": "list:2: before its first step a scene has one of",
    "scene a\nrun": "list:2: `run COMMAND' was expected",
    "scene a\nrun ls\n\nstop x with y: z": "list:4: `stop FUNCTION [returns] [in PROGRAM] [with",
    "scene a\ntest t\npoint x in ls: z": "list:3: `point NAME [as LABEL]: WORDS' was expected",
    "title a": "no scene",
}


def check_steps() -> Iterator[Result]:
    """What a list of steps says, and what is said of a wrong one, with its line."""
    wrong = []
    for text, expected in WRONG_STEPS.items():
        try:
            steps.parse(text, "list")
            wrong.append(f"{text!r} was taken")
        except SystemExit as error:
            if expected not in str(error):
                wrong.append(f"{text!r}: {error}")
    text = "# of a fault\ntitle T\nscene S\nrun /bin/echo a: b\nshow space\n" \
        "stop vm_fault: Words:\n  and more.\nstop pv_enter in any: Others.\n" \
        "stop f returns with fd=-1 after 2 as the last: Third.\n"
    found = steps.parse(text, "list")
    stops = [(s.heading, s.program, s.say, s.show) for s in found.scenes[0].stops]
    expected_stops = [("vm_fault", "echo", "Words: and more.", ["space"]),
                      ("pv_enter", "any", "Others.", ["space"]),
                      ("the last", "echo", "Third.", ["space"])]  # fmt: skip
    last = found.scenes[0].stops[-1]
    if (last.name, last.returns, last.value, last.after) != ("f", True, -1, 2):
        wrong.append(f"{last}")
    if stops != expected_stops or found.scenes[0].command != "/bin/echo a: b":
        wrong.append(f"{stops}")
    yield Result("lecture/steps", not wrong, "\n".join(wrong))


GUIDE = ROOT / "doc" / "instructor.md"


def example(first: str) -> str:
    """The text that the instructor's guide prints: a list of steps, a program."""
    text = GUIDE.read_text(encoding="utf-8")
    block = text[text.index(f"    {first}") :].split("\n\n")[0]
    return "\n".join(line[4:] for line in block.splitlines()) + "\n"


Lists = dict[str, tuple[str, list[str], str]]
# What is said of a list, behind the file's name: before a guest runs.
BAD_LISTS: Lists = {
    "no-function": ("run ls\nstop vm_falt", [],
                    "3: the kernel has no function vm_falt; there is vm_fault"),
    "inlined": ("run ls\nstop take_item", [],
                "3: take_item is inlined everywhere: take pool_get"),
    "no-code": ("run ls\nstop pmap_list", [], "3: the kernel has no function pmap_list; there is "),
    "no-parameter": ("run ls\nstop vm_fault with words=1", [],
                     "3: vm_fault has no parameter words; it has map"),
    "no-picture": ("run ls\nshow space amap\n\nstop vm_fault", [],
                   "3: no picture is called amap; there are frames owners"),
    "no-test": ("test lab_pv_thousends\npoint before", ["LAB=pv"],
                "1: the starter has no test lab_pv_thousends; there are lab_pv_"),
    "picture-of-test": ("run ls\nshow map\nstop vm_fault", ["LAB=map"],
                        "3: the picture map is of a test, and `s' has none; there are frames"),
}  # fmt: skip
# And what is known only when it has run.
LATE_LISTS: Lists = {
    "never": ("run ls /\nstop sys_reboot in ls", [],
              "3: kernel: stop sys_reboot was not reached: exit 0; it was entered in init (1)"),
    "too-often": ("run ls /\nstop sys_execve in any after 9", [],
                  "exit 0; it was entered in init (1), in sh (1), and the step comes after 9"),
    "another-value": ("run ls /\nstop sys_execve in any with argv_va=1", [],
                      "exit 0; it was entered with another argv_va (2)"),
    "no-program": ("run cutmap\nstop sys_mmap", [],
                   "exit 127: sh: cutmap: not found; a program of your own gets on the disk by E"),
    "inlined-there": ("run ls /\nstop map_entry_clip_start", [],
                      "exit 0; it is inlined in map_entry_"),
    "no-point": ("test lab_pv_thousand\npoint mapped: x\npoint nonsense", ["LAB=pv"],
                 "4: starter: point nonsense was not reached: exit 0; "
                 "test lab_pv_thousand has before mapped after"),
}  # fmt: skip


def check_lists(config: Config) -> Iterator[Result]:
    """The kernel's own lectures and the guide's example are reached step by step, each in the
    function that it names, with the pictures that it shows; a step that never comes is said so."""
    with tempfile.TemporaryDirectory(prefix="strata-steps-") as folder:
        own = Path(folder) / "fork.steps"
        own.write_text(example("# fork.steps"), encoding="utf-8")
        lists = [own, *sorted(steps.FOLDER.glob("*.steps"))]
        for path in lists:
            wrong = list_faults(config, path)
            command = f"make demo AUTO=1 STEPS={path.stem}"
            yield Result(f"lecture/lists/{path.stem}", not wrong, "\n".join(wrong), command)
        bad = Path(folder) / "bad.steps"
        for name, (text, lab, expected) in {**BAD_LISTS, **LATE_LISTS}.items():
            bad.write_text(f"scene s\n{text}: Never.\n", encoding="utf-8")
            words = [*config.make_words, "AUTO=1", f"STEPS={bad}", *lab]
            done = run_as_user(["make", "demo", *words])
            said = done.stdout.partition(f"strata: {bad}:")[2]
            right = done.returncode != 0 and expected in said
            early = name in LATE_LISTS or "running the" not in done.stdout
            yield Result(f"lecture/lists/{name}", right and early, done.stdout)
        yield from check_figures(config, Path(folder))


def check_figures(config: Config, folder: Path) -> Iterator[Result]:
    """The lab's pictures count the processes of a command, too; and a call that has returned has
    done what it does."""
    text = "scene s\nrun ls /\nshow figures\nstop pmap_enter: x\n" \
        "stop pmap_enter returns: x\n"
    (folder / "figures.steps").write_text(text, encoding="utf-8")
    words = [*config.make_words, "LAB=pv", f"STEPS={folder / 'figures.steps'}"]
    done = run_as_user(["make", "demo", *words, f"OUT={folder / 'figures.html'}"])
    wrong = done.stdout if done.returncode else ""
    if not wrong:
        kept = config.out / "demo" / "pv-figures-starter-reference.json"
        seen = [[form["pictures"] for form in step["forms"]]
                for step in record.decode(kept.read_text(encoding="utf-8")).steps]  # fmt: skip
        told = [[int(dict(p["figures"]["rows"])["mappings"]) for p in forms] for forms in seen]
        there = [[sum(int(row[1]) for row in p["spaces"]["rows"]) for p in forms] for forms in seen]
        # The first call does its work, and the second.
        if told != there or told[1] != [count + 2 for count in told[0]]:
            wrong = f"mappings {told} of {there}"
    yield Result("lecture/lists/figures", not wrong, wrong)


def anons(picture: dict[str, Any]) -> int:
    """How many there are, also in nodes that stand for several."""
    texts = "\n".join(node[2] for node in picture["nodes"] if node[1] == looks.ANONS)
    slots = re.findall(r"^slots? (\d+)(?:-(\d+))?", texts, re.MULTILINE)
    return sum(int(last or first) - int(first) + 1 for first, last in slots)


TOLD_ARGUMENTS = {"owner": "PAGE_ANON", "map": "struct vm_map *", "entry": "struct vm_map_entry **"}
"""Of steps on a fault's way: an enumeration's by their names, a pointer's by what it points to."""


def list_faults(config: Config, path: Path) -> list[str]:
    done = run_as_user(["make", "demo", *config.make_words, "AUTO=1", f"STEPS={path}"])
    if done.returncode != 0:
        return [done.stdout]
    kept = config.out / "demo" / f"{path.stem}-kernel.json"
    found = record.decode(kept.read_text(encoding="utf-8"))
    wanted = [stop for scene in steps.parse(path.read_text("utf-8"), path.name).scenes
              for stop in scene.stops]  # fmt: skip
    wrong = [] if len(wanted) == len(found.steps) else [f"{len(found.steps)} steps"]
    for number, (stop, step) in enumerate(zip(wanted, found.steps), 1):
        form = step["forms"][0]
        if form["where"].get("function") != stop.name:
            wrong.append(f"step {number}: stands in {form['where']}, not in {stop.name}")
        shown = [name for name in stop.show if name in form["pictures"]]
        if not shown or any(not form["pictures"][name]["title"] for name in shown):
            wrong.append(f"step {number}: none of {' '.join(stop.show)} is there")
    if path.stem == "fault" and not wrong:
        counts = [anons(found.steps[at]["forms"][0]["pictures"]["amaps"]) for at in (0, -1)]
        wrong += [] if counts[1] == counts[0] + 1 else [f"anons before and after: {counts}"]
        told = {row[0]: row[1] for step in found.steps
                for row in step["forms"][0]["pictures"]["arguments"]["rows"]}  # fmt: skip
        wrong += [f"{name} is {told.get(name)}, not {text}"
                  for name, text in TOLD_ARGUMENTS.items() if told.get(name) != text]  # fmt: skip
    return wrong


BLOCKS = range(0x10000000, 0x10018000)
"""Where the guide's program maps."""


def check_program(config: Config) -> Iterator[Result]:
    """The guide's lecture with a program of one's own, from the C file to the page, in a build of
    its own, as another disk is made. The entries that are seen before and after are counted."""
    if not shutil.which("musl-gcc"):
        yield Result("lecture/program", True, skipped="no musl-gcc is installed")
        return
    with tempfile.TemporaryDirectory(prefix="strata-program-") as name:
        folder = Path(name)
        for first, file in (("// cutmap.c", "cutmap.c"), ("# cutmap.steps", "cutmap.steps")):
            (folder / file).write_text(example(first), encoding="utf-8")
        words = [*config.make_words, f"O={folder / 'out'}", f"EXTRA={folder / 'cutmap'}"]
        steps_words = ["LAB=map", f"STEPS={folder / 'cutmap.steps'}",
                       f"OUT={folder / 'cutmap.html'}"]  # fmt: skip
        for command in (
            ["musl-gcc", "-static", "-o", str(folder / "cutmap"), str(folder / "cutmap.c")],
            ["make", "demo", *words, *steps_words],
        ):
            done = run_as_user(command)
            if done.returncode:
                yield Result("lecture/program", False, done.stdout)
                return
        kept = folder / "out" / "demo" / "map-cutmap-starter-reference.json"
        found = record.decode(kept.read_text(encoding="utf-8")).steps
        counts = [[sum(int(row[0], 16) in BLOCKS for row in form["pictures"]["entries"]["rows"])
                   for form in step["forms"]] for step in found]  # fmt: skip
        told = dict(found[0]["forms"][0]["pictures"]["arguments"]["rows"])
        right = [counts[0], counts[1], counts[-1]] == [[0, 0], [3, 1], [4, 2]]
        right = right and told["fd"] == "-1" and found[1]["name"] == "three blocks"
        # What is new in the strip are the blocks, though what is behind them has moved.
        strips = [form["pictures"]["space"] for form in found[1]["forms"]]
        new = [sum(lane == 0 for lane, _ in strip["new"]) for strip in strips]
        right = right and new == counts[1] and not any(strip["gone"] for strip in strips)
        right = right and (folder / "cutmap.html").exists()
        detail = f"entries {counts}, called with {told}, new {new}"
        yield Result("lecture/program", right, detail)


def check_guide(config: Config) -> Iterator[Result]:
    """The functions at which the guide says to stop first can be stopped at."""
    rows = re.findall(r"^\| (?:pv|map|anon|pool) \|.*\| (.*) \|$", GUIDE.read_text("utf-8"), re.M)
    wrong = []
    for name in ", ".join(rows).split(", "):
        try:
            known.address(steps.Stop("stop", name, "", []), "kernel", (config.out, config.out))
        except steps.StepError as error:
            wrong.append(str(error))
    yield Result("lecture/guide", bool(rows) and not wrong, "\n".join(wrong))
