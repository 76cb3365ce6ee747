// SPDX-License-Identifier: BSD-2-Clause
//
// Pools of fixed-size objects (NetBSD's pool(9), 1997-2001). A pool takes pages from a backend, a
// pool_allocator, and cuts them into items. In the final form of lab 5 the backend knows all pools
// that use it: when it has nothing left, one pool after the other is asked for an empty page before
// pool_get fails.
//
//      pool "anon" -- empty, partial, full: lists of pages          backend "direct": 4 KiB
//          |                                                        backend "kva": 16 KiB, bounded
//          v
//      page:  | item | item | free | item | free | ... | header |
//                              +-------------+                     free items are linked
//
// A typical sequence is: pool_init(&p, name, size, 0, NULL) once; x = pool_get(&p, PR_WAITOK); if
// (!x) return ENOMEM; ... pool_put(&p, x). Under a lock: PR_NOWAIT, and the caller knows what to do
// without.
//
// Invariants: nitems_free + nitems_out == npages * items_per_page; each page is on exactly one of
// the empty, partial and full lists. Where a page's header is, at the page's end or beside it, is
// pool.c's affair; in both forms it is at the end, so that an item may not be as large as a page.
//
// Shortage: a get that finds no page asks each other pool of its backend once at most, takes one
// page of the first that may lose one, and tries again. Nobody goes below min_pages for another,
// and who was asked last is asked last again. PR_NOWAIT, PR_RESERVE and the owner hold for every
// try alike. What others free meanwhile may be anybody's: a get may fail though it drained. Where
// pools go meanwhile, or other gets starve and turn the same list, it asks no more often than there
// were pools, and may miss one.
//
// Locks: each pool's spinlock guards its lists; the backend's spinlock its list of pools. Neither
// is held while a backend allocates or frees a page. pool_get with PR_WAITOK may sleep; every
// other function but pool_destroy never does, so pool_put may be called under any lock that comes
// before LOCK_POOL. Draining never sleeps, either: whoever may call pool_get with PR_NOWAIT, under
// whatever spinlock, may have pages of other pools given back on its behalf. Their backend only
// tries its map's lock, and shoots TLBs down, which both are allowed with spinlocks held.
#pragma once

#include "lib/list.h"
#include "sync/spinlock.h"

struct strbuf;

struct pool_allocator {
    const char *name;
    // A page of page_size bytes aligned to its size, or NULL. PR_WAITOK: may sleep; NULL for want
    // of address space or memory, or if the thread is being killed. Neither calls a pool.
    void *(*alloc)(struct pool_allocator *pa, unsigned flags);
    void (*free)(struct pool_allocator *pa, void *page);    // never sleeps
    size_t page_size;           // bytes, a power of two
    struct spinlock lock;       // guards pools
    struct list pools;          // (lock) struct pool.backend_link, who is drained next first; empty
                                // where no pool knows another
    uint64_t word[8];           // the form's own
};

// Pages of the direct map: no address space needed, no recursion into kernel_map.
extern struct pool_allocator pool_allocator_direct;

enum pool_flags {
    PR_NOWAIT = 0,
    PR_WAITOK = 1,              // may sleep; still fails when memory cannot be had: check it
    PR_ZERO = 2,
    PR_RESERVE = 4,             // may use the page reserve
};
// What a pool adds for its backend's alloc: the enum page_owner that the pages are counted under.
#define PR_OWNER_SHIFT 8

struct pool {
    const char *name;           // constant
    struct pool_allocator *backend;     // constant
    size_t item_size;           // bytes, rounded to the alignment; constant
    unsigned items_per_page;    // constant
    unsigned poison_words;      // of a free item, behind its link, by vm_page_poison; constant
    uint8_t page_owner;         // enum page_owner its pages are counted under: PAGE_POOL, or what
                                // the pool's user sets between pool_init and the first pool_get
    struct spinlock lock;       // guards the rest
    struct list empty, partial, full;   // page headers
    uint64_t npages, nitems_out, nitems_free;
    uint64_t min_pages;         // pages that reclaim leaves in place
    uint64_t max_items;         // 0: no limit
    uint64_t gets, puts, fails, page_allocs, page_frees;
    uint64_t drained;           // pages taken for other pools of the backend: 0 where none knows
                                // another
    uint64_t word[4];           // the form's own
    struct list backend_link;   // (backend's lock)
    struct list all_link;       // on the list of all pools; guarded by its own spinlock
    unsigned nwalkers;          // walks of that list that are at this pool; by the same lock
};

// Items of `size' bytes aligned to `align' (a power of two; 0: 8 bytes). backend NULL: direct.
// Cannot fail; panics if a page has no room for one.
void pool_init(struct pool *p, const char *name, size_t size, size_t align,
               struct pool_allocator *backend);
// All items are back. Sleeps until no walk through all pools is at this one.
void pool_destroy(struct pool *p);

void pool_set_limits(struct pool *p, uint64_t min_pages, uint64_t max_items);

// An item or NULL. Fail-nth applies.
MUST_CHECK void *pool_get(struct pool *p, unsigned flags);
void pool_put(struct pool *p, void *item);      // poisons it in debug builds

// Gives empty pages beyond min_pages back to the backend; true if any. Never sleeps: it only tries
// the pool's lock.
bool pool_reclaim(struct pool *p);
// Drains all pools; returns the pages freed. For the page daemon.
uint64_t pool_reclaim_all(void);

// A backend is initialised once, before its first pool.
void pool_allocator_init(struct pool_allocator *pa);

// Calls fn for every pool, for /proc/vm/pools. fn runs without a lock; the pool stays there until
// fn returns, so fn may not destroy it, whatever other walks come by and go on, fn's own among
// them. Pools may come and go meanwhile.
void pool_for_each(void (*fn)(struct pool *p, void *arg), void *arg);

// Verifies the invariants of one pool, or (NULL) of all; as page_check.
unsigned pool_check(struct pool *p, struct strbuf *out);
