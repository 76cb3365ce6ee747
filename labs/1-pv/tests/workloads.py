# SPDX-License-Identifier: BSD-2-Clause
"""Judges what the reverse map costs and what it does when memory is short.

Costs are counted from outside: a page that is no longer free and is not a page table was taken by
the reverse map, whatever it says of itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grade import lab
from grade.lab_judge import Run
from grade.oracle import PTE

import memory
from memory import AGREE, GIVEN_BACK

if TYPE_CHECKING:
    from judge import State

FIGURES = lab.of_judge(__file__).figures
PER_CHUNK: int = FIGURES["entries"]
BY_USE: bool = FIGURES["by_use"] == 1
PAGE = 4096
VA = 0x40000000
TABLE = 2 << 20

# What each workload maps: processes, mappings in each.
SHAPES = {
    "lab_pv_bytes_small": (16, 20),
    "lab_pv_bytes_large": (4, 64 * PER_CHUNK),
    "lab_pv_bytes_rounded": (10, 4096),
    "lab_pv_thousand": (1, 1000),
}
COST = "a process of n mappings takes at most ceil(n / {entries}) pages"
NEVER_FAILS = "entering goes on without memory as long as there is a mapping to steal"
WIRED_STAYS = "a wired mapping is never stolen"
BITS = "a stolen mapping's modified and referenced bits go to the page"
ORDER = "the {victim} chunk is stolen first"
NAMED = "the statistics count what they are named for"
ROOM_FIRST = "room that a process has is used before a page is taken"
ASKED = "a page is asked for once, and before pv_lock is taken"
MOST_ENTERED = 2004     # by a test of t_short.c, once memory is short
MODIFIED, REFERENCED = 2, 1     # PGA_*


def spent(before: State, after: State) -> int:
    """Pages that went to neither page tables nor the free list between two points."""
    free = before.owners["FREE"] - after.owners["FREE"]
    return free - (after.owners["PT"] - before.owners["PT"])


def first(run: Run, *names: str) -> list[State] | None:
    """The first state of each name; None (and the run is at fault elsewhere) if one is missing."""
    found = [run.named(name) for name in names]
    return [states[0] for states in found] if all(found) else None


def bytes_per_mapping(run: Run) -> None:
    states = first(run, "before", "mapped", "after")
    if not states:
        return
    before, mapped, after = states
    nspaces, each = SHAPES[run.boot.ktest]
    total = nspaces * each
    got = sum(len(mapped.space(i)) for i in range(nspaces))
    run.expect("mappings in the page tables", total, got)
    most = nspaces * -(-each // PER_CHUNK)
    pages = spent(before, mapped)
    figure = f"{pages * PAGE / total:.3f} bytes per mapping: {pages} pages for {total} mappings"
    run.notes.append(figure)
    if pages > most:
        run.wrong(
            f"memory for {nspaces} x {each} mappings",
            f"at most {most} pages, {most * PAGE / total:.3f} bytes per mapping",
            figure,
            invariant=COST,
            hint="48 bytes for each mapping is the starter's entry. If it is less but too much, "
            "look for room that is never found.",
        )
    if mapped.owners["PV"] - before.owners["PV"] > pages or pages < 0:
        run.wrong("pages of the reverse map", f"at most {pages}", mapped.owners["PV"])
    left_over(run, before, after, "all processes are gone")
    made(run, before, mapped, total)
    run.expect("pv_entry_frees after all processes are gone",
               before.stats["pv_entry_frees"] + total, after.stats["pv_entry_frees"],
               invariant=NAMED)
    memory.judge_exists(run)


def made(run: Run, before: State, after: State, entries: int) -> None:
    """So many entries were made, not one more: the figures count what came and went."""
    run.expect(f"pv_entry_allocs after {entries} mappings were entered",
               before.stats["pv_entry_allocs"] + entries, after.stats["pv_entry_allocs"],
               invariant=NAMED)


def of_spaces(state: State) -> list[int]:
    """How many mappings each process has, the largest first."""
    counts: dict[int, int] = {}
    for pmap, _ in state.ptes:
        counts[pmap] = counts.get(pmap, 0) + 1
    return sorted(counts.values(), reverse=True)


def programs(run: Run, name: str, processes: int, least: int) -> None:
    """At this point so many processes must have so many mappings each, or the work was not done."""
    for state in run.named(name):
        counts = of_spaces(state)
        if sum(count >= least for count in counts) < processes:
            run.wrong(f"mappings of the largest processes at point {name}",
                      f"{processes} with {least} or more", counts[:processes])
        run.notes.append(f"{name}: {sum(counts)} mappings in {len(counts)} processes, "
                         f"{state.owners['PV']} pages of the reverse map")


def leftover(run: Run, before: str, after: str) -> None:
    states = first(run, before, after)
    if states and states[1].owners["PV"] >= states[0].owners["PV"]:
        run.wrong(f"pages of the reverse map at point {after}", f"fewer than at point {before}",
                  f"{states[1].owners['PV']}, and {states[0].owners['PV']} then",
                  invariant=GIVEN_BACK)


def fork(run: Run) -> None:
    programs(run, "forked", 5, 800)
    programs(run, "unmapped", 5, 600)
    leftover(run, "forked", "reaped")


def truncate(run: Run) -> None:
    programs(run, "mapped", 5, 600)
    for state in run.named("truncated"):
        counts = of_spaces(state)
        if counts[0] > 400:
            run.wrong("mappings of a process after its file was cut to 20 pages", "at most 400",
                      counts[0], hint="pv_first and pv_next led truncation past some mappings.")
    leftover(run, "mapped", "reaped")


REUSED = 1680   # mappings of t_cost.c's reuse


def reuse(run: Run) -> None:
    states = first(run, "before", "full", "refilled", "after")
    if not states:
        return
    before, full, refilled, after = states
    spare_moves(run, full, run.named("thinned"))
    had, has = spent(before, full), spent(before, refilled)
    run.notes.append(f"{had} pages when full, {has} after refilling")
    # A form may have cost less than chunks at first: what they cost is right still.
    most = max(had, -(-REUSED // PER_CHUNK))
    if has > most:
        run.wrong(
            "pages after half of the mappings were replaced by as many others",
            f"at most {most}",
            has,
            invariant=ROOM_FIRST,
            hint="A chunk got room when an entry of it was freed: was it found, and by whom?",
        )
    left_over(run, before, after, "the process is gone")


def left_over(run: Run, before: State, after: State, when: str) -> None:
    """Where nothing is mapped any more. A page or two, as if in store, cost `given-back' alone."""
    left = after.owners["PV"] - before.owners["PV"]
    if left > memory.SLACK:
        run.wrong(f"pages of the reverse map after {when}", f"at most {memory.SLACK}", left,
                  invariant=GIVEN_BACK)


def spare_moves(run: Run, full: State, thinned: list[State]) -> None:
    """With the same pages held, an entry that is not in use any more is a spare one."""
    for state in thinned:
        sums = [s.stats["pv_entry_spare"] + s.stats["pv_entry_count"] for s in (full, state)]
        if full.owners["PV"] == state.owners["PV"] > 0 and sums[0] != sums[1]:
            run.wrong("pv_entry_spare + pv_entry_count after some mappings went, and no page",
                      sums[0] - (sums[0] >> 63 << 64), sums[1], invariant=AGREE,
                      hint="Each page of entries has as many as fit, used or spare: an entry that "
                      "goes makes one spare, and one that comes takes it.")


def given_back(run: Run) -> None:
    states = first(run, "before", "emptied")
    if not states:
        return
    before, emptied = states
    run.expect("mappings after everything was removed", 0, len(emptied.numbered()))
    run.expect(
        "pages of the reverse map after everything was removed, the processes still there",
        before.owners["PV"],
        emptied.owners["PV"],
        invariant=GIVEN_BACK,
        hint="When the last entry of a chunk is freed, its page goes back at once.",
    )
    for state in run.named("end"):
        run.expect("pages of the reverse map after the processes are gone", before.owners["PV"],
                   state.owners["PV"], invariant=GIVEN_BACK)


KEPT = 150      # of the 190 mappings of t_short.c's fail_nth; the others are removed on the way
LEAST_ROUNDS = 4    # three page tables, and the one in which nothing fails


def fail_nth(run: Run) -> None:
    """Every round's state is judged at its point; here, that a failure refuses one mapping at most.

    A form that steals instead may lose a chunk of others, which come back by a fault.
    """
    rounds = run.records("nth")
    states = run.named("nth")
    if len(rounds) < LEAST_ROUNDS or len(rounds) != len(states):
        run.wrong("rounds with an allocation that fails", f"{LEAST_ROUNDS} or more", len(rounds))
    for words, state in zip(rounds, states):
        nth, failed = words[0], int(words[2])
        where = f"with allocation {nth} failing: "
        if failed > 1:
            run.wrong(where + "mappings refused", "at most 1", failed)
        got = len(state.numbered())
        least = KEPT - failed - PER_CHUNK
        if not least <= got <= KEPT:
            run.wrong(where + "mappings", f"{least} to {KEPT}", got)
    for state in run.named("end"):
        run.expect("mappings at the end", 0, len(state.numbered()))


def granted(run: Run) -> tuple[int, int]:
    """Mappings that the test entered without memory, and those that were refused."""
    pairs = [(int(words[0]), int(words[2])) for words in run.records("entered")]
    return sum(pair[0] for pair in pairs), sum(wanted - got for got, wanted in pairs)


def reclaims(run: Run, before: State, after: State) -> None:
    """Who says that mappings were stolen must have lost some, and who lost some must say so. Every
    mapping was entered where none was."""
    got, refused = granted(run)
    made(run, before, after, got)
    lost = len(before.ptes) + got - len(after.ptes)
    stolen = after.stats["pv_reclaims"] - before.stats["pv_reclaims"]
    least = min(lost, 1)    # one may go through many chunks in which something is wired
    if not least <= stolen <= lost:
        run.wrong(f"pv_reclaims, and {lost} mappings are gone that nobody removed",
                  f"{least} to {lost} more than before", stolen, invariant=NAMED)
    tried = after.stats["pc_chunk_tryfail"] - before.stats["pc_chunk_tryfail"]
    if [[str(tried)]] == run.records("without"):
        # As often as the kernel had no page for it: what is wrong is the other figure.
        run.expect(f"pv_reclaims: times that stealing helped, with {tried} times without a page "
                   f"and {refused} mappings refused", tried - refused, stolen, invariant=NAMED,
                   hint="pv_reclaims counts once for a mapping that stealing made room for, "
                   "however many chunks were looked at or lost mappings on the way; and not where "
                   "it was refused in the end.")
        return
    run.expect("pc_chunk_tryfail: times that there was no page, each of which ended in a reclaim "
               "or a refusal", stolen + refused, tried, invariant=NAMED,
               hint="pc_chunk_tryfail counts each time that vm_page_alloc gave no page, whether or "
               "not stealing helped then.")


def entered(run: Run, wanted: int) -> None:
    for words in run.records("entered"):
        if int(words[0]) != wanted:
            run.wrong(
                "mappings entered with no free page",
                f"{wanted} of {wanted}",
                f"{words[0]}: the others were refused (ENOMEM)",
                invariant=NEVER_FAILS,
                hint="When there is no page for entries, take the page of the {victim} "
                "chunk: destroy all of its mappings that are not wired. One that is wired spares "
                "itself alone, not its chunk and not its process."
                if int(words[0]) * 2 < wanted else
                "Most were entered: a walk ended too early, or it gave the process's own chunk "
                "room, and that was not taken for success. One chunk that gives no page does not "
                "end it, and the one that was last when it began is looked at, too; take the next "
                "one's address before a chunk is put last.",
            )


def wired_left(run: Run, before: State, after: State) -> None:
    for number, address in enumerate(before.pmaps):
        if not address:
            continue
        had = {va: pte & PTE["PTE_PA"] for va, pte in before.space(number).items()
               if pte & PTE["PTE_WIRED"]}
        has = {va: pte & PTE["PTE_PA"] for va, pte in after.space(number).items()
               if pte & PTE["PTE_WIRED"]}
        if lost := [va for va in had if had[va] != has.get(va)]:
            run.wrong(f"wired mappings of pmap {number}", f"all {len(had)}",
                      f"{len(lost)} are gone, at {lost[0]:#x}", invariant=WIRED_STAYS)


def shortage(run: Run) -> tuple[State, State] | None:
    states = first(run, "exhausted", "stolen")
    if not states:
        return None
    before, after = states
    wired_left(run, before, after)
    memory.judge_exists(run)
    if after.owners["PV"] > before.owners["PV"] + before.owners["FREE"]:
        run.wrong("pages of the reverse map without memory", before.owners["PV"],
                  after.owners["PV"])
    run.notes.append(f"{after.stats['pv_reclaims']} reclaims")
    most = before.stats["pv_reclaims"] + MOST_ENTERED
    if not before.stats["pv_reclaims"] < after.stats["pv_reclaims"] <= most:
        run.wrong("pv_reclaims after a shortage: times that mappings were stolen",
                  f"{before.stats['pv_reclaims'] + 1} to {most}", after.stats["pv_reclaims"],
                  invariant=NAMED)
    return before, after


def steal(run: Run) -> None:
    entered(run, 1500)
    states = shortage(run)
    if not states:
        return
    reclaims(run, *states)
    after = states[1]
    spaces = [after.space(number) for number in (0, 1)]
    for page in range(336):
        va = VA + page * PAGE
        lost = [number for number in (0, 1) if va not in spaces[number]]
        attrs = after.attrs[page]
        if lost and page % 3 == 0 and not attrs & MODIFIED:
            run.wrong(f"page {page}, written by pmap {lost[0]} before its mapping was stolen",
                      "PGA_MODIFIED is set", f"attributes {attrs:#x}", invariant=BITS,
                      hint="pmap_steal carries the bits; clearing a PTE by hand loses them.")
            return
        if lost and page % 3 == 1 and not attrs & REFERENCED:
            run.wrong(f"page {page}, read by pmap {lost[0]} before its mapping was stolen",
                      "PGA_REFERENCED is set", f"attributes {attrs:#x}", invariant=BITS)
            return


def steal_sparse(run: Run) -> None:
    entered(run, 2000)
    states = shortage(run)
    if states:
        got = len(states[1].space(40))
        run.expect("mappings of the process that entered last", 2004, got,
                   invariant=ORDER,
                   hint="The newcomer lost mappings while 40 old chunks were there.")
    for words in run.records("given"):
        run.expect("pages that vm_page_alloc gave while mappings were entered and no page was free",
                   0, int(words[0]), invariant=ASKED,
                   hint="The page of the chunk that is stolen is used as it is: who frees it and "
                   "asks again gives it to whoever comes first.")


def steal_used(run: Run) -> None:
    if not shortage(run):
        return
    for before, after in zip(run.named("exhausted"), run.named("stolen")):
        had, has = ([len(state.space(n)) for n in (0, 1)] for state in (before, after))
        if has[0] < had[0] and has[1] < had[1]:
            run.wrong(
                "mappings left to two processes with a chunk each, where one page was missing",
                f"{had[0]} and fewer than {had[1]}",
                f"{has[0]} and {has[1]}: both lost some",
                invariant=ORDER,
                hint="One chunk is enough. What is stolen beyond it comes back by a fault each, "
                "and helps nobody. If a few are left of each, they were never looked at: the last "
                "entry of a chunk, or the first.",
            )
            return
        if has[0] < had[0] or has[1] == had[1]:
            run.wrong(
                "mappings left to the process whose chunk "
                f"{'was used last' if BY_USE else 'is younger'}, of {had[0]}, and to the other "
                f"one, of {had[1]}",
                f"{had[0]}, and fewer than {had[1]}",
                f"{has[0]}, and {has[1]}",
                invariant=ORDER,
                hint="Taking an entry from a chunk makes it the most recently used one, also the "
                "last one, and nothing else does: neither an entry that is given back, nor how "
                "many are taken. Nor does it matter whose it is, be it who enters, or if a CPU "
                "has the pmap loaded." if BY_USE else
                "A chunk's place is from when it was made, and use does not change it; nor does "
                "it matter whose it is, be it who enters, or if a CPU has the pmap loaded.",
            )
            return


def steal_enough(run: Run) -> None:
    states = first(run, "exhausted", "stolen")
    if not states:
        return
    wired_left(run, *states)
    memory.judge_exists(run)
    had, has = (len(state.space(1)) for state in states)
    if had != has and states[0].space(0).keys() <= states[1].space(0).keys():
        run.wrong("mappings of another process, where the process's own chunk is older than that "
                  "one's", had, has, invariant=ORDER,
                  hint="All chunks are in one order, those of the process that enters, too.")
        return
    run.expect("mappings of another process, where stealing gave the process's own oldest chunk "
               "room for all that it enters", had, has, invariant=ROOM_FIRST,
               hint="Your own chunk loses all that can be lost, as others' do, and room in it ends "
               "the walk as a page does: nobody else need lose anything.")


def steal_own(run: Run) -> None:
    entered(run, 2000)
    shortage(run)
    for state in run.named("low"):
        run.expect("mappings while the kernel's reserve had pages", 804, len(state.space(0)),
                   invariant="the reserve comes before stealing",
                   hint="pv_enter may take pages from the reserve: PA_RESERVE.")
        run.expect("pc_chunk_tryfail while the kernel's reserve had pages", 0,
                   state.stats["pc_chunk_tryfail"], invariant=NAMED,
                   hint="A page of the reserve is a page: there was none only when that is gone, "
                   "too.")


def nothing_to_steal(run: Run) -> None:
    states = first(run, "exhausted", "failed")
    if not states:
        return
    wired_left(run, *states)
    run.expect("pv_reclaims when nothing could be stolen", states[0].stats["pv_reclaims"],
               states[1].stats["pv_reclaims"],
               invariant=NAMED)
    for words in run.records("asked"):
        run.expect("requests for memory that failed, when nothing could be stolen: as many as "
                   "mappings were refused", int(words[2]), int(words[0]), invariant=ASKED,
                   hint="A page is asked for once for each mapping; with nothing stolen there is "
                   "none the second time, either.")
    for words in run.records("failed"):
        if not 0 < int(words[0]) < 1022:
            run.wrong("refused mappings when everything is wired", "some, not all", words[0])


def steal_passed(run: Run) -> None:
    for words in run.records("tried"):
        run.expect("pc_chunk_tryfail: times that there was no page, where one chunk was passed "
                   "over as its pmap was locked", int(words[2]), int(words[0]), invariant=NAMED,
                   hint="What is tried there is to get a page, and not a lock.")


def steal_smp(run: Run) -> None:
    for words in run.records("refused"):
        refused, granted = int(words[0]), int(words[2])
        run.notes.append(f"{refused} refused, {granted} granted")
        if refused * 10 > granted:
            run.wrong("mappings refused while several CPUs share no memory",
                      "fewer than one in ten of those granted",
                      f"{refused} refused, {granted} granted", invariant=NEVER_FAILS,
                      hint="When there is no page for entries, take a chunk of a pmap that can be "
                      "locked, or of your own.")
    memory.judge_exists(run)
