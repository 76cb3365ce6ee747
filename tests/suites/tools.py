# SPDX-License-Identifier: BSD-2-Clause
"""What a lab's users have that its authors have not: another compiler's defaults, a tree without
git, two makes at once, tools that are missing; and submissions that reach beyond their lab.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Iterator

from grade import lab as labs
from grade import lab_forms, vet
from grade.lab import Lab
from tests.job import ROOT, Config, Job, Result, clean_environment, run_as_user

UBUNTU = ("-fcf-protection -fstack-clash-protection -fstack-protector-strong "
          "-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3")
"""What Ubuntu's compilers do of themselves, where nothing else is said."""
COMPILERS = {
    "gcc": "x86_64-linux-gnu-gcc",
    "clang": "clang --target=x86_64-linux-gnu -Qunused-arguments",
}
WAITING = "another make is building here"
REACHES = {
    "kctx": ('#include "sync/spinlock.h"\nint pv_x(void);\nint pv_x(void)\n{\n'
             "    return kctx_current()->id;\n}\n", "names kctx_current"),
    "tag": ('#include "sync/spinlock.h"\nint pv_x(struct kctx *k);\nint pv_x(struct kctx *k)\n{\n'
            "    return k->id;\n}\n", "names struct kctx"),
    "symbol": ("int ksyms_find(unsigned long va, void *sym);\nint pv_x(void);\nint pv_x(void)\n{\n"
               "    return ksyms_find(0, 0);\n}\n", "uses ksyms_find"),
    "channel": ("void record_printf(const char *f, ...);\nvoid pv_x(void);\nvoid pv_x(void)\n{\n"
                '    record_printf("x");\n}\n', "uses record_printf"),
    "large": ("char pv_x[5000];\n", "of variables"),
    "allowed": ('#include "sync/spinlock.h"\n#include "pmap/pv.h"\nvoid pv_x(void);\n'
                "void pv_x(void)\n{\n    spin_lock(&pv_lock);\n    spin_unlock(&pv_lock);\n}\n",
                ""),
}
"""Submissions of lab 1 that compile, and what they are refused for."""


def check_defaults(config: Config, compiler: str, lab: Lab) -> Iterator[Result]:
    """With a compiler that has Ubuntu's defaults: built without a warning, and not refused."""
    name = f"tools/defaults/{compiler}"
    if not shutil.which(compiler):
        yield Result(name, True, skipped=f"{compiler} is not here: ./setup --all")
        return
    with tempfile.TemporaryDirectory() as scratch:
        wrapper, out = Path(scratch) / "cc", Path(scratch) / "build"
        wrapper.write_text(f'#!/bin/sh\nexec {COMPILERS[compiler]} {UBUNTU} "$@"\n')
        wrapper.chmod(0o755)
        words = [f"CC={wrapper}", f"O={out}", "WERROR=1"]
        words += ["LLVM=1"] if compiler == "clang" else []
        done = run_as_user(["make", "-s", "kernel", f"LAB={lab.name}", "IMPL=starter", *words])
        yield Result(f"{name}/build", done.returncode == 0 and not done.stdout, done.stdout)
        sources = [lab_forms.starter(lab, path) for path in lab.owned]
        variant = out / "labs" / f"{lab.name}-starter"
        got = refusal(lab, variant, out, sources)
        yield Result(f"{name}/vetted", not got, got)
        # The note that such a compiler leaves where it is not told otherwise.
        source, noted = Path(scratch) / "x.c", Path(scratch) / "x.o"
        source.write_text("int pv_x;\n")
        made = subprocess.run([str(wrapper), "-c", "-o", str(noted), str(source)], check=False)
        got = "" if made.returncode == 0 else "it compiles nothing"
        try:
            vet._vet_object(noted)
        except vet.Refused as error:
            got = str(error)
        yield Result(f"{name}/note", not got, got)


def refusal(lab: Lab, variant: Path, shared: Path, sources: list[Path]) -> str:
    try:
        vet.vet_objects(lab, variant, shared, sources)
    except vet.Refused as error:
        return str(error)
    return ""


def check_reaches(lab: Lab) -> Iterator[Result]:
    """What a submission's text does not show, its objects do."""
    for name, (text, wanted) in REACHES.items():
        with tempfile.TemporaryDirectory() as scratch:
            source, made = Path(scratch) / "pv.c", Path(scratch) / "kernel/pmap/pv.o"
            source.write_text(text)
            made.parent.mkdir(parents=True)
            command = ["x86_64-linux-gnu-gcc", "-Ikernel", "-ffreestanding", "-fno-pie",
                       "-fno-stack-protector", "-mgeneral-regs-only",
                       "-mcmodel=kernel", "-fcf-protection=none", "-MMD",
                       "-fno-asynchronous-unwind-tables", "-O1", "-c", "-o", str(made), str(source)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            got = done.stderr or refusal(lab, Path(scratch), Path(scratch), [source])
            right = wanted in got if wanted else not got
        yield Result(f"tools/reaches/{name}", right, f"expected `{wanted}', got `{got}'")


def check_two_makes(config: Config) -> Iterator[Result]:
    """A make waits until another one in the same tree is done, and says so."""
    lock = ROOT / config.out / "lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "a", encoding="ascii") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        command = ["make", "-s", "kernel", *config.make_words]
        process = subprocess.Popen(command, cwd=ROOT, env=clean_environment(),
                                   stderr=subprocess.PIPE, text=True)
        assert process.stderr
        said = process.stderr.readline()
        waits = process.poll() is None
        fcntl.flock(held, fcntl.LOCK_UN)
    said += process.communicate()[1]
    right = WAITING in said and waits and process.returncode == 0
    yield Result("tools/two-makes", right, f"{said}\nwaited: {waits}, {process.returncode}")


def check_lets_go() -> Iterator[Result]:
    """A make whose last recipe starts others holds the tree's lock no more: else they would hold it
    with it, all at once, and build over each other."""
    text = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "mk").glob("*.mk")))
    said = re.findall(r"^(\S+):.*\n(?:\t.*\n)*?\t@\$\(call finally,", text, re.MULTILINE)
    lists = re.findall(r"^(?:TAKING_OVER|BUILDING_NOTHING) := ((?:.*\\\n)*.*)", text, re.MULTILINE)
    known = " ".join(lists).replace("\\\n", " ").split()
    wrong = [f"{goal} is neither in TAKING_OVER nor in BUILDING_NOTHING (mk/boot.mk)"
             for goal in said if goal not in known]
    yield Result("tools/lets-go", len(said) > 10 and not wrong, "\n".join(wrong) or str(said))


def check_restore(lab: Lab) -> Iterator[Result]:
    """A tree without git: the reference is there again after the starter was."""
    said = ""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        leave_out = shutil.ignore_patterns("build", ".git", "__pycache__", "user", "tests", "doc")
        shutil.copytree(ROOT, tree, ignore=leave_out)
        for path in lab.owned:
            (tree / path).write_bytes(lab_forms.reference_bytes(lab, path))
        env = clean_environment(GIT_CEILING_DIRECTORIES=scratch)

        def make(*words: str) -> str:
            done = subprocess.run(["make", "-s", *words, f"LAB={lab.name}"], cwd=tree, env=env,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  check=False)
            return done.stdout

        said += make("start")
        wanted = lab_forms.starter(lab, lab.owned[0]).read_bytes()
        started = (tree / lab.owned[0]).read_bytes() == wanted
        (tree / lab.owned[0]).write_text("// mine\n")
        said += make("restore")
        refused = (tree / lab.owned[0]).read_text() == "// mine\n"
        said += make("restore", "FORCE=1")
        back = all((tree / path).read_bytes() == lab_forms.reference_bytes(lab, path)
                   for path in lab.owned)
    yield Result("tools/restore", started and refused and back, said)


def check_missing(lab: Lab) -> Iterator[Result]:
    """A tool that is not there is named. In a process of its own: PATH is everybody's here."""
    patch = next((lab.folder / "mutants").glob("*.patch"))
    program = "import sys\nfrom pathlib import Path\nfrom grade import lab_forms\n"
    program += "lab_forms.apply_patch(Path(sys.argv[1]), Path.cwd())"
    done = subprocess.run([sys.executable, "-c", program, str(patch)], cwd=ROOT, text=True,
                          env=clean_environment(PATH="/nowhere"), capture_output=True, check=False)
    right = done.returncode == 1 and "patch not found: install patch" in done.stderr
    yield Result("tools/missing", right, done.stdout + done.stderr)


def check_foreign() -> Iterator[Result]:
    """Where uname says arm64 the cross compiler builds all, and nothing is asked of that machine's
    busybox, musl and gdb; a busybox of another machine is refused."""
    with tempfile.TemporaryDirectory() as scratch:
        uname, alien = Path(scratch) / "uname", Path(scratch) / "busybox"
        uname.write_text("#!/bin/sh\necho aarch64\n")
        uname.chmod(0o755)
        alien.write_bytes(b"\x7fELF\2\1\1".ljust(18, b"\0") + b"\xb7\0" + bytes(44))
        env = clean_environment(O=f"{scratch}/build")
        env["PATH"] = f"{scratch}:{env['PATH']}"

        def said(*command: str, **more: str) -> str:
            return subprocess.run(command, cwd=ROOT, env=env | more, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False).stdout

        built = said("make", "-n", "-B", "V=1", "image")
        right = "\nx86_64-linux-gnu-gcc " in built and "musl-gcc" not in built
        right &= "BUSYBOX=''" in built
        yield Result("tools/foreign/build", right, built[-2000:])
        if not shutil.which("gdb-multiarch"):
            got = said("make", "-n", "gdb")
            yield Result("tools/foreign/gdb", "are missing: gdb-multiarch" in got, got)
        for name, busybox, wanted in (("none", "", "no busybox for amd64 here"),
                                      ("alien", str(alien), "not a program for amd64")):
            got = said("sh", "mk/stage.sh", f"{scratch}/root", BUSYBOX=busybox, STRIP="true")
            yield Result(f"tools/foreign/{name}", wanted in got, got)
        got = said("make", "-n", "image", "BUSYBOX=/nowhere/busybox")
        yield Result("tools/foreign/nowhere", "BUSYBOX=/nowhere/busybox: not there" in got, got)


def jobs(config: Config) -> list[Job]:
    found = [lab for lab in labs.all_labs() if lab.name == "pv" and lab.mutants()]
    if config.variant or config.make_words or not found:
        return []
    lab = found[0]
    return [
        *(Job(f"tools/defaults/{name}", partial(check_defaults, config, name, lab))
          for name in COMPILERS),
        Job("tools/reaches", lambda: check_reaches(lab)),
        Job("tools/two-makes", lambda: check_two_makes(config)),
        Job("tools/lets-go", check_lets_go),
        Job("tools/restore", lambda: check_restore(lab)),
        Job("tools/missing", lambda: check_missing(lab)),
        Job("tools/foreign", check_foreign),
    ]
