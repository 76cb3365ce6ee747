# SPDX-License-Identifier: BSD-2-Clause
"""Runs a command that works on somebody's files: limits on time, memory, files and what it says."""

from __future__ import annotations

import os
import resource
import selectors
import signal
import subprocess
import time
from pathlib import Path

from grade import qemu

PATIENCE_SECONDS = 1800.0
"""A backstop, and never the submission's fault: a busy host takes its time."""
CPU_SECONDS = 60
"""Of processor time, for each process."""
BUILD_LIMITS = {
    resource.RLIMIT_CPU: CPU_SECONDS,
    resource.RLIMIT_AS: 4 << 30,
    resource.RLIMIT_FSIZE: 256 << 20,
    resource.RLIMIT_CORE: 0,
}
MAX_OUTPUT = 1 << 20
"""Bytes that are kept of what it says: the first ones."""


def run(
    command: list[str],
    folder: Path,
    env: dict[str, str],
    limits: dict[int, int] = BUILD_LIMITS,
    seconds: float = PATIENCE_SECONDS,
) -> tuple[int | None, str]:
    """Status and output; None as status if it had to be ended. All that it started ends with it.
    What runs into a limit on processor time ends by itself, with a status."""
    parent = os.getpid()

    def arm() -> None:
        qemu.die_with_parent(parent)
        os.nice(5)
        for what, value in limits.items():
            resource.setrlimit(what, (value, value))

    process = subprocess.Popen(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=arm,
    )
    try:
        said = _read(process, time.monotonic() + seconds)
        return (None if said is None else process.wait()), (said or b"").decode(errors="replace")
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        assert process.stdout
        process.stdout.close()


def _read(process: subprocess.Popen[bytes], deadline: float) -> bytes | None:
    """What it says until it ends, the beginning of it; None if that lasts too long."""
    assert process.stdout
    kept = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if not selector.select(left):
                continue
            data = os.read(process.stdout.fileno(), 1 << 16)
            if not data:
                return bytes(kept)
            kept += data[: MAX_OUTPUT - len(kept)]
    return None
