# SPDX-License-Identifier: BSD-2-Clause
"""`make qemu` as a user has it: a prompt on a terminal, line editing, ^C, and the ways out."""

from __future__ import annotations

import sys
from typing import Iterator

from tests.job import ROOT, Config, Job, Result, clean_environment, run_as_user

LIMIT_SECONDS = 120
PROMPT = r"\n# $"
# What is typed, and what comes before the next prompt.
LINES = [
    ("echo one tw\x7fwo | wc -w\r", r"\b2\r"),
    ("discarded\x15echo kept\r", r"\nkept\r"),
    ("sleep 1000\r\x03", r"\^C"),
    ("cat\rback\r\x04", r"\nback\r"),
]


def start(config: Config):  # type: ignore[no-untyped-def]
    import pexpect

    arguments = ["-m", "grade.console", "--kernel", str(config.kernel), "--disk", str(config.disk)]
    return pexpect.spawn(
        sys.executable,
        arguments,
        cwd=str(ROOT),
        env=clean_environment(TERM="dumb"),
        timeout=LIMIT_SECONDS,
        encoding="utf-8",
    )


def check(config: Config) -> Iterator[Result]:
    import pexpect

    child = start(config)
    seen = ""
    try:
        child.expect(PROMPT)
        for typed, expected in LINES:
            seen = f"typed {typed!r}, expected {expected!r}"
            child.send(typed)
            child.expect(expected)
            child.expect(PROMPT)
        seen = "typed poweroff"
        child.sendline("poweroff")
        child.expect(pexpect.EOF)
        child.close()
        right, detail = child.exitstatus == 0, f"poweroff: exit status {child.exitstatus}"
    except (pexpect.TIMEOUT, pexpect.EOF) as error:
        right, detail = False, f"{seen}\n{error}"
    finally:
        child.close(force=True)
    yield Result("console/session", right, detail)


def check_quit(config: Config) -> Iterator[Result]:
    """QEMU's own keys work on the raw terminal: ^A x ends it."""
    import pexpect

    child = start(config)
    try:
        child.expect(PROMPT)
        child.send("\x01x")
        child.expect(pexpect.EOF)
        right, detail = True, ""
    except (pexpect.TIMEOUT, pexpect.EOF) as error:
        right, detail = False, str(error)
    finally:
        child.close(force=True)
    yield Result("console/quit", right, detail)


def check_pipe(config: Config) -> Iterator[Result]:
    """Without a terminal, what stdin holds is typed; then the guest is switched off. A program's
    output may come in the middle of a line's echo, so only what was never typed is looked for."""
    command = ["timeout", str(LIMIT_SECONDS), sys.executable, "-m", "grade.console"]
    command += ["--kernel", str(config.kernel), "--disk", str(config.disk)]
    done = run_as_user(command, typed="echo is-$((40 + 2))\nwc -c\nread by wc")
    text = done.stdout.replace("\r", "")
    right = done.returncode == 0 and "is-42\n" in text and "11\n" in text
    yield Result("console/pipe", right, f"exit status {done.returncode}\n{text}")


def jobs(config: Config) -> list[Job]:
    if not config.runs_programs:
        return []
    return [
        Job("console/session", lambda: check(config)),
        Job("console/quit", lambda: check_quit(config)),
        Job("console/pipe", lambda: check_pipe(config)),
    ]
