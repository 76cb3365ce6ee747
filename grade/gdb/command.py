# SPDX-License-Identifier: BSD-2-Clause
"""What the commands share: registration, the kernel's lists, and addresses as text."""

from __future__ import annotations

from typing import Iterator

import gdb

COMMANDS: dict[str, "KernelCommand"] = {}


class KernelCommand(gdb.Command):
    """A command; subclasses give `name`, `run` and a docstring that begins with the usage."""

    name = ""
    raw = False
    """The argument is one text, not words."""

    def __init__(self) -> None:
        super().__init__(self.name, gdb.COMMAND_DATA)
        COMMANDS[self.name] = self

    def invoke(self, text: str, from_tty: bool) -> None:
        words = [text] if self.raw else gdb.string_to_argv(text)
        try:
            self.run(words)
        except gdb.MemoryError as error:
            raise gdb.GdbError(f"{self.name}: {error}: is the kernel up, and the pointer whole?")
        except gdb.error as error:
            raise gdb.GdbError(f"{self.name}: {error}")

    def run(self, words: list[str]) -> None:
        raise NotImplementedError

    def summary(self) -> str:
        """The docstring's first paragraph, as one line."""
        assert self.__doc__
        return " ".join(self.__doc__.split("\n\n")[0].split())

    def usage(self) -> gdb.GdbError:
        return gdb.GdbError("usage: " + self.summary())


def path_to(kind: gdb.Type, name: str) -> list[gdb.Field]:
    """The fields that lead to a member: itself, or a structure in which it lies. [] for none."""
    fields = kind.strip_typedefs().fields()
    for field in fields:
        if field.name == name:
            return [field]
    for field in fields:
        if field.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
            if inner := path_to(field.type, name):
                return [field, *inner]
    return []


def member(value: gdb.Value, name: str) -> gdb.Value:
    """A member of a structure, or of one that lies in it."""
    for field in path_to(value.type, name):
        value = value[field]
    return value


def container(node: gdb.Value, type_name: str, member: str) -> gdb.Value:
    """The structure of which the object at `node` (a value, not a pointer) is a member."""
    outer = gdb.lookup_type(type_name)
    offset = sum(field.bitpos // 8 for field in path_to(outer, member))
    return gdb.Value(int(node.address) - offset).cast(outer.pointer()).dereference()


def each(head: gdb.Value, type_name: str, member: str, limit: int = 100000) -> Iterator[gdb.Value]:
    """The structures on a `struct list`. Stops with an error on a list that does not end."""
    start = int(head.address)
    node = head["next"]
    for _ in range(limit):
        if int(node) == start:
            return
        if int(node) == 0:
            raise gdb.GdbError(f"the list at {start:#x} leads to a null pointer")
        yield container(node.dereference(), type_name, member)
        node = node["next"]
    raise gdb.GdbError(f"the list at {start:#x} has no end within {limit} nodes")


def text(pointer: gdb.Value) -> str:
    """A C string, or `?`."""
    try:
        return pointer.string(errors="replace") if int(pointer) else "?"
    except gdb.error:
        return "?"


def where(address: int) -> str:
    """function+offset file:line of a code address."""
    block = gdb.block_for_pc(address)
    while block and not block.function:
        block = block.superblock
    line = gdb.find_pc_line(address)
    source = f" {line.symtab.filename}:{line.line}" if line.symtab else ""
    if not block:
        return gdb.execute(f"info symbol {address:#x}", to_string=True).split(" in section")[0]
    return f"{block.function.name}+{address - block.start:#x}{source}"
