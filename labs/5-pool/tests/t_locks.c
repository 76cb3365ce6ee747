// SPDX-License-Identifier: BSD-2-Clause
//
// Locks, at the very instruction: who looks at a backend's list of pools has its lock, who changes
// what a pool counts has the pool's, and who is on that list can be drained already.

#include "lab_pool.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "mem/memlayout.h"
#include "tests/kernel/watch.h"

#define LARGE    3000u // bytes: one item a page
#define OTHERS   3u
#define NEWCOMER 20u // this number, and the next, have pools that were never there

static const char *doing;

static void see_list(vaddr_t rip)
{
    KTEST_CHECK(spin_held(&lab_arena[0].pa.lock),
                "%s is at the backend's list of pools without the backend's lock, in %s",
                watch_function_at(rip), doing);
}

// The newcomer's link is set, so it is on the list now, or the next moment.
static void see_newcomer(vaddr_t rip)
{
    const struct pool *p = &lab_pool[NEWCOMER];

    KTEST_CHECK(!p->backend_link.next || (p->lock.lock.name && p->empty.next == &p->empty),
                "%s puts a pool on its backend's list before its lock and its lists are there",
                watch_function_at(rip));
    see_list(rip);
}

// The one after it comes on the list of all pools: its link is an address, and not what was there
// before, half of which may be cleared.
static void see_all(vaddr_t rip)
{
    const struct pool *p = &lab_pool[NEWCOMER + 1];
    const struct list *in_all = p->all_link.next, *in_backend = p->backend_link.next;

    KTEST_CHECK((vaddr_t)in_all < DMAP_BASE || in_all == &p->all_link ||
                    (in_backend && in_backend != &p->backend_link),
                "%s puts a pool on the list of all pools before it is on its backend's",
                watch_function_at(rip));
}

static void see_count(vaddr_t rip)
{
    KTEST_CHECK(spin_held(&lab_pool[0].lock),
                "%s changes what a pool counts that is drained without that pool's lock",
                watch_function_at(rip));
}

static void watch_list(const char *what, void (*see)(vaddr_t rip))
{
    doing = what;
    watch_words(&lab_arena[0].pa.pools, sizeof(struct list) / sizeof(uint64_t), WATCH_ALL, see);
}

// Pool 0 has empty pages, and pool 1 wants one.
static void starve_watched(const uint64_t *words, unsigned n)
{
    lab_fill(0, 2);
    lab_put_all(0);
    lab_arena[0].limit = lab_arena[0].nout;
    if (words)
        watch_words(words, n, WATCH_WRITES, see_count);
    else
        watch_list("a get that starves", see_list);
    (void)lab_get(1, PR_NOWAIT);
    watch_off();
    lab_put_all(1);
    for (unsigned i = 0; i < 2; i++)
        pool_reclaim(&lab_pool[i]);
    lab_arena[0].limit = LAB_PAGES;
}

KTEST(lab_pool_locks)
{
    static char text[256];
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    lab_make_arena(0, PAGE_SIZE, LAB_PAGES);
    for (unsigned n = 0; n < OTHERS; n++)
        lab_make_pool(n, 0, LARGE, 0);
    watch_list("pool_init", see_newcomer);
    lab_make_pool(NEWCOMER, 0, LARGE, 0);
    watch_off();
    if (!list_empty(&lab_arena[0].pa.pools)) { // pools know each other
        watch_words(&lab_pool[NEWCOMER + 1].all_link, 2, WATCH_WRITES, see_all);
        lab_make_pool(NEWCOMER + 1, 0, LARGE, 0);
        watch_off();
    }
    starve_watched(NULL, 0);
    starve_watched(&lab_pool[0].npages, 3);
    starve_watched(&lab_pool[0].page_allocs, 3); // with page_frees and drained
    watch_list("pool_check", see_list);
    unsigned faults = pool_check(&lab_pool[1], &out);
    watch_off();
    KTEST_CHECK(!faults, "%s", text);
    watch_list("pool_destroy", see_list);
    lab_destroy_pool(NEWCOMER);
    watch_off();
    lab_end();
}
