# SPDX-License-Identifier: BSD-2-Clause
"""Looks at a solution before it runs: at its text, and at what the compiler made of it.

A module of the kernel is C against the kernel's headers. It needs no assembler, no section of its
own, no start-up code, and no way to the judge's channels; what asks for those is refused with the
line that does. The compiler reads nothing but the kernel's headers on a submission's behalf.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

from elftools.elf.elffile import ELFFile

from grade.lab import ROOT, Lab

MAX_FILE = 256 << 10
"""Bytes of one file: far more than a solution takes."""
FLOORS = ("lib", "sync", "mem", "amd64", "pmap", "vm")
"""Folders of the kernel, from the ground up; a module knows its own and those below it
(doc/architecture.md)."""
DIRECTIVES = {"include", "define", "undef", "if", "ifdef", "ifndef", "elif", "else", "endif"}
DIRECTIVES |= {"error", "warning"}
PRAGMAS = re.compile(r"once|GCC diagnostic (push|pop|ignored|warning|error)\b.*")
OWN_HEADERS = ("stddef.h", "stdint.h", "stdbool.h", "stdarg.h", "limits.h", "stdatomic.h")
FORBIDDEN = {
    r"__asm__|__asm|asm": "assembler",
    r"__has_include\w*|__has_embed": "a question about files",
    r"section|__section__": "a section",
    r"constructor|destructor|__constructor__|__destructor__": "a constructor",
    r"ifunc|__ifunc__|alias|__alias__|weak|__weak__|weakref|__weakref__": "a symbol trick",
    r"_Pragma": "a pragma",
}
FORBIDDEN_WORD = re.compile("|".join(rf"(\b(?:{words})\b)" for words in FORBIDDEN))
SECTIONS = re.compile(
    r"\.(text|data|bss|rodata)(\.(unlikely|hot|cold|startup|str\d+\.\d+|cst\d+|rel\.\w+|[\w.]*))?$"
)
CHANNELS = re.compile(r"record_|judge_|ktest_|lab_|power_|crash_|uart_|virtio_|blk_")
LIBRARY = {"memcpy", "memset", "memmove", "memcmp"}
"""What a compiler may call of itself."""
MAX_STATIC = 16 << 10
"""Bytes of variables: memory for mappings comes from vm_page_alloc, where it is counted."""


class Refused(Exception):
    """Why a solution is not graded."""


def floors(lab: Lab) -> tuple[str, ...]:
    """The folders that a module of this lab may know."""
    return FLOORS[: max(FLOORS.index(Path(path).parts[1]) for path in lab.owned) + 1]


def read(path: Path) -> bytes:
    """A regular file of a decent size; nothing else is opened."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Refused(f"{path.name}: not a regular file")
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        kind = "a symbolic link" if path.is_symlink() else str(error.strerror)
        raise Refused(f"{path.name}: {kind}") from None
    if len(data) > MAX_FILE:
        raise Refused(f"{path.name}: more than {MAX_FILE >> 10} KiB")
    return data


def text_of(source: str) -> str:
    """The text as the compiler's first phases leave it, lines kept: no splices, no comments,
    strings emptied (but for what #include names)."""
    source = source.replace("\r\n", "\n").replace("??/", "\\").replace("??=", "#")
    source = re.sub(r"\\[ \t]*\n", "", source)

    def shorten(found: re.Match[str]) -> str:
        text = found.group()
        if text.startswith(("//", "/*")):
            return " " + "\n" * text.count("\n")
        return text

    tokens = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(tokens, shorten, source, flags=re.DOTALL).replace("%:", "#")


def vet_text(lab: Lab, files: dict[str, bytes]) -> None:
    """Refused at the first thing that a kernel module has no business with."""
    own = {path.removeprefix("kernel/") for path in lab.owned}
    for path, data in files.items():
        if b"\0" in data:
            raise Refused(f"{path}: not a text")
        # Latin-1 keeps every byte; the compiler only minds some of them.
        for line in text_of(data.decode("latin-1")).split("\n"):
            _vet_line(path, line, own, floors(lab))


def _vet_line(path: str, line: str, own: set[str], known: tuple[str, ...]) -> None:
    directive = re.match(r"\s*#\s*(\w*)(.*)", line)
    if directive:
        word, rest = directive.group(1), directive.group(2).strip()
        if word == "pragma" and PRAGMAS.fullmatch(rest):
            return
        if word and word not in DIRECTIVES:
            raise Refused(f"{path}: #{word} is not for a kernel module")
        if word == "include":
            _vet_include(path, rest, own, known)
            return
    bare = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', line)
    if found := FORBIDDEN_WORD.search(bare):
        what = list(FORBIDDEN.values())[found.lastindex - 1 if found.lastindex else 0]
        raise Refused(f"{path}: {what}: {line.strip()[:80]}")


def _vet_include(path: str, rest: str, own: set[str], known: tuple[str, ...]) -> None:
    found = re.fullmatch(r'"([^"]*)"|<([^>]*)>', rest)
    if not found:
        raise Refused(f"{path}: #include {rest[:80]}: name a header, in quotes")
    name = found.group(1) or found.group(2)
    folder, _, base = name.partition("/")
    fine = name in OWN_HEADERS or name in own
    fine |= folder in known and bool(re.fullmatch(r"[\w]+\.h", base))
    if not fine:
        raise Refused(
            f"{path}: #include {name[:80]}: a module of this lab knows {', '.join(known)}"
        )


def vet_objects(lab: Lab, variant: Path, shared: Path, sources: list[Path]) -> None:
    """The same once more, on what the sources were compiled to: what a text hides, this shows."""
    names = [f"{path.removesuffix('.c')}.o" for path in lab.owned if path.endswith(".c")]
    objects = [folder / name for name in names for folder in (variant, shared)
               if (folder / name).exists() and (folder == variant or not (variant / name).exists())]
    allowed = _defined(shared, floors(lab))
    own: set[str] = set()
    tables = []
    for path in objects:
        _vet_reads(path, {str(source) for source in sources})
        defined, wanted = _vet_object(path)
        own |= defined
        tables.append((path, wanted))
    for path, wanted in tables:
        if beyond := sorted(wanted - own - allowed):
            raise Refused(f"{path.name}: uses {' '.join(beyond[:5])}: not for a module of this lab")


def _vet_reads(path: Path, own: set[str]) -> None:
    """What the compiler read for this object, by its own list."""
    listed = path.with_suffix(".d")
    text = listed.read_text(encoding="utf-8") if listed.exists() else ""
    words = text.replace("\\\n", " ").split()
    for word in words[2:]:
        name = word.rstrip(":")
        inside = not Path(name).is_absolute() or Path(name).is_relative_to(ROOT)
        fine = name.endswith((".h", ".c", ".mk")) and inside and ".." not in Path(name).parts
        fine |= name in own
        if not fine and not re.search(r"/(gcc|clang)/.*/include/\w+\.h$", name):
            raise Refused(f"{path.name}: was made from {name}")


def _vet_object(path: Path) -> tuple[set[str], set[str]]:
    """The global symbols that it defines, and those that it wants."""
    static, defined, wanted = 0, set(), set()
    with open(path, "rb") as file:
        elf = ELFFile(file)
        for section in elf.iter_sections():
            flags = section["sh_flags"]
            if flags & 2 and section["sh_size"] and not SECTIONS.fullmatch(section.name):
                raise Refused(f"{path.name}: a section {section.name}")
            if flags & 2 and flags & 1:
                static += section["sh_size"]
        for symbol in elf.get_section_by_name(".symtab").iter_symbols():
            bind, kind = symbol["st_info"]["bind"], symbol["st_info"]["type"]
            if bind == "STB_LOCAL" or not symbol.name:
                continue
            if bind != "STB_GLOBAL" or kind not in ("STT_FUNC", "STT_OBJECT", "STT_NOTYPE"):
                raise Refused(f"{path.name}: {symbol.name} is a {bind} {kind} symbol")
            (wanted if symbol["st_shndx"] == "SHN_UNDEF" else defined).add(symbol.name)
    if static > MAX_STATIC:
        raise Refused(
            f"{path.name}: {static >> 10} KiB of variables, at most {MAX_STATIC >> 10}: "
            "memory for mappings comes from vm_page_alloc, where it is counted"
        )
    return defined, wanted


def _defined(shared: Path, known: tuple[str, ...]) -> set[str]:
    """What the kernel's own objects of these floors offer, but for the judge's channels."""
    paths = [str(path) for floor in known for path in (shared / "kernel" / floor).rglob("*.o")]
    command = [*(os.environ.get("NM") or "nm").split(), "-g", "-P", "--defined-only", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = (line.split() for line in done.stdout.splitlines())
    found = {words[0] for words in lines if len(words) > 1 and words[1] not in ("W", "V")}
    return {name for name in found | LIBRARY if not CHANNELS.match(name)}
