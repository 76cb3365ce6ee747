# SPDX-License-Identifier: BSD-2-Clause
"""From where a wrong solution shows back to the line that is to blame: `make repro GDB=1` on
mutants of each lab, and last-write, back-to, back and forward there."""

from __future__ import annotations

import shutil
from functools import partial
from typing import Iterator, NamedTuple

from tests.job import Config, Job, Result
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
IN_POOL: list[Step] = [
    ("back-to pool_page_grow", "pool_page_grow (p="),
    ("back", "take_item (p=", "if (!pp)"),
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
    steps += [
        (f"last-write {case.wrong}", f"{case.wrong}: this writes "),
        (FRAME.format(case.function), case.function, case.line),
        *case.more,
    ]
    trouble = ask_gdb(["make", "repro", *config.make_words, *form], steps)
    yield Result(f"backwards/{case.lab}/{case.mutant}", not trouble, trouble)


def jobs(config: Config) -> list[Job]:
    plain = config.graded and not config.variant and config.kernel.exists()
    if not plain or not shutil.which("gdb"):
        return []
    return [
        Job(f"backwards/{case.lab}/{case.mutant}", partial(check, config, case)) for case in CASES
    ]
