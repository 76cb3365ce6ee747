# SPDX-License-Identifier: BSD-2-Clause
"""`python3 labs/2-map/tests/limits.py [seed]`: what a reserve must keep, by three rules.

Plays the 40,000 calls of the test `sequence` on a list of runs, lowest fit first, without a kernel.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # for the parts of the grader

from model import PAGE, Sequence  # noqa: E402

CAP = 16
CALLS = 8


class Runs:
    """Runs of blocks that are one entry each, and what is left over of merging."""

    def __init__(self, cap: int | None, trims: bool) -> None:
        self.cap, self.trims = cap, trims
        self.runs: list[tuple[int, int, int]] = []
        """[start, end) in pages, and the kind."""
        self.reserve = self.most = self.empty = 0

    def map(self, npages: int, kind: int) -> int:
        at, i = 0, 0
        while i < len(self.runs) and self.runs[i][0] - at < npages:
            at = self.runs[i][1]
            i += 1
        new, left_over = (at, at + npages, kind), 0
        if i < len(self.runs) and self.runs[i][0] == new[1] and self.runs[i][2] == kind:
            new = (at, self.runs.pop(i)[1], kind)
            left_over += 1
        if i and self.runs[i - 1][1] == at and self.runs[i - 1][2] == kind:
            new = (self.runs.pop(i - 1)[0], new[1], kind)
            left_over += 1
            i -= 1
        self.runs.insert(i, new)
        self.reserve += left_over
        if self.cap is not None:
            self.reserve = min(self.reserve, self.cap)
        self.most = max(self.most, self.reserve)
        return at

    def unmap(self, at: int, npages: int) -> None:
        i = next(i for i, run in enumerate(self.runs) if run[0] <= at < run[1])
        start, end, kind = self.runs.pop(i)
        parts = [(a, b, kind) for a, b in ((start, at), (at + npages, end)) if a < b]
        self.runs[i:i] = parts
        # Clipped out, the block takes an entry for each part and gives its own back. Trimmed away,
        # it takes one for a second part, and gives none.
        need = max(len(parts) - 1, 0) if self.trims else len(parts)
        if need > self.reserve:
            self.empty += 1
        self.reserve = max(self.reserve - need, 0)


class Watched(Sequence):
    """The sequence, played on runs as well."""

    def __init__(self, seed: int, runs: Runs) -> None:
        super().__init__(seed)
        self.runs = runs
        self.at: dict[int, tuple[int, int]] = {}

    def play(self) -> None:
        for _ in range(CALLS * self.ROUND):
            slot, size, kind = self.step()
            if size:
                self.at[slot] = (self.runs.map(size // PAGE, kind), size // PAGE)
            else:
                self.runs.unmap(*self.at.pop(slot))


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    print(f"{'rule':32} {'blocks':>7} {'entries':>8} {'reserve':>8} {'found empty':>12}")
    for name, cap, trims in (
        ("clip out and free (the law)", None, False),
        (f"no more than {CAP} in reserve", CAP, False),
        ("trim in place", None, True),
    ):
        runs = Runs(cap, trims)
        game = Watched(seed, runs)
        game.play()
        print(f"{name:32} {len(game.live):7} {len(runs.runs):8} {runs.reserve:8} {runs.empty:12}")


if __name__ == "__main__":
    main()
