# SPDX-License-Identifier: BSD-2-Clause
"""answers.txt: what it says, and what is asked. What is right is looked up in the sources and in
the machine's memory each time: no answer is written down here."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field

from grade.lab_judge import Finding, NoSeed, Run, Texts

PATH = "labs/0-tour/answers.txt"
FORM = "an answer is one name or one number"
LINE = re.compile(r"\s*([^\s=]+)\s*=(.*)")
WORD = re.compile(r"[\w.-]*(?:\(\))?")
MOST_SEED = 10**9
MOST_SHOWN = 40
"""Characters of what is no seed."""
RIGHTS = {"PROT_NONE": 0, "PROT_READ": 1, "PROT_WRITE": 2, "PROT_EXEC": 4, "PROT_RW": 3}


@dataclass(frozen=True)
class Question:
    what: str
    """What is asked for."""
    look: str
    """Where the answer is to be found."""
    closer: str = ""
    """For who has looked there, and is wrong."""
    base: int = 0
    """Of a number: 16, or 10; 0: it is a name."""
    rights: bool = False
    """It may be given as PROT_..., too."""
    few: bool = False
    """Could be had by trying: whether it is right is told only together with others."""


IN_GDB = "`make repro LAB=tour T={} GDB=1' stops at point end; there "
FOLLOW, BACK = IN_GDB.format("follow"), IN_GDB.format("back")
QUESTIONS = {
    "trap-function": Question(
        "the name of the function that gets a user's page fault from the trap and calls vm_fault",
        "kernel/proc/faults.c: the trap knows it by trap_ops",
        "kernel/proc/faults.c: it is what trap_ops.page_fault is set to, in faults_init"),
    "unmapped-error": Question(
        "the name of the error that vm_fault returns where nothing is mapped",
        "kernel/vm/vm_fault.h", "the comment on vm_fault in kernel/vm/vm_fault.h"),
    "denied-error": Question(
        "the name of the error that vm_fault returns for an access that the mapping forbids",
        "kernel/vm/vm_fault.h and kernel/vm/vm_fault.c",
        "fault_lookup in kernel/vm/vm_fault.c returns it, and vm_fault.h says it"),
    "lookup-lock": Question(
        "the name of the function that fault_lookup locks the map with, before it looks",
        "kernel/vm/vm_fault.c: fault_lookup",
        "the first line of fault_lookup's body that calls something, after its KASSERT"),
    "most-waits": Question(
        "at which wait for memory a fault asks for the last resort: the how-many-th it is",
        "kernel/vm/vm_fault.c: the line of vm_fault that waits",
        "vm_page_wait_starved is the last resort; the constant is at the top of vm_fault.c",
        base=10),
    "page-struct": Question(
        "how many bytes the kernel keeps of each page of memory: the size of struct vm_page",
        "in GDB: print sizeof(struct vm_page)",
        "what GDB prints with 0x in front is to be written so, or as a decimal number", base=10),
    "fault-va": Question(
        "the address at which the program faults between the points mapped and touched",
        FOLLOW + "`back-to vm_fault' goes to the fault",
        "after `back-to vm_fault' at point end: va, with the offset in the page", base=16),
    "fault-access": Question(
        "the access that vm_fault is told of: PROT_READ, PROT_WRITE or PROT_EXEC",
        FOLLOW + "`back-to vm_fault' shows access; kernel/lib/types.h has the names",
        rights=True, few=True),
    "fault-case": Question(
        "the case of the fault: 1A, 1B, 2A or 2B",
        "from vm_fault on: break on fault_anon and fault_object, `continue', and step on "
        "(`next', `step'). From fault_object into fault_map_object (2A) or fault_promote (2B)? A "
        "read goes to 2B, too, where there is no object to read", few=True),
    "entered-prot": Question(
        "the rights that pmap_enter is asked for: read 1 + write 2 + execute 4",
        "from vm_fault on: `break pmap_enter', `continue', and look at prot",
        base=10, rights=True, few=True),
    "pt-index": Question(
        "the index of the page's entry in its page table, the last one of the four",
        "nine bits of the address; `pt PID ADDRESS' shows it",
        "nine bits of the address, above the twelve of the offset; `pt' has it in brackets, "
        "decimal", base=10),
    "last-change": Question(
        "the name of the system call's function (sys_...) that took the mapping away again",
        BACK + "`pt PID ADDRESS' says where the entry is; `last-write' who wrote it; `bt' why",
        few=True),
    "entry-before": Question(
        "the lowest three hexadecimal digits of the page's entry at point touched: its flags",
        BACK + "`back-to judge_point' goes to touched, where `pt PID ADDRESS' shows the entry",
        "at point touched, which is before the system call that took the mapping away: `pt PID "
        "ADDRESS', the last line of the four", base=16),
}


@dataclass
class Sheet:
    """What answers.txt says."""

    answers: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    """In which line each stands, from 1."""
    bad: list[tuple[str, str, str]] = field(default_factory=list)
    """For each line that is no answer: which answer it is about ("" if nobody knows), what is wrong
    and the line."""

    def take(self, number: int, line: str) -> None:
        match = LINE.fullmatch(line)
        name, value = (match[1], match[2].strip()) if match else ("", "")
        here = f"{PATH}, line {number}"
        if not name:
            self.bad.append(("", f"{here} is not of the form name = answer", line))
        elif name not in {*QUESTIONS, "seed"}:
            near = difflib.get_close_matches(name, QUESTIONS, 1)
            meant = f"; did you mean `{near[0]}'?" if near else ""
            said = f"{here}: there is no answer called `{name}'{meant}"
            self.bad.append((near[0] if near else "", said, line))
        elif name in self.lines:
            said = f"{here}: `{name}' is in line {self.lines[name]} already"
            self.bad.append((name, said, line))
        elif name != "seed" and not WORD.fullmatch(value):
            self.lines[name] = number
            self.bad.append((name, f"{here}: one name or one number is wanted", line))
        else:
            self.lines[name] = number
            self.answers[name] = value


def read(text: str) -> Sheet:
    sheet = Sheet()
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            sheet.take(number, line.strip())
    return sheet


def own_seed(text: Texts) -> int:
    """The student's; there is no other to fall back on, or one would answer for somebody else's."""
    value = read(text(PATH)).answers.get("seed", "")
    digits = value.isascii() and value.isdecimal()
    if digits and len(value) <= len(str(MOST_SEED)) and 0 < int(value) <= MOST_SEED:
        return int(value)
    why = " (too large: take its last nine digits)" if digits and value.strip("0") else ""
    raise NoSeed(Finding(f"{PATH}: seed", f"a whole number from 1 to {MOST_SEED}",
                         f"{value[:MOST_SHOWN] or 'no seed yet'}{why}", FORM,
                         "Without a seed of your own there are no points for this step."))


def number(value: str, base: int) -> int | None:
    try:
        return int(value, 0 if value[:2].lower() == "0x" else base)
    except ValueError:
        return None


def meant(asked: Question, got: str) -> str | int | None:
    """An answer as it is compared, in whichever form it was given."""
    if asked.rights:
        return RIGHTS.get(got.upper(), number(got, 10))
    if asked.base:
        return number(got, asked.base)
    name = got.removesuffix("()")
    return name.upper() if name[:1].isdigit() else name


def bad_lines(run: Run, sheet: Sheet, asked: set[str]) -> None:
    for name, what, line in sheet.bad:
        if not name or name in asked:
            run.wrong(what, "", line, invariant=FORM)


def judge(run: Run, right: dict[str, set[str | int]], rule: str) -> None:
    """Compares some answers with what is right. A wrong one is told what was asked, and where to
    look; what would have been right is for the student to find."""
    sheet = read(run.text(PATH))
    bad_lines(run, sheet, {*right, *(["seed"] if run.boot.own_seed else [])})
    given = {name: sheet.answers[name] for name in right if sheet.answers.get(name)}
    wrong = {name for name, got in given.items()
             if meant(QUESTIONS[name], got) not in right[name]}
    few = [name for name in given if QUESTIONS[name].few]
    told = [name for name in right if name not in few and (name in wrong or name not in given)]
    for name in told:
        asked = QUESTIONS[name]
        run.wrong(f"{PATH}: {name}", asked.what, given.get(name, "no answer yet"), invariant=rule,
                  hint=(name in given and asked.closer) or asked.look)
    if few and told:
        run.wrong(f"{PATH}: {', '.join(few)}", "", "looked at once the other answers are right",
                  invariant=rule)
    elif wrong:
        judge_few(run, few, wrong, rule)


def judge_few(run: Run, few: list[str], wrong: set[str], rule: str) -> None:
    """Answers that could be had by trying each in turn: how many are right is told, and not
    which."""
    said = f"{len(few) - len(wrong)} of these {len(few)} are right" if len(few) > 1 else "wrong"
    run.wrong(f"{PATH}: {', '.join(few)}", "; ".join(QUESTIONS[name].what for name in few), said,
              invariant=rule, hint="; ".join(QUESTIONS[name].look for name in few))
