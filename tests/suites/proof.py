# SPDX-License-Identifier: BSD-2-Clause
"""The grader's proof: submissions that are refused, the students' tree.

What takes long runs in `make check-all` only: every mutant, every cheat, a class of submissions.
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from functools import partial
from pathlib import Path
from typing import Callable, Iterator

from grade import lab as labs
from grade import lab_forms, lab_overlay, limited, links, vet
from grade.lab import Lab
from grade.staff import batch_files, export, kills, mutants, mutate_points, similar
from grade.vet import Refused
from tests.job import ROOT, Config, Job, Result, clean_environment, run_as_user

PV = "kernel/pmap/pv.c"
"""What the hostile submissions claim to be."""
HOSTILE = {
    "include": ('#include "/etc/passwd"\n', "#include"),
    "include-out": ('#include "../../../labs/1-pv/SOLUTION.md"\n', "#include"),
    "include-macro": ('#define X "lib/list.h"\n#include X\n', "#include"),
    "include-split": ('#incl\\\nude "/dev/zero"\n', "#include"),
    "include-digraph": ('%:include "/dev/zero"\n', "#include"),
    "embed": ('char x[] = {\n#embed "/dev/zero"\n};\n', "#embed"),
    "incbin": ('__asm__(".incbin \\"/etc/passwd\\"");\n', "assembler"),
    "asm-split": ("void f(void) { a\\\nsm(\"hlt\"); }\n", "assembler"),
    "asm-comment": ('int x; /* "*/ void f(void) { asm("hlt"); } /* " */\n', "assembler"),
    "section": ('int x __attribute__((section(".ktest")));\n', "a section"),
    "constructor": ("__attribute__((constructor)) void f(void) {}\n", "a constructor"),
    "weak": ("__attribute__((weak)) void judge_report(void) {}\n", "a symbol trick"),
    "line": ('#line 1 "kernel/lib/list.h"\n', "#line"),
    "pragma": ('#pragma GCC dependency "/etc/passwd"\n', "#pragma"),
    "channel": ('#include "dev/record.h"\n', "#include"),
    "binary": ("\0\1\2", "not a text"),
}
SAMPLE = 10
"""Of so many wrong solutions make check grades one."""
HARMLESS = 'const char *s = "asm section /*"; // asm(\n/* asm("") */ int x;\n#pragma once\n'


def refusal(work: Callable[[], object]) -> str:
    try:
        work()
    except Refused as error:
        return str(error)
    return ""


def check_hostile_text(lab: Lab) -> Iterator[Result]:
    for name, (text, wanted) in HOSTILE.items():
        got = refusal(lambda: vet.vet_text(lab, {PV: text.encode()}))
        yield Result(f"proof/hostile/{name}", wanted in got, f"expected `{wanted}', got `{got}'")
    got = refusal(lambda: vet.vet_text(lab, {PV: HARMLESS.encode()}))
    yield Result("proof/hostile/harmless", not got, got)


def check_reference(lab: Lab) -> Iterator[Result]:
    """What is refused is nothing that a solution needs."""
    files = {path: (ROOT / path).read_bytes() for path in lab.owned}
    got = refusal(lambda: vet.vet_text(lab, files))
    yield Result(f"proof/{lab.name}/reference", not got, got)


def archives(folder: Path) -> Iterator[tuple[Path, str]]:
    """Submissions that must be refused, and a word of the reason."""

    def tar(name: str, member: str, data: bytes = b"x", kind: bytes = tarfile.REGTYPE) -> Path:
        path = folder / name
        with tarfile.open(path, "w:gz") as archive:
            info = tarfile.TarInfo(member)
            info.size, info.type, info.linkname = len(data), kind, "/etc/passwd"
            archive.addfile(info, io.BytesIO(data))
        return path

    yield tar("out.tar.gz", "../../kernel/pmap/pv.c"), "out of the submission"
    yield tar("absolute.tar.gz", "/tmp/pv.c"), "out of the submission"
    yield tar("link.tar.gz", "pv.c", b"", tarfile.SYMTYPE), "a link"
    yield tar("device.tar.gz", "pv.c", b"", tarfile.CHRTYPE), "not a regular file"
    yield tar("big.tar.gz", "pv.c", bytes(1 << 20)), "more than 256 KiB"
    yield tar("bomb.tar.gz", "zeroes", bytes(80 << 20)), "unpacks to more than"
    yield tar("none.tar.gz", "hello.c"), "is in it"
    (folder / "broken.tgz").write_bytes(b"\x1f\x8b\x08 and nothing more")
    yield folder / "broken.tgz", "cannot be read"
    (folder / "broken.zip").write_bytes(b"PK nothing")
    yield folder / "broken.zip", "cannot be read"
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pv.c", bytes(8 << 20))
    yield folder / "bomb.zip", "more than 256 KiB"
    odd: list[tuple[str, Callable[[Path], object]]] = [
        ("symlink", lambda p: p.symlink_to("/etc/passwd")),
        ("fifo", os.mkfifo),
        ("huge", lambda p: os.truncate(os.open(p, os.O_CREAT | os.O_WRONLY), 3 << 30)),
    ]
    for name, make in odd:
        (folder / name).mkdir()
        make(folder / name / "pv.c")
        yield folder / name, {"symlink": "symbolic link", "fifo": "regular"}.get(name, "more than")
    os.symlink("/etc", folder / "itself")
    yield folder / "itself", "symbolic link"
    (folder / "twice" / "a").mkdir(parents=True)
    (folder / "twice" / "b").mkdir()
    for below in "ab":
        (folder / "twice" / below / "pv.c").write_text("x")
    yield folder / "twice", "two files"


def check_archives(lab: Lab) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as scratch:
        for path, wanted in archives(Path(scratch)):
            got = refusal(lambda: batch_files.take(path, lab))
            name = f"proof/archive/{path.name}"
            yield Result(name, wanted in got, f"expected `{wanted}', got `{got}'")


def hostile_folders(folder: Path) -> Iterator[tuple[str, str]]:
    """Names of folders for IMPL, and a word of why make grade refuses each."""

    def start(name: str) -> Path:
        (folder / name).mkdir()
        return folder / name / "pv.c"

    start("link").symlink_to("/etc/passwd")
    yield "link", "a symbolic link"
    os.mkfifo(start("fifo"))
    yield "fifo", "not a regular file"
    with open(start("huge"), "wb") as file:
        file.truncate(3 << 30)
    yield "huge", "more than 256 KiB"
    start("include").write_text(HOSTILE["include"][0], encoding="utf-8")
    yield "include", "#include"
    start("incbin").write_text(HOSTILE["incbin"][0], encoding="utf-8")
    yield "incbin", "assembler"
    # The text passes; what it was compiled to does not.
    theirs = "void record_printf(const char *, ...);\n"
    use = 'void pv_init(void)\n{\n    record_printf("x");'
    start("symbol").write_text(f"{theirs}{use}\n}}\n", encoding="utf-8")
    yield "symbol", "built"
    reference = (ROOT / PV).read_text(encoding="utf-8")
    start("channel").write_text(reference.replace("void pv_init(void)\n{", theirs + use), "utf-8")
    for name in ("pv_check.c", "pv_impl.h"):
        (folder / "channel" / name).write_bytes((ROOT / PV).with_name(name).read_bytes())
    yield "channel", "uses record_printf"


def check_hostile_folders(config: Config, lab: Lab) -> Iterator[Result]:
    """make grade looks at what comes from outside as make batch does."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, wanted in hostile_folders(Path(scratch)):
            command = ["make", "grade", *config.make_words, f"LAB={lab.name}", "T=small"]
            done = run_as_user([*command, f"IMPL={scratch}/{name}/"])
            right = done.returncode == 1 and wanted in done.stdout and "0/100" in done.stdout
            yield Result(f"proof/grade/{name}", right, f"expected `{wanted}', got {done.stdout}")
        for made in (config.out / "labs").glob(f"{lab.name}-{lab_overlay.safe_name(scratch)}*"):
            shutil.rmtree(made)


def check_export(lab: Lab) -> Iterator[Result]:
    """No line and no name of a solution is in the students' tree, and both would be found."""
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch)
        made = export.Export(lab, None)
        made.write(target)
        found = made.leaks(target)
        told = labs.read(target / lab.folder.relative_to(ROOT)).hunted
        found += [f"lab.toml names what is hunted: {told}"] if told else []
        yield Result(f"proof/{lab.name}/export", not found, "\n".join(found[:20]))
        broken = [
            link
            for path in sorted(target.rglob("*.md"))
            for link in links.dead(
                path.relative_to(target).as_posix(), path.read_text(encoding="utf-8"),
                lambda name: (target / name).exists(),
            )
        ]
        yield Result(f"proof/{lab.name}/export-links", not broken, "\n".join(broken))
        guide = f"{lab.folder.relative_to(ROOT)}/{export.GUIDE}"
        without, guided = made.contents(), export.Export(lab, None, guide=True).contents()
        right = guide not in without and (guide in guided) == (ROOT / guide).exists()
        yield Result(f"proof/{lab.name}/export-guide", right, f"{guide}: {guide in without}")
        own = Path(lab.owned[0]).name
        line = next(line for line, origin in made.distinctive().items() if own in origin)
        (target / "README.md").write_text(f"Hint:\n   {line}\n", encoding="utf-8")
        name = min(made.names())
        (target / "kernel" / "stray.c").write_text(f"int {name}(void);\n", encoding="utf-8")
        found = made.leaks(target)
        right = len(found) == 2 and any("README.md:2:" in leak for leak in found)
        yield Result(f"proof/{lab.name}/export-leak", right, f"{line}\n{name}\n{found}")


def check_own(config: Config, before: Lab, lab: Lab) -> Iterator[Result]:
    """A student's own earlier lab goes along, and is what the kernel is built from."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        export.Export(lab, before.folder / "starter").write(tree)
        words = ["-s", "-n", "kernel", f"LAB={lab.name}", *config.make_words]
        done = run_as_user(["make", *words], cwd=tree)
        same = [(tree / path).read_bytes() == lab_forms.starter(before, path).read_bytes()
                for path in before.owned]
        right = done.returncode == 0 and all(same)
        yield Result(f"proof/{lab.name}/own-{before.name}", right, done.stdout[-2000:])


def check_parts(config: Config, lab: Lab) -> Iterator[Result]:
    """A tree that is exported for one part grades that part; so does a batch."""
    wrong = []
    for part in lab.parts:
        alone = lab.of_part(part)
        with tempfile.TemporaryDirectory() as scratch:
            tree = Path(scratch) / "tree"
            export.Export(alone, None).write(tree)
            found = labs.find_part("", tree)
            if (found.part, found.total) != (part, alone.total):
                wrong.append(f"exported with PART={part}: {found.part}, {found.total} points")
    yield Result(f"proof/{lab.name}/parts-export", not wrong, "\n".join(wrong))
    first = lab.of_part(next(iter(lab.parts)))
    with tempfile.TemporaryDirectory() as scratch:
        for path in lab.owned:
            target = Path(scratch) / "handed-in/starter" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(lab_forms.starter(lab, path).read_bytes())
        command = ["make", "batch", f"LAB={lab.name}", f"PART={first.part}", *config.make_words,
                   f"SUBMISSIONS={scratch}/handed-in", f"OUT={scratch}/records"]
        done = run_as_user(command)
        record = Path(scratch) / "records/starter/record.json"
        got = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    right = done.returncode == 0 and got.get("part") == first.part
    right &= (got.get("score"), got.get("max_score")) == (first.starter_score, first.total)
    yield Result(f"proof/{lab.name}/parts-batch", right, done.stdout, " ".join(command))


def descendants(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    parents = {int(a): int(b) for a, b in (line.split() for line in listed.stdout.splitlines())}
    found: set[int] = set()
    new = {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return sorted(found)


def name_of(pid: int) -> str:
    """Of a process that runs; nothing of one that has ended, reaped or not."""
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")
    except OSError:
        return ""
    return "" if rest.split()[0] == "Z" else name.partition("(")[2]


def check_ended(config: Config, lab: Lab) -> Iterator[Result]:
    """Grading that is told to end while machines run ends at once, and they with it."""
    command = [sys.executable, "-m", "grade.staff.mutants", "--lab", lab.name, "--quick", "1"]
    names = [n for i, n in enumerate(lab.mutants()) if i % SAMPLE][:4]  # not check_sample's
    for name in names:
        (ROOT / config.out / "proof" / lab.name / f"{name}.quick.json").unlink(missing_ok=True)
    env = clean_environment(O=str(config.out), ONLY=" ".join(names))
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    below: list[int] = []
    while time.monotonic() < until and not any("qemu" in name_of(pid) for pid in below):
        time.sleep(0.1)
        below = descendants(process.pid)
    process.terminate()
    status = process.wait(10)
    time.sleep(1)
    left = [f"{pid} {name}" for pid in below if (name := name_of(pid))]
    right = status != 0 and bool(below) and not left
    yield Result("proof/ended", right, f"status {status}, of {len(below)} left: {left}")


def check_endless(config: Config, lab: Lab) -> Iterator[Result]:
    """A kernel that goes round for ever: two tests wait for it, the rest is not run."""
    folder = ROOT / config.out / "proof" / "endless"
    for path in lab.owned:
        text = lab_forms.reference_bytes(lab, path).decode()
        if path == PV:
            text = re.sub(r"^int pv_enter\(.*\n\{\n", r"\g<0>    for (;;)\n        ;\n", text,
                          flags=re.MULTILINE)
        lab_forms.write_changed(folder / Path(path).name, text.encode())
    command = ["make", "grade", f"LAB={lab.name}", f"IMPL={folder}/", *config.make_words]
    done = run_as_user(command)
    ran = re.findall(r"^FAIL  *0/\d+ +(\S+) +(?!not run| )", done.stdout, re.MULTILINE)
    left = re.findall(r"not run: \S+ and \S+ did not end: both hung in pv_enter$", done.stdout,
                      re.MULTILINE)
    # Two workers: one test more may be under way when the second has hung.
    right = done.returncode == 0 and 2 <= len(ran) <= 3 and len(left) == len(lab.tests) - len(ran)
    right &= f": 0/{lab.total} points" in done.stdout
    yield Result("proof/endless", right, done.stdout, " ".join(command))


def check_limited() -> Iterator[Result]:
    """A command that says too much is kept short; one that does not end is ended, children too, and
    so is one that computes too long."""
    shell = ["sh", "-c", "yes warning & yes warning"]
    status, text = limited.run(shell, ROOT, clean_environment(), seconds=1.5)
    yield Result("proof/limited/endless", status is None and not text, f"{status}: {text[:80]}")
    # How long it takes on the wall is the host's affair: only what it computes is counted.
    spin = ["sh", "-c", "while :; do :; done"]
    status, text = limited.run(spin, ROOT, clean_environment(), {resource.RLIMIT_CPU: 1})
    right = status == -signal.SIGKILL and limited.BUILD_LIMITS[resource.RLIMIT_CPU] > 0
    yield Result("proof/limited/processor", right, f"{status}: {text[:80]}")
    flood = ["sh", "-c", "yes warning | head -c 30000000; exit 3"]
    status, text = limited.run(flood, ROOT, clean_environment())
    right = status == 3 and len(text) == limited.MAX_OUTPUT
    yield Result("proof/limited/flood", right, f"{status}, {len(text)} bytes")
    status, text = limited.run(["dd", "if=/dev/zero", "of=/dev/null", "bs=8G", "count=1"], ROOT,
                               clean_environment())
    yield Result("proof/limited/memory", status == 1, f"{status}: {text}")


def check_points() -> Iterator[Result]:
    """Mechanical changes leave assertions, strings and comments alone."""
    source = '#include "x.h"\nvoid f(int a)\n{\n    KASSERT(a < 3, "a < %d", a);\n'
    source += "    if (a == 1)\n        g(); // a == 2\n}\n"
    got = [(p.old, p.new.replace("(a == 1) ", "")) for p in mutate_points.points("x.c", source)]
    wanted = {("==", "!="), ("a == 1", "|| true"), ("a == 1", "&& false"), ("g();", ";")}
    alone = not any("KASSERT" in old or old == "<" for old, _ in got)
    yield Result("proof/points", wanted <= set(got) and alone, str(got))


def check_similar(lab: Lab) -> Iterator[Result]:
    """A copy with other names, comments and order is like the reference; the starter is like
    nobody; and a student is compared with each other one. Where a lab asks for a few lines, they
    are too few to compare."""
    texts = {p: lab_forms.reference_bytes(lab, p).decode() for p in lab.code}
    known = similar.public_names(lab)

    def renamed(word: re.Match[str]) -> str:
        return word[0] if word[0] in known else f"my_{word[0]}"
    copy = {}
    for path, text in texts.items():
        mine = re.sub(r"//.*", "// mine", re.sub(r"[A-Za-z_]\w*", renamed, text))
        parts = re.split(r"(?<=\n}\n)", mine)
        copy[path] = "".join(reversed(parts))
    students = {"copy": copy, "again": copy, "starter": similar.starter(lab)}
    found = {frozenset(pair): share for share, *pair in similar.pairs(lab, students)}
    share = found.get(frozenset({"copy", "(reference)"}), 0.0)
    right = share > 0.8 and found.get(frozenset({"copy", "again"})) == 1.0
    right = right and not any("starter" in pair for pair in found)
    given, own = (similar.runs(each, known) for each in (similar.starter(lab), texts))
    if len(own - given) < similar.FEWEST:
        right = not found
    yield Result(f"proof/{lab.name}/similar", right, str(found))


def check_kills(lab: Lab) -> Iterator[Result]:
    """The recorded matrix knows every wrong solution, and each is caught by the tests it names."""
    table, wrong = kills.read(lab), []
    found = mutants.variants(lab, ["mutant"], set())
    for variant in found:
        caught = table.get(variant.name, [])
        if missed := [name for name in variant.caught_by if name not in caught]:
            wrong.append(f"{variant.name} is not caught by {' '.join(missed)}")
    gone = table.keys() - {variant.name for variant in found}
    wrong += [f"{name} is recorded, and there is none" for name in sorted(gone)]
    if wrong:
        wrong.append(f"make mutants LAB={lab.name} RECORD=1 writes {kills.path_of(lab)}")
    yield Result(f"proof/{lab.name}/kills", not wrong, "\n".join(wrong))


def check_sample(config: Config, lab: Lab) -> Iterator[Result]:
    """A few of the wrong solutions, graded by the tests that must catch them."""
    names = lab.mutants()[::SAMPLE]
    words = ("mutants", f"LAB={lab.name}", "QUICK=1", "JOBS=1", f"ONLY={' '.join(names)}")
    yield from check_long(config, f"proof/{lab.name}/sample", *words)


def check_long(config: Config, name: str, *words: str) -> Iterator[Result]:
    command = ["make", *words, *config.make_words]
    done = run_as_user(command)
    yield Result(name, done.returncode == 0, done.stdout, " ".join(command))


def jobs(config: Config) -> list[Job]:
    if config.variant or not config.graded:
        return []
    found = [Job("proof/points", check_points), Job("proof/limited", check_limited)]
    known, row = labs.all_labs(), labs.in_row()
    for lab in (lab for lab in known if PV in lab.owned):
        found.append(Job("proof/hostile", partial(check_hostile_text, lab)))
        found.append(Job("proof/archive", partial(check_archives, lab)))
    for lab in known:
        found += [
            Job(f"proof/{lab.name}/reference", partial(check_reference, lab)),
            Job(f"proof/{lab.name}/export", partial(check_export, lab)),
            Job(f"proof/{lab.name}/similar", partial(check_similar, lab)),
        ]
        if lab in row[1:]:
            before = row[row.index(lab) - 1]
            found.append(
                Job(f"proof/{lab.name}/own-{before.name}",
                    partial(check_own, config, before, lab))
            )
        if lab.parts and config.kernel.exists():
            found.append(
                Job(f"proof/{lab.name}/parts", partial(check_parts, config, lab), long=True)
            )
        if kills.path_of(lab).exists():
            found.append(Job(f"proof/{lab.name}/kills", partial(check_kills, lab)))
        if config.kernel.exists() and not config.all:
            found.append(
                Job(f"proof/{lab.name}/sample", partial(check_sample, config, lab))
            )
        if PV in lab.owned and config.kernel.exists():
            found.append(Job("proof/ended", partial(check_ended, config, lab)))
            found.append(Job("proof/endless", partial(check_endless, config, lab)))
            found.append(
                Job("proof/grade", partial(check_hostile_folders, config, lab))
            )
        if config.all and config.kernel.exists():
            # Where nobody has said which mechanical changes are equivalent, some survive.
            said = (lab.folder / "equivalent.txt").exists()
            for word in ("mutants", "cheats", *(["mutate"] if said else [])):
                name = f"proof/{lab.name}/{word}"
                words = (word, f"LAB={lab.name}")
                found.append(
                    Job(name, partial(check_long, config, name, *words), long=True)
                )
    return found
