// SPDX-License-Identifier: BSD-2-Clause
//
// What the files of the reverse map share: the forms of an entry and of a chunk, and what is kept
// in a page and in a pmap. Private to kernel/pmap/pv*.c.
//
// Invariants: an entry is in use <=> it is on exactly one page's list <=> its pmap maps that page
// at its address. A pmap's chunks with room come before its full ones; none is wholly free.
#pragma once

#include "lib/bitmap.h"
#include "lib/list.h"
#include "mem/vm_page.h"
#include "pmap/pmap.h"
#include "pmap/pv.h"

struct pv_entry {
    vaddr_t va;
    struct list plru_link; // (v) on the page's list
};

#define CHUNK_ENTRIES 167
#define CHUNK_WORDS   BITMAP_WORDS(CHUNK_ENTRIES)

// One page. A bit of `free' is 1 if its entry is free; the bits beyond the last entry stay 0.
struct pv_chunk {
    struct pmap *pmap;          // constant
    struct list pmap_link;      // (v) and the pmap's lock: chunks with room come before full ones
    struct list lru_link;       // (v) the list through all chunks: the oldest first
    uint64_t born;              // (v) its number in that order
    uint64_t free[CHUNK_WORDS]; // (v) and the pmap's lock
    struct pv_entry entries[CHUNK_ENTRIES];
};
_Static_assert(sizeof(struct pv_entry) == 24, "an address and two links");
_Static_assert(CHUNK_ENTRIES ==
                   (PAGE_SIZE - offsetof(struct pv_chunk, entries)) / sizeof(struct pv_entry),
               "as many entries as fit");
_Static_assert(sizeof(struct pv_chunk) <= PAGE_SIZE, "a chunk fits a page");

#define LAST_WORD_FREE ((1ul << CHUNK_ENTRIES % 64) - 1)

// What the reverse map keeps in a vm_page and in a pmap.
struct pv_page_part {
    struct list entries; // (v) struct pv_entry.plru_link
    uint64_t count;      // (v)
};
struct pv_pmap_part {
    struct list chunks; // (v) and the pmap's lock: struct pv_chunk.pmap_link
    uint64_t count;     // (v) and the pmap's lock: entries
};
_Static_assert(sizeof(struct pv_page_part) <= sizeof(((struct vm_page *)0)->pv), "fits the page");
_Static_assert(sizeof(struct pv_pmap_part) <= sizeof(struct pv_pmap), "fits the pmap");

extern struct list pv_lru; // (v) all chunks, by pv_chunk.lru_link

// The figures; pv_lock held.
struct pv_stats pv_count_up(void);

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
