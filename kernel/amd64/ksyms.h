// SPDX-License-Identifier: BSD-2-Clause
//
// From an address in the kernel's text to its function, by a table that ksyms.py makes of the first
// link and the second embeds. File and line are found on the host (grade/backtrace.py), which has
// the debug information. No locks; works in a panic.
#pragma once

#include "lib/types.h"

struct ksym {
    const char *function;
    uint64_t offset;            // bytes into the function
};

// False if va is not in a known function.
bool ksyms_find(vaddr_t va, struct ksym *sym);
