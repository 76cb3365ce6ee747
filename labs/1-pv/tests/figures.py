# SPDX-License-Identifier: BSD-2-Clause
"""Judges how long operations take, what they ask for, and the programs that a grade ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grade.lab_judge import Run

import memory
from workloads import ASKED, COST, NAMED, NEVER_FAILS, PER_CHUNK, ROOM_FIRST, first, made, of_spaces

if TYPE_CHECKING:
    from judge import State

ONE_MAPPING = "the cost of one mapping does not grow with their number"

# The reference's figures (gcc, clang) and a half; the starter, which passes, is below them, too.
REFERENCE = {"entering": 514, "removing": 709, "page": 913, "next": 30}
MOST = {what: figure * 3 // 2 for what, figure in REFERENCE.items()}
MEASURED = {"small", "holes", "scattered", "large", "page", "shared", "walk", "exit", "crowded"}
A_LOOK = 20         # at one of a page's mappings, and more
MOST_EXIT = 600     # the starter takes 505, the reference 276


def speed(run: Run) -> None:
    ticks = {words[0]: [int(word) for word in words[1:]] for words in run.records("ticks")}
    if not MEASURED <= ticks.keys():
        run.wrong("measurements", ", ".join(sorted(MEASURED)), " ".join(ticks))
        return
    for i, what in enumerate(("entering", "removing")):
        # At the end of many mappings, or in the place of any of them: what costs most.
        small = ticks["small"][i]
        large = max(ticks[what][i] for what in ("holes", "scattered", "large"))
        run.notes.append(f"{what}: {small} instructions, {large} beside 24000 mappings")
        too_many(run, f"{what} one mapping beside 24000 others (it takes {small} in a small "
                 "process)", large, MOST[what],
                 "A search through full chunks, or through all chunks, is at work; or something is "
                 "asked for that is not needed.")
    crowded = ticks["crowded"][0]
    run.notes.append(f"removing one of 100 mappings of a page and more: {crowded} instructions")
    too_many(run, "removing one of a page's 100 mappings and more, of a process that has 24000 "
             "others", crowded, MOST["removing"] + 100 * A_LOOK,
             "The page's list may be gone through, and not the process's chunks.")
    page, shared, walk, at_exit = (ticks[what][0] for what in ("page", "shared", "walk", "exit"))
    run.notes.append(f"entering a page with 2000 other mappings: {shared} instructions")
    too_many(run, "entering a page that is mapped 2000 times already", shared, MOST["entering"],
             "A page may be in every process: entering need not look at its other mappings.")
    run.notes.append(f"going to the next of {ticks['walk'][1]} mappings: {walk} instructions")
    too_many(run, f"going to the next of a page's {ticks['walk'][1]} mappings", walk, MOST["next"],
             "pv_next goes on where its cookie says: it does not search for the place again.")
    run.notes.append(f"taking a page from two processes: {page} instructions")
    run.notes.append(f"exit: {at_exit} instructions for each mapping")
    too_many(run, "taking a page from two processes", page, MOST["page"],
             "A page's mappings are on a list of its own; no search is needed.")
    too_many(run, "removing each mapping at exit", at_exit, MOST_EXIT,
             "Exit goes through the chunks of the process, once.")


def exit_wired(run: Run) -> None:
    for words in run.records("ticks"):
        at_exit = int(words[1])
        run.notes.append(f"exit past wired mappings: {at_exit} instructions for each that goes")
        too_many(run, "removing each mapping at exit, in 300 chunks that keep a wired one",
                 at_exit, MOST_EXIT, "Exit goes through the chunks of the process, once: one that "
                 "keeps wired mappings is not met again for each that comes behind it.")


def too_many(run: Run, what: str, got: int, most: int, hint: str) -> None:
    if got > most:
        run.wrong(f"instructions for {what}", f"at most {most}", got, invariant=ONE_MAPPING,
                  hint=hint)


LOCKS = 1.5 # takings of pv_lock for each mapping: what the reference needs, and a half


def counted(run: Run) -> None:
    """What is not timed but counted: requests for memory, and takings of pv_lock."""
    states = first(run, "before", "mapped", "after")
    if not states:
        return
    pages = states[1].owners["PV"] - states[0].owners["PV"]
    chunks_counted(run, *states)
    for words in run.records("counted"):
        allocs, entering, removing, unit = (int(words[i]) for i in (0, 2, 3, 6))
        run.notes.append(f"{allocs} requests for memory, pv_lock taken {entering // unit} times "
                         f"to enter 1000 mappings and {removing // unit} times to remove them")
        run.expect("requests for memory while 1000 mappings are entered, each with a page",
                   pages, allocs, invariant=ROOM_FIRST,
                   hint="Look for room first: no page is asked for where there is some.")
        for what, takings in (("entering", entering), ("removing", removing)):
            if takings > LOCKS * 1000 * unit:
                run.wrong(f"takings of pv_lock while {what} 1000 mappings",
                          f"at most {int(LOCKS * 1000)}", takings // unit, invariant=ONE_MAPPING,
                          hint="All CPUs wait for pv_lock: once for an entry is enough.")
    made(run, states[0], states[1], 1000)
    memory.judge_exists(run)


def asked(run: Run) -> None:
    for words in run.records("asked"):
        for i, where in ((0, "free"), (2, "short")):
            run.expect(f"requests for memory with pv_lock held, while memory is {where}", 0,
                       int(words[i]), invariant=ASKED,
                       hint="First vm_page_alloc, then spin_lock(&pv_lock), and no request behind "
                       "it. What stealing empties is a page: it is used as it is, and not freed "
                       "and asked for again.")


def chunks_counted(run: Run, before: State, mapped: State, after: State) -> None:
    """Chunks that only came were counted as made and not as freed, and the other way round."""
    for what, allocated, freed, least, most in (
        ("were entered", "pc_chunk_allocs", "pc_chunk_frees", before, mapped),
        ("were removed", "pc_chunk_frees", "pc_chunk_allocs", mapped, after),
    ):
        chunks = abs(most.stats["pc_chunk_count"] - least.stats["pc_chunk_count"])
        for stat, expected in ((allocated, chunks), (freed, 0)):
            run.expect(f"{stat} while 1000 mappings {what}, and {chunks} chunks", expected,
                       most.stats[stat] - least.stats[stat], invariant=NAMED,
                       hint="A chunk is made when its page is taken and freed when that goes: one "
                       "that moves in a list is the same chunk.")


# ---- what a grade ends with: programs in an ordinary boot ----


def programs_cost(run: Run) -> None:
    """Chunks for what each process maps, and one more; in pages that are there."""
    run.findings = []
    if not run.named("forked"):
        run.wrong("programs in an ordinary boot", "a point at which they share a file",
                  f"none: {run.outcome.describe()}")
    for state in run.named("forked"):
        counts = of_spaces(state)
        most = sum(-(-count // PER_CHUNK) + 1 for count in counts)
        if state.owners["PV"] > most:
            run.wrong(f"pages of the reverse map for {sum(counts)} mappings of {len(counts)} "
                      "programs in an ordinary boot", f"at most {most}", state.owners["PV"],
                      invariant=COST)
    memory.judge_exists(run)


def programs_steal(run: Run) -> None:
    """Where allocations failed, mappings were stolen: some are gone, and the figures say so."""
    run.findings = []
    states = first(run, "forked", "stolen")
    if not states:
        run.wrong("programs in an ordinary boot", "points before and after allocations fail",
                  f"{len(run.states)} points: {run.outcome.describe()}")
        return
    lost = len(states[0].ptes.keys() - states[1].ptes.keys())
    stolen = states[1].stats["pv_reclaims"] - states[0].stats["pv_reclaims"]
    run.notes.append(f"programs: {stolen} reclaims, {lost} mappings lost")
    if not lost and not stolen:
        run.wrong("mappings stolen while a program maps pages, each time with the first "
                  "allocation failing", "one or more, and pv_reclaims says so", "none",
                  invariant=NEVER_FAILS,
                  hint="Each time that no page was given for a chunk, one must be stolen. A page "
                  "is asked for once, with PA_RESERVE: who asks a second time may get one.")
    elif not 0 < stolen <= lost:
        run.wrong(f"pv_reclaims while a program maps pages, each time with the first allocation "
                  f"failing; {lost} mappings are gone", f"1 to {lost} more than before", stolen,
                  invariant=NEVER_FAILS)
    memory.judge_exists(run)
