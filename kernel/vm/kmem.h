// SPDX-License-Identifier: BSD-2-Clause
//
// Kernel memory with addresses of its own: stacks with guards, pipe buffers, exec arguments,
// large tables. Pages belong to no object: the mapping finds them. Everything is a quantum: free
// what was allocated, whole.
//
// Locks: kernel_map's rwlock. Allocation may sleep unless KM_NOWAIT; freeing never sleeps for memory and never allocates.
#pragma once

#include "lib/types.h"

struct vm_map;
struct pool_allocator;

extern struct vm_map *kernel_map;   // all of kernel virtual memory
extern struct vm_map *kmem_map;     // a bounded submap (kmem=SIZE): pipe buffers, exec arguments

extern struct pool_allocator pool_allocator_kva;    // pages behind kernel_map

enum kmem_flags {
    KM_WAITOK = 0,              // sleeps for memory; fails only when it cannot be had
    KM_NOWAIT = 1,              // never sleeps
    KM_ZERO = 2,
    KM_GUARD = 4,               // an inaccessible page below the first
    KM_VAONLY = 8,              // address space without pages
};

void kmem_init(vaddr_t kva_start, size_t kva_size, size_t kmem_size);

// `size' bytes (rounded to pages) aligned to `align' (0: a page); NULL if there is no memory or address space.
void *kmem_alloc(struct vm_map *map, size_t size, size_t align, unsigned flags);
void kmem_free(struct vm_map *map, void *p, size_t size);   // the size asked for, and the same guard flag is remembered
