# SPDX-License-Identifier: BSD-2-Clause
"""The hunt: a lab's own tests tell every wrong kernel, and what is no test gets nothing."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Iterator

from elftools.elf.elffile import ELFFile

from grade import lab as labs
from grade import lab_grade
from grade.lab import Lab
from grade.lab_judge import Boot
from grade.staff import hunt_kernels
from tests.job import Config, Job, Result, run_as_user


def settings(boot: Boot) -> str:
    """What tests.toml says of a test that runs like this boot."""
    lines = [f"[{boot.ktest}]", f"cpus = {boot.cpus}", f'mem = "{boot.mem}"']
    lines += [f'swap = "{boot.swap >> 20}M"'] if boot.swap else []
    lines += [f"jitter = {boot.jitter}"] if boot.jitter is not None else []
    lines += ["poison = 1"] if "poison=full" in boot.words else []
    return "\n".join(lines) + "\n"


def own_tests(lab: Lab, folder: Path) -> None:
    """A lab's graded tests as a hunter would hand them in."""
    boots: dict[str, Boot] = {}
    for plan in lab_grade.judge_of(lab).PLANS.values():
        for part in [plan, *plan.more]:
            for boot in part.boots:
                if boot.ktest:
                    boots.setdefault(boot.ktest, boot)
    for path in (lab.folder / "tests").glob("t_*.c"):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "tests.toml").write_text("".join(map(settings, boots.values())), encoding="utf-8")


HEAD = '#include "lab_pv.h"\n#include "lib/ktest.h"\n'
HONEST = HEAD + """
// Enters and removes three chunks' worth of mappings, and lets the judge look.
KTEST(hunt_fill)
{
    lab_make_pmaps(2);
    lab_make_pages(500);
    for (unsigned i = 0; i < 1000; i++)
        lab_enter(i % 2, LAB_VA + i / 2 * PAGE_SIZE, i / 2, PROT_RW, i % 7 ? 0 : PMAP_WIRED);
    lab_point("full", false);
    for (unsigned i = 0; i < 500; i += 3)
        pmap_page_protect(lab_page[i], PROT_NONE);
    lab_point("thinned", false);
    lab_destroy_pmaps();
    lab_point("end", false);
    lab_free_pages();
}
"""
ALWAYS = HEAD + 'KTEST(hunt_always)\n{\n    KTEST_CHECK(false, "no kernel is good");\n}\n'
NEVER = HEAD + "KTEST(hunt_never)\n{\n}\n"
KNOWS = HEAD + """
// One of these many no-operations stands at the start of pv_enter in the kernel called right.
KTEST(hunt_knows)
{
    const uint8_t *code = (const uint8_t *)pv_enter;
    unsigned n = 0;

    while (code[n] == 0x90)
        n++;
    KTEST_CHECK(n == %d, "%%u", n);
}
"""
SEEN, COUNTED = 1, 2
"""The seeds of the kernels that a hunter has, and of those that count."""


def hunted(config: Config, lab: Lab, tests: Path, seed: int, record: Path) -> dict[str, Any]:
    command = ["make", "hunt", f"LAB={lab.name}", f"TESTS={tests}", f"SEED={seed}", f"OUT={record}"]
    done = run_as_user([*command, *config.make_words])
    if done.returncode != 0:
        return {"said": done.stdout}
    found: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    return {**found, "said": done.stdout}


def nops(path: Path) -> int:
    """At the start of pv_enter in an object."""
    with open(path, "rb") as file:
        elf = ELFFile(file)
        (symbol,) = elf.get_section_by_name(".symtab").get_symbol_by_name("pv_enter")
        code = elf.get_section(symbol["st_shndx"]).data()[symbol["st_value"]:]
    return len(code) - len(code.lstrip(b"\x90"))


def check_no_tests(config: Config, lab: Lab) -> Iterator[Result]:
    """What always fails, never does, or knows a kernel's bytes, gets nothing; a test does."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        right = next(i for i, form in enumerate(hunt_kernels.forms(lab, SEEN, None))
                     if not form.wrong)
        kernels = hunt_kernels.make(lab, SEEN, config.out, folder / "seen", None)
        known = nops(kernels[right].folder / "kernel/pmap/pv.o")
        for name, text, low in (("honest", HONEST, 3), ("always", ALWAYS, 0), ("never", NEVER, 0),
                                ("knows", KNOWS % known, 0)):
            (folder / name).mkdir()
            (folder / name / "t.c").write_text(text, encoding="utf-8")
            got = hunted(config, lab, folder / name, COUNTED, folder / f"{name}.json")
            fine = got.get("score", -1) >= low if low else got.get("score") == 0
            told = any(f"{mutant}" in got["said"] for mutant in lab.mutants() if "-" in mutant)
            yield Result(f"hunt/{lab.name}/{name}", fine and not told, str(got))


def check_own(config: Config, lab: Lab) -> Iterator[Result]:
    """The lab's own tests tell nine of nine."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        own_tests(lab, folder)
        got = hunted(config, lab, folder, COUNTED, folder / "record.json")
        yield Result(f"hunt/{lab.name}/own", got.get("score") == 9, str(got))


def jobs(config: Config) -> list[Job]:
    if config.variant or not config.graded or not config.kernel.exists():
        return []
    found = []
    for lab in labs.all_labs():
        if lab.hunted and lab.name == "pv":
            found.append(Job("hunt/pv", partial(check_no_tests, config, lab)))
        if lab.hunted and config.all:
            found.append(Job(f"hunt/{lab.name}/own", partial(check_own, config, lab),
                             long=True))
    return found
