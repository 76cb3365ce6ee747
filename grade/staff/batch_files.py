# SPDX-License-Identifier: BSD-2-Clause
"""Takes the lab's owned files out of a submission: a folder, a tar archive or a zip archive.

Nothing of a submission is trusted: no name in it becomes a path here, links and devices are not
followed, and sizes are measured while reading, not believed.
"""

from __future__ import annotations

import bz2
import gzip
import io
import os
import stat
import tarfile
import zipfile
import zlib
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Callable, Iterator

from grade import vet
from grade.lab import Lab
from grade.vet import MAX_FILE, Refused

MAX_ARCHIVE = 64 << 20
"""Bytes of an archive, packed, and again unpacked."""
MAX_MEMBERS = 10000
TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2")
ZIP = (".zip",)


Member = tuple[PurePosixPath, str, Callable[[], bytes]]
"""Its path in the submission, what is wrong with its kind (or nothing), and its bytes."""


def is_submission(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    return path.is_symlink() or path.is_dir() or path.name.lower().endswith(TAR + ZIP)


def submission_name(path: Path) -> str:
    """The name without an archive's ending."""
    lower = path.name.lower()
    for ending in (*sorted(TAR, key=len, reverse=True), *ZIP):
        if lower.endswith(ending) and not path.is_dir():
            return path.name[: -len(ending)]
    return path.name


def take(path: Path, lab: Lab) -> dict[str, bytes]:
    """The owned files by their paths. Refused if there are none, or if one cannot be taken."""
    try:
        return _choose(_members(path), lab)
    except (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile) as error:
        raise Refused(f"cannot be read: {error}") from None
    except (NotImplementedError, RuntimeError, ValueError, OverflowError) as error:
        raise Refused(f"the archive is damaged or of an unknown kind: {error}") from None


def _choose(members: Iterator[Member], lab: Lab) -> dict[str, bytes]:
    """Of the files with an owned file's name, the one whose path fits best."""
    best: dict[str, tuple[tuple[int, int], bytes]] = {}
    for count, (path, trouble, read) in enumerate(members):
        if count >= MAX_MEMBERS:
            raise Refused(f"more than {MAX_MEMBERS} files")
        for owned in lab.owned:
            wanted = PurePosixPath(owned)
            if path.name != wanted.name:
                continue
            if path.is_absolute() or ".." in path.parts:
                raise Refused(f"{path}: a path out of the submission")
            if trouble:
                raise Refused(f"{path}: {trouble}")
            whole = path.parts[-len(wanted.parts) :] == wanted.parts
            rank = (0 if whole else 1, len(path.parts))
            if owned in best and best[owned][0] == rank:
                raise Refused(f"two files in it could be {owned}")
            if owned not in best or rank < best[owned][0]:
                best[owned] = (rank, read())
    if not best:
        raise Refused(f"none of {' '.join(lab.owned)} is in it")
    return {owned: data for owned, (_, data) in best.items()}


def _members(path: Path) -> Iterator[Member]:
    if path.is_symlink():
        raise Refused("it is a symbolic link")
    if path.is_dir():
        return _of_folder(path)
    if not path.is_file():
        raise Refused("it is neither a folder nor an archive")
    if path.stat().st_size > MAX_ARCHIVE:
        raise Refused(f"an archive of more than {MAX_ARCHIVE >> 20} MiB")
    return _of_zip(path) if path.name.lower().endswith(ZIP) else _of_tar(path)


def _limited(name: object, file: IO[bytes], size: int) -> bytes:
    data = file.read(size + 1)
    if len(data) > size:
        raise Refused(f"{name}: more than {size >> 10} KiB")
    return data


def _of_folder(folder: Path) -> Iterator[Member]:
    for where, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(where) / name
            mode = path.lstat().st_mode
            trouble = "" if stat.S_ISREG(mode) else "not a regular file"
            trouble = "a symbolic link" if stat.S_ISLNK(mode) else trouble
            yield PurePosixPath(path.relative_to(folder)), trouble, partial(vet.read, path)


class _Counted(io.RawIOBase):
    """A stream that gives up after so many bytes: an archive may unpack to more than it says."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.left = MAX_ARCHIVE

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(min(size, self.left + 1) if size >= 0 else self.left + 1)
        self.left -= len(data)
        if self.left < 0:
            raise Refused(f"it unpacks to more than {MAX_ARCHIVE >> 20} MiB")
        return data


def _of_tar(path: Path) -> Iterator[Member]:
    opened: dict[str, Callable[[Path], BinaryIO]] = {
        ".gz": lambda p: gzip.open(p, "rb"),  # type: ignore[dict-item,return-value]
        ".tgz": lambda p: gzip.open(p, "rb"),  # type: ignore[dict-item,return-value]
        ".bz2": lambda p: bz2.open(p, "rb"),  # type: ignore[dict-item,return-value]
        ".tar": lambda p: open(p, "rb"),
    }
    with opened[path.suffix.lower()](path) as packed:
        counted = _Counted(packed)
        read_tar: Callable[..., tarfile.TarFile] = tarfile.open
        with read_tar(fileobj=counted, mode="r|") as archive:
            for member in archive:
                if member.isdir():
                    continue
                trouble = "" if member.isreg() else "not a regular file"
                trouble = "a link" if member.issym() or member.islnk() else trouble
                yield PurePosixPath(member.name), trouble, partial(
                    _untar, archive, member
                )


def _untar(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return _limited(member.name, file, MAX_FILE)


def _of_zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            mode = info.external_attr >> 16
            link = stat.S_ISLNK(mode)
            trouble = "a link" if link else "encrypted" if info.flag_bits & 1 else ""
            yield PurePosixPath(info.filename.replace("\\", "/")), trouble, partial(
                _unzip, archive, info
            )


def _unzip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as file:
        return _limited(info.filename, file, MAX_FILE)
