# SPDX-License-Identifier: BSD-2-Clause
"""Whether a point is the test's own: who stopped the machine, in a kernel that is what was built.

A record that says `point x' can be written by anybody in the kernel, and so can the port that
stops the machine. So the stopped CPU must stand in judge_point or just behind it, called by the
lab's tests with no function of the submission in between; and code and constants in memory must be
the linked ones, byte for byte.
"""

from __future__ import annotations

import bisect
import re
from functools import lru_cache
from pathlib import Path

from elftools.elf.elffile import ELFFile

from grade import backtrace, oracle, qemu
from grade.lab import Lab
from grade.oracle import Oracle, OracleError

STOPPERS = ("judge_point", "lab_point", "store_judge")
"""Where a stopped CPU may stand: one with a host thread of its own goes on for a little."""
RUNNER = "ktest_run"
PREFIX = "ktest_"
MAX_FRAMES = 24
SITE_WORDS = 2
SITE_BYTES = 3
WRITABLE = 2


class Build:
    """A linked kernel: its functions, by address, and the bytes that must not change."""

    def __init__(self, kernel: Path) -> None:
        with open(kernel, "rb") as file:
            elf = ELFFile(file)
            symbols = [(s.name, s["st_value"], s["st_info"]["type"]) for s in
                       elf.get_section_by_name(".symtab").iter_symbols()]
            self.constant = [
                (seg["p_vaddr"], seg["p_paddr"], bytearray(seg.data()))
                for seg in elf.iter_segments()
                if seg["p_type"] == "PT_LOAD" and not seg["p_flags"] & WRITABLE
                and seg["p_vaddr"] >= backtrace.KERNEL_HALF
            ]
        self.functions: list[tuple[int, str]] = sorted(
            (at, name) for name, at, kind in symbols if kind == "STT_FUNC"
        )
        self.addresses = [at for at, _ in self.functions]
        self.files = _functions_by_file(kernel)
        named = {name: at for name, at, _ in symbols}
        self.sites = self._sites(named["smap_sites"], named["smap_sites_end"])

    def _sites(self, start: int, end: int) -> list[int]:
        """Instructions that the kernel rewrites at start-up, by the CPU's features."""
        for base, _, data in self.constant:
            if base <= start < base + len(data):
                words = memoryview(data[start - base : end - base]).cast("Q")
                return list(words[::SITE_WORDS])
        return []

    def function_at(self, address: int) -> str:
        index = bisect.bisect_right(self.addresses, address) - 1
        return self.functions[index][1] if index >= 0 else "?"


def _functions_by_file(kernel: Path) -> dict[str, set[int]]:
    """Addresses of the local functions of each source file, by the file's bare name."""
    found: dict[str, set[int]] = {}
    current: set[int] = set()
    with open(kernel, "rb") as file:
        for symbol in ELFFile(file).get_section_by_name(".symtab").iter_symbols():
            kind = symbol["st_info"]["type"]
            if kind == "STT_FILE":
                current = found.setdefault(symbol.name, set())
            elif kind == "STT_FUNC" and symbol["st_info"]["bind"] == "STB_LOCAL":
                current.add(symbol["st_value"])
    return found


@lru_cache(maxsize=None)
def build_of(kernel: Path) -> Build:
    return Build(kernel)


def check_image(build: Build, memory: oracle.Memory) -> None:
    """OracleError if code or constants in memory differ from what was linked."""
    for va, pa, data in build.constant:
        here = bytearray(memory.read(pa, len(data)))
        for site in build.sites:
            if va <= site < va + len(data):
                at = site - va
                here[at : at + SITE_BYTES] = data[at : at + SITE_BYTES]
        if here != data:
            at = next(i for i, (a, b) in enumerate(zip(here, data)) if a != b)
            raise OracleError(
                f"the kernel's code was changed at {va + at:#x}, in {build.function_at(va + at)}"
            )


def _chain(build: Build, judge: Oracle, cpu: backtrace.Cpu) -> list[tuple[int, str]]:
    """The functions on a CPU's stack: (the function's own address, its name), innermost first."""
    found: list[tuple[int, str]] = []
    rip, rbp = cpu.rip, cpu.rbp
    while len(found) < MAX_FRAMES:
        index = bisect.bisect_right(build.addresses, rip) - 1
        found.append(build.functions[index])
        if rbp < backtrace.KERNEL_HALF or rbp % 8:
            break
        saved, back = judge.word(rbp), judge.word(rbp + 8)
        if back < backtrace.KERNEL_HALF or saved <= rbp:
            break
        rip, rbp = back - 1, saved
    return found


def check_caller(build: Build, judge: Oracle, vm: qemu.Qemu, ktest: str, lab: Lab) -> None:
    """OracleError unless the test `ktest` itself stopped the machine."""
    stopped = []
    for cpu in backtrace.cpus(vm):
        chain = _chain(build, judge, cpu) if cpu.rip >= backtrace.KERNEL_HALF else []
        if chain and chain[0][1] in STOPPERS:
            stopped.append(chain)
    if not stopped:
        raise OracleError(f"the machine was stopped, but not by {STOPPERS[0]}")
    names = [re.sub(r"\.(constprop|isra|part|cold)\..*", "", name) for _, name in stopped[0]]
    theirs = {at for path in lab.owned for at in build.files.get(Path(path).name, set())}
    # pv.h declares pv_enter and its like.
    prefixes = tuple(f"{Path(header).stem}_" for header in lab.frozen)
    upto = names.index(RUNNER) if ktest and RUNNER in names else len(names)
    for (at, _), name in zip(stopped[0][:upto], names):
        if at in theirs or name.startswith(prefixes):
            raise OracleError(f"the machine was stopped by {name}, not by the test")
    if ktest and (RUNNER not in names or names[names.index(RUNNER) - 1] != PREFIX + ktest):
        raise OracleError(f"the machine was stopped by {' < '.join(names[:6])}, not by the test")


def static_bytes(folders: list[Path], owned: list[str]) -> int:
    """Bytes of variables in the owned files' objects; the first folder that has one counts."""
    total = 0
    for path in owned:
        names = [folder / f"{path.removesuffix('.c')}.o" for folder in folders]
        made = next((name for name in names if name.exists()), None)
        if not path.endswith(".c") or made is None:
            continue
        with open(made, "rb") as file:
            total += sum(
                section["sh_size"]
                for section in ELFFile(file).iter_sections()
                if section["sh_flags"] & 3 == 3
            )
    return total
