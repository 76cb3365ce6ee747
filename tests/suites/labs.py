# SPDX-License-Identifier: BSD-2-Clause
"""The labs: the reference gets every point, the starter what it declares, and every stage works.

A stage is the kernel with the references of the first labs and the starters of the others.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import json
import re
import subprocess
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Iterator

from grade import csource
from grade import lab as labs
from grade import lab_forms, lab_grade, lab_overlay
from grade.lab import Lab
from tests.guest import host_can_run, run_batch
from tests.job import ROOT, Config, Job, Result, run_as_user
from tests.suites import kernel, programs, stress

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def build(config: Config, *words: str) -> subprocess.CompletedProcess[str]:
    return run_as_user(["make", "kernel", *config.make_words, *words])


def grade(config: Config, lab: Lab, impl: str) -> tuple[dict[str, Any], str, str]:
    """Grades one form, by make as anyone would: the record, what was printed, the command."""
    command = ["make", "grade", *config.make_words, f"LAB={lab.name}", f"IMPL={impl}"]
    done = run_as_user(command)
    path = config.out / "labs" / f"{lab.name}-{impl}" / "results.json"
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return record, done.stdout, " ".join(command)


def check_score(config: Config, lab: Lab, impl: str, expected: int) -> Iterator[Result]:
    """A form gets just the points that it should."""
    record, output, command = grade(config, lab, impl)
    right = record.get("complete") is True and record.get("score") == expected
    detail = f"expected {expected} points, got {record.get('score')}\n{output}"
    yield Result(f"labs/{lab.name}/{impl}", right, detail, command)


def check_challenge(config: Config, lab: Lab, impl: str) -> Iterator[Result]:
    """A worked challenge does all that the lab's modules must do, whatever it costs."""
    record, output, command = grade(config, lab, impl)
    functional = [test["ok"] for test in record.get("tests", []) if test["kind"] == "functional"]
    right = record.get("complete") is True and bool(functional) and all(functional)
    detail = f"functional tests: {functional}\n{output}"
    yield Result(f"labs/{lab.name}/{impl}", right, detail, command)


def check_loans(config: Config) -> Iterator[Result]:
    """The challenge `loan' of lab 4: programs do not see it, and no whole page is copied in."""
    words, name = ["LAB=anon", "IMPL=loan"], "labs/anon/lent"
    done = build(config, *words)
    yield Result(f"{name}/build", done.returncode == 0, done.stdout, f"make {' '.join(words)}")
    if done.returncode != 0:
        return
    inner = dataclasses.replace(
        config, variant=config.out / "labs/anon-loan/kernel.elf", mem="128M",
        make_words=[*config.make_words, *words], pattern="user/t_p*"
    )
    for job in programs.differential(inner):
        for result in job.run():
            result.name = f"{name}/{result.name}"
            yield result
    said = run_batch(inner, [("loans", "/tests/bench loans")])["loans"].output
    copied = dict(re.findall(r"^(\d+) pages, bytes copied in: (\d+)$", said, re.MULTILINE))
    right = copied == {"1": "4096", "16": "0", "256": "0"}
    yield Result(f"{name}/bytes", right, said, inner.make("run", CMD="/tests/bench loans"))


def check_fault_rows(config: Config) -> Iterator[Result]:
    """/proc/vm/fault has the figures of lab 0, and what a fork shares makes `present' rise."""
    command = "cat /proc/vm/fault; (x=1; true); cat /proc/vm/fault"
    said = run_batch(config, [("rows", command)])["rows"].output
    rows = re.findall(r"^(\w+) (\d+)$", said, re.MULTILINE)
    half = len(rows) // 2
    first, second = ({name: int(n) for name, n in part} for part in (rows[:half], rows[half:]))
    names = ("reads", "writes", "executes")
    right = all(name in first for name in (*names, "present", "faults"))
    # They count from the first look on, which sees none of them.
    counted = sum(second[name] - first[name] for name in names)
    right = right and counted == second["faults"] - first["faults"] and first["reads"] == 0
    right = right and 0 == first["present"] < second["present"] < counted
    yield Result("labs/tour/rows", right, said)


def check_parts(config: Config, lab: Lab) -> Iterator[Result]:
    """Each part is graded alone: the starter has its points, what solves the part alone has all. In
    copies: other jobs grade the starter itself, and write its results."""
    for part in lab.parts:
        alone = lab.of_part(part)
        folder = config.out / "labs" / "parts" / lab.name / part
        for owned in lab.owned:
            data = lab_forms.starter(lab, owned).read_bytes()
            lab_forms.write_changed(ROOT / folder / "starter" / owned, data)
        forms = {f"{folder}/starter/": alone.starter_score}
        patch = lab.folder / "parts" / f"{part}.patch"
        if patch.exists():
            for owned in lab.owned:
                data = lab_forms.reference_bytes(lab, owned)
                lab_forms.write_changed(ROOT / folder / "alone" / owned, data)
            lab_forms.apply_patch(patch, ROOT / folder / "alone")
            forms[f"{folder}/alone/"] = alone.total
        for form, wanted in forms.items():
            words = [f"LAB={lab.name}", f"IMPL={form}", f"PART={part}"]
            done = run_as_user(["make", "grade", *config.make_words, *words])
            name, _ = lab_overlay.forms(lab.name, form, "", "")
            said = config.out / "labs" / name / "results.json"
            record = json.loads(said.read_text(encoding="utf-8")) if said.exists() else {}
            got = (record.get("part"), record.get("score"), record.get("max_score"))
            right = record.get("complete") is True and got == (part, wanted, alone.total)
            yield Result(f"labs/{lab.name}/part-{part}-{form.split('/')[-2]}", right,
                         f"expected {wanted} of {alone.total}, got {got}\n{done.stdout}",
                         f"make grade {' '.join(words)}")


def check_part_names(known: list[Lab]) -> Iterator[Result]:
    """Parts share a lab's points; a part that is none is named in the error."""
    said = []
    for lab in known:
        if lab.parts and sum(lab.of_part(part).total for part in lab.parts) != lab.total:
            said.append(f"the parts of lab {lab.name} do not sum to {lab.total}")
        try:
            lab.of_part("z")
            said.append(f"lab {lab.name} has a part z")
        except SystemExit as error:
            wanted = " ".join(lab.parts) or "no parts"
            said += [] if f"PART=z: lab {lab.name} has" in str(error) and wanted in str(error) \
                else [str(error)]
    yield Result("labs/part-names", not said, "\n".join(said))


def check_files(lab: Lab) -> Iterator[Result]:
    """The reference is sealed, and no other file knows the lab's own headers."""
    wrong = []
    for path, wanted in lab_forms.sealed_ids(lab).items():
        if lab_forms.blob_id((ROOT / path).read_bytes()) != wanted:
            wrong.append(f"{path} is not the sealed reference; if it is to be: make lab-seal")
    own = {path.removeprefix("kernel/") for path in lab.owned if path.endswith(".h")}
    own = set() if lab.callers else own
    for source in sorted((ROOT / "kernel").rglob("*.[chS]")):
        name = str(source.relative_to(ROOT))
        if name not in lab.owned and own & set(INCLUDE.findall(source.read_text("utf-8"))):
            wrong.append(f"{name} includes a header that a solution may change")
    if lab.total != 100:
        wrong.append(f"the points sum to {lab.total}, not 100")
    yield Result(f"labs/{lab.name}/files", not wrong, "\n".join(wrong))


def check_mix(config: Config, name: str, words: list[str], variant: str) -> Iterator[Result]:
    """The kernel's tests, all programs, and the page daemon where memory runs out, on a kernel of
    starters and references."""
    done = build(config, *words)
    yield Result(f"{name}/build", done.returncode == 0, done.stdout, f"make {' '.join(words)}")
    if done.returncode != 0:
        return
    kernel_elf = config.out / "labs" / variant / "kernel.elf"
    inner = dataclasses.replace(
        config, variant=kernel_elf, make_words=[*config.make_words, *words], pattern=""
    )
    if words[0].startswith("LAB="):
        inner.mem = "128M" # the graded tests, which this kernel holds, are for this much
    torture = stress.command("vmtorture 32 2", "vmtorture 8 2")
    pageout = Job("pageout", lambda: stress.check(inner, "pageout", 1, 1, torture, "24M"))
    for job in [*kernel.jobs(inner), *programs.jobs(inner), pageout]:
        for result in job.run():
            result.name = f"{name}/{result.name}"
            yield result


def check_demo(config: Config, lab: Lab) -> Iterator[Result]:
    """The demonstration runs by itself, and shows what its recording in doc/ shows."""
    command = ["make", "demo", *config.make_words, f"LAB={lab.name}", "AUTO=1"]
    done = run_as_user(command, stderr=subprocess.PIPE)
    recorded = (ROOT / "doc" / f"{lab.name}-demo.txt").read_text(encoding="utf-8")
    changes = difflib.unified_diff(recorded.splitlines(), done.stdout.splitlines(), "doc", "shown")
    right = done.returncode == 0 and done.stdout == recorded
    detail = "\n".join([done.stderr, *changes])
    yield Result(f"labs/{lab.name}/demo", right, detail, " ".join(command))


def check_gaps(known: list[Lab]) -> Iterator[Result]:
    """Where there is no lab 3, stage 3 is stage 2, stage 4 has lab 4, and there is no stage 5."""
    numbers = (1, 2, 4)
    found = [dataclasses.replace(known[0], number=n, name=f"lab{n}") for n in numbers]
    stages = {}
    for stage in ("0", "2", "3", "4"):
        _, forms = lab_overlay.forms("", "", "", stage, found)
        stages[stage] = [n for n in numbers if forms[f"lab{n}"] == "reference"]
    try:
        lab_overlay.forms("", "", "", "5", found)
        beyond = "taken"
    except SystemExit as error:
        beyond = str(error)
    expected = {"0": [], "2": [1, 2], "3": [1, 2], "4": [1, 2, 4]}
    right = stages == expected and "0 to 4" in beyond
    mixed = [words[0] for _, words, _ in mixes(found) if words[0].startswith("STAGE")]
    right = right and mixed == ["STAGE=0", "STAGE=1", "STAGE=2"]
    yield Result("labs/gaps", right, f"stages {stages}, mixes {mixed}, STAGE=5: {beyond}")


def check_judges(known: list[Lab]) -> Iterator[Result]:
    """Judges that one process reads share nothing: files of two labs may have the same name."""
    wrong = []
    for lab in [*known, *reversed(known)]:
        names = {path.stem for path in (lab.folder / "tests").glob("*.py")}
        seen = [lab_grade.judge_of(lab)]
        for module in seen:
            home = Path(module.__file__ or "").parent
            wrong += [f"{lab.name}: {module.__name__} of {home}"] * (home != lab.folder / "tests")
            values = {id(value): value for value in vars(module).values()
                      if isinstance(value, ModuleType) and value.__name__ in names}
            seen += [value for value in values.values() if value not in seen]
    yield Result("labs/judges", not wrong, "\n".join(wrong))


PLAIN = [
    "void f(void) { stats.n++; }",
    "void f(void) { --stats.part.n; }",
    "void f(void) { all.n += 2; }",
    "void f(void) { total = total + 1; }",
    "void f(void) { uint64_t n = total;\n total = n + 1; }",
    "static void add(uint64_t *n) { ++*n; }\nvoid f(void) { add(&stats.n); }",
    "static void add(int k, uint64_t *n) { *n = *n + k; }\nvoid f(void) { add(1, &total); }",
    "static void add(struct st *s) { s->part.n--; }\nvoid f(void) { add(&stats); }",
    "void f(void) { struct st *s = &stats;\n s->n += 1; }",
]
"""What counts in `stats', `total' or `all', each in one line."""
NOT_PLAIN = [
    "void f(void) { stat_inc(stats.n);\n __atomic_fetch_add(&total, 1, 0); }",
    "void f(struct map *m) { m->stats.n++;\n m->total += 1; }",
    "void f(void) { uint64_t n = total;\n n++;\n ready = true; }",
    "static void get(struct st *s) { *s = all; }\nvoid f(void) { get(&stats); }",
    "static void add(uint64_t *n) { ++*n; }\nvoid f(struct map *m) { add(&m->total); }",
    "static struct mutex lock;\nvoid f(void) { mutex_lock(&lock);\n total++; }",
]


def check_plain_counts() -> Iterator[Result]:
    """A count of all processors that may lose one is found in the text, however it is written; and
    nothing else is taken for one."""
    head = "static struct st stats;\nstatic uint64_t total;\nstatic bool ready;\n"
    wrong = []
    for text, wanted in [*((text, 1) for text in PLAIN), *((text, 0) for text in NOT_PLAIN)]:
        found = list(csource.counted_plainly(head + text + "\n", {"all"}))
        if len(found) != wanted:
            wrong.append(f"{len(found)} lines, not {wanted}: {found}\n{text}")
    yield Result("labs/plain-counts", not wrong, "\n".join(wrong))


def jobs(config: Config) -> list[Job]:
    if config.variant or not config.kernel.exists():
        return []
    known = labs.all_labs()
    found = [Job("labs/gaps", partial(check_gaps, known)),
             Job("labs/judges", partial(check_judges, known)),
             Job("labs/plain-counts", check_plain_counts),
             Job("labs/part-names", partial(check_part_names, known))] if known else []
    if config.graded and host_can_run() and any("loan" in lab.challenges for lab in known):
        found.append(Job("labs/anon/lent", partial(check_loans, config), long=True))
    if any(lab.name == "tour" for lab in known):
        found.append(Job("labs/tour/rows", partial(check_fault_rows, config)))
    for lab in known:
        found.append(Job(f"labs/{lab.name}/files", partial(check_files, lab)))
        if not config.graded:
            continue
        if (lab.folder / "demo").exists():
            found.append(
                Job(f"labs/{lab.name}/demo", partial(check_demo, config, lab), long=True)
            )
        for impl, score in (("reference", lab.total), ("starter", lab.starter_score)):
            found.append(
                Job(
                    f"labs/{lab.name}/{impl}",
                    partial(check_score, config, lab, impl, score),
                    long=True,
                )
            )
        if lab.parts:
            found.append(
                Job(f"labs/{lab.name}/parts", partial(check_parts, config, lab), long=True)
            )
        for impl in lab.challenges:
            found.append(
                Job(
                    f"labs/{lab.name}/{impl}",
                    partial(check_challenge, config, lab, impl),
                    long=True,
                )
            )
    row = [lab for lab in known if not lab.callers]
    for name, words, variant in [*mixes(row), *(pairs(row) if config.all else [])]:
        found.append(
            Job(f"labs/{name}", partial(check_mix, config, f"labs/{name}", words, variant))
        )
    return found


def mixes(known: list[Lab]) -> Iterator[tuple[str, list[str], str]]:
    """Kernels that must work: after each number of labs, and with each one alone. (Of lab 1, that
    is stage 1; lab 0 changes a figure; the last stage is the kernel that other suites test.)"""
    for stage in sorted({0, *(lab.number for lab in known[:-1])}):
        yield f"stage{stage}", [f"STAGE={stage}"], f"stage{stage}"
    for lab in [lab for lab in known if lab.number][1:]:
        words = [f"LAB={lab.name}", "IMPL=reference", "BASE=starter"]
        yield f"{lab.name}-alone", words, f"{lab.name}-reference+starter"


def pairs(known: list[Lab]) -> Iterator[tuple[str, list[str], str]]:
    """Few kernels in which every form of every lab, challenges too, meets every form of every other
    one: each kernel takes of each lab the form that meets most others for the first time."""
    forms = {lab.name: ["starter", "reference", *lab.challenges] for lab in known}
    left = {
        frozenset([(a, x), (b, y)])
        for a, b in itertools.combinations(forms, 2) for x in forms[a] for y in forms[b]
    }
    number = 0
    while left:
        first = min(left, key=sorted)
        chosen = dict(first)
        for name in sorted(forms.keys() - chosen.keys()):
            counts = {form: sum(frozenset([(name, form), other]) in left
                                for other in chosen.items()) for form in forms[name]}
            chosen[name] = max(counts, key=lambda form: counts[form])
        left -= {frozenset(pair) for pair in itertools.combinations(chosen.items(), 2)}
        number += 1
        base = " ".join(f"{lab.name}={chosen[lab.name]}" for lab in known)
        variant, _ = lab_overlay.forms("", "", base, "")
        yield f"pairs-{number:02}", [f"BASE={base}"], variant
