// SPDX-License-Identifier: BSD-2-Clause
//
// Kernel memory with addresses of its own: stacks with guards, pipe buffers, exec arguments,
// large tables. Pages belong to no object: the mapping finds them. Everything is a quantum: free
// what was allocated, whole.
//
//      kernel_map  [ stack ][guard|stack]..[ kmem_map              ][ pool_map       ]....
//                                            grown pipes, arguments    pages of pools
//
// A typical sequence is: p = kmem_alloc(kernel_map, size, 0, KM_WAITOK | KM_GUARD); if (!p) return
// ENOMEM; ... kmem_free(kernel_map, p, size), under whatever lock.
//
// Locks: kernel_map's rwlock. Allocation may sleep unless KM_NOWAIT. Freeing never sleeps (but for
// a block of KM_VAONLY with pages), allocates or fails, so it may be done with the "may not sleep"
// depth raised: if the map is locked by someone else, the block waits on a list for the next who
// allocates, frees, or drains.
#pragma once

#include "lib/types.h"

struct vm_map;
struct pool_allocator;

extern struct vm_map *kernel_map;   // all of kernel virtual memory
extern struct vm_map *kmem_map;     // a bounded submap (kmem=SIZE): pipe buffers, exec arguments
extern struct vm_map *pool_map;     // a bounded submap (poolkva=SIZE): pool_allocator_kva's pages

// Pages of 16 KiB in pool_map: for large items, of which a page of 4 KiB would hold one or none
// (processes, threads, paths, small pipe rings).
extern struct pool_allocator pool_allocator_kva;

enum kmem_flags {
    KM_WAITOK = 0,              // sleeps for memory; fails only when it cannot be had
    KM_NOWAIT = 1,              // never sleeps
    KM_ZERO = 2,
    KM_GUARD = 4,               // an inaccessible page below the first; align 0
    KM_VAONLY = 8,              // address space without pages
};

void kmem_init(vaddr_t kva_start, size_t kva_size, size_t kmem_size, size_t pool_size);

// Frees what waits on the list, as far as the maps are not locked now. Never sleeps.
void kmem_drain(void);

// `size' bytes (rounded to pages) aligned to `align' (0: a page); NULL if there is no memory or
// address space.
MUST_CHECK void *kmem_alloc(struct vm_map *map, size_t size, size_t align, unsigned flags);
// The size that was asked for; whether there is a guard is remembered. Pages that the caller put
// behind a KM_VAONLY block are its own: it removes them first, and a free of such a block waits for
// the map.
void kmem_free(struct vm_map *map, void *p, size_t size);
