# SPDX-License-Identifier: BSD-2-Clause
"""`make hunt LAB=pv TESTS=folder [SEED=n] [STAFF=folder] [OUT=file.json]`: counts a hunt.

The seed's ten kernels are made anew. A test that fails on the right one is thrown out. A wrong
kernel on which one of the others fails is told; a harmless rewrite on which one fails is a false
alarm. Points: those told less the false alarms. Which mistakes were told is not said.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from grade import entry, hunt, lab_variant, options, qemu
from grade import lab as labs
from grade.staff import hunt_kernels


def main() -> int:
    env = os.environ.get
    lab = labs.find_plain(env("LAB") or "", hunt.NO_VARIANT)
    seed = options.optional_number("SEED", env("SEED")) or 1
    staff = lab_variant.staff_folder()
    tests = hunt.read_tests(lab)
    out = Path(env("O") or "build/gcc")
    qemu.end_on_signals()
    folder = out / "hunt" / lab.name / str(seed)
    kernels = hunt_kernels.make(lab, seed, out, folder.absolute(), staff)
    forms = hunt_kernels.forms(lab, seed, staff)
    compiler = hunt_kernels.Compiler(lab, out, seed + 1)
    spared = [
        compiler.compile(form, folder.absolute() / f"r{i}")
        for i, form in enumerate(hunt_kernels.harmless(lab))
    ]
    right = next(kernel for kernel, form in zip(kernels, forms) if not form.wrong)
    wrong = [kernel for kernel in kernels if kernel is not right]
    hunted = hunt.Hunt(lab, tests, hunt.build_words())
    hunted.run(right, list(tests.boots))
    for name in right.told_by(list(tests.boots)):
        print(f"thrown out: {name} fails on the right kernel: {right.said[name]}"[: hunt.SHOWN])
    names = [name for name in tests.boots if not right.said[name]]
    hunted.run_all([*wrong, *spared] if names else [], names, until_told=True)
    told = sum(bool(kernel.told_by(names)) for kernel in wrong)
    alarms = sum(bool(kernel.told_by(names)) for kernel in spared)
    for name in names:
        by = [k.name for k in kernels if k.said.get(name)]
        false = sum(bool(kernel.said.get(name)) for kernel in spared)
        print(f"{name}: first to tell {' '.join(by) or 'none'}"
              + (f", {false} false alarms" if false else ""))
    score = max(0, told - alarms)
    print(f"lab {lab.name}, kernels of seed {seed}: {told} of {len(wrong)} told, {alarms} false "
          f"alarms on {len(spared)} right ones: {score} of {len(wrong)} points")
    if env("OUT"):
        record = {"lab": lab.name, "seed": seed, "tests": len(tests.boots), "told": told,
                  "alarms": alarms, "score": score, "of": len(wrong)}
        Path(env("OUT") or "").write_text(json.dumps(record) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    entry.run(main)
