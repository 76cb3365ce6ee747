# SPDX-License-Identifier: BSD-2-Clause
"""`make grade-many LAB=pv N=200 [IMPL=form]`: the same grading again and again.

Every grading must give the points of the first, and every test that counts instructions the very
records: a digest of them is compared. Says how often what came, and ends with 1 if two differ.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from collections import Counter
from pathlib import Path

from grade import lab as labs
from grade import lab_grade, options, qemu
from grade.lab_report import Report


def main() -> int:
    env = os.environ.get
    parser = argparse.ArgumentParser(description="grades one form many times")
    parser.add_argument("--lab", default=env("LAB") or "")
    parser.add_argument("--impl", default=env("IMPL") or "reference")
    parser.add_argument("--times", default=env("N") or "200")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    args = parser.parse_args()
    lab = labs.find(args.lab)
    times = options.number("N", args.times, 1, 100000)
    qemu.end_on_signals()
    variant, trouble = lab_grade.make_kernel(lab, args.impl, env("BASE") or "", [])
    if trouble:
        raise SystemExit(trouble)
    scores: Counter[int] = Counter()
    digests: dict[str, Counter[str]] = {test.name: Counter() for test in lab.tests}
    seconds: list[float] = []
    for number in range(1, times + 1):
        screen = io.StringIO()
        report = Report(lab, args.impl, 1, variant / "many.json", screen)
        started = time.monotonic()
        lab_grade.Grader(lab, variant, 1, report).grade(lab.tests, args.workers)
        seconds.append(time.monotonic() - started)
        scores[report.score] += 1
        for result in report.results:
            digests[result.test.name][result.digest] += 1
        print(f"  {number}: {report.score} points, {seconds[-1]:.1f} s", flush=True)
        if len(scores) > 1 and report.score != max(scores):
            print(screen.getvalue(), flush=True)
    said = ", ".join(f"{count} x {score}" for score, count in scores.most_common())
    differing = [name for name, found in digests.items() if len(found) > 1]
    print(f"{times} gradings of {args.impl}: {said} points; {min(seconds):.1f} to "
          f"{max(seconds):.1f} s, {sum(seconds) / times:.1f} on average")
    print(f"records that differ: {' '.join(differing) or 'none'}")
    return 1 if len(scores) > 1 or differing else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
