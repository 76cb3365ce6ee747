# SPDX-License-Identifier: BSD-2-Clause
"""`make sqlite SQLITE=path`: writers that share an SQLite database keep each other's updates.

The program is SQLite's own command line, built by whoever runs this, for example with
    musl-gcc -static -O2 -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION shell.c sqlite3.c -lm
Four processes count one row up, a transaction each time, under record locks; afterwards the row,
the log and the database's own check are looked at. Ten seeds, on one and on two CPUs, with
preemption forced, with a rollback journal and with a write-ahead log in shared memory.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from grade import entry, qemu
from grade.session import Session

WRITERS = 4
UPDATES = 25
SEEDS = range(1, 11)
JITTER = 30
LIMIT_SECONDS = 1800


def script(program: str, mode: str) -> str:
    """What the guest's shell runs; it prints the row, the log's length and the check's result."""
    update = "BEGIN IMMEDIATE; UPDATE t SET n=n+1; INSERT INTO log VALUES(1); COMMIT;"
    sql = f"{program} -cmd '.timeout 100000000' /tmp/db"
    return (
        f"cd /tmp; {sql} 'PRAGMA journal_mode={mode}; CREATE TABLE t(n); CREATE TABLE log(w);"
        f" INSERT INTO t VALUES(0)' || exit 1; for i in $(seq {UPDATES});"
        f" do echo '{update}'; done > updates;"
        f" for w in $(seq {WRITERS}); do {sql} < updates & done; wait;"
        f" {sql} 'SELECT n, (SELECT count(*) FROM log) FROM t; PRAGMA integrity_check';"
        f" cat /proc/locks /proc/vm/check"
    )


def run(args: argparse.Namespace, mode: str, cpus: int, seed: int) -> bool:
    machine = qemu.Machine(args.kernel, args.disk, cpus=cpus, seed=seed, jitter=JITTER)
    command = f"/bin/busybox sh -c {quote(script(args.program, mode))}"
    machine.words += [qemu.run_word(command), "quiet"]
    outcome = Session(machine, limit=LIMIT_SECONDS).run()
    text = outcome.console.decode(errors="backslashreplace").replace("\r\n", "\n")
    total = WRITERS * UPDATES
    good = text == f"{mode.lower()}\n{total}|{total}\nok\nok\n" and outcome.exit_status() == 0
    verdict = "ok  " if good else "FAIL"
    print(f"{verdict}  {mode} cpus={cpus} seed={seed}: {' '.join(text.split())}")
    if not good:
        print(f"{outcome.describe()}\n{text}")
    sys.stdout.flush()
    return good


def quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def main() -> int:
    parser = argparse.ArgumentParser(description="many writers of one SQLite database")
    parser.add_argument("--kernel", type=Path, required=True)
    parser.add_argument("--disk", type=Path, required=True, help="an image with it in /bin")
    parser.add_argument("--program", required=True, help="its name there")
    args = parser.parse_args()
    qemu.end_on_signals()
    results = [
        run(args, mode, cpus, seed)
        for mode in ("DELETE", "WAL")
        for cpus in (1, 2)
        for seed in SEEDS
    ]
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    entry.run(main)
