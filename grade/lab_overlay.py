# SPDX-License-Identifier: BSD-2-Clause
"""Says how a variant of the kernel differs from the work tree: for mk/labs.mk.

Reads LAB, VARIANT, IMPL, BASE, STAGE, TESTS and O from the environment; writes
<variant>/overlay.mk and prints its path. The variant's directory gets the objects of the files that
differ, and the linked kernel; all other objects are those of the plain build. A lab that is a
branch has its form alone beside the others' references, and its files are its own, whoever else has
them. TESTS is a folder whose tests are linked instead of the lab's; what the lab's own share
(lab_*.c) stays.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from grade import lab as labs
from grade import entry, lab_forms, lab_variant
from grade.lab import ROOT, Lab

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
BASES = ["reference", "starter", "mine"]


def forms(lab: str, impl: str, base: str, stage: str,
          known: list[Lab] | None = None) -> tuple[str, dict[str, str]]:
    """The variant's name, and the form of every lab in it. Labs' numbers may have gaps: STAGE=4 is
    a stage also where there is no lab 3. `known` are the labs, if not those of this tree."""
    known = known or labs.in_row()
    students = (ROOT / labs.CURRENT).exists()
    if stage:
        if lab or impl or base:
            raise SystemExit("strata: STAGE says every lab's form: no LAB, IMPL or BASE beside it")
        most = max((each.number for each in known), default=0)
        if not stage.isdecimal() or int(stage) > most:
            raise SystemExit(f"strata: STAGE={stage}: must be a whole number from 0 to {most}")
        return f"stage{stage}", {
            each.name: "reference" if each.number <= int(stage) else "starter" for each in known
        }
    for word, value in (("IMPL", impl), ("VARIANT", os.environ.get("VARIANT", ""))):
        if value and not lab:
            raise SystemExit(f"strata: {word}={value} needs a lab: LAB=pv")
    # In the students' tree earlier labs are there in one form: the reference, or their own.
    chosen = {each.name: "mine" if students else "reference" for each in known}
    for word in base.split():
        named, _, form = word.rpartition("=")
        if named in chosen:
            chosen[named] = form
        elif word in BASES:
            chosen = dict.fromkeys(chosen, word)
        else:
            names = ", ".join(f"{name}=form" for name in chosen)
            raise SystemExit(f"strata: BASE={base}: {word} must be reference, starter or mine; or "
                             f"{names}")
    base = safe_name(base)
    if not lab:
        return f"base-{base}", chosen
    found = labs.find(lab)
    name = found.name
    if found.callers and base not in ("", "reference"):
        raise SystemExit(f"strata: BASE={base}: lab {name} is a branch of the reference")
    chosen[name] = impl or "mine"
    suffix = f"+{base}" if base and base != "reference" else ""
    return f"{found.key}-{safe_name(impl or 'mine')}{suffix}", chosen


def safe_name(form: str) -> str:
    return re.sub(r"[^\w.-]+", "_", form).strip("_.")


def tests_of(lab: Lab, variant: Path, out: Path, own: str) -> list[str]:
    """The objects of the tests that are linked, each with its source. The lab's figures are one of
    their own, so that the others are the same for all variants."""
    paths = sorted((lab.folder / "tests").glob("lab_*.c" if own else "*.c"))
    # A branch's tests are compiled for each of its forms: they include a header that may differ.
    place = variant if lab.callers else out
    pairs = [f"{place}/{short(path).removesuffix('.c')}.o={short(path)}" for path in paths]
    folder = f"{place}/labs/tests/{safe_name(own)}"
    if lab.figures:
        pairs.append(f"{variant}/figures.o={variant}/figures.c")
        text = lab_variant.declared(lab.figures)
        lab_forms.write_changed(variant / "figures.c", text.encode())
    return pairs + [f"{folder}/{path.stem}.o={short(path)}" for path in
                    sorted(Path(own).glob("*.c") if own else ())]


def overlay(
    out: Path, variant: Path, lab: Lab | None, chosen: dict[str, str], own: str = ""
) -> str:
    """The make fragment: files that do not come from the work tree, and the lab's own tests, or
    those of the folder `own`."""
    pairs, hidden, folders, binaries = [], [], [], []
    branch = lab.owned if lab and lab.callers else []
    for each in labs.with_lab(labs.all_labs(), lab):
        if each.name not in chosen:
            continue
        found = lab_forms.sources(each, chosen[each.name], out / "labs" / "src" / each.key)
        for path in each.owned:
            source = found.get(path)
            if source == ROOT / path or (path in branch and each is not lab):
                continue
            hidden.append(path)
            if source and source.suffix == ".o":
                binaries.append(short(source))
            elif source and path.endswith(".c"):
                pairs.append(f"{variant}/{path.removesuffix('.c')}.o={short(source)}")
            if source and path.endswith(".h"):
                # kernel/pmap/x.h is included as "pmap/x.h"; a flat folder is given that shape.
                folders.append(short(header_root(source, path, variant)))
    # Who includes a header that differs differs, too.
    for path in includers({path for path in hidden if path.endswith(".h")}):
        if path not in hidden:
            hidden.append(path)
            pairs.append(f"{variant}/{path.removesuffix('.c')}.o={path}")
    tested = tests_of(lab, variant, out, own) if lab else []
    share = f"-iquote {short(lab.folder / 'tests')}" if lab and own else ""
    if branch:
        pairs, tested = [*pairs, *tested], []
        folders.append(".")
    return (
        f"KERNEL_OUT := {variant}\n"
        f"OVERLAY_HIDES := {' '.join(hidden)}\n"
        f"OVERLAY_OBJECTS := {' '.join(pairs)}\n"
        f"OVERLAY_BINARIES := {' '.join(binaries)}\n"
        f"OVERLAY_TESTS := {' '.join(tested)}\n"
        f"OVERLAY_TEST_CFLAGS := {share}\n"
        f"OVERLAY_CFLAGS := {' '.join(f'-I{folder}' for folder in dict.fromkeys(folders))}\n"
    )


def includers(headers: set[str]) -> list[str]:
    """The C files of the kernel and of its tests that include one of these, if through others."""
    if not headers:
        return []
    paths = [*(ROOT / "kernel").rglob("*.[ch]"), *(ROOT / "tests" / "kernel").glob("*.c")]
    names = {short(path): set(INCLUDE.findall(path.read_text("utf-8"))) for path in paths}
    found: set[str] = set()
    new = headers
    while new:
        wanted = {path.removeprefix("kernel/") for path in new}
        new = {path for path, included in names.items() if included & wanted} - found
        found |= new
    return sorted(path for path in found if path.endswith(".c"))


def header_root(source: Path, path: str, variant: Path) -> Path:
    below = path.removeprefix("kernel/")
    if source.as_posix().endswith("/kernel/" + below):
        return Path(source.as_posix().removesuffix("/" + below))
    lab_forms.write_changed(variant / "include" / below, source.read_bytes())
    return variant / "include"


def short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def main() -> int:
    words = ("LAB", "IMPL", "BASE", "STAGE")
    asked, impl, base, stage = (os.environ.get(word, "").strip() for word in words)
    out = Path(os.environ.get("O", "").strip())
    name, chosen = forms(asked, impl, base, stage)
    variant = out / "labs" / name
    lab = labs.find(asked) if asked else None
    text = overlay(out, variant, lab, chosen, os.environ.get("TESTS", "").strip())
    print(lab_forms.write_changed(variant / "overlay.mk", text.encode()))
    return 0


if __name__ == "__main__":
    entry.run(main)
