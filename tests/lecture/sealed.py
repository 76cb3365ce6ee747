# SPDX-License-Identifier: BSD-2-Clause
"""Plays a record in this terminal; ends with status 99 if a key opens a file or starts anything.

Called by the tests: python3 -m tests.lecture.sealed record.json
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from grade.lecture import record, terminal

FORBIDDEN = {"open", "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn",
             "os.listdir", "socket.connect", "socket.__new__"}  # fmt: skip
STATUS = 99


def guard(event: str, args: tuple[object, ...]) -> None:
    if event in FORBIDDEN:
        os.write(2, f"sealed: {event} {args!r}\r\n".encode())
        os._exit(STATUS)


def main() -> None:
    found = record.decode(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.addaudithook(guard)
    terminal.play(found)


if __name__ == "__main__":
    main()
