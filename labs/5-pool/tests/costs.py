# SPDX-License-Identifier: BSD-2-Clause
"""What gets and puts cost, where there is little and where there is much: instructions, and who is
asked."""

from __future__ import annotations

from grade.lab_judge import Run

from pools import FREE, LINEAR, ONCE


STEEPER = 1.5
"""So much dearer may one more pool be where there are hundreds."""


def linear(run: Run) -> None:
    """What one more pool costs a get that asks all in vain, where there are few and where many."""
    of_pages(run)
    paid = [(int(n), int(ticks)) for n, ticks in run.records("vain")]
    few, many = ((after[1] - before[1]) / (after[0] - before[0])
                 for before, after in zip(paid, paid[1:]))
    (_, least), (middle, _), (most, cost) = paid
    run.notes.append(f"a get that asks {most - 1} pools in vain takes {cost} instructions")
    if many > few * STEEPER:
        run.wrong(f"instructions for each pool that a get asks in vain, from {middle} pools of the "
                  f"backend to {most}", f"at most {few * STEEPER:.0f}, as with fewer they are "
                  f"{few:.0f}", f"{many:.0f}", invariant=LINEAR,
                  hint="Nothing that is done for each pool goes through all pools.")


def of_pages(run: Run) -> None:
    """A pool is asked at the same price, however many pages it has."""
    (few, least), (many, cost) = ((int(n), int(ticks)) for n, ticks in run.records("pages"))
    if cost > least * STEEPER:
        run.wrong(f"instructions of a get that asks in vain one pool of {many} full pages",
                  f"at most {least * STEEPER:.0f}, as of {few} it is {least}", cost,
                  invariant=LINEAR, hint="How many pages are empty, or whether one is, is known: "
                  "nobody who is asked goes through its pages.")


def found(run: Run) -> None:
    """A get that finds an item, and a put, do not look through the pool's pages."""
    (few, least), (many, cost) = ((int(n), int(ticks)) for n, ticks in run.records("found"))
    if cost > least + least // 10:
        run.wrong(f"instructions of 8 gets that find an item, and of 8 puts, in a pool of {many} "
                  "partial pages", f"{least}, as with {few}", cost, invariant=FREE,
                  hint="A free item is in the first partial page, or the first empty one: no list "
                  "is walked for it.")


def price(run: Run) -> None:
    found(run)
    (few, least), (many, cost) = ((int(n), int(ticks)) for n, ticks in run.records("paid"))
    run.notes.append(f"8 gets that each take a page: {least} instructions with {few} pools of the "
                     f"backend, {cost} with {many}")
    if cost > least + least // 10:
        run.wrong(f"instructions of 8 gets that each take a page, with {many} pools of the backend",
                  f"{least}, as with {few}", cost, invariant=FREE,
                  hint="The backend has said yes: what only a walk needs, such as how many pools "
                  "there are, is looked for when it has said no.")
    (few, least), (many, cost) = ((int(n), int(ticks)) for n, ticks in run.records("put"))
    if cost > least + least // 10:
        run.wrong(f"instructions of 8 puts, with {many} pools of the backend",
                  f"{least}, as with {few}", cost, invariant=FREE)


def few_can(run: Run) -> None:
    """Two of eight pools have three pages each to lose, and others take each that comes free."""
    for before, after in zip(run.states, run.states[1:]):
        if after.name == "refused":
            lost = [before.pools[n].npages - pool.npages for n, pool in after.pools.items()]
            run.expect("pages that each pool lost, while each went to somebody else",
                       [int(n in (2, 6)) for n in after.pools], lost, invariant=ONCE,
                       hint="Each pool that is asked counts, whether it gives or not.")


def asked(meanwhile: str, run: Run) -> None:
    for words in run.records("asked"):
        times, npools = int(words[0]), int(words[1])
        if times > npools + 1:
            run.wrong(f"times that a get asked the backend, while {meanwhile}",
                      f"at most {npools + 1}, with {npools} pools",
                      f"{times} or more", invariant=ONCE,
                      hint="What a get has still to ask is its own count: nothing that others do "
                      "begins it anew, and neither does a page that came.")
