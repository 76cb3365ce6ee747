# SPDX-License-Identifier: BSD-2-Clause
"""Looks at a solution before it runs: at its text, and at what the compiler made of it.

A module of the kernel is C against the kernel's headers. It needs no assembler, no section of its
own, no start-up code, and no way to the judge's channels; what asks for those is refused with the
line that does. The compiler reads nothing but the kernel's headers on a submission's behalf.

A submission uses what its lab.toml lists and nothing else, by header and by symbol. A header that
is listed may bring others along: what those declare may not be named.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from pathlib import Path

from elftools.elf.elffile import ELFFile

from grade.lab import ROOT, Lab

MAX_FILE = 256 << 10
"""Bytes of one file: far more than a solution takes."""
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
    r"__builtin_(?:return_address|frame_address|extract_return_addr)": "its caller",
}
PASTING = re.compile(r"##(?!\s*__VA_ARGS__)")
DECLARED = re.compile(
    r"^\s*#\s*define\s+(\w+)|\b((?:struct|enum|union)\s+\w+)\s*\{|^[^\s#/].*?\b(\w+)\("
    r"|\bextern\b[^;(]*?\b(\w+)\s*(?:\[[^]]*\])?;", re.MULTILINE)
"""What a header declares: macros, tags, functions, variables."""
NAMES = re.compile(r"(?:\.|->)\s*\w+|\b(?:struct|enum|union)\s+\w+|\b[A-Za-z_]\w*")

FORBIDDEN_WORD = re.compile("|".join(rf"(\b(?:{words})\b)" for words in FORBIDDEN))
SECTIONS = re.compile(
    r"\.(text|data|bss|rodata)(\.(unlikely|hot|cold|startup|str\d+\.\d+|cst\d+|rel\.\w+|[\w.]*))?$"
)
NOTE = ".note.gnu.property"
"""What a compiler says of the instructions that it used: no part of the module."""
CHANNELS = re.compile(r"record_|judge_|ktest_|lab_|power_|crash_|uart_|virtio_|blk_")
LIBRARY = {"memcpy", "memset", "memmove", "memcmp"}
"""What a compiler may call of itself."""
MAX_STATIC = 4 << 10
"""Bytes of variables: what a module keeps lies in pages, where it is counted."""


class Refused(Exception):
    """Why a solution is not graded."""


def listed(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


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
        if path not in lab.code:
            continue
        # Latin-1 keeps every byte; the compiler only minds some of them.
        for line in text_of(data.decode("latin-1")).split("\n"):
            _vet_line(path, line, own, lab)


def _vet_line(path: str, line: str, own: set[str], lab: Lab) -> None:
    directive = re.match(r"\s*#\s*(\w*)(.*)", line)
    if directive:
        word, rest = directive.group(1), directive.group(2).strip()
        if word == "pragma" and PRAGMAS.fullmatch(rest):
            return
        if word and word not in DIRECTIVES:
            raise Refused(f"{path}: #{word} is not for a kernel module")
        if word == "include":
            _vet_include(path, rest, own, lab)
            return
    bare = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', line)
    if found := FORBIDDEN_WORD.search(bare):
        what = list(FORBIDDEN.values())[found.lastindex - 1 if found.lastindex else 0]
        raise Refused(f"{path}: {what}: {line.strip()[:80]}")
    if PASTING.search(bare):
        raise Refused(f"{path}: names that are pasted together: {line.strip()[:80]}")


def _vet_include(path: str, rest: str, own: set[str], lab: Lab) -> None:
    found = re.fullmatch(r'"([^"]*)"|<([^>]*)>', rest)
    if not found:
        raise Refused(f"{path}: #include {rest[:80]}: name a header, in quotes")
    name = found.group(1) or found.group(2)
    plain = bool(re.fullmatch(r"\w+/\w+\.h", name))
    if name not in OWN_HEADERS and name not in own and not (plain and listed(name, lab.headers)):
        raise Refused(
            f"{path}: #include {name[:80]}: a module of this lab includes {' '.join(lab.headers)}"
        )


def vet_objects(lab: Lab, variant: Path, shared: Path, sources: list[Path]) -> None:
    """The same once more, on what the sources were compiled to: what a text hides, this shows."""
    names = [f"{path.removesuffix('.c')}.o" for path in lab.owned if path.endswith(".c")]
    objects = [folder / name for name in names for folder in (variant, shared)
               if (folder / name).exists() and (folder == variant or not (variant / name).exists())]
    own: set[str] = set()
    tables = []
    callers = tuple(f"/{path.removesuffix('.c')}.o" for path in lab.callers)
    _vet_names(lab, objects, sources)
    for path in objects:
        _vet_reads(path, {str(source) for source in sources})
        limited = not path.as_posix().endswith(callers)
        defined, wanted = _vet_object(path, MAX_STATIC if limited else None)
        own |= defined
        tables.append((path, wanted))
    for path, wanted in tables:
        known = {name for name in wanted if listed(name, lab.symbols) and not CHANNELS.match(name)}
        if beyond := sorted(wanted - own - known - LIBRARY):
            raise Refused(f"{path.name}: uses {' '.join(beyond[:5])}: not for a module of this lab")


def reads(path: Path) -> list[str]:
    """What the compiler read for this object, by its own list."""
    made = path.with_suffix(".d")
    text = made.read_text(encoding="utf-8") if made.exists() else ""
    return [word.rstrip(":") for word in text.replace("\\\n", " ").split()[2:]]


def names_in(header: Path) -> set[str]:
    text = text_of(header.read_text(encoding="utf-8"))
    return {" ".join(name.split()) for names in DECLARED.findall(text) for name in names if name}


def _vet_names(lab: Lab, objects: list[Path], sources: list[Path]) -> None:
    """What is declared by headers that came along with others, unasked, is not named."""
    known: set[str] = set()
    hidden: dict[str, str] = {}
    for name in sorted({name for path in objects for name in reads(path)}):
        header = ROOT / name
        if not name.startswith("kernel/") or not name.endswith(".h") or name in lab.owned:
            continue
        if listed(name.removeprefix("kernel/"), lab.headers):
            known |= names_in(header)
        else:
            hidden |= dict.fromkeys(names_in(header), name)
    for source in (each for each in sources if each.suffix in (".c", ".h")):
        text = text_of(read(source).decode("latin-1"))
        text = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)
        for word in (" ".join(found.split()) for found in NAMES.findall(text)):
            if word in hidden and word not in known:
                raise Refused(f"{source.name}: names {word}, of {hidden[word]}: a module of this "
                              "lab does not know that header")


def _vet_reads(path: Path, own: set[str]) -> None:
    for name in reads(path):
        inside = not Path(name).is_absolute() or Path(name).is_relative_to(ROOT)
        fine = name.endswith((".h", ".c", ".mk")) and inside and ".." not in Path(name).parts
        fine |= os.path.abspath(ROOT / name) in own  # as it was given, or made relative by ccache
        if not fine and not re.search(r"/(gcc|clang)/.*/include/\w+\.h$", name):
            raise Refused(f"{path.name}: was made from {name}")


def _vet_object(path: Path, most: int | None = MAX_STATIC) -> tuple[set[str], set[str]]:
    """The global symbols that it defines, and those that it wants; `most' bytes of variables."""
    static = 0
    defined: set[str] = set()
    wanted: set[str] = set()
    with open(path, "rb") as file:
        elf = ELFFile(file)
        for section in elf.iter_sections():
            flags = section["sh_flags"]
            if section.name == NOTE and not flags & 5:
                continue
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
    if most is not None and static > most:
        raise Refused(
            f"{path.name}: {static >> 10} KiB of variables, at most {most >> 10}: "
            "what a module keeps lies in pages, where it is counted"
        )
    return defined, wanted
