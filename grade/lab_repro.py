# SPDX-License-Identifier: BSD-2-Clause
"""`make repro LAB=pv T=test SEED=n`: one graded test again; with GDB=1 stopped where it fails.

Under GDB the machine is the one of the test's first boot, without a judge outside: it stops where
the guest itself notices something, in panic and in ktest_fail.
"""

from __future__ import annotations

import os
import sys

from grade import debug, lab_grade, options
from grade import lab as labs


def under_gdb() -> int:
    env = os.environ
    lab = labs.find(env.get("LAB", ""))
    test = lab.test(env.get("T", ""))
    boot = lab_grade.judge_of(lab).PLANS[test.name].boots[0]
    words = [f"{name}={value}" for name in ("LLVM", "UBSAN") if (value := env.get(name))]
    variant, trouble = lab_grade.make_kernel(
        lab, env.get("IMPL") or "mine", env.get("BASE") or "", words
    )
    if trouble:
        print(trouble)
        return 1
    seed = options.optional_number("SEED", env.get("SEED")) or 1
    sys.argv = ["repro", "--kernel", str(variant / "kernel.elf"), "--mem", boot.mem]
    sys.argv += ["--cpus", str(boot.cpus), "--seed", str(seed + boot.seed_step)]
    sys.argv += ["--jitter", str(boot.jitter)] if boot.jitter is not None else []
    sys.argv += ["--icount", "1" if boot.icount else "0", "--append", f"test={boot.ktest}"]
    os.environ["GDB_ARGS"] = "-ex 'break panic' -ex 'break ktest_fail' " + env.get("GDB_ARGS", "")
    return debug.main()


if __name__ == "__main__":
    if not os.environ.get("T"):
        raise SystemExit("strata: T is missing: make repro LAB=pv T=steal SEED=1")
    try:
        wants_gdb = options.flag("GDB", os.environ.get("GDB"))
        sys.exit(under_gdb() if wants_gdb else lab_grade.main())
    except KeyboardInterrupt:
        sys.exit(130)
