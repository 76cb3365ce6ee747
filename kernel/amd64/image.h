// SPDX-License-Identifier: BSD-2-Clause
//
// Where the parts of the kernel's image lie (kernel.ld). All bounds are page aligned.
#pragma once

#include "lib/types.h"
#include "mem/memlayout.h"

extern const char text_start[], text_end[], rodata_start[], rodata_end[];
extern char data_start[], data_end[];

// Physical address of a static object.
static inline paddr_t image_to_phys(const void *p)
{
    return (vaddr_t)p - KERNEL_BASE;
}

static inline paddr_t image_end_pa(void)
{
    return image_to_phys(data_end);
}

static inline bool in_kernel_text(vaddr_t va)
{
    return va >= (vaddr_t)text_start && va < (vaddr_t)text_end;
}
