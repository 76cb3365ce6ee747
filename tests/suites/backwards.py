# SPDX-License-Identifier: BSD-2-Clause
"""From where a wrong solution shows back to the line that is to blame: `make repro GDB=1` on
mutants of each lab, and last-write, back-to, back and forward there. And the session by which lab
0's handout finds its answers: each is there."""

from __future__ import annotations

import re
import shutil
from functools import partial
from typing import Iterator, NamedTuple

from grade import lab as labs
from grade import debug, lab_forms
from tests.job import ROOT, Config, Job, Result
from tests.suites.debugger import Step, ask_gdb


class Case(NamedTuple):
    lab: str
    mutant: str
    test: str
    leads: list[str]
    """Commands that go from where GDB stops to where `wrong' can be looked at."""
    wrong: str
    """What is seen to be wrong."""
    function: str
    line: str
    """The function that wrote it last, or called who did; and a part of the line that it is at."""
    more: list[Step] = []
    """What follows."""


CHUNK = (
    "set $chunk = (struct pv_chunk *)"
    "((long)((struct pv_pmap_part *)&lab_pmap[0]->pv)->chunks.next & -4096)"
)
PAGE = (
    "set $page = &vm_page_segs[0].pages"
    "[((long)$chunk - 0xffff800000000000 - (long)vm_page_segs[0].start_pa) / 4096]"
)
ENTRY = "set $entry = (struct vm_map_entry *)lab_map[0]->entries.next"  # its first member
SIXTH = ENTRY + "->next" * 5
STATS = "'pv.c'::stats."
RESERVE = "lab_map[0]->nreserve"
IN_PV: list[Step] = [
    ("back-to pv_enter", "pv_enter (pm="),
    ("back", "enter_locked", "pv_enter(pm, va, "),
    ("back 2", "pmap_user.c:"),
    ("forward", "pv_enter(pm, va, "),
    ("forward", "pv_enter (pm="),
    ("forward", "chunk_add"),
    ("forward", "crash (message="),
    ("last-write $chunk->free[2]", "chunk_add"),
]
IN_MAP: list[Step] = [
    ("back-to map_entry_link 3", "map_entry_link (c="),
    ("back", "map_entry_link(c, "),
    ("forward", "map_entry_link (c="),
    ("forward", "nreserve"),
    ("forward", "crash (message="),
    ("last-write " + RESERVE, "nreserve"),
]
# The first page of lab 4's second space, by the fields of the structures: entry, amap, chunk, anon.
SLOT = (
    "set $slot = ((struct amap_chunk *)((struct vm_map_entry *)"
    "lab_space[1]->map.entries.next)->amap->chunks.root)->anons[1]"
)
IN_ANON: list[Step] = [
    ("back-to amap_add", "amap_add (am="),
    ("back", "amap_add(to, at - slot, an);"),
    ("forward", "amap_add (am="),
    ("forward", "anon_ref"),
    ("forward", "anon_unref_unlock"),
    ("forward", "judge_point (fmt="),
]
BEFORE_GROW: Step = ("back", "take_item (p=", "if (!pp)")
BY_CLANG: dict[Step, Step] = {BEFORE_GROW: ("back", "in pool_get (p=", "pool_page_grow(p, flags)")}
"""Where clang has a line that gcc has not: a call's."""
IN_POOL: list[Step] = [
    ("back-to pool_page_grow", "pool_page_grow (p="),
    BEFORE_GROW,
    ("forward", "pool_page_grow (p="),
    ("forward", "detach"),
    ("forward", "judge_point (fmt="),
]
FRAME = (
    "python f = gdb.newest_frame(); exec('while f.name() != \"{}\": f = f.older()');"
    " f.select(); gdb.execute('frame')"
)  # `frame function' does not tell functions apart that are inlined into each other
CASES = [
    Case("pv", "phantom-bits", "replace", [CHUNK], "$chunk->free[2]",
         "chunk_add", "free[CHUNK_WORDS - 1] = ~0ul;", IN_PV),
    Case("pv", "wastes-entries", "thousand", [CHUNK], "$chunk->free[2]",
         "chunk_add", "= LAST_WORD_FREE;"),
    Case("pv", "stats-exit-drift", "small", [], STATS + "pv_entry_frees",
         "pv_remove_pmap", "stats.pv_entry_frees--;"),
    Case("pv", "stats-reclaims-always", "nothing-to-steal", [], STATS + "pv_reclaims",
         "reclaim", "stats.pv_reclaims++;"),
    # Of two that write in turn the last one is right.
    Case("pv", "stats-steal-drift", "steal-own", [f"last-write {STATS}pc_chunk_frees"],
         STATS + "pc_chunk_frees", "steal_for", "stats.pc_chunk_frees -= empty;"),
    Case("pv", "error-keeps-lock", "nothing-to-steal", [], "pv_lock.lock.owner",
         "make_room", "spin_lock(&pv_lock);"),
    Case("pv", "lru-keeps-page", "replace", [],
         "((struct pv_chunk *)((long)pv_lru.next & -4096))->pmap",
         "chunk_settle", "vm_page_free(dmap_to_page(pc));"),
    Case("pv", "page-owner", "small", [CHUNK, PAGE], "$page->owner",
         "make_room", "vm_page_alloc(PAGE_KMEM, "),
    Case("map", "any-split-draws", "counter", [], RESERVE,
         "entry_for_split", "nreserve -= kept;", IN_MAP),
    Case("map", "plain-takes", "counter", [], RESERVE,
         "entry_for_split", "nreserve -= kept;"),
    Case("map", "uncounted", "row", [], "lab_map[0]->reserve.prev",
         "retire", "list_push_back(&c->map->reserve, &e->link);"),
    Case("map", "hidden-store", "row", [], "'map_entry.c'::store",
         "retire", "list_push_back(&store, &e->link);"),
    Case("map", "enter-draws", "row", ["back-to judge_point", f"last-write {RESERVE}"], RESERVE,
         "map_entry_link", "nreserve -= kept;"),
    Case("map", "stolen", "row", ["back-to judge_point", f"last-write {RESERVE}"], RESERVE,
         "map_entry_reserve", "nreserve--;"),
    Case("map", "across-prot", "apart", ["back-to judge_point", ENTRY], "$entry->end_va",
         "entry_place", "p.before->end_va = e->end_va;"),
    Case("map", "stale-start", "together", ["back-to judge_point 3", SIXTH], "$entry->start_va",
         "entry_place", "p.after->start_va = e->start_va;"),
    # One reference too many, and the copy has given one back since.
    Case("anon", "reference-twice", "trace", [SLOT, "last-write $slot->nrefs"], "$slot->nrefs",
         "copy_references", "anon_ref(an);", IN_ANON),
    Case("pool", "owner-of-victim", "starve", ["back-to judge_point"], "lab_pool[0].drained",
         "detach", "p->drained += !for_other;", IN_POOL),
]


def check(config: Config, case: Case) -> Iterator[Result]:
    form = [f"LAB={case.lab}", f"IMPL=mutant-{case.mutant}", f"T={case.test}", "SEED=1", "GDB=1"]
    steps: list[Step] = [(asked, "") for asked in case.leads]
    replaced = BY_CLANG if "LLVM=1" in config.make_words else {}
    steps += [
        (f"last-write {case.wrong}", f"{case.wrong}: this writes "),
        (FRAME.format(case.function), case.function, case.line),
        *(replaced.get(step, step) for step in case.more),
    ]
    trouble = ask_gdb(["make", "repro", *config.make_words, *form], steps)
    yield Result(f"backwards/{case.lab}/{case.mutant}", not trouble, trouble)


TOUR = "labs/0-tour/answers.txt"
ENTRY_OF = (
    "python import re; gdb.execute('set $entry = (long *)(0xffff800000000000 + ' + re.findall("
    "r'at pa (0x\\w+):', gdb.execute('pt 2 {va}', to_string=True))[3] + ')')"
)


def handout_places(steps: list[Step]) -> list[Step]:
    """With each command's answer in the handout: the lines of the sources that it names."""
    text = (ROOT / "labs/0-tour/README.md").read_text(encoding="utf-8")
    shown: dict[str, str] = {}
    for block in re.findall(r"^```\n(.*?)^```", text, re.M | re.S):
        for asked, _, answer in re.findall(
                r"^\(gdb\) (\S+)(.*)\n((?:(?!\(gdb\)).*\n)*)", block, re.M):
            shown[asked] = shown.get(asked, "") + answer
    found = []
    for asked, *expected in steps:
        places = re.findall(r"\S+\.[ch]:\d+", shown.pop(asked.split()[0], ""))
        found.append((asked, *expected, *places))
    return found


def tour_steps(answer: dict[str, str]) -> list[Step]:
    """The handout's commands, and what each shows of the answers."""
    va, flags = answer["fault-va"], answer["entry-before"].removeprefix("0x")
    access = {"PROT_READ": 1, "PROT_WRITE": 2, "PROT_EXEC": 4}[answer["fault-access"]]
    function = "fault_anon" if answer["fault-case"].startswith("1") else "fault_object"
    entry = f"PT   [{answer['pt-index']:>3}] at pa "
    return [
        ("back-to vm_fault", f"{va}, ", f"access={access:#x})"),
        ("bt", answer["trap-function"], "trap_from_user"),
        ("break fault_anon", ""), ("break fault_object", ""),
        ("continue", f"{function} ("),
        ("break pmap_enter", ""),
        ("continue", "pmap_enter (", f"{int(answer['entered-prot']):#x}, flags={access:#x})"),
        ("finish", "= 0x0\n"),
        ("forward", "judge_point ("),
        ("ps", "2     1     2   0  tourwork"),
        (f"pt 2 {va}", entry, ": 0x0000000000000000 []", "not mapped"),
        (ENTRY_OF.format(va=va), ""),
        ("last-write *$entry", "this writes 0x0;"),
        ("bt", answer["last-change"], "trap_syscall"),
        ("last-write *$entry", "invalidate (", "before it was "),
        ("last-write *$entry", "enter_locked (", f"{flags}; before it was 0x0."),
        ("forward", "invalidate ("), ("forward", "forget ("),
        ("back-to judge_point", "judge_point ("),
        (f"pt 2 {va}", entry, f"{flags} ['present', ", "'managed'"),
        ("print sizeof(struct vm_page)", f"= {int(answer['page-struct']):#x}\n"),
    ]


def check_tour(config: Config) -> Iterator[Result]:
    """With the answers that are right: what is asked is still to be found."""
    lab = labs.find("tour")
    folder = ROOT / config.out / "labs" / "toured"
    for path in lab.code:
        lab_forms.write_changed(folder / path, lab_forms.starter(lab, path).read_bytes())
    text = lab_forms.reference_bytes(lab, TOUR).decode()
    answer = dict(re.findall(r"^([\w-]+) = (\S+)$", text, re.MULTILINE))
    lab_forms.write_changed(folder / TOUR, text.encode())
    form = [f"LAB={lab.name}", f"IMPL={folder}/", "T=follow", "GDB=1"]
    steps = handout_places(tour_steps(answer))
    trouble = ask_gdb(["make", "repro", *config.make_words, *form], steps)
    yield Result("backwards/tour", not trouble, trouble)


def jobs(config: Config) -> list[Job]:
    plain = config.graded and not config.variant and config.kernel.exists()
    if not plain or not shutil.which(debug.GDB):
        return []
    found = [
        Job(f"backwards/{case.lab}/{case.mutant}", partial(check, config, case)) for case in CASES
    ]
    return [*found, Job("backwards/tour", partial(check_tour, config))]
