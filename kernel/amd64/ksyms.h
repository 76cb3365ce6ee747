// SPDX-License-Identifier: BSD-2-Clause
//
// From an address in the kernel's text to function, file and line, by a table that ksyms.py makes
// from the debug information and the second link embeds. No locks; works in a panic.
#pragma once

#include "lib/types.h"

struct ksym {
    const char *function;
    uint64_t offset;            // bytes into the function
    const char *file;           // NULL if the line is not known
    unsigned line;
};

// False if va is not in a known function.
bool ksyms_find(vaddr_t va, struct ksym *sym);
