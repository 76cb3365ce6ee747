# SPDX-License-Identifier: BSD-2-Clause
"""answers.txt: what it says, and what is asked. What is right is looked up in the sources and in
the machine's memory each time: no answer is written down here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from grade.lab_judge import Run, Texts

PATH = "labs/0-tour/answers.txt"
FORM = "an answer is one name or one number"
LINE = re.compile(r"\s*([\w-]+)\s*=(.*)")
WORD = re.compile(r"[\w.-]*")
MOST_SEED = 10**9


@dataclass(frozen=True)
class Question:
    what: str
    """What is asked for."""
    look: str
    """Where the answer is to be found."""
    base: int = 0
    """Of a number: 16, or 10; 0: it is a name."""


IN_GDB = "`make repro LAB=tour T=follow GDB=1' stops at point end; there "
QUESTIONS = {
    "trap-function": Question(
        "the name of the function that gets a user's page fault from the trap and calls vm_fault",
        "kernel/proc/faults.c: it is what trap_ops.page_fault is set to"),
    "unmapped-error": Question(
        "the name of the error that vm_fault returns where nothing is mapped",
        "the comment on vm_fault in kernel/vm/vm_fault.h"),
    "denied-error": Question(
        "the name of the error that vm_fault returns for an access that the mapping forbids",
        "fault_lookup in kernel/vm/vm_fault.c returns it, and vm_fault.h says it"),
    "lookup-lock": Question(
        "the name of the function that fault_lookup locks the map with, before it looks",
        "the first line of fault_lookup's body that calls something, after its KASSERT"),
    "most-waits": Question(
        "how often a fault waits for memory before it asks for the last resort",
        "a constant at the top of kernel/vm/vm_fault.c, and the line of vm_fault that uses it", 10),
    "page-struct": Question(
        "how many bytes the kernel keeps of each page of memory: the size of struct vm_page",
        "in GDB: print sizeof(struct vm_page); by hand, kernel/mem/vm_page.h", 10),
    "fault-va": Question(
        "the address at which the program faults between the points mapped and touched",
        IN_GDB + "`back-to vm_fault' goes to the fault, and shows its va", 16),
    "fault-access": Question(
        "the access that vm_fault is told of: PROT_READ, PROT_WRITE or PROT_EXEC",
        IN_GDB + "`back-to vm_fault' shows access; kernel/lib/types.h has the names"),
    "fault-case": Question(
        "the case of the fault: 1A, 1B, 2A or 2B",
        "the table in kernel/vm/vm_fault.h; from vm_fault, break on fault_anon and fault_object, "
        "`continue', and step on from there (`next', `step')"),
    "entered-prot": Question(
        "the rights that pmap_enter is asked for, as a number",
        "from vm_fault on: `break pmap_enter', `continue', and look at prot", 10),
    "pt-index": Question(
        "the index of the page's entry in its page table, the last one of the four",
        "nine bits of the address, above the twelve of the offset; `pt PID ADDRESS' shows it", 10),
    "last-change": Question(
        "the name of the system call's function (sys_...) that took the mapping away again",
        IN_GDB + "`pt PID ADDRESS' says where the entry is; `last-write' who wrote it; `bt' why"),
    "entry-before": Question(
        "the lowest three hexadecimal digits of the page's entry at point touched: its flags",
        IN_GDB + "`back-to judge_point' goes to touched, where `pt PID ADDRESS' shows the entry",
        16),
}


def read(text: str) -> tuple[dict[str, str], list[str]]:
    """The answers by name, and the lines that are none."""
    found: dict[str, str] = {}
    bad = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = LINE.fullmatch(line)
        name, value = (match[1], match[2].strip()) if match else ("", "")
        if name not in {*QUESTIONS, "seed"} or name in found or not WORD.fullmatch(value):
            bad.append(line.strip())
        else:
            found[name] = value
    return found, bad


def own_seed(text: Texts) -> int:
    value = read(text(PATH))[0].get("seed", "")
    return int(value) if value.isdecimal() and 0 < int(value) <= MOST_SEED else 1


def number(value: str, base: int) -> int | None:
    try:
        return int(value, 0 if value[:2].lower() == "0x" else base)
    except ValueError:
        return None


def judge(run: Run, right: dict[str, set[str | int]], rule: str) -> None:
    """Compares some answers with what is right. A wrong one is told what was asked, and where to
    look; what would have been right is for the student to find."""
    answers, bad = read(run.text(PATH))
    for line in bad:
        run.wrong(f"{PATH}: a line", "name = value, of a name that the file has once, and one word",
                  line, invariant=FORM)
    for name, values in right.items():
        asked, got = QUESTIONS[name], answers.get(name, "")
        said = number(got, asked.base) if asked.base and got else got
        if got and said not in values:
            run.wrong(f"{PATH}: {name}", asked.what, got, invariant=rule, hint=asked.look)
        elif not got:
            run.wrong(f"{PATH}: {name}", asked.what, "no answer yet", invariant=rule,
                      hint=asked.look)
