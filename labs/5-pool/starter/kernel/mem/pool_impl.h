// SPDX-License-Identifier: BSD-2-Clause
//
// What the pools' own files share: items and pages as they lie in memory; how a pool gets pages
// and gives them back. pool.c has pools and their items, pool_page.c pages and backends.
#pragma once

#include "mem/pool.h"

// A free item. Behind the link it is poison.
struct pool_item {
    struct pool_item *next;
    uint64_t poison[];
};

#define ITEM_POISON 0xdeadbeefdeadbeeful

// The header of a page; all of it is guarded by the pool's lock.
struct pool_page {
    struct list link;       // on the pool's empty, partial or full list
    struct pool *pool;      // constant
    struct pool_item *free; // items that were put back, the last one first
    unsigned nfree;         // those, and the ones never taken yet
    unsigned ntaken;        // the first so many items have been taken at least once
};

// Bytes of a page that are for items; the header follows.
static inline size_t pool_items_size(const struct pool_allocator *pa)
{
    return pa->page_size - sizeof(struct pool_page);
}

static inline void *pool_page_base(const struct pool_allocator *pa, const void *p)
{
    return (void *)((uintptr_t)p & ~(pa->page_size - 1));
}

// The index of the first word of a free item that is not poison, or the number of words looked at.
static inline size_t pool_item_damage(const struct pool *p, const struct pool_item *it)
{
    size_t i = 0;

    while (i < p->poison_words && it->poison[i] == ITEM_POISON)
        i++;
    return i;
}

// Copies the backend's page functions, for good.
void pool_page_functions(struct pool *p);

// Adds an empty page; false if there is none. The pool's lock is held, and released meanwhile.
MUST_CHECK bool pool_page_grow(struct pool *p, unsigned flags);

// Gives the empty pages beyond min_pages back; returns how many. Only tries the pool's lock.
uint64_t pool_page_shrink(struct pool *p);
