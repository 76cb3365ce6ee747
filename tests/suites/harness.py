# SPDX-License-Identifier: BSD-2-Clause
"""The harness tests itself: on tiny kernels that end in each of the ways a run can end."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Iterator

from grade import qemu
from grade.records import RecordError, RecordReader, frame
from grade.session import End, Outcome
from grade.wire import Wire
from tests import sessions
from tests.job import ROOT, Config, Job, Result, clean_environment, run_as_user
from tests.sessions import FLOOD, FULL_BYTES

# Guest, exit status of run, what standard output holds, what standard error holds.
ENDS: list[tuple[str, int, str, str]] = [
    ("ok", 7, "run=say%20%22hi%22%20%24x%20%26%26%20y%3D%25 quiet\n", ""),
    ("panic", End.PANIC.value, "", "strata: panic: made to panic\n"),
    ("hang", End.HANG.value, "one line\n", "strata: hang: every CPU is halted"),
    ("spin", End.HANG.value, "one line\n", "strata: hang: no end after 2 s"),
    ("triple", End.TRIPLE_FAULT.value, "", "strata: triple fault\n"),
    ("early", End.POWER_OFF.value, "one line\n", "strata: power off: powered off with no exit"),
    ("garbage", End.BAD_RECORDS.value, "", "strata: bad records: frame 1 has checksum deadbeef"),
]
SILENT = ("grade/options.py", "tests/lecture/sealed.py")
"""Programs that print nothing but a refusal, or are a test's own."""
BROKEN = """
import os
from grade import entry
def main():
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    raise BrokenPipeError("another")
entry.run(main)
"""
PATIENCE_SECONDS = 60
"""Until a wait that has no end is a failure."""
COMMAND = 'say "hi" $x && y=%'
REFUSED = [
    ("qemu", "CPUS=9", "CPUS=9: must be a whole number from 1 to 8"),
    ("run", "CPUS=0", "CPUS=0: must be"),
    ("check", "MEM=5M", "MEM=5M: must be from 24M to 6G"),
    ("check", "JOBS=0", "JOBS=0: must be a whole number from 1 to 64"),
    ("grade", "JOBS=many", "JOBS=many: must be a whole number"),
    ("gdb", "MEM=lots", "MEM=lots: must be a number with M or G"),
    ("qemu", "SEED=x", "SEED=x: must be a whole number"),
    ("qemu", "JITTER=-1", "JITTER=-1: must be a whole number"),
    ("run", "SWAP=some", "SWAP=some: must be a number with M or G"),
    ("all", "UBSAN=yes", "UBSAN=yes: must be 1, 0 or nothing"),
    ("grade", "UBSAN=1", "the points are for the plain build"),
    ("grade", "POISON=1", "the points are for the plain build"),
    ("run", "CMD=", "CMD is missing"),
]


def guest_run(config: Config, guest: str, limit: int) -> subprocess.Popen[str]:
    kernel = config.out / "tests" / "guests" / f"{guest}.elf"
    return subprocess.Popen(
        [sys.executable, "-m", "grade.run", "--kernel", str(kernel), "--limit", str(limit)],
        cwd=ROOT,
        env=clean_environment(STRATA_CMD=COMMAND),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check_end(config: Config, guest: str, status: int, out: str, err: str) -> Iterator[Result]:
    """One way to end: its exit status and its name. Only `spin` needs its limit to be reached; a
    busy host may not have come to its line by then (harness/end/limit looks at that)."""
    process = guest_run(config, guest, 2 if guest == "spin" else 120)
    got_out, got_err = process.communicate()
    said = got_out == out or (guest == "spin" and not got_out)
    right = process.returncode == status and said and err in got_err
    detail = f"expected status {status}, output {out!r}, on stderr {err!r}\n"
    detail += f"got      status {process.returncode}, output {got_out!r}, on stderr {got_err!r}"
    yield Result(f"harness/end/{guest}", right, detail)


def flood(config: Config) -> qemu.Machine:
    return qemu.Machine(config.out / "tests" / "guests" / "flood.elf")


def check_flood(config: Config) -> Iterator[Result]:
    """A guest that prints without end does not keep the monitor from answering."""
    outcome = sessions.AsksInAFlood(flood(config), 0).run()
    yield Result("harness/flood", *whole(outcome, FLOOD))


def whole(outcome: Outcome, least: int) -> tuple[bool, str]:
    """Whether so much was printed, and each line is there; and what was."""
    printed = len(outcome.console)
    odd = {line for line in outcome.console.split(b"\r\n")[:-1] if line != b"one line"}
    return printed > least and not odd, f"{printed} bytes, {odd}, {outcome.describe()}"


def check_full(config: Config) -> Iterator[Result]:
    """Nothing is lost of what a guest prints, however late it is read."""
    outcome = sessions.ReadsWhenFull(flood(config), 0).run()
    yield Result("harness/full", *whole(outcome, FULL_BYTES))


def check_limit(config: Config) -> Iterator[Result]:
    """A machine that ends by its limit has said what it said."""
    outcome = sessions.OverOnceSaid(config.out / "tests" / "guests" / "spin.elf").run()
    right = outcome.end is End.HANG and outcome.console == b"one line\r\n"
    right = right and outcome.detail.startswith("no end after 1e-06 s\nCPU 0: running")
    detail = f"expected a limit after one line, got {outcome.console!r}\n{outcome.describe()}"
    yield Result("harness/end/limit", right, detail)


def check_held_back(config: Config) -> Iterator[Result]:
    """No output is lost when a machine gets stuck just when it is looked at."""
    outcome = sessions.HeldBack(config.out / "tests" / "guests" / "hang.elf").run()
    right = outcome.end is End.HANG and outcome.console == b"one line\r\n"
    detail = f"expected a hang after one line, got {outcome.console!r}\n{outcome.describe()}"
    yield Result("harness/end/held-back", right, detail)


def stat_of(pid: int | str) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()
    except OSError:
        return []


def children(parent: int) -> list[int]:
    pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    return [pid for pid in pids if stat_of(pid)[1:2] == [str(parent)]]


def alive(pid: int) -> bool:
    return stat_of(pid)[:1] not in ([], ["Z"])


def wait_until(condition: object, seconds: float = 60.0) -> bool:
    """Polls until `condition()` holds; the limit is only there to end a broken run."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def check_kill(config: Config, number: signal.Signals) -> Iterator[Result]:
    """A driver that is killed takes its QEMU with it."""
    name = f"harness/kill/{number.name}"
    process = guest_run(config, "spin", 600)
    wait_until(lambda: children(process.pid))
    born = children(process.pid)
    process.send_signal(number)
    process.communicate()
    gone = wait_until(lambda: not any(alive(pid) for pid in born))
    detail = f"QEMU {born} after its driver {process.pid} got {number.name}: gone is {gone}"
    yield Result(name, bool(born) and gone, detail)


def check_documented() -> Iterator[Result]:
    """Every variable that `make help` names is one that make knows; any other is a slip."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "mk").glob("help*.txt")]
    words = re.findall(r"\b([A-Z][A-Z_]*)=", "".join(texts))
    names = sorted(set(words) - {"VARIABLE", "O"})
    with tempfile.TemporaryDirectory(prefix="strata-harness-") as out:
        given = [f"O={out}", "SLIP=1", *(f"{name}=" for name in names)]
        done = run_as_user(["make", "help", *given])
    unknown = re.findall(r"strata: (\w+): no such variable", done.stdout)
    yield Result("harness/documented", unknown == ["SLIP"] and len(names) > 20,
                 f"of {names} make does not know {unknown}")


def check_refused(goal: str, word: str, message: str) -> Iterator[Result]:
    """A make variable that makes no sense is refused before anything is built."""
    done = run_as_user(["make", goal, word, "O=build/never"], stderr=subprocess.PIPE)
    right = done.returncode == 2 and message in done.stderr and not (ROOT / "build/never").exists()
    detail = f"expected status 2 and {message!r}\ngot status {done.returncode}, {done.stderr!r}"
    yield Result(f"harness/refuse/{goal}-{word}", right, detail)


def unread(*arguments: str) -> tuple[int, str]:
    """The status and the last words of a program whose output nobody reads."""
    mine, its = os.pipe()
    os.close(mine)
    with open(its, "wb") as pipe:
        done = subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=pipe, text=True,
                              stderr=subprocess.PIPE, env=clean_environment(), check=False)
    return done.returncode, done.stderr


def check_unread(config: Config) -> Iterator[Result]:
    """Who stops reading (make grade | head) sees no traceback, of any program; a pipe of another
    kind that breaks is a mistake still."""
    wrong = []
    for folder in ("grade", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            _, _, begins = path.read_text("utf-8").partition('\nif __name__ == "__main__":\n')
            if begins and "entry.run(" not in begins and str(path.relative_to(ROOT)) not in SILENT:
                wrong.append(f"{path} does not begin by entry.run")
    listed = ["-m", "tests.run", "--out", str(config.out), "--list", "--suite", "harness"]
    for words in (["-m", "grade.lines"], ["-m", "grade.contracts"], listed):
        status, said = unread(*words)
        wrong += [f"{words}: status {status}\n{said}"] if (status, said) != (141, "") else []
    _, said = unread("-c", BROKEN)
    wrong += [] if "BrokenPipeError: another" in said else [f"another pipe: {said}"]
    yield Result("harness/unread", not wrong, "\n".join(wrong))


TROUBLE = """
import sys
from pathlib import Path
from tests.job import Config, Job, Result
from tests.run import Report, run_jobs

def ends():
    yield Result("ends/first", True)
    raise SystemExit("there is nothing to grade")

def breaks():
    yield Result("breaks", bool([][0]))

def hangs():
    yield Result("hangs/first", True)
    yield Result("hangs/other", False)
    yield Result("hangs", False)

right = Job("right", lambda: iter([Result("right", True)]))
jobs = [Job("ends", ends), Job("breaks", breaks), right]
report = Report(Config(Path("build/never"), 1, "128M", 1, None))
run_jobs(jobs, 1, "", report)
print(report.counts())
report = Report(Config(Path("build/never"), 1, "128M", 1, None))
run_jobs([Job("hangs", hangs)], 1, "hangs/f*", report)
print(report.counts())
"""


def check_trouble() -> Iterator[Result]:
    """A job that ends in any way before its time has failed, and the others run all the same. One
    that fails as a whole is no pass for the few results that were asked for."""
    done = run_as_user([sys.executable, "-c", TROUBLE], stderr=subprocess.PIPE)
    right = "nothing to grade" in done.stdout and "(2, 2, 0)\n" in done.stdout
    right = right and done.stdout.endswith("(1, 1, 0)\n")
    yield Result("harness/trouble", right, done.stdout + done.stderr)


def check_gone(config: Config) -> Iterator[Result]:
    """QEMU says that the guest has ended and is gone at once, with what was said to it unread."""
    wire = Wire()
    wire.theirs.sendall(b"$W00#b7")
    wire.started()
    wire.feed(wire.ours.recv(99))
    got = wire.next()
    yield Result("harness/gone/answered", got == "W00", f"got {got}")
    wire = Wire()
    wire.ours.sendall(b"+")
    wire.started()
    vm = qemu.Qemu(qemu.Machine(kernel=config.kernel))
    vm.watch([wire.ours.fileno()])
    data = vm.available(wire.ours.fileno())
    yield Result("harness/gone/unread", data == b"", f"got {data!r}, not the end")


def check_records() -> Iterator[Result]:
    """Frames survive any cutting of the stream; any flipped byte is noticed."""
    rng = random.Random(1)
    payloads = [rng.randbytes(rng.choice((0, 1, 7, 4096))) for _ in range(20)]
    stream = b"".join(frame(i, payload) for i, payload in enumerate(payloads))
    reader, got, at = RecordReader(), [], 0
    while at < len(stream):
        step = rng.choice((1, 2, 3, 50, 5000))
        got += reader.feed(stream[at : at + step])
        at += step
    reader.finish()
    yield Result("harness/records/cut", got == payloads, f"expected {payloads}\ngot {got}")
    short = b"".join(frame(i, payload) for i, payload in enumerate([b"boot", b"exit 3", b""]))
    missed = [at for at in range(len(short)) if not _notices(short, at)]
    yield Result("harness/records/damage", not missed, f"unnoticed damage at bytes {missed}")


def _notices(stream: bytes, at: int) -> bool:
    """Whether the stream with the byte at `at` flipped is refused."""
    reader = RecordReader()
    try:
        reader.feed(stream[:at] + bytes([stream[at] ^ 0x10]) + stream[at + 1 :])
        reader.finish()
    except RecordError:
        return True
    return False


def check_ready() -> Iterator[Result]:
    """Two descriptors are found ready, and who takes from the first reads the second, too: nobody
    waits for more there. Its guest may stand still and wait for the harness."""
    (records, record), (console, shown) = os.pipe(), os.pipe()
    patience = threading.Timer(PATIENCE_SECONDS, os.write, (shown, b", and more"))
    vm = sessions.Unstarted(qemu.Machine(Path()))
    vm.records, vm.console = records, console
    session = sessions.Curious(qemu.Machine(Path()), limit=0)
    os.write(record, b"a record")
    os.write(shown, b"words")
    patience.start()
    session._pump(vm, 0)
    patience.cancel()
    patience.join()
    yield Result("harness/ready", session.console == b"words", f"it took {session.console!r}")
    for fd in (records, record, console, shown):
        os.close(fd)


def check_run_word() -> Iterator[Result]:
    """The command survives its way over the kernel's command line as one word."""
    word = qemu.run_word("a b\tc\nd=%41 é")
    expected = "run=a%20b%09c%0Ad%3D%2541%20%C3%A9"
    yield Result("harness/run-word", word == expected, f"expected {expected}\ngot      {word}")


def jobs(config: Config) -> list[Job]:
    found = [Job("harness/records", check_records), Job("harness/run-word", check_run_word)]
    found.append(Job("harness/ready", check_ready))
    found.append(Job("harness/flood", partial(check_flood, config)))
    found.append(Job("harness/full", partial(check_full, config)))
    found.append(Job("harness/trouble", check_trouble))
    found.append(Job("harness/gone", partial(check_gone, config)))
    found.append(Job("harness/unread", partial(check_unread, config)))
    for guest, status, out, err in ENDS:
        found.append(
            Job(
                f"harness/end/{guest}",
                partial(check_end, config, guest, status, out, err),
            )
        )
    found.append(Job("harness/end/limit", partial(check_limit, config)))
    found.append(Job("harness/end/held-back", partial(check_held_back, config)))
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        found.append(Job(f"harness/kill/{number.name}", partial(check_kill, config, number)))
    found.append(Job("harness/documented", check_documented))
    for goal, word, message in REFUSED:
        found.append(
            Job(
                f"harness/refuse/{goal}-{word}",
                partial(check_refused, goal, word, message),
            )
        )
    return found
