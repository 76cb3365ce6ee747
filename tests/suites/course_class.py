# SPDX-License-Identifier: BSD-2-Clause
"""A class of submissions for lab 1, of every kind, and what must become of each."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Callable, Iterator

from grade import lab_forms
from grade.lab import Lab
from grade.staff import kills

MUTANTS = ("wrong-pmap", "full-at-head", "steal-never", "stats-bytes")
PV = "pv.c"
Files = dict[str, bytes]
Expected = tuple[str, str, range]
"""Name, verdict, and points."""


def exactly(points: int) -> range:
    return range(points, points + 1)


def form(lab: Lab, name: str, scratch: Path) -> Files:
    """The owned files, side by side."""
    found = lab_forms.sources(lab, name, scratch)
    return {Path(path).name: source.read_bytes() for path, source in found.items()}


def rewritten(lab: Lab, patch: str, scratch: Path) -> Files:
    for path in lab.owned:
        (scratch / path).parent.mkdir(parents=True, exist_ok=True)
        (scratch / path).write_bytes(lab_forms.reference_bytes(lab, path))
    source = lab.folder / "rewrites" / f"{patch}.patch"
    subprocess.run(["patch", "-p1", "-s", "-d", str(scratch), "-i", str(source)], check=True)
    return {Path(path).name: (scratch / path).read_bytes() for path in lab.owned}


def folder(target: Path, files: Files, below: str = "") -> Path:
    for name, data in files.items():
        (target / below).mkdir(parents=True, exist_ok=True)
        (target / below / name).write_bytes(data)
    return target


def tar(target: Path, files: Files, kind: str = "w:gz") -> None:
    opened: Callable[..., tarfile.TarFile] = tarfile.open
    with opened(target, kind) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def right_ones(lab: Lab, where: Path, scratch: Path) -> Iterator[Expected]:
    """Solutions, starters, wrong solutions and a harmless rewrite, packed in several ways."""
    reference = form(lab, "reference", scratch / "reference")
    starter = form(lab, "starter", scratch)
    folder(where / "ref deep", reference, "kernel/pmap")
    yield "ref deep", "graded", exactly(100)
    folder(where / "ref-more", {**reference, "Makefile": b"all:\n\ttouch /tmp/owned\n"})
    yield "ref-more", "graded", exactly(100)
    with zipfile.ZipFile(where / "=ref.zip", "w") as archive:
        for name, data in reference.items():
            archive.writestr(f"work\\kernel\\pmap\\{name}", data)
    yield "=ref", "graded", exactly(100)
    tar(where / "starter.tar.bz2", starter, "w:bz2")
    yield "starter", "graded", exactly(lab.starter_score)
    folder(where / "rewrite", rewritten(lab, "highest-first", scratch / "rewrite"))
    yield "rewrite", "graded", exactly(100)
    table = kills.read(lab)
    for name in MUTANTS:
        tar(where / f"mutant-{name}.tgz", form(lab, f"mutant-{name}", scratch / name))
        most = lab.total - sum(lab.test(test).points for test in table.get(name, []))
        yield f"mutant-{name}", "graded", range(most + 1)


def broken_ones(lab: Lab, where: Path, scratch: Path) -> Iterator[Expected]:
    """What does not compile, or not link."""
    reference = form(lab, "reference", scratch / "reference")
    text = reference[PV].decode()
    bombs = "".join(f"#define B{i} B{i - 1} B{i - 1} B{i - 1} B{i - 1}\n" for i in range(1, 16))
    for name, source in {
        "syntax": text + "int x = ;\n",
        "undefined": text.replace("list_push_front(", "list_push_frant(", 1),
        "half": text[: len(text) // 2],
        "twice-defined": text + "\nvoid judge_point(const char *f, ...)\n{\n    (void)f;\n}\n",
        "error": "#error not yet\n",
        "macro-bomb": f"#define B0 1 +\n{bombs}int x = B15 1;\n{text}",
    }.items():
        folder(where / name, {**reference, PV: source.encode()})
        yield name, "not built", exactly(0)
    folder(where / "one-file", {PV: b"int x;\n"})
    yield "one-file", "not built", exactly(0)


def hostile_ones(lab: Lab, where: Path, scratch: Path) -> Iterator[Expected]:
    """What tries to get out, or to be too much."""
    reference = form(lab, "reference", scratch / "reference")
    text = reference[PV].decode()
    for name, line in {
        "incbin": '__asm__(".incbin \\"/etc/shadow\\"");',
        "directive": '__asm__(".section .ktest");',
        "include": '#include "/etc/passwd"',
        "include-zero": "#include </dev/zero>",
        "section": 'int x __attribute__((section(".init"))) = 1;',
        "constructor": "__attribute__((constructor)) static void f(void) {}",
        "weak": "__attribute__((weak)) void judge_report(void) {}",
        "pragma": "#pragma weak judge_report",
    }.items():
        folder(where / name, {**reference, PV: f"{text}\n{line}\n".encode()})
        yield name, "refused", exactly(0)
    folder(where / "gigabytes", reference)
    os.truncate(where / "gigabytes" / PV, 8 << 30)
    yield "gigabytes", "refused", exactly(0)
    (where / "link").mkdir()
    (where / "link" / PV).symlink_to("/etc/passwd")
    yield "link", "refused", exactly(0)
    (where / "fifo").mkdir()
    os.mkfifo(where / "fifo" / PV)
    yield "fifo", "refused", exactly(0)
    (where / "root").symlink_to("/")
    yield "root", "refused", exactly(0)
    tar(where / "out.tar.gz", {f"../../../kernel/pmap/{PV}": b"x"})
    yield "out", "refused", exactly(0)
    with zipfile.ZipFile(where / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(PV, bytes(64 << 20))
    yield "bomb", "refused", exactly(0)
    (where / "noise.tar.gz").write_bytes(bytes(range(256)) * 16)
    yield "noise", "refused", exactly(0)
    (where / "empty").mkdir()
    yield "empty", "refused", exactly(0)


def make_class(lab: Lab, where: Path, scratch: Path) -> list[Expected]:
    where.mkdir()
    makers = (right_ones, broken_ones, hostile_ones)
    return [one for make in makers for one in make(lab, where, scratch)]
