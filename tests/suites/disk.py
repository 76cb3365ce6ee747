# SPDX-License-Identifier: BSD-2-Clause
"""The disk as a guest meets it: power cuts, useless images, damage, a full disk, failing requests.

Each test looks at the image afterwards, by fsck on the host.
"""

from __future__ import annotations

import re
import struct
import tempfile
from functools import partial
from pathlib import Path
from typing import Callable, Iterator

from grade import qemu
from grade.session import End, Session
from tests import disk_image
from tests.disk_image import BLOCK, DiskImage
from tests.guest import WALL_SECONDS, boot, text_of
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
        Session(machine, WALL_SECONDS, on_console=watch, busy=LIMIT_SECONDS).run()
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


def check_syncer(
    config: Config, name: str, period: int, wait: int, expected: str
) -> Iterator[Result]:
    """What was written and never synced survives a power cut once the syncer had its time."""
    with tempfile.TemporaryDirectory(dir=config.out) as folder:
        image = disk_image.make(config, Path(folder) / "disk", "16M")
        words = [f"sync={period}"]
        command = f"{UNSYNCED}; sleep {wait}"
        run_until_mark(config, command, disk=image.path, persist=True, words=words)
        clean, said = disk_image.fsck(config, image.path)
        after = text_of(boot(config, LOOK, disk=image.path).console)
    right = clean and after == expected
    yield Result(f"disk/syncer/{name}", right, f"fsck: {said}\nfound: {after!r}")


# ---- what is locked in memory ----

# The store after munlock and msync faults: to be marked as changed.
WIRED = """\
write(fd, "nothing\\n", 8) == 8: yes
mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) = ok
mlock(map, PAGE) = 0
a store: 0 faults
msync(map, PAGE, MS_SYNC) = 0
a store: 0 faults
munlock(map, PAGE) = 0
msync(map, PAGE, MS_SYNC) = 0
a store: 1 faults
"""


def check_wired(config: Config) -> Iterator[Result]:
    """A page that stays writable while it is written is written again, by the syncer, too."""
    with tempfile.TemporaryDirectory(dir=config.out) as folder:
        image = disk_image.make(config, Path(folder) / "disk", "16M")
        outcome = boot(config, "/tests/wired /kept; cat /proc/vm/check", LIMIT_SECONDS,
                       disk=image.path)
        console = text_of(outcome.console)
        detail = f"expected:\n{WIRED}ok\ngot {outcome.describe()}\n{console}"
        yield Result("disk/wired/faults", console == WIRED + "ok\n", detail)
        command = "/tests/wired held /kept & sleep 4"
        run_until_mark(config, command, disk=image.path, persist=True, words=["sync=1"])
        clean, said = disk_image.fsck(config, image.path)
        after = text_of(boot(config, "cat /kept", disk=image.path).console)
    right = clean and after == "second\n\n"
    yield Result("disk/wired/written", right, f"fsck: {said}\nfound: {after!r}")


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


# ---- damage that a running system meets ----

DAMAGED_FILES = "range super indirect gone links few shared-a shared-b huge freed".split()
DAMAGED_FOLDERS = "loop record number self twin own wide".split()


def make_damaged(config: Config, folder: Path) -> DiskImage:
    """An image with the programs, and below /d one file or folder for each damage."""
    root = folder / "root" / "d"
    root.mkdir(parents=True)
    for name in DAMAGED_FILES:
        (root / name).write_text(f"{name}\n" * 20000)
    (root / "few2").hardlink_to(root / "few")
    for name in DAMAGED_FOLDERS:
        (root / name / "sub" / "back").mkdir(parents=True)
    for name in "self", "twin":
        (root / name / "file").touch()
    image = disk_image.make(config, folder / "disk", "32M", config.out / "root", root.parent)
    ino = {name: image.find(f"/d/{name}") for name in DAMAGED_FILES + DAMAGED_FOLDERS}
    image.put(image.pointer(ino["range"]), image.super("nblocks") + 5)
    image.put(image.pointer(ino["super"]), 1)
    image.put(image.pointer(ino["indirect"], 12), image.super("inode_table"))
    image.write(image.inode(ino["gone"]), bytes(disk_image.INODE_SIZE))
    image.put(image.inode(ino["links"]) + disk_image.LINKS, 5)
    image.put(image.inode(ino["few"]) + disk_image.LINKS, 1)
    image.put(image.pointer(ino["shared-a"]), image.get(image.pointer(ino["shared-b"])))
    image.put(image.inode(ino["huge"]) + disk_image.SIZE, 1 << 41, "<Q")
    image.put(image.entry(ino["loop"], "sub"), image.find("/d"))
    image.put(image.entry(ino["record"], "sub") + 4, 0, "<H")
    image.put(image.entry(ino["number"], "sub"), 1 << 30)
    # Ways up that never arrive: a folder above itself, two above each other, one in itself.
    image.put(image.entry(ino["self"], ".."), ino["self"])
    twin = image.find("/d/twin/sub")
    image.put(image.entry(ino["twin"], ".."), twin)
    image.put(image.entry(twin, "back"), ino["twin"])
    image.put(image.entry(ino["own"], "sub"), ino["own"])
    # A folder of 2^28 blocks, all of which are the same one.
    indirect = image.get(image.pointer(ino["freed"], 1))
    only = image.get(image.pointer(ino["wide"]))
    pointers = struct.pack("<I", indirect) * (BLOCK // 4)
    image.write(indirect * BLOCK, pointers)
    for index in range(12):
        image.put(image.pointer(ino["wide"], index), only)
    for index in range(12, 15):
        image.put(image.pointer(ino["wide"], index), indirect)
    image.put(image.inode(ino["wide"]) + disk_image.SIZE, 1 << 40, "<Q")
    block = image.get(image.pointer(ino["freed"]))
    at = image.super("block_map") * BLOCK + block // 8
    image.put(at, image.get(at, "<B") & ~(1 << block % 8), "<B")
    return image


# Commands, and what each prints; EIO where the damage is met, and whatever else still works.
EIO = "Input/output error"
DAMAGE_STEPS = [
    ("cat range", f"cat: range: {EIO}"),
    ("cat super", f"cat: super: {EIO}"),
    ("cat indirect > /dev/null", f"cat: indirect: {EIO}"),
    ("cat gone", f"cat: gone: {EIO}"),
    ("ls record", f"ls: record: {EIO}"),
    ("ls -l number", f"ls: number: {EIO}"),
    ("head -n 1 shared-b", "shared-b"),
    ("head -n 1 huge", "huge"),
    ("mv self/file moved-file", f"mv: self/file: {EIO}"),
    ("mv twin/sub/back .", f"mv: twin/sub/back: {EIO}"),
    ("mv twin/file twin/sub/x; echo $?", "0"),
    ("cd twin/sub/back/sub; /bin/pwd", "pwd: getcwd: Numerical result out of range"),
    ("rmdir own/sub", f"rmdir: own/sub: {EIO}"),
    ("mv own/sub own/x", f"mv: own/sub: {EIO}"),
    ("ls own/sub", f"ls: own/sub: {EIO}"),
    ("ls wide/no", f"ls: wide/no: {EIO}"),
    ("stat loop/sub/loop/sub/range > /dev/null; echo $?", "0"),
    ("rm links; echo $?", "0"),
    ("rm few; cat few2", f"cat: few2: {EIO}"),
    ("mv loop/sub/range loop/sub/loop/moved; echo $?", "0"),
    ("echo new > new; cat new", "new"),
    ("sync; echo $?", "0"),
    ("rm freed 2>/dev/null; cat /proc/vm/check", "ok"),
]
# What fsck must say of the image before it was used.
NAMED = [
    r"inode \d+: block \d+ is outside of",
    r"inode \d+: block 1 is outside of",
    r"block \d+: owned by inode \d+ and inode \d+",
    r"block \d+: in use, but free in the bitmap",
    r"directory \d+: `gone' means inode \d+, which is free",
    r"directory \d+: bad record at \d+: inode \d+, 0 bytes",
    r"directory \d+: bad record at \d+: inode 1073741824",
    r"directory \d+: has a second name, `sub'",
    r"inode \d+: link count 5, found 1",
    r"inode \d+: link count 1, found 2",
]


def check_damage(config: Config) -> Iterator[Result]:
    """One boot meets every damage: errors for those who touch it, and the kernel goes on."""
    with tempfile.TemporaryDirectory(dir=config.out) as folder:
        image = make_damaged(config, Path(folder))
        clean, said = disk_image.fsck(config, image.path)
        missing = [pattern for pattern in NAMED if not re.search(pattern, said)]
        yield Result("disk/damage/fsck", not clean and not missing, f"not named: {missing}\n{said}")
        script = "cd /d; " + "; ".join(f"({command}) 2>&1" for command, _ in DAMAGE_STEPS)
        outcome = boot(config, script, LIMIT_SECONDS, disk=image.path, persist=True)
        console = text_of(outcome.console)
        expected = "".join(f"{text}\n" for _, text in DAMAGE_STEPS)
        right = outcome.exit_status() == 0 and console == expected
        detail = f"{outcome.describe()}\nexpected:\n{expected}got:\n{console}"
        yield Result("disk/damage/guest", right, detail)
        again = boot(config, "ls /d/loop", LIMIT_SECONDS, disk=image.path)
        right = again.exit_status() == 0 and text_of(again.console) == "moved\nsub\n"
        yield Result("disk/damage/next-boot", right, again.describe())


# ---- a full disk, and one that fails ----

FULL = """\
open("kept", O_CREAT | O_RDWR, 0666) = 3
write(kept, data, KEPT) = 12288
open("sparse", O_CREAT | O_RDWR, 0666) = 4
ftruncate(sparse, SPARSE) = 0
mmap(NULL, SPARSE, PROT_READ | PROT_WRITE, MAP_SHARED, sparse, 0) = ok
open("big", O_CREAT | O_RDWR, 0666) = 5
n > 1 << 20: yes
write(big, data, KEPT) = -1 ENOSPC
fstat(big, &st) = 0
(size_t)st.st_size == n: yes
mkdir("folder", 0777) = -1 ENOSPC
write into a mapped hole: signal 7
write into a mapped block: exit 0
map[7 * PAGE] == 0 && map[1] == 2: yes
pwrite(kept, data, KEPT, 0) = 12288
fsync(kept) = 0
fsync(sparse) = 0
pread(kept, back, KEPT, 0) = 12288
t_same(back, KEPT, 2): yes
unlink("big") = 0
close(big) = 0
mkdir("folder", 0777) = 0
write into a mapped hole: exit 0
map[7 * PAGE] == 1: yes
rmdir("folder") = 0
"""

FAILING_DATA = """\
open("/tests/memout", O_RDONLY) = 3
read(fd, back, SIZE) = -1 EIO
read(fd, back, SIZE) = 16384
mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0) = ok
memcmp(map, back, SIZE) == 0: yes
close(fd) = 0
open("written", O_CREAT | O_RDWR, 0666) = 3
write(fd, data, SIZE) = 16384
fsync(fd) = -1 EIO
pread(fd, back, SIZE, 0) = 16384
t_same(back, SIZE, 1): yes
fsync(fd) = 0
mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) = ok
msync(map, SIZE, MS_SYNC) = -1 EIO
msync(map, SIZE, MS_SYNC) = 0
t_same(map, SIZE, 2): yes
"""

FAILING_COMMIT = """\
open("before", O_CREAT | O_RDWR, 0666) = 3
write(fd, data, SIZE) = 16384
fsync(fd) = 0
mkdir("lost", 0777) = 0
fsync(fd) = -1 EIO
mkdir("refused", 0777) = -1 EROFS
unlink("before") = -1 EROFS
open("new", O_CREAT | O_RDWR, 0666) = -1 EROFS
pread(fd, back, SIZE, 0) = 16384
t_same(back, SIZE, 1): yes
close(fd) = 0
open("before", O_RDONLY) = 3
"""

# Name, size of the disk, program, what it prints, files that it leaves because it must.
USES = [
    ("full", "8M", "disk_full", FULL, 0),
    ("fail/data", "16M", "disk_fail data", FAILING_DATA, 0),
    ("fail/commit", "16M", "disk_fail commit fail_write", FAILING_COMMIT, 1),
    ("fail/flush", "16M", "disk_fail commit fail_flush", FAILING_COMMIT, 1),
]


def check_use(
    config: Config, name: str, size: str, program: str, expected: str, left: int
) -> Iterator[Result]:
    """A program prints what it should, the kernel's checks find nothing, the next boot is fine."""
    with tempfile.TemporaryDirectory(dir=config.out) as folder:
        image = disk_image.make(config, Path(folder) / "disk", size)
        command = f"/tests/{program}; cat /proc/vm/check"
        outcome = boot(config, command, LIMIT_SECONDS, disk=image.path, persist=True)
        console = text_of(outcome.console)
        right = outcome.exit_status() == 0 and console == expected + "ok\n"
        detail = f"{outcome.describe()}\nexpected:\n{expected}got:\n{console}"
        yield Result(f"disk/{name}/guest", right, detail)
        clean, said = disk_image.fsck(config, image.path)
        yield Result(f"disk/{name}/fsck", clean, said)
        again = boot(config, "ls /tmp | wc -l", LIMIT_SECONDS, disk=image.path)
        right = again.exit_status() == 0 and text_of(again.console) == f"{left}\n"
        yield Result(f"disk/{name}/next-boot", right, again.describe() + text_of(again.console))


# ---- swap ----

SWAP_BYTES = 128 << 20
SWAP_COMMAND = (
    "/tests/memhogs 60 1024 200000 && cd /proc && cat diskstats vm/swap vm/pageout vm/check"
)


def check_swap(config: Config) -> Iterator[Result]:
    """With a disk to swap to, processes get more memory than there is, and keep what is in it."""
    outcome = boot(config, SWAP_COMMAND, LIMIT_SECONDS, mem="24M", swap=SWAP_BYTES)
    console = text_of(outcome.console)
    whole = re.search(r"(\d+) whole", console)
    right = outcome.exit_status() == 0 and console.endswith("\nok\n")
    right = right and whole is not None and int(whole[1]) > 24 # MiB
    slots = {name: int(n) for name, n in re.findall(r"^(n?\w+) (\d+)$", console, re.MULTILINE)}
    right = right and slots["ins"] > 1000 and slots["outs"] > 1000 and slots["nused"] < 100
    # What the disk counts is what swap does; at rest nothing is under way.
    disk = re.search(r" vdb (\d+) 0 (\d+) 0 (\d+) 0 (\d+) 0 0 ", console)
    counted = [int(number) for number in disk.groups()] if disk else [0] * 4
    right = right and counted[1] == 8 * slots["ins"] and counted[3] == 8 * slots["outs"]
    right = right and 0 < counted[0] <= slots["ins"] and 0 < counted[2] <= slots["outs"]
    right = right and counted[2] <= slots["clusters"] and slots["clean_freed"] > 0
    right = right and slots["in_flight"] == slots["nbad"] == slots["errors"] == 0
    repro = config.make("run", MEM="24M", SWAP=f"{SWAP_BYTES >> 20}M", CMD=SWAP_COMMAND)
    yield Result("disk/swap", right, f"{outcome.describe()}\n{console}", repro)


# A mebibyte in whole pages and one in pieces, each with the pages of files filled with zeroes.
ZEROED = "grep zeroed_object /proc/vm/pages"
ZEROES_COMMAND = (
    f"cd /tmp; dd if=/dev/zero of=w bs=4096 count=256 2>/dev/null; {ZEROED}; "
    f"dd if=/dev/zero of=a bs=4096 count=256 2>/dev/null; {ZEROED}; "
    f"dd if=/dev/zero of=b bs=1024 count=1024 2>/dev/null; {ZEROED}"
)


def check_zeroes(config: Config) -> Iterator[Result]:
    """Pages that will be overwritten are not zeroed; others are, and both are counted."""
    outcome = boot(config, ZEROES_COMMAND, LIMIT_SECONDS)
    console = text_of(outcome.console)
    found = re.findall(r"^zeroed_object (\d+)$", console, re.MULTILINE)
    numbers = [int(number) for number in found]
    growth = [after - before for before, after in zip(numbers, numbers[1:])]
    right = growth == [0, 256]
    yield Result("disk/zeroes", right, f"grew by {growth}\n{outcome.describe()}\n{console}",
                 config.make("run", CMD=ZEROES_COMMAND))


def jobs(config: Config) -> list[Job]:
    if not config.runs_programs:
        return []
    return [
        Job("disk", lambda: check_refused(config)),
        Job("disk/swap", lambda: check_swap(config)),
        Job("disk/wired", lambda: check_wired(config)),
        Job("disk/zeroes", lambda: check_zeroes(config)),
        Job("disk/damage", lambda: check_damage(config)),
        *[Job(f"disk/{use[0]}", partial(check_use, config, *use)) for use in USES],
        *[
            Job(f"disk/syncer/{cut[0]}", partial(check_syncer, config, *cut))
            for cut in CUTS
        ],
    ]
