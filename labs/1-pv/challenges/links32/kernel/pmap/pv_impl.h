// SPDX-License-Identifier: BSD-2-Clause
//
// The forms of an entry and of a chunk when links take 32 bits: 16 bytes for an entry, 252 of them
// in a page. A link is the place of what it leads to in the direct map, in units of 16 bytes, so it
// reaches 64 GiB of RAM. Private to kernel/pmap/pv*.c.
//
// Invariants: an entry is in use <=> it is on exactly one page's list <=> its pmap maps that page
// at its address. A pmap's chunks with room come before its full ones; none is wholly free.
#pragma once

#include "lib/bitmap.h"
#include "mem/vm_page.h"
#include "pmap/pmap.h"
#include "pmap/pv.h"

#define LINK_SHIFT 4
#define LINK_MAX   (1ul << (32 + LINK_SHIFT)) // bytes of RAM that links reach

typedef uint32_t pv_link; // 0: leads nowhere; physical address 0 holds no chunk

struct pv_entry {
    vaddr_t va;
    pv_link next, prev; // (v) on the page's list; the first one's prev is 0
};

// A list of chunks that are linked by pv_chunk.link[i]. The ends are where it begins and stops.
struct chunk_list {
    pv_link first, last;
};
enum chunk_link { BY_PMAP, BY_USE, CHUNK_LINKS };

#define CHUNK_ENTRIES 252
#define CHUNK_WORDS   BITMAP_WORDS(CHUNK_ENTRIES)

// One page. A bit of `free' is 1 if its entry is free; the bits beyond the last entry stay 0.
struct pv_chunk {
    struct pmap *pmap; // constant
    struct {
        pv_link next, prev;
    } link[CHUNK_LINKS];        // BY_PMAP: (v) and the pmap's lock; BY_USE: (v)
    uint64_t free[CHUNK_WORDS]; // (v) and the pmap's lock
    struct pv_entry entries[CHUNK_ENTRIES] __attribute__((aligned(1 << LINK_SHIFT)));
};
_Static_assert(sizeof(struct pv_entry) == 16, "an address and two links");
_Static_assert(sizeof(struct pv_entry) % (1 << LINK_SHIFT) == 0, "a link reaches every entry");
_Static_assert(CHUNK_ENTRIES ==
                   (PAGE_SIZE - offsetof(struct pv_chunk, entries)) / sizeof(struct pv_entry),
               "as many entries as fit");
_Static_assert(sizeof(struct pv_chunk) == PAGE_SIZE, "a chunk is a page");

#define LAST_WORD_FREE ((1ul << CHUNK_ENTRIES % 64) - 1)

// What the reverse map keeps in a vm_page and in a pmap.
struct pv_page_part {
    pv_link first;  // (v) struct pv_entry
    uint64_t count; // (v)
};
struct pv_pmap_part {
    struct chunk_list chunks; // (v) and the pmap's lock: chunks with room come before full ones
    uint64_t count;           // (v) and the pmap's lock: entries
};
_Static_assert(sizeof(struct pv_page_part) <= sizeof(((struct vm_page *)0)->pv), "fits the page");
_Static_assert(sizeof(struct pv_pmap_part) <= sizeof(struct pv_pmap), "fits the pmap");

extern struct chunk_list pv_lru; // (v) all chunks, least recently used first

// The figures; pv_lock held.
struct pv_stats pv_count_up(void);

// What a link leads to, an entry or a chunk, or NULL; and the link to it.
static inline void *link_to(pv_link link)
{
    return link ? phys_to_dmap((paddr_t)link << LINK_SHIFT) : NULL;
}

static inline pv_link link_of(const void *p)
{
    return p ? (pv_link)(dmap_to_phys(p) >> LINK_SHIFT) : 0;
}

static inline struct pv_page_part *page_part(const struct vm_page *pg)
{
    return (struct pv_page_part *)pg->pv;
}

static inline struct pv_pmap_part *pmap_part(struct pmap *pm)
{
    return (struct pv_pmap_part *)&pm->pv;
}

static inline struct pv_chunk *chunk_of(const struct pv_entry *pv)
{
    return (struct pv_chunk *)page_trunc((uintptr_t)pv);
}

static inline bool chunk_full(const struct pv_chunk *pc)
{
    uint64_t any = 0;

    for (unsigned w = 0; w < CHUNK_WORDS; w++)
        any |= pc->free[w];
    return any == 0;
}

static inline bool chunk_empty(const struct pv_chunk *pc)
{
    for (unsigned w = 0; w < CHUNK_WORDS - 1; w++)
        if (pc->free[w] != ~0ul)
            return false;
    return pc->free[CHUNK_WORDS - 1] == LAST_WORD_FREE;
}
