// SPDX-License-Identifier: BSD-2-Clause
//
// What the files of amap share: how an amap keeps its slots. Private to kernel/vm/amap*.c.
#pragma once

#include "lib/list.h"
#include "lib/rbtree.h"
#include "sync/mutex.h"
#include "vm/amap.h"

#define CHUNK_SLOTS 32
#define COVER_SLOTS 1984ul // as many as a page of the pool has room for

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

struct amap_cover {
    struct amap_part part;
    uint16_t count[COVER_SLOTS]; // entries that cover each slot
};
_Static_assert(sizeof(struct amap_cover) + 64 <= PAGE_SIZE, "a page holds it and a header");

struct vm_amap {
    struct mutex lock; // guards all but all_link
    unsigned nrefs;    // map entries that refer to it
    pgno_t nslots;     // slots that entries cover, or have covered
    pgno_t nused;
    struct rb_tree chunks; // by first slot
    struct rb_tree covers; // likewise; slots without counts are covered by one entry, or none
    struct list all_link;  // (amaps_lock)
};
