# SPDX-License-Identifier: BSD-2-Clause
"""`make grade-many LAB=pv N=200 [IMPL=form]`: the same grading again and again.

Every grading must give the points of the first, and every test that counts instructions the very
records: a digest of them is compared. Says how often what came, and ends with 1 if two differ.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from collections import Counter
from pathlib import Path

from grade import lab as labs
from grade import entry, lab_grade, options, qemu
from grade.lab import Lab
from grade.lab_report import Report


class Many:
    """What came of the gradings so far."""

    def __init__(self, lab: Lab, impl: str, variant: Path) -> None:
        self.lab = lab
        self.impl = impl
        self.variant = variant
        self.scores: Counter[int] = Counter()
        self.digests: dict[str, Counter[str]] = {test.name: Counter() for test in lab.tests}
        self.seconds: list[float] = []

    def grade(self, number: int, workers: int) -> None:
        screen = io.StringIO()
        report = Report(self.lab, self.impl, 1, self.variant / "many.json", screen)
        started = time.monotonic()
        lab_grade.Grader(self.lab, self.variant, 1, report).grade(self.lab.tests, workers)
        self.seconds.append(time.monotonic() - started)
        self.scores[report.score] += 1
        for result in report.results:
            self.digests[result.test.name][result.digest] += 1
        print(f"  {number}: {report.score} points, {self.seconds[-1]:.1f} s", flush=True)
        if report.score != max(self.scores):
            print(screen.getvalue(), flush=True)

    def summary(self) -> int:
        """Says it all; 1 if two gradings were not alike."""
        if not self.seconds:
            return 1
        points = ", ".join(f"{count} x {score}" for score, count in self.scores.most_common())
        differing = [name for name, found in self.digests.items() if len(found) > 1]
        mean = sum(self.seconds) / len(self.seconds)
        print(f"{len(self.seconds)} gradings of {self.impl}: {points} points; "
              f"{min(self.seconds):.1f} to {max(self.seconds):.1f} s, {mean:.1f} on average")
        print(f"records that differ: {' '.join(differing) or 'none'}")
        return 1 if len(self.scores) > 1 or differing else 0


def main() -> int:
    env = os.environ.get
    parser = argparse.ArgumentParser(description="grades one form many times")
    parser.add_argument("--lab", default=env("LAB") or "")
    parser.add_argument("--impl", default=env("IMPL") or "reference")
    parser.add_argument("--times", default=env("N") or "200")
    parser.add_argument("--workers", type=int, default=options.jobs())
    args = parser.parse_args()
    lab = labs.find(args.lab)
    times = options.number("N", args.times, 1, 100000)
    qemu.end_on_signals()
    variant, trouble = lab_grade.make_kernel(lab, args.impl, env("BASE") or "", [])
    if trouble:
        raise SystemExit(trouble)
    many = Many(lab, args.impl, variant)
    try:
        for number in range(1, times + 1):
            many.grade(number, args.workers)
    except KeyboardInterrupt:
        pass  # what there is counts
    return many.summary()


if __name__ == "__main__":
    entry.run(main)
