# SPDX-License-Identifier: BSD-2-Clause
"""One QEMU: its command line, its process, and the pipes to it.

Console, records and monitor are inherited descriptors, and the disk's overlay is a file that
QEMU has already unlinked: a run leaves nothing behind. QEMU dies with its driver, also when the
driver is killed by SIGKILL (Linux's parent-death signal).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import select
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.parse
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Iterable

QEMU = os.environ.get("QEMU") or "qemu-system-x86_64"
DISK_ID = "disk"
RECORD_PORT = 0xE9
EXIT_PORT = 0xF4
# Exit status of QEMU when the guest writes v to the exit port: 2v + 1.
EXIT_POWEROFF = 1
EXIT_PANIC = 3
EXIT_CANNOT_START = 5
# With -no-reboot a triple fault ends QEMU, with this status.
EXIT_RESET = 0

MACHINE = "microvm,acpi=off,pcie=off,usb=off,x-option-roms=off"
CPU = "qemu64,+smep,+smap,+umip,+fsgsbase,+pdpe1gb,+rdrand"
RTC = "base=2024-01-01T00:00:00,clock=vm"
PR_SET_PDEATHSIG = 1
ANSWER_SECONDS = 600.0
"""For the monitor: a backstop, as a busy host takes its time."""
CHUNK = 65536
LIBC = ctypes.CDLL(None) if sys.platform.startswith("linux") else None


@dataclass
class Machine:
    """What to boot, on what."""

    kernel: Path
    disk: Path | None = None
    cpus: int = 1
    mem: str = "128M"
    words: list[str] = field(default_factory=list)
    """Words of the kernel's command line."""
    seed: int | None = None
    jitter: int | None = None
    icount: bool = False
    """Count instructions: one host thread, a virtual clock, every run alike, on many CPUs too."""
    patient: bool = False
    """With a counted clock: while all CPUs wait it goes on as the host's does. Else it leaps to the
    next timer, so that between a request and the disk's answer seconds pass in the guest."""
    tcg: str = "auto"
    """How CPUs run: `multi`, a host thread each; `single`, in turns; `auto`: multi if the host
    has as many and keeps amd64's order of memory. With more CPUs than the host's, spinlocks crawl:
    a holder may wait for the host."""
    persist: bool = False
    """Write to the disk image itself, not to an overlay that is thrown away."""
    swap: int = 0
    """Bytes of a second disk, empty and gone afterwards, that the kernel swaps to; 0: none."""
    write_log: Path | None = None
    """Log every write and flush of the disk here, in the format of dm-log-writes."""
    replay: tuple[str, Path] | None = None
    """"record" or "replay", and the file that holds what came from outside: the replay repeats the
    recorded run to the instruction."""
    extra: list[str] = field(default_factory=list)
    """More arguments for QEMU."""
    fds: list[int] = field(default_factory=list)
    """More descriptors that QEMU inherits."""

    def command_line(self) -> str:
        words = list(self.words)
        if self.seed is not None:
            words.append(f"seed={self.seed}")
        if self.jitter is not None:
            words.append(f"jitter={self.jitter}")
        return " ".join(words)

    def arguments(self) -> list[str]:
        """QEMU's arguments, but for the channels."""
        args = [QEMU, "-M", MACHINE, "-cpu", CPU, "-m", self.mem, "-smp", str(self.cpus)]
        args += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        args += ["-rtc", RTC]
        if self.replay:
            mode, log = self.replay
            counted = f"shift=0,rr={mode},rrfile={_escaped(log)}"
            args += ["-icount", counted, "-accel", "tcg,thread=single"]
        elif self.icount:
            sleep = "on" if self.patient else "off"
            args += ["-icount", f"shift=0,sleep={sleep}", "-accel", "tcg,thread=single"]
        else:
            args += ["-accel", f"tcg,thread={self._threads()}"]
        if self.seed is not None:
            args += ["-seed", str(self.seed)]
        args += ["-device", f"isa-debug-exit,iobase={EXIT_PORT:#x},iosize=1"]
        args += ["-device", f"isa-debugcon,iobase={RECORD_PORT:#x},chardev=records"]
        args += self._disk_arguments()
        return args + ["-kernel", str(self.kernel), "-append", self.command_line(), *self.extra]

    def _threads(self) -> str:
        if self.tcg != "auto":
            return self.tcg
        return "multi" if is_amd64() and self.cpus <= host_cpus() else "single"

    def _disk_arguments(self) -> list[str]:
        if self.disk is None:
            return []
        device = ["-device", f"virtio-blk-device,drive={DISK_ID}"]
        if self.write_log is not None:
            return [
                *_blockdev("image", "file", filename=str(self.disk)),
                *_blockdev("log", "file", filename=str(self.write_log)),
                *_blockdev(DISK_ID, "blklogwrites", file="image", log="log"),
                *device,
            ]
        snapshot = "off" if self.persist else "on"
        cache = "writeback" if self.persist else "unsafe"
        options = f"format=raw,snapshot={snapshot},cache={cache},file={_escaped(self.disk)}"
        return [*self.drive(DISK_ID, options), *device]

    def drive(self, name: str, options: str) -> list[str]:
        """A disk for a device; a replay gives it answers at the recorded instructions."""
        if not self.replay:
            return ["-drive", f"if=none,id={name},{options}"]
        recorder = f"if=none,id={name},driver=blkreplay,image={name}-image"
        return ["-drive", f"if=none,id={name}-image,{options}", "-drive", recorder]


def _escaped(path: Path) -> str:
    """A path within a QEMU option."""
    return str(path).replace(",", ",,")


def _blockdev(node: str, driver: str, **options: str) -> list[str]:
    return ["-blockdev", json.dumps({"driver": driver, "node-name": node, **options})]


def host_cpus() -> int:
    """The host's processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_amd64() -> bool:
    """If the host is an amd64 itself: runs our programs, and has its CPUs' order of memory."""
    return platform.machine() in ("x86_64", "amd64")


def run_word(command: str) -> str:
    """The word of the kernel's command line that has init run `command`."""
    return "run=" + urllib.parse.quote(command, safe="/:,._-+")


def terminal_words() -> list[str]:
    """Words of the kernel's command line that tell init the size of the terminal which shows the
    console; none where it has no size or is none."""
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        return []
    known = size.columns > 0 and size.lines > 0
    return [f"columns={size.columns}", f"lines={size.lines}"] if known else []


class Qemu:
    """A running QEMU. A context manager: leaving it kills QEMU and whatever it started.

    `console` and `records` are descriptors to read from, `console_in` is the writing end of the
    guest's console. With `tty` the console is this process's terminal instead, with QEMU's keys
    (^A x quits): `console` repeats what it shows, and must be read; `console_in` is None.
    """

    def __init__(self, machine: Machine, tty: bool = False, paused: bool = False) -> None:
        self.machine = machine
        self.tty = tty
        self.paused = paused
        self.console: int | None = None
        self.console_in: int | None = None
        self.records = -1
        self.process: subprocess.Popen[bytes] | None = None
        self._records: socket.socket | None = None
        self._monitor: socket.socket | None = None
        self._patience = ANSWER_SECONDS
        self._answers = b""
        """Of the monitor, not looked at yet."""
        self._greeted = False
        self._kept: dict[int, bytearray] = {}
        self._errors = b""

    def __enter__(self) -> "Qemu":
        self._records, records_guest = socket.socketpair()
        self._monitor, monitor_guest = socket.socketpair()
        self.records = self._records.fileno()
        args = self.machine.arguments()
        args += ["-chardev", f"socket,id=records,fd={records_guest.fileno()}"]
        args += ["-chardev", f"socket,id=qmp,fd={monitor_guest.fileno()}"]
        args += ["-mon", "chardev=qmp,mode=control"]
        args += ["-serial", "chardev:con"]
        if self.paused:
            args += ["-S"]
        with records_guest, monitor_guest, tempfile.TemporaryFile() as swap, ExitStack() as ours:
            pass_fds = [records_guest.fileno(), monitor_guest.fileno(), *self.machine.fds]
            console = "stdio,id=con,signal=off"
            if self.tty:
                self.console, log = os.pipe()
                ours.callback(os.close, log)
                pass_fds.append(log)
                console += f",mux=on,logfile=/dev/fd/{log}"
                args += ["-mon", "chardev=con,mode=readline"]
            args += ["-chardev", console]
            if self.machine.swap:
                swap.truncate(self.machine.swap)
                pass_fds.append(swap.fileno())
                options = f"format=raw,cache=unsafe,file=/dev/fd/{swap.fileno()}"
                args += self.machine.drive("swap", options)
                args += ["-device", "virtio-blk-device,drive=swap"]
            self._start(args, tuple(pass_fds))
        return self

    def _start(self, args: list[str], pass_fds: tuple[int, ...]) -> None:
        pipe = None if self.tty else subprocess.PIPE
        try:
            self.process = subprocess.Popen(
                args,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                bufsize=0,
                pass_fds=pass_fds,
                start_new_session=not self.tty,
                preexec_fn=partial(die_with_parent, os.getpid()),
            )
        except FileNotFoundError:
            raise SystemExit(
                f"strata: {args[0]} not found: install qemu-system-x86 (./setup does)"
            ) from None
        if not self.tty:
            assert self.process.stdin and self.process.stdout
            self.console = self.process.stdout.fileno()
            self.console_in = self.process.stdin.fileno()

    def __exit__(self, *_: object) -> None:
        self.kill()
        assert self.process and self._records and self._monitor
        self._records.close()
        self._monitor.close()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
        if self.tty and self.console is not None:
            os.close(self.console)

    def kill(self) -> None:
        """Ends QEMU and its process group, if still there."""
        assert self.process
        if self.process.poll() is None:
            try:
                if self.tty:
                    self.process.kill()
                else:
                    os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()

    def wait(self) -> int:
        """Waits for QEMU to end of itself; its exit status, negative for a signal."""
        assert self.process
        if self.process.stderr and not self._errors:
            self._errors = self.process.stderr.read()
        return self.process.wait()

    def cpu_seconds(self) -> float:
        """The host's processor time that QEMU has used; 0 once it is gone."""
        assert self.process
        try:
            stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        except OSError:
            return 0.0
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def errors(self) -> str:
        """What QEMU wrote to its standard error. Only once it has ended."""
        assert self.process
        if self.process.stderr and not self._errors:
            self._errors = self.process.stderr.read()
        return self._errors.decode(errors="replace")

    def monitor(self, command: str, cpu: int = 0) -> str:
        """The answer of QEMU's human monitor to `command`, seen from CPU number `cpu`."""
        arguments = {"command-line": command, "cpu-index": cpu}
        answer = self.qmp("human-monitor-command", arguments)
        return str(answer)

    # ---- what comes from the guest ----

    def watch(self, fds: Iterable[int]) -> None:
        """From now on, what comes from these descriptors is read by available() alone. While an
        answer of the monitor is waited for it is kept: a guest that prints more than a pipe holds
        would stand still, and the monitor's answer would wait for it."""
        self._kept = {fd: bytearray() for fd in fds}
        for fd in self._kept:
            os.set_blocking(fd, False)

    def kept(self) -> list[int]:
        """The descriptors of which something was kept."""
        return [fd for fd, data in self._kept.items() if data]

    def available(self, fd: int) -> bytes | None:
        """What can be read without waiting: b"" at the end, None while there is nothing. A taker
        may have read what another descriptor was found ready for: to wait for more of it then would
        be to wait for a guest that stands still and waits for us."""
        if data := bytes(self._kept.get(fd, b"")):
            self._kept[fd].clear()
            return data
        try:
            return os.read(fd, CHUNK)
        except BlockingIOError:
            return None
        except ConnectionResetError:  # it has ended, and left unread what we said last
            return b""

    # ---- the monitor ----

    def qmp(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        """The answer of QEMU's monitor to a command of its protocol."""
        if not self._greeted:
            self._greeted = True
            self._monitor_line()
            self.qmp("qmp_capabilities")
        self._monitor_ask(name, arguments or {})
        while True:
            answer = self._monitor_line()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise OSError(f"QEMU's monitor: {answer['error']['desc']}")

    def _monitor_ask(self, name: str, arguments: dict[str, Any]) -> None:
        assert self._monitor
        question = json.dumps({"execute": name, "arguments": arguments})
        self._monitor.sendall(question.encode() + b"\n")

    def _monitor_line(self) -> dict[str, Any]:
        assert self._monitor
        wanted = {self._monitor.fileno(), *self._kept}
        while b"\n" not in self._answers:
            ready = select.select(wanted, [], [], self._patience)[0]
            if not ready:
                raise TimeoutError(f"QEMU's monitor has not answered for {self._patience:g} s")
            for fd in ready:
                data = os.read(fd, CHUNK)
                if fd in self._kept:
                    self._kept[fd] += data
                elif not data:
                    raise OSError("QEMU closed its monitor")
                else:
                    self._answers += data
                if not data:
                    wanted.remove(fd)
        line, _, self._answers = self._answers.partition(b"\n")
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer

    def ends_within(self, seconds: float) -> bool:
        """Lets a machine that stands still go; whether it ends so soon."""
        assert self.process
        with contextlib.suppress(OSError):  # it may end before it has answered
            self.qmp("cont")
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def go_until_stopped(self, seconds: float) -> None:
        """Lets a machine that stands still go, and waits until it stands still again."""
        self.qmp("query-status")
        self._patience = seconds
        self._monitor_ask("cont", {})
        while self._monitor_line().get("event") != "STOP":
            pass
        self._patience = ANSWER_SECONDS


def die_with_parent(parent: int) -> None:
    """Called in a child before it becomes another program: it cannot outlive its driver."""
    if LIBC is None:
        return
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def end_on_signals() -> None:
    """Turns SIGTERM and SIGHUP into an orderly exit, so that `with Qemu` cleans up."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)
