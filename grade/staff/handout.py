# SPDX-License-Identifier: BSD-2-Clause
"""`make handout LAB=pv VARIANT=name OUT=folder`: what a variant's students read.

It is to be looked through before they do. An export has it without GUIDE.md, which goes to those
who are to have it.
"""

from __future__ import annotations

import os
from pathlib import Path

from grade import lab as labs
from grade import entry, lab_variant


def main() -> int:
    lab, out = labs.find(os.environ.get("LAB", "")), os.environ.get("OUT", "")
    if not lab.home or not out:
        raise SystemExit("strata: make handout LAB=pv VARIANT=name OUT=folder")
    Path(out).mkdir(parents=True, exist_ok=True)
    for name, text in lab_variant.handout(lab.folder, lab.home).items():
        (Path(out) / name).write_text(text, encoding="utf-8")
        print(f"  {Path(out) / name}")
    return 0


if __name__ == "__main__":
    entry.run(main)
