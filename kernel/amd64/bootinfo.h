// SPDX-License-Identifier: BSD-2-Clause
//
// What the loader told us (PVH start_info), copied before its memory is reused: the ranges of
// usable RAM and the command line; and the allocator of the pages that start-up itself needs,
// which are never given back. All of it is constant once bootinfo_seal has been called.
#pragma once

#include "lib/types.h"
#include "mem/memlayout.h"

#define BOOT_MAX_RANGES 16
#define BOOT_CMDLINE    4096

struct bootinfo {
    unsigned nram;
    struct phys_range ram[BOOT_MAX_RANGES];     // all RAM, ascending
    unsigned nfree;
    struct phys_range free[BOOT_MAX_RANGES];    // RAM that start-up did not use; after
                                                // bootinfo_seal
    uint64_t ram_bytes;                         // sum of ram[]
    uint64_t unused_bytes;                      // RAM beyond what the kernel can use (said, not
                                                // used)
    bool cmdline_cut;                           // the command line was longer than fits
    char cmdline[BOOT_CMDLINE];
};

extern struct bootinfo bootinfo;

// Copies start_info, at a physical address below 1 GiB. Panics if it is not one.
void bootinfo_init(paddr_t start_info_pa);

// Drops the RAM above max_bytes in all (boot parameter maxmem=).
void bootinfo_limit(uint64_t max_bytes);

// Zeroed pages, contiguous, from just above the kernel's image; panics if there are none left.
// They are mapped at boot_va(). For bootmap.c alone, which builds the page tables of them.
paddr_t boot_alloc(size_t npages);

// Ends boot_alloc and computes free[]. bootmap_init calls it.
void bootinfo_seal(void);

// The address at which the boot tables map the first GiB; invalid once bootmap_init has returned.
static inline void *boot_va(paddr_t pa)
{
    return (void *)(KERNEL_BASE + pa);
}
