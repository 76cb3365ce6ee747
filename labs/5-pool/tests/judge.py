# SPDX-License-Identifier: BSD-2-Clause
"""Judges lab 5: what each test asks of pools and their backends, beside what always holds.

look, in pools.py, reads what is in memory at a point.
"""

from __future__ import annotations

from functools import partial

from grade.lab_judge import PROGRAMS, THE_END, Boot, Last, Plan, Run, programs_work
from grade.session import End

from costs import asked, few_can, linear, price
from guest_said import said
from pools import (BACK, FIGURES, FITS, KEEPS, LEAST, NOTHING, ONCE, OURS, POOLS,
                   SHORT, SPACE, TAKEN, TURN, TWICE, State, look)

KEPT = "the number of empty pages" if FIGURES["empty"] else "npages"


def nothing(run: Run) -> None:
    """All that matters is judged at each point."""


def put_wrong(what: str, rule: str, hint: str, run: Run) -> None:
    """The kernel must say so: it panics."""
    if run.outcome.end is End.PANIC and [state.name for state in run.states] == ["put"]:
        run.findings[:] = [f for f in run.findings if not f.what.startswith(THE_END)]
    elif run.outcome.end is not End.PANIC:
        # What is wrong afterwards comes of it.
        run.findings.clear()
        run.wrong(what, "a panic", run.outcome.describe(), invariant=rule, hint=hint)


def model(run: Run) -> None:
    """Where pages are left at point empty, the test ends there, and destroys nothing."""
    for state in run.named("empty"):
        if any(pool.npages for pool in state.pools.values()):
            run.findings[:] = [f for f in run.findings if f.what != "points reached"]
        for n, pool in state.pools.items():
            run.expect(f"pages of pool {n}, with room for {pool.items_per_page} each, at point "
                       "empty: all items were put, and pool_reclaim was called", 0, pool.npages,
                       invariant=BACK, hint="Each put of a page's last item makes it empty, and "
                       "pool_reclaim gives back all that are.")


def keeps(run: Run, state: State, pool: int, least: int) -> None:
    run.expect(f"pages of pool {pool}, which keeps {least}, at point {state.name}", least,
               state.pools[pool].npages, invariant=KEEPS,
               hint=f"Compare {KEPT} with min_pages before each page that is taken.")


def limits(run: Run) -> None:
    for state in run.named("empty"):
        keeps(run, state, 0, 2)


def reclaimed(run: Run) -> None:
    for state in run.named("least"):
        keeps(run, state, 1, 1)


def at_limit(run: Run) -> None:
    """Who has as many items as it may have takes no page."""
    for before, after in zip(run.states, run.states[1:]):
        if after.name == "refused":
            run.expect("pages of a pool at its limit of items, and of another, at point refused",
                       [pool.npages for pool in before.pools.values()],
                       [pool.npages for pool in after.pools.values()], invariant=NOTHING)


def dense(run: Run) -> None:
    for words in run.records("dense"):
        size, npages, memory = (int(word) for word in words)
        run.notes.append(f"100 items of {size} bytes: {npages} pages, {memory} of memory")


def to_take(before: State, who: int) -> list[int]:
    """How many pages which others give if pool `who' starves: a number for each, the largest
    first."""
    spare = [pool.spare(before.page_size[0]) for n, pool in before.pools.items() if n != who]
    most = sorted((n for n in spare if n), reverse=True)
    if FIGURES["each"]:
        return [1 for _ in most]
    return [(n + 1) // 2 if FIGURES["half"] else 1 for n in most[:1]]


def granted(run: Run, unlocked: int = POOLS) -> None:
    """Each shortage that was relieved cost what it may of other pools, and one more try. So many
    others' locks were free."""
    for before, after in zip(run.states, run.states[1:]):
        if after.name != "granted" or 0 not in after.arenas:
            continue
        was, now = before.arenas[0], after.arenas[0]
        where = f"until point {after.name}"
        lost = {n: was_pool.npages - after.pools[n].npages
                for n, was_pool in before.pools.items() if n in after.pools}
        who = next((n for n, pages in lost.items() if pages < 0), -1)
        free = was["limit"] - was["nout"] - was["reserve"]
        wanted = to_take(before, who)[:unlocked] if free <= 0 else []
        run.expect(f"pages that were given back {where}", sum(wanted), now["frees"] - was["frees"],
                   invariant=TAKEN)
        run.expect(f"pages that were got {where}", 1, now["allocs"] - was["allocs"],
                   invariant=TAKEN)
        run.expect(f"pages that other pools have lost {where}", wanted,
                   [n for n in lost.values() if n > 0], invariant=TAKEN)
        run.expect(f"pages that pools say they were drained of {where}", sum(wanted),
                   sum(p.drained for p in after.pools.values())
                   - sum(p.drained for p in before.pools.values()), invariant=TAKEN)


def richest(run: Run) -> None:
    """Who gives had as much to lose as anybody."""
    for before, after in zip(run.states, run.states[1:]):
        if after.name != "granted":
            continue
        spare = {n: pool.spare(after.page_size[0]) for n, pool in before.pools.items()}
        for n, pool in before.pools.items():
            if after.pools[n].npages < pool.npages and spare[n] < max(spare.values()):
                pages = ", ".join(map(str, spare.values()))
                run.wrong(f"the pool that gave, of those with {pages} pages to lose",
                          f"one of {max(spare.values())}", spare[n], invariant=TURN)
                return


def busy(run: Run) -> None:
    granted(run, unlocked=1)


def starve(run: Run) -> None:
    granted(run)
    for state in run.named("none"):
        if 1 in state.pools and len(state.pools) == 2:
            run.expect("pages of the pool that starved", 10, state.pools[1].npages,
                       invariant=SHORT)


def turn(run: Run) -> None:
    if FIGURES["half"]:
        richest(run)
    granted(run)
    if FIGURES["half"]:
        return
    for state in run.named("round"):
        pages = [pool.npages for n, pool in state.pools.items() if n < 5]
        if max(pages) - min(pages) > 1:
            run.wrong("pages that five pools of as many have left", "as many each", pages,
                      invariant=TURN)


def in_vain(run: Run) -> None:
    """Each of five pools gives once; then the third alone, and once more each."""
    granted(run)
    gave = [
        n
        for before, after in zip(run.states, run.states[1:])
        for n, pool in after.pools.items()
        if after.name == "granted" and n in before.pools and pool.drained > before.pools[n].drained
    ]
    order, alone, then = gave[:5], gave[5:6], gave[6:]
    if sorted(order) != list(range(5)) or alone != order[2:3]:
        return
    wanted = order[3:] + order[:3]
    if then != wanted:
        run.wrong(f"which pools give, in turn. Before, pool {alone[0]} alone had a page to lose, "
                  f"and pools {order[0]} and {order[1]} were asked in vain", wanted, then,
                  invariant=TURN, hint="Who was asked in vain is asked last again, too; "
                  "who was asked first of them comes first of them.")


def minimum(run: Run) -> None:
    granted(run)
    for state in run.named("none"):
        run.expect("pages left in pools that may keep 2, 4 and 2", [2, 4, 2 + FIGURES["empty"]],
                   [state.pools[n].npages for n in range(3)], invariant=LEAST)


PER_POOL, BASE_COST = 600, 8000
LAB_POOLS = 24
"""Pools that a test's kernel holds at most; lab_rich makes and destroys as many."""
ROUNDS = 40
"""Of two pools that starve: in each one get is granted and one is refused."""
ENOUGH = 300
"""Of the gets of two CPUs."""


def bounded(run: Run) -> None:
    for before, after in zip(run.states, run.states[1:]):
        if after.name != "refused":
            continue
        was, now = before.arenas[0], after.arenas[0]
        others = len(after.pools) - 1
        surplus = now["refusals"] - was["refusals"] - (others + 1)
        if surplus > 0:
            hint = (f"{LAB_POOLS} pools of this backend were there before and are destroyed: are "
                    "they counted still?") if surplus > LAB_POOLS / 2 else (
                    "It is asked first, and after each page that was drained for this get: not "
                    "once more when nobody gave.") if surplus == 1 else ""
            run.wrong("times that a get asked the backend", f"at most {others + 1}",
                      now["refusals"] - was["refusals"], invariant=ONCE, hint=hint)
        lost = [pool.npages - after.pools[n].npages for n, pool in before.pools.items()]
        most = max(to_take(before, -1), default=0)
        if max(lost) > most:
            run.wrong("pages that one pool lost for one get", f"at most {most}", max(lost),
                      invariant=ONCE)
        if now["limit"] < was["limit"] and sum(lost) != others * most:
            few = sum(lost) < others * most
            run.wrong("pages that pools lost, while each went to somebody else", others * most,
                      sum(lost), invariant=SHORT if few else ONCE,
                      hint="A get whose page was taken by somebody else goes on to the next pool, "
                      "until it has asked each once." if few else "")
    for before, after in zip(run.states, run.states[1:]):
        if after.name != "starved":
            continue
        was, now = before.arenas[0], after.arenas[0]
        run.expect("pages that two pools got of each other in 40 rounds", ROUNDS,
                   now["allocs"] - was["allocs"], invariant=TAKEN)
        run.expect("pages that they gave back", ROUNDS - 1, now["frees"] - was["frees"],
                   invariant=TAKEN)
        if now["refusals"] - was["refusals"] > 3 * ROUNDS:
            run.wrong("times that 80 gets asked the backend in vain", f"at most {3 * ROUNDS}",
                      now["refusals"] - was["refusals"], invariant=ONCE)
    for words in run.records("ticks"):
        run.notes.append(f"a get that asks 19 pools in vain takes {words[0]} instructions")
        if int(words[0]) > 20 * PER_POOL + BASE_COST:
            run.wrong("instructions for a get that asks 19 pools in vain",
                      f"at most {20 * PER_POOL + BASE_COST}", words[0], invariant=ONCE)


def first_goes(run: Run) -> None:
    """The pool that gave first is destroyed; those that are left give one page each."""
    for before, after in zip(run.states, run.states[1:]):
        if after.name != "gone":
            continue
        others = len(before.pools) - 1
        where = "once the pool that gave first was destroyed, and while others took each page"
        asked = after.arenas[0]["refusals"] - before.arenas[0]["refusals"]
        hint = "The end is no pool, as pools go. Count those that are still to be asked."
        if asked > others + 1:
            run.wrong(f"times that a get asked the backend, {where}",
                      f"at most {others + 1}, with {others} other pools", asked, invariant=ONCE,
                      hint=hint)
        lost = [before.pools[n].npages - pool.npages for n, pool in after.pools.items()]
        most = max(to_take(before, -1), default=0)
        wanted = most * (len(lost) - 1)
        if max(lost) > most:
            run.wrong(f"pages that one pool lost for one get, {where}", f"at most {most}",
                      max(lost), invariant=ONCE, hint=hint)
        elif sum(lost) != wanted:
            run.wrong(f"pages that pools lost, {where}", wanted, sum(lost), invariant=SHORT)


def beside(run: Run) -> None:
    """What the starving pool has is not taken from it."""
    for before, after in zip(run.states, run.states[1:]):
        if after.name == "own":
            run.expect("pages that the starving pool gave up, an item of which was put while the "
                       "backend was asked", 0, after.arenas[0]["frees"] - before.arenas[0]["frees"],
                       invariant=ONCE, hint="The starving pool is passed over: it may have got an "
                       "empty page since it looked.")


def held(run: Run) -> None:
    for words in run.records("held"):
        if words[0] != "1":
            run.wrong("a get that starves while another CPU has the backend's lock for a moment, "
                      "and another pool has an empty page", "an item", "none", invariant=SHORT,
                      hint="Other pools' locks are only tried. The backend's is waited for: who "
                      "has it lets go of it soon.")


def full_pages(run: Run) -> None:
    for words in run.records("unused"):
        size, unused = int(words[0]), int(words[1])
        if unused >= 8:
            run.wrong(f"bytes behind the last item of 8 in a page of {size} that nobody wrote to",
                      "fewer than 8", unused, invariant=FITS,
                      hint="One more item fits: the last one may end where the header begins.")


def kva(run: Run) -> None:
    for words in run.records("kva"):
        _, npages, nsmall, per_page = (int(word) for word in words)
        run.notes.append(f"{nsmall} items where another pool had {npages} empty pages")
        if nsmall < npages * per_page:
            run.wrong(f"items of 3000 bytes, once another pool had {npages} pages laid aside",
                      f"{npages * per_page} or more", nsmall, invariant=SPACE)


PIPES, PROCESSES = 85, 80


def programs(run: Run) -> None:
    """Pipes that were closed leave room for processes."""
    for state in run.named("forked"):
        run.notes.append(f"{state.nspaces} processes, after {PIPES} pipes were closed")
        if state.nspaces < PROCESSES:
            run.wrong(f"processes that can be made, after {PIPES} pipes were closed",
                      f"{PROCESSES} or more", state.nspaces, invariant=SPACE)


def starved(run: Run) -> None:
    for words in run.records("starved"):
        run.notes.append(f"{words[0]} gets granted, {words[1]} refused")
        if int(words[0]) < ENOUGH:
            run.wrong("gets that were granted, of pools that starve beside each other",
                      f"{ENOUGH} or more", words[0], invariant=SHORT)


ANY = "lab_pool_"
LITTLE = ("poolkva=512K",)
"""Address space for pools: 32 pages."""


def several_cpus(name: str) -> list[Boot]:
    """Four CPUs that take turns by seed, which replays; and two that really run at once."""
    taking_turns = [
        Boot(ANY + name, cpus=4, jitter=4, seed_step=i, words=("turns",)) for i in range(2)
    ]
    return [*taking_turns, Boot(ANY + name, cpus=2, icount=False, seed_step=2)]


def plan(name: str, points: list[str], judge: object = nothing, **more: object) -> Plan:
    return Plan([Boot(ANY + name)], points, judge, **more)  # type: ignore[arg-type]


def put_plan(name: str, what: str, invariant: str, more: list[Plan]) -> Plan:
    hint = "Before an item is put, look whether it is one of the page's, and taken."
    judge = partial(put_wrong, f"putting {what}", invariant, "" if invariant == TWICE else hint)
    return Plan([Boot("crash_" + ANY + name)], ["put"], judge, more=more)


PUT_WRONG = [
    put_plan("put_small", "an item of 8 bytes that is free", invariant=TWICE, more=[]),
    put_plan("put_never_taken", "an item that was never taken, of a page of which others were",
             invariant=OURS, more=[]),
    put_plan("put_others", "an item of another pool", invariant=OURS, more=[]),
    put_plan("put_inside", "an address inside an item", invariant=OURS, more=[]),
    put_plan("put_long_ago", "an item that is free, and under a hundred others of its page",
             invariant=TWICE, more=[]),
]
NO_ROOM = Plan([Boot("crash_" + ANY + "no_room")], ["put"],
               partial(put_wrong, "making a pool of whose items none fits a page", FITS,
                       "What must fit is the size once it is rounded to the alignment."))
CHANCE = Plan([Boot(ANY + "chance", seed_step=i) for i in range(2)], ["worked", "end"] * 6, nothing)
OTHERS_STARVE = partial(asked, "others' gets starved and took each page")
NOT_NEEDED = partial(asked, "items of its pool were put and got")
IN_VAIN = plan("turn_in_vain", ["full", *["granted"] * 5, "filled", "granted", "filled",
                                *["granted"] * 5, "end"], in_vain)
NEXT_GONE = plan("turn_gone", ["full", *["granted"] * 5, "filled", *["granted"] * 2,
                               *["filled"] * 2, "gone", *["granted"] * 2, "end"], granted)
REFUSED = ["full", "refused", "end"]
LOCKED = plan("turn_locked", ["full", *["granted"] * 10, "end"], granted)
BOTH = plan("both", ["full", "end"])
COMES = plan("comes", ["full", "end"] * 3)
FEW_CAN = plan("few_can_give", REFUSED, few_can)
LOCK_HELD = Plan(several_cpus("lock_held"), ["full", "held", "end"], held, {"held": 1})
STARVE = ["full", *["granted"] * 5, "none", "back", "end"]
PLANS: dict[str, Plan] = {
    "model": Plan([Boot(ANY + "model", seed_step=i) for i in range(2)],
                  [*["worked"] * 8, "empty", "end"], model,
                  more=[plan("large_page", ["end"])]),
    "align": plan("align", ["full", "again", "end"], full_pages, records={"unused": 2},
                  more=[plan("dense", ["end"], dense, records={"dense": 6}), NO_ROOM]),
    "limits": plan("limits", ["full", "empty", "full", "empty", "more", "end"], limits,
                   more=[plan("at_limit", [*["limit", "refused", "end"] * 2, "beside", "end"],
                              at_limit),
                         plan("limit_late", ["end"])]),
    "reclaim": plan("reclaim", ["made", "reclaimed", "least", "reclaimed", "end"], reclaimed,
                    more=[plan("many_pages", ["end"])]),
    "fail-nth": plan("fail_nth", [*["failed"] * 4, "end"]),
    "nowait": plan("nowait", ["full", "full", "end"]),
    "reserve": plan("reserve", ["spent", "reserve", "reserve", "end"],
                    more=[Plan([Boot(ANY + "direct_reserve", mem="32M")], ["end"], nothing)]),
    "put-twice": put_plan("put_twice", "an item that is free", invariant=TWICE, more=PUT_WRONG),
    "destroy": Plan(
        [Boot(ANY + "destroy")], ["made", *["gone"] * 5, "alone"] * 3 + ["end"], nothing,
        more=[Plan(several_cpus("come_and_go"), ["worked", "end"], nothing, {"starved": 1}),
              plan("walks_nest", ["end"]),
              Plan(several_cpus("walked"), ["made", "end"], nothing)],
    ),
    "isolation": plan("isolation", ["made", "short", "end"]),
    "check": plan("check", ["right", "right", "end"],
                  more=[plan("anew", ["end"]), plan("direct_owner", ["end"])]),
    "smp": Plan(several_cpus("smp"), ["worked", "end"], nothing, more=[plan("locks", ["end"])]),
    "starve": plan("starve", STARVE * 3, starve,
                   more=[plan("short_fail_nth", [*["full", "failed"] * 8, "end"]),
                         plan("walk_at", ["end"])]),
    "starve-nowait": plan(
        "starve_nowait", ["full", "granted", "reserve", "granted", "end"], granted),
    "one-is-enough": plan("one", ["full", *["granted"] * 6, "end"], granted,
                          more=[plan("price", ["end"] * 4, price,
                                records={"paid": 2, "put": 2, "found": 2})]),
    "turn": plan("turn", ["full", *[*["granted"] * 5, "round"] * 4, "end"], turn,
                 more=[] if FIGURES["half"] or FIGURES["each"] else [IN_VAIN, NEXT_GONE, LOCKED]),
    "minimum": plan("minimum", ["full", *["granted"] * (4 - FIGURES["empty"]), "none", "kept",
                                "end"], minimum),
    "bounded": plan("bounded", [*REFUSED * 2, *REFUSED[:2], "granted", "end", "full", "starved",
                                "end"],
                    bounded, records={"ticks": 2},
                    more=[plan("busy", ["full", *["granted"] * 4, "end"], busy),
                          plan("many", ["end"] * 4),
                          *([] if FIGURES["half"] or FIGURES["each"] else [FEW_CAN, COMES, BOTH]),
                          plan("first_goes", ["full", "gone", "end"], first_goes),
                          plan("others_starve", ["full", "end"] * 2, OTHERS_STARVE,
                               records={"asked": 2}),
                          plan("put_beside", ["full", "own", "end", "put", "got", "end"], beside),
                          plan("vain", ["end"] * 4, linear, records={"vain": 3, "pages": 2}),
                          plan("not_needed", ["end"], NOT_NEEDED, records={"asked": 1}),
                          *([] if FIGURES["half"] or FIGURES["each"] else [CHANCE])]),
    "kva": Plan(
        [Boot(ANY + "kva", words=LITTLE)], ["taken", "end"], kva, {"kva": 1},
        [Plan([Boot(ANY + "direct", mem="32M")], ["end"], nothing),
         Plan([Boot(command=f"/tests/poolwork {PIPES}", words=LITTLE)],
              ["start", "piped", "forked", "reaped"], programs)],
    ),
    "starve-smp": Plan(several_cpus("starve_smp"), ["worked", "used", "end"], starved,
                       {"starved": 1},
                       [plan("both_starve", ["full", "both", "end"] * 2),
                        *([] if FIGURES["each"] else [LOCK_HELD])]),
}


def with_rules(plan: Plan) -> None:
    judge = plan.judge or nothing

    def both(run: Run) -> None:
        said(run)
        judge(run)

    plan.judge = both
    for each in plan.more:
        with_rules(each)


for each_plan in PLANS.values():
    with_rules(each_plan)

LAST = Last(
    Boot(typed=PROGRAMS, mem="24M", swap=32 << 20),
    {"model": programs_work, "reclaim": programs_work, "cost": programs_work,
     "reliability": programs_work},
)
