# SPDX-License-Identifier: BSD-2-Clause
"""Crashes at any write of a real run: QEMU logs the disk's writes and flushes while the guest
makes, syncs and removes files; the host tool `crash` then mounts and checks what each point in time
would have left (mkfs/crash.c says what the files are).
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Iterator

from grade.session import End
from tests.guest import WALL_SECONDS, boot, text_of
from tests.job import Config, Job, Result

FILES = 40
WORKLOAD = f"""
mkdir /crash; cd /crash; i=0
while [ $i -lt {FILES} ]; do
  seq $((i * 1000 + 1)) $((i * 1000 + 400)) > f$i
  echo $i > p; sync; mv p progress
  [ $i -lt 20 ] || rm f$((i - 20))
  mkdir -p d$((i % 3))/e; mv d$((i % 3)) m$((i % 5)) 2>/dev/null; rm -rf m$((i % 4))
  i=$((i + 1))
done
sync
"""
BOOT_SECONDS = 120


def replay(config: Config, image: Path, log: Path) -> Result:
    done = subprocess.run(
        [config.out / "crash", image, log, str(config.seed)],
        capture_output=True,
        text=True,
        timeout=WALL_SECONDS,
        check=False,
    )
    said = done.stdout + done.stderr
    # Progress must have been seen to the end, or nothing was tested.
    ok = done.returncode == 0 and f"up to {FILES - 1}," in said
    return Result("crash/replay", ok, said)


def check(config: Config) -> Iterator[Result]:
    with tempfile.TemporaryDirectory(dir=config.out) as folder:
        image, before, log = (Path(folder) / name for name in ("disk", "before", "log"))
        for copy in (image, before):
            subprocess.run(["cp", "--sparse=always", config.disk, copy], check=True)
        log.touch()
        command = f"/bin/busybox sh -c '{WORKLOAD}'"
        outcome = boot(config, command, BOOT_SECONDS, disk=image, write_log=log)
        console = text_of(outcome.console)
        ran = outcome.end is End.EXIT and outcome.status == 0
        yield Result("crash/workload", ran, f"{outcome.describe()}\n{console}")
        if ran:
            yield replay(config, before, log)
        clean = subprocess.run(
            [config.out / "fsck", image], capture_output=True, text=True, check=False
        )
        yield Result("crash/fsck-after", clean.returncode == 0, clean.stdout + clean.stderr)


def jobs(config: Config) -> list[Job]:
    needed = [config.out / "root/bin/busybox", config.out / "crash"]
    if not config.runs_programs or not all(path.exists() for path in needed):
        return []
    return [Job("crash", lambda: check(config))]
