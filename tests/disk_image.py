# SPDX-License-Identifier: BSD-2-Clause
"""Disk images for tests: made small, looked into, damaged on purpose, checked by fsck.

Knows as much of the format (kernel/fs/sfs/sfs_format.h) as damaging it takes.
"""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

from tests.job import Config

BLOCK = 4096
INODE_SIZE = 128
ROOT_INO = 1
# Offsets in an inode.
LINKS, SIZE, POINTERS = 4, 16, 64
# The superblock: name, offset, format.
SUPER_FIELDS = {
    name: (16 + 4 * i, "<I")
    for i, name in enumerate(
        "nblocks ninodes state inode_map block_map inode_table journal data".split()
    )
} | {"magic": (0, "<Q"), "version": (8, "<I"), "block_size": (12, "<I"), "checksum": (48, "<Q")}


def make(config: Config, path: Path, size: str, *roots: Path) -> "DiskImage":
    """A new image with what the folders hold; without any, with the programs of the plain one."""
    folders = [str(root) for root in roots or (config.out / "root",)]
    subprocess.run([config.out / "mkfs", path, size, *folders], check=True, capture_output=True)
    return DiskImage(path)


def fsck(config: Config, path: Path) -> tuple[bool, str]:
    """Whether an image is clean, and what fsck says."""
    done = subprocess.run(
        [config.out / "fsck", path], capture_output=True, text=True, errors="replace", check=False
    )
    return done.returncode == 0, done.stdout + done.stderr


def checksum(data: bytes) -> int:
    """The format's checksum over words."""
    total = 0xCBF29CE484222325
    for (word,) in struct.iter_unpack("<Q", data):
        total = (total ^ word) * 0x100000001B3 & (1 << 64) - 1
        total ^= total >> 32
    return total


class DiskImage:
    """An image file, changed in place."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, offset: int, size: int) -> bytes:
        with open(self.path, "rb") as file:
            file.seek(offset)
            return file.read(size)

    def write(self, offset: int, data: bytes) -> None:
        with open(self.path, "r+b") as file:
            file.seek(offset)
            file.write(data)

    def get(self, offset: int, form: str = "<I") -> int:
        return int(struct.unpack(form, self.read(offset, struct.calcsize(form)))[0])

    def put(self, offset: int, value: int, form: str = "<I") -> None:
        self.write(offset, struct.pack(form, value))

    def super(self, name: str) -> int:
        return self.get(*SUPER_FIELDS[name])

    def put_super(self, name: str, value: int, right_checksum: bool = False) -> None:
        """Changes a field of the superblock; its checksum follows only if it is told to."""
        self.put(SUPER_FIELDS[name][0], value, SUPER_FIELDS[name][1])
        if right_checksum:
            at, form = SUPER_FIELDS["checksum"]
            self.put(at, 0, form)
            self.put(at, checksum(self.read(0, BLOCK)), form)

    def inode(self, ino: int) -> int:
        """Where inode number `ino` is."""
        return self.super("inode_table") * BLOCK + ino * INODE_SIZE

    def pointer(self, ino: int, index: int = 0) -> int:
        """Where a block pointer of an inode is."""
        return self.inode(ino) + POINTERS + 4 * index

    def entry(self, directory: int, name: str) -> int:
        """Where the record of `name` is, in one of the directory's direct blocks."""
        for index in range(12):
            block = self.get(self.pointer(directory, index)) * BLOCK
            at = block
            while block and at < block + BLOCK:
                ino, length, namelen, _ = struct.unpack("<IHBB", self.read(at, 8))
                if ino and self.read(at + 8, namelen) == name.encode():
                    return at
                at += length
        raise FileNotFoundError(name)

    def find(self, path: str) -> int:
        """The inode number of a path."""
        ino = ROOT_INO
        for name in path.strip("/").split("/"):
            ino = self.get(self.entry(ino, name))
        return ino
