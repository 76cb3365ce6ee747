// SPDX-License-Identifier: BSD-2-Clause
//
// Shortage: a backend has nothing left, and other pools of it hold empty pages, or do not. How many
// pages changed hands is read by the judge from the arenas' counts.

#include "amd64/cpu.h"
#include "dev/record.h"
#include "lab_pool.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/memlayout.h"
#include "mem/vm_page.h"
#include "sync/kctx.h"
#include "tests/kernel/watch.h"
#include "vm/kmem.h"

static unsigned ntried; // times that somebody was at the rich pool's lock

static void see_lock(vaddr_t rip UNUSED)
{
    ntried++;
}

// Pool 1 wants an item, and pool 0 has a page to lose.
static void want_of_rich(unsigned flags)
{
    const uint64_t *lock = (const uint64_t *)((uintptr_t)&lab_pool[0].lock.taken & ~7ul);

    ntried = 0;
    watch_words(lock, 1, WATCH_WRITES, see_lock);
    bool got = lab_get(1, flags);
    watch_off();
    KTEST_CHECK(got, "a get with %s is refused, and %s; its lock was %s",
                flags & PR_WAITOK ? "PR_WAITOK" : "PR_NOWAIT", lab_to_lose(1),
                ntried ? "tried" : "not tried");
}

// A pool that is full and wants one page after the other until there is none; another one that has
// empty ones.
static void starve(size_t page_size, size_t size, unsigned flags)
{
    lab_make_arena(0, page_size, 10);
    lab_make_pool(0, 0, size, 0);
    lab_make_pool(1, 0, size / 2, 0);
    lab_pages(0, 5, 5, false);
    lab_pages(1, 5, 0, true);
    lab_point("full");
    KTEST_CHECK(lab_pool[0].npages == 5, "the items of 5 pages were put, and their pool has %lu",
                lab_pool[0].npages);
    for (unsigned n = 0; n < 5; n++) {
        want_of_rich(flags);
        lab_point("granted");
        while (lab_pool[1].nitems_free > 0)
            KTEST_CHECK(lab_get(1, flags), "there are free items");
    }
    KTEST_CHECK(!lab_get(1, flags), "the other pool has no page left");
    KTEST_CHECK(!lab_get(0, flags), "the other pool is full");
    lab_point("none");
    lab_put_all(1);
    KTEST_CHECK(lab_get(0, flags), "%s", lab_to_lose(0));
    lab_point("back");
    lab_end();
}

KTEST(lab_pool_starve)
{
    starve(PAGE_SIZE, 1000, PR_WAITOK);
    starve(PAGE_SIZE, 2048, PR_NOWAIT);
    starve(4 * PAGE_SIZE, 3000, PR_WAITOK | PR_ZERO);
}

static struct spinlock above = SPINLOCK_INIT("lab: above pools", LOCK_PV, 0);

// The same with a lock held; and for one who may use the reserve: its second try may as well.
KTEST(lab_pool_starve_nowait)
{
    lab_make_arena(0, PAGE_SIZE, 10);
    lab_arena[0].reserve = 2;
    lab_arena[0].says_flags = true;
    lab_make_pool(0, 0, 1000, 0);
    lab_make_pool(1, 0, 1000, 0);
    lab_pages(0, 4, 3, false);
    lab_pages(1, 4, 0, true);
    lab_point("full");
    spin_lock(&above);
    nosleep_enter();
    bool got = lab_get(1, PR_NOWAIT);
    nosleep_exit();
    spin_unlock(&above);
    KTEST_CHECK(got, "%s", lab_to_lose(1));
    lab_point("granted");
    while (lab_get(1, PR_RESERVE) && lab_arena[0].nout < 10)
        ;
    while (lab_pool[1].nitems_free > 0)
        KTEST_CHECK(lab_get(1, PR_NOWAIT), "there are free items");
    KTEST_CHECK(lab_arena[0].nout == 10, "%lu pages of 10", lab_arena[0].nout);
    lab_point("reserve");
    got = lab_get(1, PR_RESERVE | PR_WAITOK);
    KTEST_CHECK(got, "%s", lab_to_lose(1));
    lab_point("granted");
    lab_end();
}

// A shortage in which the nth allocation fails: the get's own, the backend's, that after a drain.
KTEST(lab_pool_short_fail_nth)
{
    lab_make_arena(0, PAGE_SIZE, 6);
    for (unsigned n = 0; n < 3; n++)
        lab_make_pool(n, 0, 2048, 0);
    for (unsigned nth = 1; nth <= 8; nth++) {
        for (unsigned n = 0; n < 3; n++)
            lab_pages(n, 2, n < 2 ? 2 : 0, true);
        lab_point("full");
        uint64_t fails = lab_pool[2].fails;
        kctx_current()->fail_nth = nth;
        bool got = lab_get(2, nth % 2 ? PR_WAITOK : PR_NOWAIT);
        bool failed = !kctx_current()->fail_nth;
        kctx_current()->fail_nth = 0;
        KTEST_CHECK(got || failed, "nth %u: refused, and none has failed", nth);
        KTEST_CHECK(lab_pool[2].fails == fails + !got,
                    "nth %u: %u get failed, %lu counted in fails", nth, !got,
                    lab_pool[2].fails - fails);
        lab_point("failed");
        KTEST_CHECK(lab_get(2, PR_NOWAIT), "nth %u: %s", nth, lab_to_lose(2));
        for (unsigned n = 0; n < 3; n++) {
            lab_put_all(n);
            pool_reclaim(&lab_pool[n]);
        }
    }
    lab_end();
}

KTEST(lab_pool_one)
{
    lab_want_pages(lab_rich(6, 3), 6);
    lab_end();
}

// Turn about: nobody gives twice before everybody has given once.
KTEST(lab_pool_turn)
{
    unsigned n = lab_richer(5, 4, lab_half ? 2 : 0);

    for (unsigned k = 0; k < 4; k++) {
        lab_want_pages(n, 5);
        lab_point("round");
    }
    lab_end();
}

// What a pool's limit leaves it is its own.
KTEST(lab_pool_minimum)
{
    lab_make_arena(0, PAGE_SIZE, 16);
    for (unsigned n = 0; n < 4; n++)
        lab_make_pool(n, 0, 1000, 0);
    lab_pages(0, 4, 4, false);
    pool_set_limits(&lab_pool[0], 2, 0);
    lab_pages(1, 4, 3, false);
    pool_set_limits(&lab_pool[1], 4, 0);
    lab_pages(2, 4, 3, false);
    pool_set_limits(&lab_pool[2], 2, 0);
    lab_pages(3, 4, 0, true);
    lab_point("full");
    lab_want_pages(3, lab_empty ? 3 : 4);
    KTEST_CHECK(!lab_get(3, PR_NOWAIT) && !lab_get(3, PR_RESERVE), "all pools are at their least");
    lab_point("none");
    for (unsigned n = 0; n < 3; n++)
        for (unsigned i = 0; i < 5; i++)
            KTEST_CHECK(lab_get(n, PR_NOWAIT), "pool %u has kept two pages", n);
    lab_point("kept");
    lab_put_all(0);
    pool_set_limits(&lab_pool[0], 3, 0);
    bool got = lab_get(3, PR_NOWAIT);
    KTEST_CHECK(!got, "a get that starves takes a page of a pool of 2 empty pages that keeps 3");
    lab_end();
}

// ---- bounds ----

#define BUSY 20u

// Nobody has an empty page: a get fails, and has asked each pool once at most.
static void in_vain(bool full)
{
    lab_make_arena(0, PAGE_SIZE, 2 * BUSY);
    for (unsigned n = 0; n < BUSY; n++)
        lab_make_pool(n, 0, 500, 0);
    for (unsigned n = 0; n < BUSY; n++)
        lab_pages(n, 2, 0, full || n == 0);
    lab_point("full");
    lab_arena[0].is_measured = true;
    uint64_t ticks = rdtsc();
    bool got = lab_get(0, PR_NOWAIT);
    record_printf("ticks %lu", rdtsc() - ticks);
    KTEST_CHECK(!got, "no pool has an empty page");
    lab_point("refused");
    lab_end();
}

// Somebody else takes at once what a pool gives up: the others may be asked once each.
static void taken_away(void)
{
    unsigned n = lab_rich(8, 6);

    lab_arena[0].takes_away = true;
    KTEST_CHECK(!lab_get(n, PR_NOWAIT), "there is a page for it");
    lab_point("refused");
    lab_arena[0].takes_away = false;
    lab_want_pages(n, 1);
    lab_end();
}

// Two pools that starve: what one gets is not taken from it before it has used it.
static void two_starve(void)
{
    lab_make_arena(0, PAGE_SIZE, 3);
    for (unsigned n = 0; n < 2; n++) {
        lab_make_pool(n, 0, 1000, 0);
        lab_pages(n, 1, 0, true);
    }
    lab_point("full");
    for (unsigned round = 0; round < 40; round++) {
        unsigned n = round % 2;
        KTEST_CHECK(lab_get(n, PR_WAITOK), "round %u: a page is free or empty", round);
        KTEST_CHECK(!lab_get(1 - n, PR_WAITOK), "round %u: all pages have items", round);
        unsigned last = LAB_ITEMS;
        while (!lab_item[n][--last].address)
            ;
        lab_put(n, last);
    }
    lab_point("starved");
    lab_end();
}

KTEST(lab_pool_bounded)
{
    in_vain(true);
    in_vain(false);
    taken_away();
    two_starve();
}

// ---- the kernel's own backends ----

#define ALL ~0u

// Address space for pools: what one pool has laid aside serves another.
KTEST(lab_pool_kva)
{
    static struct pool large, small;
    struct chain *mine = NULL, *theirs = NULL;

    pool_init(&large, "lab large", 8000, 0, &pool_allocator_kva);
    pool_init(&small, "lab small", 3000, 0, &pool_allocator_kva);
    unsigned nlarge = chain_take(&large, PR_WAITOK, ALL, &mine);
    unsigned npages = (unsigned)large.npages;
    chain_put(&large, &mine);
    unsigned nsmall = chain_take(&small, PR_NOWAIT, ALL, &theirs);
    record_printf("kva %u %u %u %u", nlarge, npages, nsmall, small.items_per_page);
    lab_point("taken");
    chain_put(&small, &theirs);
    KTEST_CHECK(chain_take(&large, PR_WAITOK, ALL, &mine) == nlarge, "not what it was");
    chain_put(&large, &mine);
    pool_destroy(&large);
    pool_destroy(&small);
    lab_point("end");
}

static uint64_t free_pages(void)
{
    struct vm_page_stats s;

    vm_page_get_stats(&s);
    return s.nfree;
}

// Memory is gone, but for what a pool of the direct map holds in empty pages.
KTEST(lab_pool_direct)
{
    enum { PAGES = 5 };
    static struct pool rich, poor;
    struct chain *theirs = NULL, *mine = NULL;

    pool_init(&rich, "lab rich", 2000, 0, NULL);
    pool_init(&poor, "lab poor", 2000, 0, NULL);
    unsigned n = chain_take(&rich, PR_WAITOK, PAGES * rich.items_per_page, &theirs);
    KASSERT(n == PAGES * rich.items_per_page, "%u items", n);
    chain_put(&rich, &theirs);
    chain_take(&poor, PR_NOWAIT, ALL, &mine);
    KTEST_CHECK(rich.npages == 0,
                "no page of the direct map is to be had, and another pool of it "
                "keeps %lu empty ones",
                rich.npages);
    chain_put(&poor, &mine);
    pool_destroy(&poor);
    pool_destroy(&rich);
    lab_point("end");
}

static void take_dense(size_t size, unsigned nitems, struct pool_allocator *backend)
{
    static struct pool p;
    struct chain *items = NULL;
    uint64_t before = free_pages();

    pool_init(&p, "lab dense", size, 0, backend);
    unsigned n = chain_take(&p, PR_WAITOK, nitems, &items);
    KTEST_CHECK(n == nitems, "%u items of %zu bytes", n, size);
    record_printf("dense %zu %lu %lu", size, p.npages, before - free_pages());
    chain_put(&p, &items);
    pool_destroy(&p);
    pool_reclaim_all();
    KTEST_CHECK(backend || free_pages() == before, "%lu pages of memory are free, %lu were",
                free_pages(), before);
}

// Memory is there until the reserve, which is for those who may use it.
KTEST(lab_pool_direct_reserve)
{
    static struct pool p;
    struct chain *items = NULL;

    pool_init(&p, "lab direct", 2000, 0, NULL);
    unsigned n = chain_take(&p, PR_NOWAIT, ALL, &items);
    uint64_t left = free_pages();
    KTEST_CHECK(n > 0 && left == vm_page_reserve_kernel, "%lu pages are left, %lu are the reserve",
                left, vm_page_reserve_kernel);
    for (unsigned k = 0; k < 2; k++) {
        unsigned flags = k ? PR_RESERVE | PR_WAITOK : PR_RESERVE;
        n = chain_take(&p, flags, p.items_per_page, &items);
        KTEST_CHECK(n == p.items_per_page && free_pages() == left - k - 1,
                    "PR_RESERVE%s: %u items, %lu pages of a reserve of %lu are left",
                    k ? " | PR_WAITOK" : "", n, free_pages(), left);
    }
    chain_put(&p, &items);
    pool_destroy(&p);
    lab_point("end");
}

// What a hundred items take of memory, headers included.
KTEST(lab_pool_dense)
{
    pool_reclaim_all();
    for (size_t size = 512; size <= 2048; size *= 2)
        take_dense(size, 100, NULL);
    for (size_t size = 2048; size <= 8192; size *= 2)
        take_dense(size, 100, &pool_allocator_kva);
    lab_point("end");
}

// ---- an experiment, which is not graded ----

#define TRACED 8u
#define STEPS  20000u

// Eight pools on forty pages. What each wants changes now and then; all together often want more
// than there is.
KTEST(lab_pool_trace)
{
    struct rng r = lab_rng(7);
    unsigned wanted[TRACED] = {0}, ngets = 0, nfails = 0;
    uint64_t drained = 0;

    lab_make_arena(0, PAGE_SIZE, 40);
    for (unsigned n = 0; n < TRACED; n++)
        lab_make_pool(n, 0, 500 + 200 * n, 0);
    for (unsigned k = 0; k < STEPS; k++) {
        unsigned n = (unsigned)rng_below(&r, TRACED), i = (unsigned)rng_below(&r, 100);
        if (k % 100 == 0)
            wanted[n] = (unsigned)rng_below(&r, 3) * 4 * lab_pool[n].items_per_page;
        if (lab_pool[n].nitems_out < wanted[n]) {
            ngets++;
            nfails += !lab_get(n, PR_NOWAIT);
        } else if (lab_item[n][i].address) {
            lab_put(n, i);
        }
    }
    for (unsigned n = 0; n < TRACED; n++)
        drained += lab_pool[n].drained;
    kprintf("%u gets, %u failed; %lu pages got, %lu of them of other pools\n", ngets, nfails,
            lab_arena[0].allocs, drained);
    lab_end();
}
