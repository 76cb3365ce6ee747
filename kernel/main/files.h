// SPDX-License-Identifier: BSD-2-Clause
//
// The files of /proc that are no process's.
//
// sys_files.c: what describes the whole system, in Linux's formats.
//
// vm_files.c: /proc/vm, the figures of each VM module. Lines `name value'; counts of pages unless
// the name says bytes.
//
// controls.c: what does something when it is read or written; for tests.
//
//   vm/check    reading runs every self-check: what is wrong, or "ok"
//   vm/reclaim  write N: gives back what is kept for reuse and frees up to N pages
//   vm/jitter   write "ONE_IN [SEED]"
//   vm/inject   write "DISK WHAT N": WHAT is fail_read, fail_write, fail_flush, fail_all or hold
//   judge       a program that writes a name to it makes a point (dev/judge.h) of that name
#pragma once

void sys_files_init(void);
void vm_files_init(void);
void controls_init(void);
