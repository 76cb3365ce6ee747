// SPDX-License-Identifier: BSD-2-Clause
//
// /proc/vm: the figures of each VM module, the self-checks, and the controls that tests use. The
// figures are lines `name value'; counts of pages unless the name says bytes.
//
//   check       reading runs every self-check: what is wrong, or "ok"
//   reclaim     write N: gives back what is kept for reuse and frees up to N pages
//   jitter      write "ONE_IN [SEED]"
//   inject      write "DISK WHAT N": WHAT is fail_read, fail_write, fail_flush, fail_all or hold
#pragma once

void vm_files_init(void);
