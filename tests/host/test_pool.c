// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of pools: random gets and puts against a model, for several item sizes, alignments
// and backends; limits, reclaim, failures, misuse.
//
// link: kernel/mem/*.c tests/host/lib/ram.c tests/host/lib/shim.c tests/host/lib/kstring.c
// link: kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include <sanitizer/asan_interface.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include "lib/shim.h"
#include "lib/printf.h"
#include "lib/rng.h"
#include "lib/big_backend.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "tests/host/lib/ram.h"

#define RAM_PAGES 400
#define MAX_ITEMS 3000

static char text[4096];

static void check(struct pool *p)
{
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    unsigned faults = pool_check(p, &out);
    CHECK(faults == 0, "%s", text);
}

static void expect_fault(struct pool *p, const char *what)
{
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    CHECK(pool_check(p, &out) > 0 && strstr(text, what), "expected `%s', got: %s", what, text);
}

static uint64_t owned(enum page_owner owner)
{
    struct vm_page_stats st;

    vm_page_get_stats(&st);
    return st.by_owner[owner];
}

// ---- random gets and puts against a model ----

struct item {
    unsigned char *p;
    unsigned char tag;
};

static bool intact(const struct item *it, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (it->p[i] != it->tag)
            return false;
    return true;
}

static void random_run(size_t size, size_t align, struct pool_allocator *backend)
{
    static struct item items[MAX_ITEMS];
    struct rng rng = {shim_seed + size};
    struct pool p;
    unsigned n = 0;

    pool_init(&p, "random", size, align, backend);
    for (unsigned round = 0; round < 6000; round++) {
        // Phases of growth and of shrinking.
        bool grow = rng_below(&rng, 10) < (round / 1000 % 2 ? 3u : 7u);
        if (grow && n < MAX_ITEMS) {
            unsigned char *it = pool_get(&p, rng_below(&rng, 2) ? PR_ZERO : 0);
            if (!it)
                continue;
            CHECK((uintptr_t)it % (align ? align : 8) == 0, "item %p align %zu", (void *)it, align);
            items[n] = (struct item){it, (unsigned char)rng_next(&rng)};
            memset(it, items[n++].tag, size);
        } else if (n > 0) {
            unsigned i = (unsigned)rng_below(&rng, n);
            CHECK(intact(&items[i], size), "item %p was changed", (void *)items[i].p);
            pool_put(&p, items[i].p);
            items[i] = items[--n];
        }
        CHECK(p.nitems_out == n, "%lu out, should be %u", p.nitems_out, n);
        if (round % 100 == 0)
            check(&p);
        if (round % 777 == 0)
            pool_reclaim(&p);
    }
    check(NULL);
    while (n > 0)
        pool_put(&p, items[--n].p);
    pool_destroy(&p);
}

static void test_random(void)
{
    ram_map(DMAP_BASE, RAM_PAGES * PAGE_SIZE);
    vm_page_init(&(struct phys_range){0, RAM_PAGES * PAGE_SIZE}, 1);
    pool_allocator_init(&big);
    big_limit = 100;
    uint64_t before = owned(PAGE_FREE);
    size_t sizes[] = {1, 8, 24, 48, 100, 512, 1000, 2000, 4056};
    for (unsigned i = 0; i < array_len(sizes); i++)
        random_run(sizes[i], 0, NULL);
    random_run(64, 64, NULL);
    random_run(512, 512, NULL);
    random_run(3000, 0, &big);
    random_run(16000, 0, &big);
    CHECK(owned(PAGE_FREE) == before && big_pages == 0, "%lu free, were %lu; %u", owned(PAGE_FREE),
          before, big_pages);
}

// ---- the rest ----

static void test_zero(void)
{
    struct pool p;
    unsigned char *it;

    pool_init(&p, "zero", 40, 0, NULL);
    for (unsigned n = 0; n < 3; n++) {
        it = pool_get(&p, PR_ZERO);
        for (unsigned i = 0; i < 40; i++)
            CHECK(it[i] == 0, "byte %u is %x", i, it[i]);
        memset(it, 0xff, 40);
        pool_put(&p, it);
    }
    pool_destroy(&p);
    PANICS("fit a page", pool_init(&p, "huge", 5000, 0, NULL));
}

static void test_limits_and_reclaim(void)
{
    struct pool p;
    void *items[100];

    pool_init(&p, "limits", 1000, 0, NULL);
    p.page_owner = PAGE_PV;
    pool_set_limits(&p, 2, 20);
    for (unsigned i = 0; i < 20; i++)
        CHECK((items[i] = pool_get(&p, PR_NOWAIT)) != NULL, "item %u", i);
    CHECK(!pool_get(&p, PR_NOWAIT) && !pool_get(&p, PR_WAITOK), "beyond max_items");
    CHECK(p.npages == 5 && owned(PAGE_PV) == 5 && p.fails == 2, "%lu pages", p.npages);
    CHECK(!pool_reclaim(&p), "nothing is empty");
    for (unsigned i = 0; i < 20; i++)
        pool_put(&p, items[i]);
    check(&p);
    spin_lock(&p.lock);
    CHECK(!pool_reclaim(&p), "reclaim of a locked pool");
    spin_unlock(&p.lock);
    CHECK(pool_reclaim_all() == 3 && p.npages == 2 && owned(PAGE_PV) == 2, "%lu left", p.npages);
    check(&p);
    pool_destroy(&p);
    CHECK(owned(PAGE_PV) == 0, "%lu pages", owned(PAGE_PV));
}

// A partly used page is used up before an empty one.
static void test_page_choice(void)
{
    struct pool p;
    void *a[8];

    pool_init(&p, "choice", 1000, 0, NULL);
    for (unsigned i = 0; i < 8; i++)
        a[i] = pool_get(&p, 0);
    for (unsigned i = 0; i < 4; i++)
        pool_put(&p, a[i]); // the first page is empty
    pool_put(&p, a[5]);     // the second has one free item
    CHECK(pool_get(&p, 0) == a[5], "an empty page was broken");
    CHECK(pool_reclaim(&p) && p.npages == 1, "%lu pages", p.npages);
    for (unsigned i = 4; i < 8; i++)
        pool_put(&p, a[i]);
    pool_destroy(&p);
}

static void test_failures(void)
{
    struct pool p;
    void *items[50], *it;
    unsigned n = 0;

    // The nth allocation fails, for every n up to one that is not reached.
    pool_init(&p, "fail", 1000, 0, NULL);
    for (uint64_t nth = 1; nth < 40; nth++) {
        kctx_current()->fail_nth = nth;
        for (n = 0; n < 12 && (items[n] = pool_get(&p, nth % 2 ? PR_WAITOK : 0)); n++)
            check(&p);
        CHECK((n < 12) == (nth <= 15), "nth %lu: %u items", nth, n);
        kctx_current()->fail_nth = 0;
        check(&p);
        while (n > 0)
            pool_put(&p, items[--n]);
        pool_reclaim(&p);
    }
    pool_destroy(&p);
    big_limit = 2;
    pool_init(&p, "bounded", 8000, 0, &big);
    while ((it = pool_get(&p, PR_WAITOK)))
        items[n++] = it;
    CHECK(n == 4 && p.npages == 2 && p.fails == 1, "%u items", n);
    check(&p);
    while (n > 0)
        pool_put(&p, items[--n]);
    pool_destroy(&p);
    nosleep_enter();
    PANICS("may sleep", pool_get(&p, PR_WAITOK));
    nosleep_exit();
}

// Releases a lock that was held at a panic: the thread no longer knows of it.
static void release_abandoned(struct spinlock *l)
{
    l->lock.owner = NULL;
    l->taken = 0;
}

static void test_misuse(void)
{
    struct pool p, q;

    pool_init(&p, "p", 48, 0, NULL);
    pool_init(&q, "q", 48, 0, NULL);
    uint64_t *a = pool_get(&p, 0), *b = pool_get(&p, 0), *c = pool_get(&q, 0);
    PANICS("is not of pool p", pool_put(&p, c));
    PANICS("not the start of an item", pool_put(&p, a + 1));
    pool_put(&p, a);
    PANICS("is put twice", pool_put(&p, a));
    release_abandoned(&p.lock);
    a[1] = 4;
    expect_fault(&p, "was written");
    PANICS("was written after it was put: word 1 is 4", pool_get(&p, 0));
    release_abandoned(&p.lock);
    a[1] = a[2];
    check(&p);
    p.nitems_free--;
    expect_fault(&p, "counted");
    p.nitems_free++;
    PANICS("items are out", pool_destroy(&q));
    // The pool has left the lists before it panicked.
    pool_put(&p, b);
    pool_put(&q, c);
    pool_reclaim(&q);
    pool_destroy(&p);
}

// ---- several threads ----

static struct pool shared;

static void churn(void *arg)
{
    struct rng rng = {(uintptr_t)arg};
    struct item mine[40];
    unsigned n = 0;

    for (unsigned round = 0; round < 4000; round++) {
        if (n < 40 && rng_below(&rng, 2)) {
            if (!(mine[n].p = pool_get(&shared, PR_WAITOK)))
                continue;
            mine[n].tag = (unsigned char)rng_next(&rng);
            memset(mine[n].p, mine[n].tag, 200);
            n++;
        } else if (n > 0) {
            CHECK(intact(&mine[--n], 200), "item %p was changed", (void *)mine[n].p);
            pool_put(&shared, mine[n].p);
        }
        if (round % 64 == 0)
            pool_reclaim_all();
    }
    while (n > 0)
        pool_put(&shared, mine[--n].p);
}

static void test_threads(void)
{
    struct shim_thread *threads[3];

    pool_init(&shared, "shared", 200, 0, NULL);
    for (uintptr_t i = 0; i < 3; i++)
        threads[i] = shim_spawn("churn", churn, (void *)(i + shim_seed));
    for (unsigned i = 0; i < 3; i++)
        shim_join(threads[i]);
    check(NULL);
    pool_destroy(&shared);
}

// ---- walks through all pools ----

static struct pool walked_pools[200];
static unsigned nvisited;

// Who is passed may not be looked at again, or a walk takes the square of its length in time.
static void visit(struct pool *p, void *arg)
{
    (void)arg;
    if (p < walked_pools || p >= walked_pools + 200)
        return;
    CHECK(p == &walked_pools[nvisited], "pool %p instead of number %u", (void *)p, nvisited);
    if (nvisited > 0)
        __asan_poison_memory_region(p - 1, sizeof(*p));
    nvisited++;
}

static void test_walk(void)
{
    for (unsigned i = 0; i < 200; i++)
        pool_init(&walked_pools[i], "walked", 64, 0, NULL);
    pool_for_each(visit, NULL);
    CHECK(nvisited == 200, "%u pools visited", nvisited);
    __asan_unpoison_memory_region(walked_pools, sizeof(walked_pools));
    for (unsigned i = 0; i < 200; i++)
        pool_destroy(&walked_pools[i]);
}

static struct pool doomed, behind_it;
static bool gone, seen_behind; // gone: atomic

static void destroy_doomed(void *arg)
{
    (void)arg;
    pool_destroy(&doomed);
    __atomic_store_n(&gone, true, __ATOMIC_SEQ_CST);
}

// While a walk is at the pool another thread destroys it: until that waits, or is done.
static void meet_destroyer(struct pool *p, void *arg)
{
    struct shim_thread **destroyer = arg;

    seen_behind |= p == &behind_it;
    if (p != &doomed)
        return;
    *destroyer = shim_spawn("destroyer", destroy_doomed, NULL);
    while (!shim_blocked(*destroyer) && !__atomic_load_n(&gone, __ATOMIC_SEQ_CST))
        sched_yield();
    CHECK(!gone, "the pool is destroyed while a walk is at it");
}

static void test_walk_and_destroy(void)
{
    struct shim_thread *destroyer = NULL;

    pool_init(&doomed, "doomed", 64, 0, NULL);
    pool_init(&behind_it, "behind it", 64, 0, NULL);
    pool_for_each(meet_destroyer, &destroyer);
    shim_join(destroyer);
    CHECK(gone && seen_behind, "gone %d, seen behind %d", gone, seen_behind);
    pool_destroy(&behind_it);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    RUN(test_random);
    RUN(test_zero);
    RUN(test_limits_and_reclaim);
    RUN(test_page_choice);
    RUN(test_failures);
    RUN(test_misuse);
    RUN(test_threads);
    RUN(test_walk);
    RUN(test_walk_and_destroy);
    return shim_done();
}
