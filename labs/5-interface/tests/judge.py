# SPDX-License-Identifier: BSD-2-Clause
"""Judges an interface that was changed: by what the compiler says (what does not compile has no
points) and by what pools and backends do. Nothing is asked of how it is written."""

from __future__ import annotations

from dataclasses import dataclass

from grade.lab_judge import Boot, Plan, Run
from grade.oracle import Oracle

HEADER = 64
"""Bytes of a page that a form may keep for itself."""
DIRECT, LARGE = 4096, 16384
KVA = ("thread", "process", "path", "pipe-ring")
LIMITED = ("siginfo", "file", "file-lock")
FEWEST = 19
"""Pools of the kernel, in whatever form its modules are."""
MOST = 64
SPACE = 512 << 10
PATH = 4096

PLACE = "a pool's pages come from where they came from"
SIZE = "a page holds as many items as fit"
LIMIT = "what a pool was told besides holds"
BOUND = "address space for pools is bounded"


@dataclass
class State:
    name: str


def look(name: str, _oracle: Oracle, _run: Run) -> State:
    """The tests look themselves; at a point the grader sees that they are the tests."""
    return State(name)


def kernel(run: Run) -> None:
    pools = {words[0]: words[1:] for words in run.records("pool")}
    if len(pools) < FEWEST:
        run.wrong("pools of the kernel", f"{FEWEST} or more", " ".join(pools), invariant=PLACE)
    for name in (*KVA, *LIMITED):
        if name not in pools:
            run.wrong(f"pool {name}", "is there", "is not", invariant=PLACE)
    for name, (size, per_page, place, limited) in pools.items():
        wanted, page = ("kva", LARGE) if name in KVA else ("direct", DIRECT)
        run.expect(f"where an item of pool {name} lies", wanted, place, invariant=PLACE)
        fit = ((page - HEADER) // int(size), page // int(size))
        if not fit[0] <= int(per_page) <= fit[1]:
            run.wrong(f"items of {size} bytes a page of pool {name}", f"{fit[0]} to {fit[1]}",
                      per_page, invariant=SIZE)
        if name in LIMITED:
            run.expect(f"whether pool {name} has a limit", "1", limited, invariant=LIMIT)


def bounded(run: Run) -> None:
    counts = [(int(items), int(pages)) for items, pages in run.records("paths")]
    for items, pages in counts:
        run.notes.append(f"{items} paths in {pages} pages of {LARGE}")
        most = SPACE // LARGE
        if not most - 4 <= pages <= most or not 0 < items <= pages * (LARGE // PATH):
            run.wrong(f"pages of {LARGE} in {SPACE} bytes of address space",
                      f"{most - 4} to {most}", pages, invariant=BOUND)
    run.expect("items that fit again, once all were given back", counts[:1], counts[1:],
               invariant=BOUND)


WORK = "for i in 1 2 3 4 5 6 7 8; do ls -l /bin | cat | wc -l; done; cat /proc/vm/check"


def plan(name: str, **more: object) -> Plan:
    return Plan([Boot(f"lab_interface_{name}")], ["end"], **more)  # type: ignore[arg-type]


PLANS: dict[str, Plan] = {
    "programs": Plan([Boot(command=WORK)], []),
    "kernel": plan("kernel", judge=kernel, records={"pool": MOST}),
    "bounded": Plan([Boot("lab_interface_bounded", words=("poolkva=512K",))], ["end"], bounded,
                    {"paths": 2}),
    **{name: plan(name) for name in ("backend", "sizes", "flags", "life", "same")},
}
