# SPDX-License-Identifier: BSD-2-Clause
"""How every program of ours ends: with main's status; with a signal's where somebody stopped it,
or where nobody reads on (`make grade | head`), and then without a word of Python's.
"""

from __future__ import annotations

import os
import select
import sys
from typing import Callable, NoReturn

INTERRUPTED = 130
"""128 + SIGINT, as a shell has it."""
NOT_READ = 141
"""128 + SIGPIPE."""


def unread(fd: int) -> bool:
    """Whether it is a pipe that nobody reads any more."""
    looks = select.poll()
    looks.register(fd, 0)
    return any(events & select.POLLERR for _, events in looks.poll(0))


def run(main: Callable[[], int | None]) -> NoReturn:
    """Ends the program with what main returns. A pipe of another kind, to QEMU say, that breaks is
    a mistake as any other."""
    try:
        status = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        broken = [stream.fileno() for stream in (sys.stdout, sys.stderr) if unread(stream.fileno())]
        if not broken:
            raise
        for fd in broken:  # what was not written yet is written to nobody
            os.dup2(os.open(os.devnull, os.O_WRONLY), fd)
        status = NOT_READ
    sys.exit(status)
