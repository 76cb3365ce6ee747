# SPDX-License-Identifier: BSD-2-Clause
"""What a student reads when a test fails: all of it is there, and it leads to the failure.

Hints are tried on what was seen of mistakes (tests/evidence), without a boot: each gets the hint
that is meant for it, or none. For a few wrong solutions of different kinds: the message has every
part, the command that it names shows the same once more, and under GDB it stops where the mistake
shows.
"""

from __future__ import annotations

import ast
import io
import json
import re
import shlex
import tempfile
import tomllib
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, Iterator

from grade import lab as labs
from grade import lab_explain, lab_grade, lab_variant
from grade.lab import Lab
from grade.lab_judge import THE_END, Boot, Finding, Plan, Run
from grade.lab_report import Report, TestResult
from grade.session import End, Outcome, Session
from tests.guest import WALL_SECONDS
from tests.job import ROOT, Config, Job, Result, run_as_user
from tests.suites import messages_tour

BACKTRACE = r"#\d+\s+0x[0-9a-f]+ \w+\+0x[0-9a-f]+ \(\S+:\d+\)"
HANG = r"0x[0-9a-f]{16} \w+ at \S+:\d+"
# Wrong solution, test, what the message must show beside the usual parts, and where GDB stops.
CASES = [
    ("wrong-pmap", "sequence", BACKTRACE, "crash"),
    ("enter-no-lock", "smp", "pv_enter works on a page's part .* without pv_lock", "ktest_fail"),
    ("count-first-only", "small", "pv_count 16, pv_is_mapped True", "judge_point"),
]
CRASH_SECONDS = 240
SLOW_CASES = [("exhaustion-loops", "nothing-to-steal", HANG, "")]
PARTS = {
    "what was expected": r"expected: \S",
    "what was found": r"got: +\S",
    "the rule and its place": r"rule: +\S[^:]*\(1-pv/README\.md, [^)]+\)$",
    "a hint": r"hint: +\S",
    "the console": r"^ +\| \S",
    "a command": r"again: make repro LAB=pv IMPL=mutant-\S+ T=\S+ SEED=\d+$",
}
IN_GDB = {"bt": r"#\d+ ", "pv pmap lab_pmap[0]": r"\d+ entries$", "chunks": r"/168 used"}


def lacking(text: str, parts: dict[str, str]) -> str:
    gone = [name for name, part in parts.items() if not re.search(part, text, re.MULTILINE)]
    return f"{', '.join(gone)} is not in\n{text}" if gone else ""


def without_places(text: str) -> str:
    """A hang is stopped by the clock, at one instruction of its loop or another; and a test beside
    this one may be building."""
    text = re.sub(r"^strata: another make is building here: .*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"^ +(0x[0-9a-f]{16}|CPU \d+:) .*$", "", text, flags=re.MULTILINE)


CRASHES = {
    "crash_stack_array": [r"^panic: double fault, .* \(kernel stack overflow\)$", r"^rax \w+ rbx ",
                          r"#0 .* large_frame\+", r"ktest_crash_stack_array\+"],
    "crash_stack_overflow": [r"^panic: double fault, .* \(kernel stack overflow\)$",
                             r"#0 .* recurse\+", r"ktest_crash_stack_overflow\+"],
    "crash_null": [r"^panic: kernel page fault at 0: .*null pointer",
                   r"#0 .* ktest_crash_null\+0x\w+ \(tests/kernel/test_machine\.c:\d+\)$"],
    "crash_locked": [r"^panic: with a lock held$",
                     r"^  holds crash test \(rank \d+, 0x\w+\), taken at "
                     r"0x\w{16} ktest_crash_locked\+0x\w+ \(tests/kernel/test_machine\.c:\d+\)$"],
    "crash_failed": [r"^panic: what came of it$",
                     r"^test crash_failed FAIL tests/kernel/test_machine\.c:\d+: .*: seen first$"],
}
"""In-kernel tests that panic, and what their reports and their records must say."""


def check_crash(config: Config, name: str) -> Iterator[Result]:
    machine = config.machine(words=[f"test={name}", "quiet"], disk=None)
    outcome = Session(machine, WALL_SECONDS, want_exit=False, busy=CRASH_SECONDS).run()
    text = outcome.console.decode(errors="replace").replace("\r\n", "\n")
    text += b"\n".join(outcome.records).decode(errors="replace")
    trouble = lacking(text, {line: line for line in CRASHES[name]})
    right = outcome.end is End.PANIC and not trouble
    yield Result(f"messages/{name}", right, f"{outcome.describe()}\n{trouble}")


def check_commands(config: Config) -> Iterator[Result]:
    """compile_commands.json has each C file of the kernel, and commands that compile."""
    made = run_as_user(["make", "-s", "compile_commands.json", *config.make_words])
    listed = json.loads((ROOT / "compile_commands.json").read_text(encoding="utf-8"))
    commands = {entry["file"]: entry["command"] for entry in listed}
    found = {str(path.relative_to(ROOT)) for path in (ROOT / "kernel").rglob("*.c")}
    wrong = [f"not listed: {name}" for name in sorted(found - commands.keys())
             if not name.endswith("/ubsan.c")]
    tried = [min(commands), max(commands), *(lab.owned[0] for lab in labs.all_labs())]
    for name in tried:
        done = run_as_user([*shlex.split(commands[name]), "-fsyntax-only"])
        wrong += [done.stdout] if done.returncode else []
    yield Result("messages/commands", not wrong, "\n".join([*wrong, made.stdout]))


def check_case(config: Config, mutant: str, test: str, shows: str, stop: str) -> Iterator[Result]:
    name = f"messages/{mutant}"
    form = ["LAB=pv", f"IMPL=mutant-{mutant}", f"T={test}"]
    text = run_as_user(["make", "grade", *config.make_words, *form]).stdout
    trouble = lacking(text, {**PARTS, "what this mistake shows": shows})
    yield Result(name, not trouble, trouble)
    found = re.search(r"again: (make repro .*)$", text, re.MULTILINE)
    if not found:
        return
    command = [*shlex.split(found[1]), *config.make_words]
    again = run_as_user(command).stdout
    right = without_places(again) == without_places(text)
    yield Result(f"{name}/repro", right, f"first\n{text}\nthen\n{again}")
    if stop:
        parts = {f"GDB in {stop}": rf"^(#0  {stop}|Breakpoint \d+, {stop}) ", **IN_GDB}
        asked = " ".join(f"-ex {shlex.quote(each)}" for each in IN_GDB)
        stopped = run_as_user([*command, "GDB=1"], GDB_ARGS=f"-batch {asked}")
        trouble = lacking(stopped.stdout, parts)
        yield Result(f"{name}/gdb", not trouble, trouble)


def named_rules(paths: list[Path]) -> Iterator[str]:
    """The invariants that a judge's sources name, by constants of their own or of each other."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    constants = {
        target.id: node.value.value
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.keyword) and node.arg == "invariant":
            if isinstance(node.value, ast.Constant):
                yield str(node.value.value)
            name = getattr(node.value, "attr", getattr(node.value, "id", ""))
            if name in constants:
                yield str(constants[name])


def check_rules(lab: Lab) -> Iterator[Result]:
    """Every rule that a finding may name is under a heading that the handout has."""
    handout = (lab.folder / "README.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", handout, re.MULTILINE)
    sources = [*(lab.folder / "tests").glob("*.py"), ROOT / "grade" / "lab_grade.py"]
    named = set(named_rules(sources))
    named |= {test.invariant for test in lab.tests} | {h.rule for h in lab.hints if h.rule}
    named = {lab_variant.filled(rule, lab.figures) for rule in named}
    wrong = [f"no place in the handout for: {rule}" for rule in sorted(named - lab.rules.keys())]
    for rule, place in lab.rules.items():
        heading, _, number = place.partition(", rule ")
        if not any(each.startswith(heading) for each in headings):
            wrong.append(f"{rule}: the handout has no heading {place}")
        if number and not re.search(rf"^{number}\. ", handout, re.MULTILINE):
            wrong.append(f"{rule}: the handout has no rule {number}")
        if rule not in named:
            wrong.append(f"no finding names: {rule}")
    wrong += [f"{test.name}: no hint" for test in lab.tests if not test.hint]
    yield Result(f"messages/{lab.name}/rules", not wrong, "\n".join(wrong))


def panic_report(seen: dict[str, Any]) -> str:
    """As crash.c prints it; pv_lock and another CPU's frames are in each."""
    frames = [f"  #{i:<2} 0x{0xffffffff80101000 + i:x} f+0x{i:x} (kernel/some/{file}:{i + 7})"
              for i, file in enumerate(seen["files"])]
    registers = [seen["registers"]] if "registers" in seen else []
    return "\r\n".join([
        "Strata: 127 MiB of memory", "", f"panic: {seen['message']}", *registers,
        "cr2 0000000000000000 cr3 000000000037e000", "CPU 0 of 2: thread 0 (boot)", *frames,
        "  holds pv (rank 31, 0xffffffff80179720)", "CPU 1: thread 3 (cat) in the kernel",
        "  #0  0xffffffff80101f00 wait+0x1 (kernel/pmap/pv.c:9)",
        "  #1  0xffffffff80101f10 wait+0x2 (kernel/vm/map_entry.c:9)",
        "  holds pv (rank 31, 0xffffffff80179720)", "",
    ])


def run_of(seen: dict[str, Any], rule: str = "a rule of another test") -> Run:
    """A run in which this was seen, and what was found breaks this rule."""
    run = Run(Boot(ktest="some"), 1)
    if "found" in seen:
        run.outcome = Outcome(End.EXIT)
        run.wrong(seen.get("what", "the state at point end"), "something else", seen["found"],
                  invariant=rule)
        return run
    if "message" in seen:
        console = panic_report(seen).encode()
        run.outcome = Outcome(End.PANIC, detail=seen["message"], console=console)
    else:
        run.outcome = Outcome(End.HANG, detail=seen["hang"] + "\n0xffffffff8010 work at pv.c:7")
    run.findings.append(Finding(THE_END, "power-off", run.outcome.describe()))
    return run


def check_hints(lab: Lab) -> Iterator[Result]:
    """Each hint is shown for the mistakes that it is meant for, and for none of the others."""
    text = (ROOT / "tests" / "evidence" / f"{lab.name}.toml").read_text(encoding="utf-8")
    evidence = tomllib.loads(text)["seen"]
    name_of = {"": "", **{hint.think: hint.name for hint in lab.hints}}
    wrong, cases = [], Counter(seen["hint"] for seen in evidence)
    for seen in evidence:
        run = run_of(seen)
        lab_explain.explain(lab, lab.tests[0], run)
        got = name_of[run.findings[0].hint]
        if got != seen["hint"]:
            wrong.append(f"{seen}: expected hint {seen['hint']!r}, got {got!r}")
        for rule in (hint.rule for hint in lab.hints if hint.name == got and hint.rule):
            run = run_of(seen, "")
            lab_explain.explain(lab, lab.tests[0], run)
            if run.findings[0].invariant != rule:
                wrong.append(f"{seen}: the rule is {run.findings[0].invariant!r}, not {rule!r}")
    wrong += [f"no case of hint {hint.name}" for hint in lab.hints if not cases[hint.name]]
    yield Result(f"messages/{lab.name}/hints", not wrong, "\n".join(wrong))


def check_joined(lab: Lab) -> Iterator[Result]:
    """One mistake at several points is one finding; what a freed page holds is named."""
    run = Run(Boot(ktest="some"), 1, outcome=Outcome(End.EXIT))
    for point in ("start", "ops", "ops", "end"):
        run.wrong(f"entries at point {point}", 3, 0xDEADBEEFFEE1DEAD, invariant="one")
        run.wrong(f"figures at point {point}", 3, "va 0xdeadbeefdeadbef7", invariant="two")
    run.wrong("figures at point end", 3, "va 0xfee1dead, 4276215468", invariant="two")
    lab_explain.explain(lab, lab.tests[0], run)
    got = [finding.got for finding in run.findings]
    page, item = "what a freed page is filled with", "what a freed item of a pool is filled with"
    expected = [
        f"{0xDEADBEEFFEE1DEAD}\nand wrong at 3 later points\n{0xDEADBEEFFEE1DEAD} is {page}",
        f"va 0xdeadbeefdeadbef7\nand wrong at 3 later points\n0xdeadbeefdeadbef7 is {item}",
        f"va 0xfee1dead, 4276215468\n0xfee1dead is {page}",
    ]
    yield Result(f"messages/{lab.name}/joined", got == expected, f"expected {expected}\ngot {got}")


def check_records(lab: Lab) -> Iterator[Result]:
    """Who breaks what the judge reads at a point wrote no records; who wrote one too many did."""
    wrong: list[str] = []
    cases: list[tuple[list[bytes], list[str]]] = [([], []), ([b"point end"], ["records `point'"])]
    for more, expected in cases:
        records = [b"boot", b"point start", *more, b"test some ok", b"poweroff"]
        run = Run(Boot(ktest="some"), 1, outcome=Outcome(End.EXIT, records=records), points=1)
        lab_grade.Grader.judge_records(Plan([run.boot], ["start"]), run)
        got = [finding.what for finding in run.findings]
        wrong += [f"{records}: expected {expected}, got {got}"] if got != expected else []
    yield Result(f"messages/{lab.name}/records", not wrong, "\n".join(wrong))


def check_excerpt(lab: Lab) -> Iterator[Result]:
    """However deep a panic's backtrace and however talkative the test: the first line, the first
    and the last frames and the locks are shown."""
    seen = {"message": "deep", "files": [f"f{i}.c" for i in range(32)], "registers": "rax 1\nrbx 2"}
    run = run_of({"message": "deep", "hint": "", "files": seen["files"]})
    said = "panic: a learner's own word\r\n" + "noise\r\n" * 99 + panic_report(seen)
    run.outcome.console = said.encode()
    with tempfile.TemporaryDirectory() as folder:
        screen = io.StringIO()
        report = Report(lab, "mine", 1, Path(folder) / "results.json", screen)
        result = TestResult(lab.tests[0])
        result.fail(run)
        report.add(result)
    lines = [r"panic: deep", r"  #0 .*f0\.c", r"  #11 ", r"  \[16 frames more\]", r"  #31 .*f31\.c",
             r"  holds pv .*", r"CPU 1: "]
    pattern = r".*\n(?:.*\n)*? +\| ".join(lines)
    ok = re.search(pattern, screen.getvalue()) and "noise" not in screen.getvalue()
    yield Result(f"messages/{lab.name}/excerpt", bool(ok), screen.getvalue())


def check_entries(lab: Lab) -> Iterator[Result]:
    """Lab 1's judge: a PTE without an entry and an entry too many are one mistake if they differ in
    one part, and two if they do not."""
    judge = lab_grade.judge_of(lab)
    right = Counter({(1, 0x1000, 0x7000): 1, (2, 0x1000, 0x7000): 1, (2, 0x2000, 0x8000): 1})
    bits = judge.PTE["PTE_MANAGED"] | judge.PTE["PTE_P"]
    ptes = {(pmap, va): page | bits for pmap, va, page in right}
    first, second = (1, 0x1000, 0x7000), (2, 0x2000, 0x8000)
    cases: list[tuple[list[Any], list[Any], list[str]]] = [
        ([], [], []),
        ([first], [], ["1 PTEs have no entry: pmap 0"]),
        ([], [first], ["1 entries too many, of mappings that are recorded twice: pmap 0"]),
        ([], [(3, 0x9000, 0x7000)], ["1 entries too many: pmap 0x3"]),
        ([second], [(1, 0x2000, 0x8000)], ["1 entries name another pmap: the PTE: pmap 1"]),
        ([second], [(2, 0x3000, 0x8000)], ["1 entries name another address: the PTE: pmap 1"]),
        ([second], [(2, 0x2000, 0x9000)], ["1 entries name another page: the PTE: pmap 1"]),
        ([second], [(3, 0x9000, 0x7000)],
         ["1 PTEs have no entry: pmap 1", "1 entries too many: pmap 0x3"]),
    ]
    wrong = []
    for missing, extra, expected in cases:
        entries = right - Counter(missing) + Counter(extra)
        run = Run(Boot(ktest="some"), 1)
        state = judge.State("end", Counter(), ptes, entries, [1, 2], [], stats={"pv_reclaims": 0})
        judge.judge_entries(state, run)
        got = [finding.got.partition(" va ")[0] for finding in run.findings]
        wrong += [f"without {missing}, with {extra}: expected {expected}, got {got}"] * (
            got != expected)
    yield Result(f"messages/{lab.name}/entries", not wrong, "\n".join(wrong))


def check_said(lab: Lab) -> Iterator[Result]:
    """With V=1 what a kernel printed is shown, of a test that passes, too; else it is not."""
    shown = []
    for verbose in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            screen = io.StringIO()
            report = Report(lab, "mine", 1, Path(folder) / "results.json", screen)
            report.verbose = verbose
            result = TestResult(lab.tests[0])
            result.hear(Run(Boot(), 1, outcome=Outcome(End.EXIT, console=b"my count 5\r\n")))
            report.add(result)
        shown.append("| my count 5\n" in screen.getvalue())
    yield Result(f"messages/{lab.name}/said", shown == [True, False], f"shown: {shown}")


def check_number(lab: Lab) -> Iterator[Result]:
    """Of many findings some are told, and how many are left; nobody is told that one is left."""
    wrong = []
    for count, shown in ((4, 4), (5, 5), (6, 4)):
        with tempfile.TemporaryDirectory() as folder:
            screen = io.StringIO()
            report = Report(lab, "mine", 1, Path(folder) / "results.json", screen)
            run = Run(Boot(ktest="some"), 1, outcome=Outcome(End.EXIT))
            for number in range(count):
                run.wrong(f"finding {number}", 1, 2)
            result = TestResult(lab.tests[0])
            result.fail(run)
            report.add(result)
        said = screen.getvalue()
        left = re.findall(r"and (\d+) more", said)
        right = said.count("- finding ") == shown and left == [str(count - shown)] * (count > shown)
        wrong += [] if right else [f"{count} findings:\n{said}"]
    yield Result(f"messages/{lab.name}/number", not wrong, "\n".join(wrong))


def check_order(lab: Lab) -> Iterator[Result]:
    """What was green before comes first, then the next step's tests; of later ones just names."""
    steps = sorted({test.step for test in lab.tests})
    first, last = steps[1], steps[-1]
    starts = next(test.name for test in lab.tests if not test.step)
    at = {step: [test.name for test in lab.tests if test.step == step] for step in steps}
    green = dict.fromkeys((test.name for test in lab.tests), True)
    starter = {test.name: test.starter for test in lab.tests}
    later = [test.name for test in lab.tests if not test.starter and test.step > first]
    cases: list[tuple[dict[str, bool], dict[str, bool], list[list[str]]]] = [
        ({}, green, []),
        (starter, starter, [at[first], later]),  # just begun
        ({}, {**starter, starts: False}, [[starts], at[first], later]),
        (starter, {**starter, starts: False}, [[starts], at[first], later]),
        (green, {**green, at[last][0]: False}, [[at[last][0]]]),
        (green, {**green, at[last][0]: False, at[first][0]: False}, [[at[first][0], at[last][0]]]),
        # Of a later step than that at work: not lost, but not its turn yet.
        (starter, dict.fromkeys(green, False) | dict.fromkeys(at[0], True),
         [at[first], [test.name for test in lab.tests if test.step > first]]),
    ]
    wrong = []
    for before, now, expected in cases:
        with tempfile.TemporaryDirectory() as folder:
            report = Report(lab, "mine", 1, Path(folder) / "results.json", io.StringIO())
        report.results = [TestResult(test, ok=now[test.name]) for test in lab.tests]
        got = [[r.test.name for r in results] for _, results in report.groups(before)]
        if got != expected:
            wrong.append(f"before {before}\nnow {now}\nexpected {expected}\ngot {got}")
    wrong += check_remembered(lab)
    reds = [test.name for test in lab.tests if test.step == 0 and not test.starter]
    wrong += [f"without a step: {reds}"] if reds else []
    wrong += check_step_scores(lab)
    yield Result(f"messages/{lab.name}/order", not wrong, "\n".join(wrong))


def check_remembered(lab: Lab) -> list[str]:
    """What one grading saw green and the next ones see red is told first, with what was found."""
    said = []
    with tempfile.TemporaryDirectory() as folder:
        for ok in (True, False, False):
            screen = io.StringIO()
            report = Report(lab, "mine", 1, Path(folder) / "results.json", screen, in_order=True)
            for test in lab.tests:
                result = TestResult(test, ok=ok and test.step < 2)
                result.findings = [] if result.ok else [Finding(f"seen by {test.name}")]
                report.add(result)
            report.finish(partial=False)
            said.append(screen.getvalue())
    names = [t.name for t in sorted(lab.tests, key=lambda test: test.step) if t.step < 2]
    lost = rf"\ngreen before, and red now:\n     {names[0]}: .*\n +- seen by {names[0]}\n"
    texts = [r"\nnot yet: step", lost, lost]
    return [f"{text!r} is not in\n{each}"
            for text, each in zip(texts, said) if not re.search(text, each)]


def check_step_scores(lab: Lab) -> list[str]:
    """The handout's table of steps names the tests that turn green by each, and how many points
    there are then: all that the starter has, and the steps' up to this one."""
    handout = (lab.folder / "README.md").read_text(encoding="utf-8")
    wrong, missing = [], {test.step for test in lab.tests} - {0}
    for number, green, points in re.findall(
            r"^\| (\d+) \| [^|]* \| ([^|]*) \| (\d+) \|", handout, re.MULTILINE):
        step, named = int(number), set(re.findall(r"`([a-z-]+)`", green))
        declared = {test.name for test in lab.tests if test.step == step}
        score = sum(test.points for test in lab.tests if test.step <= step)
        missing.discard(step)
        if (named, int(points)) != (declared, score):
            wrong.append(f"step {step}: the handout says {named}, {points} points; "
                         f"lab.toml {declared}, {score}")
    return wrong + [f"step {step} is not in the handout's table" for step in sorted(missing)]


def jobs(config: Config) -> list[Job]:
    if config.variant or not config.kernel.exists() or not config.graded:
        return []
    known = labs.all_labs()
    found = [
        Job(f"messages/{lab.name}/{check.__name__.removeprefix('check_')}", partial(check, lab))
        for lab in known if lab.rules
        for check in (check_rules, check_hints, check_joined, check_records, check_order,
                      check_excerpt, check_said, check_number)
    ]
    found.append(Job("messages/commands", partial(check_commands, config)))
    found += [Job(f"messages/{name}", partial(check_crash, config, name)) for name in CRASHES]
    found += [Job("messages/tour/answers", partial(messages_tour.check, lab))
              for lab in known if lab.name == "tour"]
    for lab in (lab for lab in known if lab.name == "pv"):
        found.append(Job("messages/pv/entries", partial(check_entries, lab)))
        found += [
            Job(f"messages/{case[0]}", partial(check_case, config, *case))
            for case in CASES + (SLOW_CASES if config.all else [])
        ]
    return found
