# SPDX-License-Identifier: BSD-2-Clause
"""Running commands on Strata and on the host, many in one boot, and comparing what they print."""

from __future__ import annotations

import difflib
import os
import re
import secrets
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

from grade import qemu
from grade.session import End, Outcome, Session
from tests.job import Config

LIMIT_SECONDS = 600
"""Of processor time: a busy host takes nothing of it."""
WALL_SECONDS = 3600.0
"""A backstop."""
EMULATOR = re.compile(r"^qemu: uncaught target signal .*\n", re.MULTILINE)
HOST_ENV = {"PATH": "/bin:/usr/bin", "HOME": "/", "TERM": "dumb"}


@dataclass
class Ran:
    """What one command printed (standard output and error as one) and how it ended."""

    output: str
    status: int
    trouble: str = ""
    """The session's end, when it was not the command's own: a panic, a hang, ..."""


def boot(config: Config, command: str, limit: float = LIMIT_SECONDS, **changes: Any) -> Outcome:
    """One boot that runs `command`."""
    machine = config.machine(**changes)
    machine.words += [qemu.run_word(command), "quiet"]
    return Session(machine, WALL_SECONDS, busy=limit).run()


def text_of(console: bytes) -> str:
    return console.decode(errors="backslashreplace").replace("\r\n", "\n")


def run_batch(
    config: Config, commands: Sequence[tuple[str, str]], **changes: Any
) -> dict[str, Ran]:
    """Runs (name, command) pairs one after the other, in as few boots as it takes.

    A command that ends the session (panic, hang) is charged with it, and the rest runs in a fresh
    boot.
    """
    results: dict[str, Ran] = {}
    waiting = list(commands)
    while waiting:
        mark = f"@{secrets.token_hex(4)}"
        script = "cd /tmp; " + "; ".join(
            f"echo {mark} {name}; ({command}) </dev/null 2>&1; echo {mark} $?"
            for name, command in waiting
        )
        outcome = boot(config, script, **changes)
        parts = re.split(rf"^{mark} (.*)\n", text_of(outcome.console), flags=re.MULTILINE)[1:]
        done = 0
        # Parts alternate: name, output, status, nothing, name, ...
        for name, output, status, _ in zip(*[iter(parts)] * 4):
            results[name] = Ran(output, int(status))
            done += 1
        if done < len(waiting):
            name = waiting[done][0]
            output = parts[4 * done + 1] if len(parts) > 4 * done + 1 else ""
            if not output and not done and outcome.end is End.EXIT:
                output = text_of(outcome.console)
            results[name] = Ran(output, -1, outcome.describe())
            done += 1
        waiting = waiting[done:]
    return results


def run_on_host(program: Sequence[str | Path], limit: float = WALL_SECONDS) -> Ran:
    """Runs a program on the host in an empty folder, with the guest's environment. Where the host
    has an emulator for programs of other machines (binfmt_misc), what that says is left out."""
    with tempfile.TemporaryDirectory(prefix="strata-host-") as folder:
        try:
            done = subprocess.run(
                [str(word) for word in program],
                cwd=folder,
                env=HOST_ENV,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=limit,
                check=False,
            )
        except subprocess.TimeoutExpired as over:
            return Ran(text_of(over.stdout or b""), -1, f"no end after {limit:g} s on the host")
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return Ran(EMULATOR.sub("", text_of(done.stdout)), status)


def difference(host: Ran, guest: Ran, names: tuple[str, str] = ("host", "Strata")) -> str:
    """What differs, or nothing: the trouble, the first differing lines, the exit statuses."""
    lines = [f"{name}: {ran.trouble}" for name, ran in zip(names, (host, guest)) if ran.trouble]
    if host.output != guest.output:
        lines += difflib.unified_diff(
            host.output.splitlines(), guest.output.splitlines(), *names, lineterm="", n=2
        )
    if host.status != guest.status and not guest.trouble:
        lines.append(f"exit status: {names[0]} {host.status}, {names[1]} {guest.status}")
    return "\n".join(lines)


def host_can_run() -> bool:
    """Whether Strata's programs, static Linux programs for amd64, run on this host."""
    return os.uname().sysname == "Linux" and qemu.is_amd64()
