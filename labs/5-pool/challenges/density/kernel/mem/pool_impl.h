// SPDX-License-Identifier: BSD-2-Clause
//
// What the pools' own files share: items and pages as they lie in memory; how a pool gets pages
// and gives them back. pool.c has pools and their items, pool_page.c pages and backends.
//
// A page's header lies at its end, or, where that packs better, beside the page, in an item of
// pool_headers; then a tree leads from the page to it.
#pragma once

#include "lib/rbtree.h"
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
    unsigned ntaken : 31;   // the first so many items have been taken at least once
    unsigned beside : 1;    // it is a struct pool_beside; constant
};

// A header beside its page.
struct pool_beside {
    struct pool_page page;
    struct rb_node node;    // in its pool's tree of pages
    uint64_t base;          // the page
};

// Where those come from. No backend lists it: whoever is short of a page looks for headers, too,
// and is not led back to where it looks.
extern struct pool pool_headers;

// What struct pool's own words are for.
enum {
    POOL_TREE,                      // struct rb_tree of the pages that have headers beside them
    POOL_BESIDE = POOL_TREE + 2,    // whether its pages have; constant
};
_Static_assert(sizeof(struct rb_tree) == 2 * sizeof(uint64_t), "two words of a pool");

#define POOL_PAGE_KEY RB_KEY(struct pool_beside, node, base)

static inline struct rb_tree *pool_tree(struct pool *p)
{
    return (struct rb_tree *)&p->word[POOL_TREE];
}

// Bytes of a page that are for items where the header follows them.
static inline size_t pool_items_size(const struct pool_allocator *pa)
{
    return pa->page_size - sizeof(struct pool_page);
}

static inline void *pool_page_base(const struct pool_allocator *pa, const void *p)
{
    return (void *)((uintptr_t)p & ~(pa->page_size - 1));
}

// The page that the header is of.
static inline char *pool_page_of(const struct pool_allocator *pa, const struct pool_page *pp)
{
    return pp->beside ? (char *)container_of(pp, struct pool_beside, page)->base
                      : pool_page_base(pa, pp);
}

// The index of the first word of a free item that is not poison, or the number of words looked at.
static inline size_t pool_item_damage(const struct pool *p, const struct pool_item *it)
{
    size_t i = 0;

    while (i < p->poison_words && it->poison[i] == ITEM_POISON)
        i++;
    return i;
}

// Puts the pool on its backend's list, and takes it off: nobody drains it once that returns.
void pool_page_link(struct pool *p);
void pool_page_unlink(struct pool *p);

// Adds an empty page; false if there is none. The pool's lock is held, and released meanwhile.
MUST_CHECK bool pool_page_grow(struct pool *p, unsigned flags);

// Gives up to `most' empty pages beyond min_pages back to the backend; returns how many. Only tries
// the pool's lock.
uint64_t pool_page_shrink(struct pool *p, uint64_t most);
