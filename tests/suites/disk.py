# SPDX-License-Identifier: BSD-2-Clause
"""The disk as a guest meets it: power cuts, and images that cannot be started from.

Each test looks at the image afterwards, by fsck on the host.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Callable, Iterator

from grade import qemu
from grade.session import End, Session
from tests import disk_image
from tests.disk_image import BLOCK, DiskImage
from tests.guest import boot, text_of
from tests.job import Config, Job, Result

LIMIT_SECONDS = 120
MARK = b"cut the power here"


class PowerCut(Exception):
    """The console said MARK: the machine ends at once, as if unplugged."""


def run_until_mark(config: Config, command: str, **changes: object) -> str:
    """Boots and runs `command` until MARK appears, then kills the machine; the console's text."""
    machine = config.machine(**changes)
    machine.words += [qemu.run_word(f"{command}; echo {MARK.decode()}; sleep 1000"), "quiet"]
    seen = bytearray()

    def watch(data: bytes) -> None:
        seen.extend(data)
        if MARK in seen:
            raise PowerCut

    try:
        Session(machine, LIMIT_SECONDS, on_console=watch).run()
    except PowerCut:
        return text_of(bytes(seen))
    raise AssertionError(f"no mark on the console:\n{text_of(bytes(seen))}")


# ---- the syncer ----

# How data get into memory, and what must be on the disk some seconds later.
UNSYNCED = "echo kept > /kept; mkdir /made; mv /bin/true /made"
LOOK = "(cat /kept; ls /made) 2>/dev/null"
# The name, the syncer's period, the time until the power is cut, what is there afterwards. Disks
# work in true time, so this is no place for a virtual clock.
CUTS = [("on-time", 1, 4, "kept\ntrue\n"), ("too-early", 1000, 0, "")]


def check_syncer(config: Config, name: str, period: int, wait: int, expected: str) -> Result:
    """What was written and never synced survives a power cut once the syncer had its time."""
    with tempfile.TemporaryDirectory(dir=config.out) as folder:
        image = disk_image.make(config, Path(folder) / "disk", "16M")
        words = [f"sync={period}"]
        command = f"{UNSYNCED}; sleep {wait}"
        run_until_mark(config, command, disk=image.path, persist=True, words=words)
        clean, said = disk_image.fsck(config, image.path)
        after = text_of(boot(config, LOOK, disk=image.path).console)
    right = clean and after == expected
    return Result(f"disk/syncer/{name}", right, f"fsck: {said}\nfound: {after!r}")


# ---- images that it cannot start from ----


def flip_checksum(image: DiskImage) -> None:
    image.put_super("ninodes", image.super("ninodes") ^ 1)


def no_journal(image: DiskImage) -> None:
    image.write(image.super("journal") * BLOCK, bytes(BLOCK))


def no_inodes(image: DiskImage) -> None:
    table = image.super("inode_table")
    image.write(table * BLOCK, bytes((image.super("journal") - table) * BLOCK))


def cut_short(image: DiskImage) -> None:
    with open(image.path, "r+b") as file:
        file.truncate(1 << 20)


def no_init(image: DiskImage) -> None:
    image.put(image.entry(image.find("/bin"), "init"), 0)


# Name, the damage, what the end's description says.
REFUSED: list[tuple[str, Callable[[DiskImage], None], str]] = [
    ("foreign", lambda image: image.write(0, b"\x7fELF" + bytes(4092)), "not an sfs file system"),
    (
        "version",
        lambda image: image.put_super("version", 99, right_checksum=True),
        "an sfs of another version",
    ),
    ("checksum", flip_checksum, "the superblock is damaged (checksum)"),
    (
        "layout",
        lambda image: image.put_super("inode_table", 9, right_checksum=True),
        "the superblock is damaged (layout)",
    ),
    (
        "sizes",
        lambda image: image.put_super("data", 2, right_checksum=True),
        "the superblock is damaged (sizes)",
    ),
    ("short", cut_short, "the device is smaller than the file system"),
    ("journal", no_journal, "the journal's header is damaged"),
    ("inodes", no_inodes, "inode 1: mode 00, 0 links"),
    ("init", no_init, "cannot run /bin/init: error 2"),
]


def check_refused(config: Config) -> Iterator[Result]:
    """Without a system to start the kernel says why and ends in order, and fsck knows, too."""
    with tempfile.TemporaryDirectory(dir=config.out) as folder:
        for name, damage, expected in REFUSED:
            image = disk_image.make(config, Path(folder) / "disk", "16M")
            damage(image)
            yield refusal(config, name, expected, disk=image.path)
            clean, said = disk_image.fsck(config, image.path)
            yield Result(f"disk/fsck/{name}", not clean, f"fsck found nothing: {said}")
    yield refusal(config, "no-disk", "there is no disk", disk=None)


def refusal(config: Config, name: str, expected: str, **changes: object) -> Result:
    outcome = boot(config, "true", LIMIT_SECONDS, **changes)
    console = text_of(outcome.console)
    right = outcome.end is End.CANNOT_START and expected in outcome.detail
    right = right and expected in console and "make image" in console
    detail = f"expected `{expected}'\ngot {outcome.describe()}\n{console}"
    return Result(f"disk/refused/{name}", right, detail)


def jobs(config: Config) -> list[Job]:
    if not config.runs_programs:
        return []
    return [
        Job("disk", lambda: check_refused(config)),
        *[
            Job(f"disk/syncer/{cut[0]}", lambda c=cut: iter([check_syncer(config, *c)]))
            for cut in CUTS
        ],
    ]
