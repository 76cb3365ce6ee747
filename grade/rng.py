# SPDX-License-Identifier: BSD-2-Clause
"""SplitMix64, as kernel/lib/rng.h has it: models on the host draw what the guest drew."""

from __future__ import annotations

MASK = (1 << 64) - 1


class Rng:
    """A seed's sequence; `part` tells the sequences of one seed apart."""

    def __init__(self, seed: int, part: int = 0) -> None:
        self.state = (seed + (part << 32)) & MASK

    def next(self) -> int:
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, bound: int) -> int:
        return self.next() % bound
