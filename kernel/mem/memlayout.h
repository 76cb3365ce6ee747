// SPDX-License-Identifier: BSD-2-Clause
//
// The memory map, on one page.
//
//   0000000000000000 .. 0000000000000fff   never mapped: a null pointer faults
//   0000000000001000 .. 00007fffffffefff   user space
//   ffff800000000000 .. + 512 GiB          direct map: all of RAM, read-write, never executable
//   ffffc00000000000 .. + KVA_MAX          kernel_map: stacks, buffers, tables (kva= or as RAM)
//   ffffe00000000000 .. + 1 GiB            device registers, uncached
//   ffffffff80000000 .. + 1 GiB            the kernel's image
#pragma once

#include "lib/types.h"

#define USER_MIN    0x0000000000001000ul
#define USER_MAX    0x00007ffffffff000ul    // first address that is not the user's

// Whether all of [va, va + len) is below USER_MAX.
static inline bool user_range(vaddr_t va, size_t len)
{
    return va <= USER_MAX && len <= USER_MAX - va;
}

#ifndef DMAP_BASE   // tests on a host put it where a program can map memory
#define DMAP_BASE   0xffff800000000000ul
#endif
#define DMAP_SIZE   (512ul << 30)
#define KVA_BASE    0xffffc00000000000ul
#define KVA_MAX     (16ul << 30)
#define DEVICE_BASE 0xffffe00000000000ul
#define DEVICE_SIZE (1ul << 30)
#define KERNEL_BASE 0xffffffff80000000ul

// A run of physical memory: page aligned, the end is exclusive.
struct phys_range {
    paddr_t start_pa;
    paddr_t end_pa;
};

static inline void *phys_to_dmap(paddr_t pa)
{
    return (void *)(DMAP_BASE + pa);
}

static inline bool in_dmap(const void *p)
{
    return (vaddr_t)p >= DMAP_BASE && (vaddr_t)p < DMAP_BASE + DMAP_SIZE;
}

static inline paddr_t dmap_to_phys(const void *p)
{
    return (vaddr_t)p - DMAP_BASE;
}
