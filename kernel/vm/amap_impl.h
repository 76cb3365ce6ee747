// SPDX-License-Identifier: BSD-2-Clause
//
// What the files of amap share: how an amap keeps its slots, and who covers them. Private to
// kernel/vm/amap*.c.
#pragma once

#include "lib/list.h"
#include "lib/rbtree.h"
#include "mem/pool.h"
#include "sync/mutex.h"
#include "vm/amap.h"
#include "vm/map_entry.h"

#define CHUNK_SLOTS 32

// A part of an amap's slots, in one of its trees.
struct amap_part {
    struct rb_node node;
    pgno_t first; // a multiple of how many slots such a part has
};

struct amap_chunk {
    struct amap_part part;
    unsigned nused; // anons that are there; > 0
    struct vm_anon *anons[CHUNK_SLOTS];
};

// How many entries cover a slot beyond the first one. Where no table is, one does, or none; and a
// table is there only while some slot of it has another. So each slot whose count is 0 is its
// entry's alone, or empty. 16 bits are enough: a process has a slot in one entry at most.
struct amap_cover {
    struct amap_part part;
    pgno_t nslots; // of its amap's size: all tables of an amap have the same
    union {
        uint16_t others[1];
        uint64_t words[1]; // the same, to look at four at once
    };
};

// Sizes of tables, so that a small amap has a small one; the largest fills a page of its pool.
#define COVER_SIZES 3
#define COVER_LARGE ((PAGE_SIZE - sizeof(struct amap_cover) - 64) / 8 * 4)
extern const pgno_t amap_cover_slots[COVER_SIZES];
extern struct pool amap_cover_pool[COVER_SIZES];

struct vm_amap {
    struct mutex lock; // guards all but all_link
    unsigned nrefs;    // map entries that refer to it
    pgno_t nslots;     // slots that entries cover, or have covered
    pgno_t nused;
    struct rb_tree chunks; // by first slot
    struct amap_chunk *hint; // the chunk that was looked at last, or NULL
    struct rb_tree covers; // likewise
    struct list all_link;  // (amaps_lock)
};

// Whether a part may be cut out of an entry: the change and the map have room for both neighbours.
static inline bool amap_may_clip(const struct map_change *c)
{
    return c && c->spare.next != c->spare.prev &&
           c->map->nentries <= MAP_ENTRIES_MAX - MAP_ENTRY_SPLITS;
}

// Puts a part where its first slot belongs.
void amap_part_insert(struct rb_tree *tree, struct amap_part *part, pgno_t first);

// What amap_unref does when the last reference has gone: first with am locked, then without.
void amap_unlist(struct vm_amap *am);
void amap_free(struct vm_amap *am);

// Narrows the mappings of the anons in these slots, whoever has them, to PROT_READ; or, PROT_NONE,
// takes those away whose slot several entries cover. am locked.
void amap_share_protect(struct vm_amap *am, pgno_t slot, pgno_t npages, vm_prot_t prot);
