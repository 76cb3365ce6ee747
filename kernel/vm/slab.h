// SPDX-License-Identifier: BSD-2-Clause
//
// Memory of any size for the kernel. Small sizes come from zones, large ones are kernel memory of
// their own. Lab 3 owns its implementation. First form, which is here: a zone's header is found by
// a lookup in a tree. Final form: zones are aligned to their size, so that truncating a pointer
// finds the header (DragonFly 2003); larger blocks are told apart by a per-page record, never by
// truncation.
//
//      zone of 16 KiB:  | 96 | 96 | 96 | 96 | ...      a bit for each slot
//      large block:     | a zone of its own          |
//
// A typical sequence is: p = slab_alloc(n * sizeof(*p), KM_ZERO); if (!p) return ENOMEM; ...
// slab_free(p). Objects of one size and many of them: a pool instead (mem/pool.h).
//
// Locks: LOCK_SLAB, a mutex. May sleep unless KM_NOWAIT; NOWAIT fails if the lock is taken.
#pragma once

#include "lib/types.h"

struct strbuf;

void slab_init(void);
// KM_*; aligned to 16, to a page from a page up; NULL: no memory
MUST_CHECK void *slab_alloc(size_t size, unsigned flags);
void slab_free(void *p);                        // NULL is nothing
size_t slab_usable_size(const void *p);

// Memory, or NULL, that is freed at the end of the block in which it is declared.
#define SCOPED_SLAB __attribute__((cleanup(slab_drop)))
static inline void slab_drop(void *pointer)
{
    slab_free(*(void **)pointer);
}

struct slab_stats {
    uint64_t zones, zone_bytes, objects, object_bytes, large_bytes, lookups;
};
void slab_get_stats(struct slab_stats *st);
// as page_check; nothing while somebody changes zones
unsigned slab_check(struct strbuf *out);
