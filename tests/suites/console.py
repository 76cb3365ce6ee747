# SPDX-License-Identifier: BSD-2-Clause
"""`make qemu` as a user has it: a prompt on a terminal, line editing, ^C, and the ways out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator

from tests.job import ROOT, Config, Job, Result, clean_environment, run_as_user

LIMIT_SECONDS = 600
# ash asks the terminal where the cursor is.
PROMPT = r"\n# (\x1b\[6n)?$"
ROWS, COLUMNS = 37, 111
# What is typed, and what comes then. What a command is to read is typed once it runs, as ash
# reads single keys.
LINES = [
    ("echo one tw\x7fwo | wc -w\r", r"\b2\r"),
    ("discarded\x15echo kept\r", r"\nkept\r"),
    ("", PROMPT),
    ("echo goes; sleep 1000\r", r"\ngoes\r"),
    ("\x03", r"\^C"),
    ("", PROMPT),
    ("echo goes; cat\r", r"\ngoes\r"),
    ("back\r", r"\nback\r"),
    ("\x04", PROMPT),
    # The first shell's end is said, and another one follows.
    ("exit 3\r", r"\nThe shell ended with 3; here is another one\. .*poweroff.*\^A x"),
    ("", PROMPT),
    ("\x04", r"\nThe shell ended with 0; "),
    ("", PROMPT),
]
EDITED = [
    # The line before once more (^P is arrow up, too), a name that Tab completes, what help says.
    ("echo edi''ted\r", r"\nedited\r"),
    ("", PROMPT),
    ("\x10\r", r"\nedited\r"),
    ("", PROMPT),
    ("echo /bin/busyb\t\r", r"\n/bin/busybox\r"),
    ("", PROMPT),
    ("help\r", r"\bexport\b"),
    ("", PROMPT),
    ("which vi; id -un; cd; pwd\r", r"\n/bin/vi\r+\nroot\r+\n/root\r"),
    ("", PROMPT),
]
"""Where busybox is."""


def start(
    config: Config, module: str = "grade.console", *more: str, disk: Path | None = None
) -> Any:
    """A module of the grader on a terminal of ROWS and COLUMNS."""
    import pexpect

    image = str(disk or config.disk)
    arguments = ["-m", module, "--kernel", str(config.kernel), "--disk", image, *more]
    return pexpect.spawn(
        sys.executable,
        arguments,
        cwd=str(ROOT),
        env=clean_environment(TERM="dumb"),
        timeout=LIMIT_SECONDS,
        encoding="utf-8",
        dimensions=(ROWS, COLUMNS),
    )


def has_busybox(config: Config) -> bool:
    return (config.out / "root/bin/busybox").exists()


def greeting_fault(ash: bool, before: str) -> str:
    """What is wrong with the lines before the first prompt, or nothing: what this is, how to leave,
    and help if the shell has it."""
    lines = before.replace("\r", "").partition("This is ")[2].splitlines()
    text = "\n".join(lines)
    wanted = ["Strata", "poweroff", "^A x", "ls /bin"]
    missing = [word for word in wanted if word not in text]
    if ash != ("help" in text and "(ash)" in text):
        missing.append("help and ash's name, if and only if it is on the image")
    return f"{text}\nwithout: {', '.join(missing)}" if missing else ""


def without_busybox(config: Config, folder: Path) -> Path:
    """An image that is the plain one but for busybox and the links to it."""
    def applets(where: str, names: list[str]) -> list[str]:
        return [name for name in names if (Path(where) / name).resolve().name == "busybox"]

    root = config.out / "root"
    shutil.copytree(root, folder / "root", copy_function=os.link, ignore=applets)
    mkfs = [str(config.out / "mkfs"), str(folder / "disk"), "64M", str(folder / "root")]
    subprocess.run(mkfs, check=True)
    return folder / "disk"


def check_without(config: Config) -> Iterator[Result]:
    with tempfile.TemporaryDirectory(dir=config.out) as folder:
        disk = without_busybox(config, Path(folder))
        yield from session("console/without-busybox", config, disk, LINES, False)


def check(config: Config) -> Iterator[Result]:
    ash = has_busybox(config)
    lines = [*EDITED, *LINES] if ash else LINES
    yield from session("console/session", config, config.disk, lines, ash)


def session(
    name: str, config: Config, disk: Path, lines: list[tuple[str, str]], ash: bool
) -> Iterator[Result]:
    import pexpect

    child = start(config, disk=disk)
    seen = ""
    fault = ""
    try:
        child.expect(PROMPT)
        fault = greeting_fault(ash, child.before)
        for typed, expected in lines:
            seen = f"typed {typed!r}, expected {expected!r}"
            child.send(typed)
            child.expect(expected)
        seen = "typed poweroff"
        child.sendline("poweroff")
        child.expect(pexpect.EOF)
        status = child.wait()  # close() would kill what has let go of the terminal, and lives on
        right, detail = status == 0, f"poweroff: exit status {status}"
    except (pexpect.TIMEOUT, pexpect.EOF) as error:
        right, detail = False, f"{seen}\n{error}"
    finally:
        child.close(force=True)
    yield Result(name, right, detail)
    yield Result(f"{name}/greeting", not fault, fault)


def check_size(config: Config) -> Iterator[Result]:
    """The guest's terminal is as large as the one that shows it; where there is none, 24 by 80."""
    import pexpect

    ask = "busybox stty size"
    if not has_busybox(config):
        yield Result("console/size", True, skipped="no busybox on the image")
        return
    size = f"{ROWS} {COLUMNS}"
    child = start(config, "grade.run", "--command", ask)
    try:
        child.expect(pexpect.EOF)
        shown = child.before.strip()
    finally:
        child.close(force=True)
    yield Result("console/size/run", shown == size, f"expected {size}, got {shown}")
    child = start(config)
    try:
        child.expect(PROMPT)
        child.send(f"{ask}\r")
        child.expect(PROMPT)
        shown = child.before.split("\n")[-1].strip()
    except (pexpect.TIMEOUT, pexpect.EOF) as error:
        shown = str(error)
    finally:
        child.close(force=True)
    yield Result("console/size/qemu", shown == size, f"expected {size}, got {shown}")
    command = [sys.executable, "-m", "grade.run", "--kernel", str(config.kernel)]
    done = run_as_user([*command, "--disk", str(config.disk), "--command", ask])
    right = done.stdout == "24 80\n"
    yield Result("console/size/no-terminal", right, f"expected 24 80, got {done.stdout}")


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


IN_SOURCE = r"#0 .* ktest_crash_null\+0x\w+ \(tests/kernel/test_machine\.c:\d+\)"


def check_panic(config: Config) -> Iterator[Result]:
    """When the kernel has panicked, the host says where in the source: at a terminal, which QEMU
    writes to, and where there is none."""
    import pexpect

    words = ["--append", "test=crash_null"]
    child = start(config, "grade.console", *words)
    try:
        child.expect("strata: the kernel panicked")
        child.expect(IN_SOURCE)
        right, detail = True, ""
    except (pexpect.TIMEOUT, pexpect.EOF) as error:
        right, detail = False, str(error)
    finally:
        child.close(force=True)
    yield Result("console/panic/terminal", right, detail)
    command = [sys.executable, "-m", "grade.console", "--kernel", str(config.kernel), *words]
    said = run_as_user([*command, "--disk", str(config.disk)]).stdout
    right = re.search(IN_SOURCE, said.partition("strata: the kernel panicked")[2]) is not None
    yield Result("console/panic/pipe", right, said)


def check_pipe(config: Config) -> Iterator[Result]:
    """Without a terminal, what stdin holds is typed; then the guest is switched off. A program's
    output may come in the middle of a line's echo, so only what was never typed is looked for."""
    command = ["timeout", str(LIMIT_SECONDS), sys.executable, "-m", "grade.console"]
    command += ["--kernel", str(config.kernel), "--disk", str(config.disk)]
    done = run_as_user(command, typed="echo is-$((40 + 2))\nwc -c\nread by wc")
    text = done.stdout.replace("\r", "")
    right = done.returncode == 0 and "is-42\n" in text and "11\n" in text
    yield Result("console/pipe", right, f"exit status {done.returncode}\n{text}")


def check_make_run(config: Config) -> Iterator[Result]:
    """`make run` where something is to be built: standard output is the command's alone, and the
    build is told on standard error, in few lines. (In a copy of the build without its disk.)"""
    with tempfile.TemporaryDirectory(dir=config.out.parent) as scratch:
        out = Path(scratch) / "out"
        left = shutil.ignore_patterns("disk.img", "labs", "proof", "root", "clean-root", "host")
        shutil.copytree(config.out, out, ignore=left, symlinks=True)
        where = out.resolve().relative_to(ROOT.resolve())
        command = ["make", "run", f"O={where}", "CMD=echo it ran"]
        done = run_as_user(command, stderr=subprocess.PIPE)
    told = done.stderr.splitlines()
    right = done.stdout == "it ran\n" and 1 <= len(told) < 10 and "building" in told[0]
    detail = f"exit status {done.returncode}\nstdout: {done.stdout}\nstderr: {done.stderr}"
    yield Result("console/make-run", right, detail)


def jobs(config: Config) -> list[Job]:
    if not config.runs_programs:
        return []
    return [
        Job("console/session", lambda: check(config)),
        *([Job("console/without-busybox", lambda: check_without(config))]
          if has_busybox(config) else []),
        Job("console/quit", lambda: check_quit(config)),
        Job("console/panic", lambda: check_panic(config)),
        Job("console/size", lambda: check_size(config)),
        *([] if config.variant or config.make_words else [
            Job("console/make-run", lambda: check_make_run(config))
        ]),
        Job("console/pipe", lambda: check_pipe(config)),
    ]
