// SPDX-License-Identifier: BSD-2-Clause
//
// For tests of pools: a backend with larger pages and a bound, as one that maps them has. It looks
// at every call whether the backend is unlocked.
#pragma once

#include <stdlib.h>
#include "lib/shim.h"
#include "mem/pool.h"

static unsigned big_pages, big_limit;

static void *big_alloc(struct pool_allocator *pa, unsigned flags)
{
    (void)flags;
    CHECK(!spin_held(&pa->lock), "a page is asked for with the backend locked");
    if (__atomic_add_fetch(&big_pages, 1, __ATOMIC_SEQ_CST) > big_limit) {
        __atomic_fetch_sub(&big_pages, 1, __ATOMIC_SEQ_CST);
        return NULL;
    }
    return aligned_alloc(pa->page_size, pa->page_size);
}

static void big_free(struct pool_allocator *pa, void *page)
{
    CHECK((uintptr_t)page % pa->page_size == 0, "page %p", page);
    CHECK(!spin_held(&pa->lock), "a page is given back with the backend locked");
    free(page);
    __atomic_fetch_sub(&big_pages, 1, __ATOMIC_SEQ_CST);
}

static struct pool_allocator big = {
    .name = "big", .alloc = big_alloc, .free = big_free, .page_size = 16384};
