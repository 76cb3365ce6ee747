# SPDX-License-Identifier: BSD-2-Clause
"""What a lab's demo/scenes.py lists for `make demo`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Scene:
    ktest: str
    title: str
    points: dict[str, str]
    """What is said at each point."""
