# SPDX-License-Identifier: BSD-2-Clause
"""Judges what cannot be stolen and what that costs, and how often TLBs are flushed: t_wired.c."""

from __future__ import annotations

from grade.lab_judge import Run

import memory
from workloads import NEVER_FAILS, ORDER, PER_CHUNK, entered, granted, shortage, wired_left

FLUSHED = "one shootdown for a chunk, and none if nothing was stolen of it"
FORGOTTEN = "a mapping is forgotten only after its PTE is gone and the TLBs are flushed"
IN_VAIN = "what cannot be stolen costs nothing twice"
STOLEN_LATER = 4    # chunks, by t_wired.c's steal_wired_own, after the first


def steal_room(run: Run) -> None:
    for states in zip(run.named("exhausted"), run.named("stolen")):
        wired_left(run, *states)
    memory.judge_exists(run)


def steal_far(run: Run) -> None:
    for states in zip(run.named("sparse"), run.named("stolen")):
        wired_left(run, *states)
    memory.judge_exists(run)


def steal_flushes(run: Run) -> None:
    entered(run, 3 * PER_CHUNK)
    shortage(run)
    for words in run.records("flushed"):
        asked, each, stolen = (int(words[i]) for i in (0, 2, 4))
        run.notes.append(f"{asked // max(each, 1)} flushes for {stolen} reclaims")
        few = asked < stolen * each
        run.expect("flushes of the TLBs of a pmap that loses chunk after chunk", stolen,
                   asked / max(each, 1), invariant=FORGOTTEN if few else FLUSHED,
                   hint="A TLB may have what is in no page table any more: whoever has the pmap "
                   "loaded, and whether a PTE was used or not, what was stolen is flushed." if few
                   else "First all PTEs of a chunk, then one flush for all of them.")


def steal_wired(run: Run) -> None:
    entered(run, 750)
    states = shortage(run)
    if not states:
        return
    run.expect("mappings of the process that entered last", 1504, len(states[1].space(5)),
               invariant=ORDER,
               hint="The newcomer lost mappings while ten older chunks of another were there, "
               "which had some that could be stolen.")
    for words in run.records("asked"):
        run.expect("flushes of a pmap that lost no mapping", 0, int(words[0]), invariant=FLUSHED,
                   hint="Flush only if something was stolen: a flush interrupts other processors.")
    for words in run.records("looked"):
        looks = int(words[0]) // max(int(words[2]), 1)
        run.notes.append(f"{looks} looks at a chunk that is all wired")
        if looks > 1:
            run.wrong("looks at an old chunk that is all wired, while others are stolen",
                      "at most 1", looks, invariant=IN_VAIN,
                      hint="What is left of a chunk is wired: it goes behind all others, or each "
                      "shortage looks at it again. The walk must end where it has been.")


def steal_wired_own(run: Run) -> None:
    wanted = (STOLEN_LATER + 1) * PER_CHUNK
    got, _ = granted(run)
    run.expect("mappings entered with no free page", wanted, got, invariant=NEVER_FAILS)
    if not shortage(run):
        return
    for words in run.records("looked"):
        first, later = int(words[0]), int(words[2])
        if later > first:
            run.wrong("looks at the PTE of a wired mapping in the process's own oldest chunk, "
                      f"while it enters without memory and {STOLEN_LATER} more chunks of another "
                      "are stolen", f"at most {first}, as when the first one was", later,
                      invariant=IN_VAIN,
                      hint="A chunk that gave nothing goes behind all others, be it another's or "
                      "one's own.")
