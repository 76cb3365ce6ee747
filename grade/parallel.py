# SPDX-License-Identifier: BSD-2-Clause
"""Work on many things, some at a time."""

from __future__ import annotations

import queue
import threading
from typing import Callable, Iterable, TypeVar

Item = TypeVar("Item")


def progress(done: int, total: int, seconds: float, part: float | None = None) -> str:
    """How far a long piece of work is, and how long it will still take at this pace, where `part`
    of it is done; done / total if its pieces are alike."""
    part = part or done / total
    left = seconds / part * (1 - part)
    return f"[{done} of {total}" + (f", about {left / 60:.0f} min left]" if left >= 30 else "]")


def for_each(items: Iterable[Item], jobs: int, work: Callable[[Item], None]) -> None:
    """Calls work(item) for each, in order, in so many threads. What one raises ends its thread, and
    is raised again when all have ended. The threads do not outlive an interrupted program."""
    waiting: queue.SimpleQueue[Item] = queue.SimpleQueue()
    raised: list[BaseException] = []
    for item in items:
        waiting.put(item)

    def worker() -> None:
        while True:
            try:
                item = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                work(item)
            except BaseException as error:
                raised.append(error)
                return

    threads = [threading.Thread(target=worker, daemon=True) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]
