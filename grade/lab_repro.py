# SPDX-License-Identifier: BSD-2-Clause
"""`make repro LAB=pv T=test SEED=n`: one graded test again; with GDB=1 stopped where it fails.

For GDB the test runs twice: first judged, which shows the boot that fails and how; then the same
boot under GDB, which stops in the panic, where the test itself notices (ktest_fail), or at the
point after which the judge found the machine's state wrong. A test whose answers are found in GDB
runs under GDB at once, to the point where one begins to look, whether or not it fails.
"""

from __future__ import annotations

import os
import sys

from grade import debug, entry, lab_grade, options
from grade import lab as labs
from grade.lab_judge import NoSeed, Plan, Run
from grade.lab_report import Report
from grade.session import End


FAILURES = ["break *'crash.c'::crash", "break *ktest_fail"]


def at_point(number: int) -> list[str]:
    """GDB's commands that lead to a point, from 1 on."""
    return ["break *judge_point", f"ignore $bpnum {number - 1}"]


def stops(run: Run) -> list[str]:
    """GDB's commands that lead to the failure of this run."""
    found = [*FAILURES]
    told = any(words[1] != "ok" for words in run.records("test"))
    if run.outcome.end is End.EXIT and not told:
        point = run.bad_point or len(run.states)
        found += at_point(point) if point else []
        if run.bad_point:
            seen = f"the state is wrong at point {run.states[point - 1].name}"
            return [*found, "continue", f"echo Here {seen}; `c' goes on to the next point.\\n"]
    return [*found, "continue"]


def why(run: Run) -> str:
    """What GDB's user is told."""
    if run.boot.typed:
        typed = lab_grade.typed(run.boot, run.seed).decode().strip()
        return f"It is an ordinary boot; at its prompt was typed: {typed}"
    if run.outcome.end is End.HANG:
        return "It does not end: ^C stops it where it goes round, or waits."
    if run.bad_point:
        return f"The judge finds the state wrong at point {run.states[run.bad_point - 1].name}."
    return "GDB stops at it, or at the last point before the judge found it."


def to_look(grader: lab_grade.Grader, plan: Plan) -> int:
    """GDB at the point where the plan says that one looks."""
    assert plan.points
    boot = plan.boots[0]
    try:
        seed = grader.seed_of(boot)
    except NoSeed as error:
        raise SystemExit(f"strata: {error}") from None
    print(f"Seed {seed}. GDB stops at point {plan.gdb_at}.", flush=True)
    there = at_point(plan.points.index(plan.gdb_at) + 1)
    return debug.debug(grader.machine(boot, seed), *FAILURES, *there, "continue")


def under_gdb() -> int:
    env = os.environ
    lab = labs.find(env.get("LAB", ""))
    test = lab.test(env.get("T", ""))
    impl = env.get("IMPL") or "mine"
    words = [f"{name}={value}" for name in ("LLVM", "UBSAN", "POISON") if (value := env.get(name))]
    variant, trouble = lab_grade.make_kernel(lab, impl, env.get("BASE") or "", words)
    if trouble:
        print(trouble)
        return 1
    seed = options.optional_number("SEED", env.get("SEED")) or 1
    report = Report(lab, impl, seed, variant / "repro.json", sys.stdout)
    grader = lab_grade.Grader(lab, variant, seed, report)
    plan: Plan = grader.judge.PLANS[test.name]
    if plan.gdb_at:
        return to_look(grader, plan)
    result = grader.run_test(test)
    report.add(result)
    if not result.failed:
        print("The test passes with this seed: there is nothing to stop at.")
        return 0
    run = result.failed
    print(why(run), flush=True)
    return debug.debug(grader.machine(run.boot, run.seed), *stops(run))


if __name__ == "__main__":
    if not os.environ.get("T"):
        raise SystemExit("strata: T is missing: make repro LAB=pv T=steal SEED=1")
    wants_gdb = options.flag("GDB", os.environ.get("GDB"))
    entry.run(under_gdb if wants_gdb else lab_grade.main)
