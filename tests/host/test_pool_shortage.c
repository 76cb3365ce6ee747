// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of what only pools that know each other can do: a backend that has nothing left takes
// from its other pools, a page at a time.
//
// link: kernel/mem/*.c tests/host/lib/ram.c tests/host/lib/shim.c tests/host/lib/kstring.c
// link: kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include "lib/shim.h"
#include "lib/printf.h"
#include "lib/rng.h"
#include "lib/big_backend.h"
#include "mem/pool.h"

static char text[4096];

static void check(struct pool *p)
{
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    unsigned faults = pool_check(p, &out);
    CHECK(faults == 0, "%s", text);
}

// A pool of items as large as a page, with so many pages of which so many are empty.
static void pool_with(struct pool *p, const char *name, unsigned npages, unsigned nempty,
                      void **items)
{
    pool_init(p, name, 16000, 0, &big);
    for (unsigned i = 0; i < npages; i++)
        CHECK((items[i] = pool_get(p, PR_NOWAIT)) != NULL, "page %u of %s", i, name);
    for (unsigned i = npages - nempty; i < npages; i++)
        pool_put(p, items[i]);
}

static void empty_and_destroy(struct pool *p, void **items, unsigned n)
{
    while (n > 0)
        pool_put(p, items[--n]);
    pool_destroy(p);
}

static bool held; // atomic

// Another CPU that is at the pool, until `held' is false again.
static void hold(void *arg)
{
    struct pool *p = arg;

    spin_lock(&p->lock);
    __atomic_store_n(&held, true, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&held, __ATOMIC_SEQ_CST))
        sched_yield();
    spin_unlock(&p->lock);
}

// Ten pages of address space: a page of another pool is found, and only one is taken.
static void test_shortage(void)
{
    struct pool a, b, c;
    void *ai[10], *bi[10], *ci[10];

    big_limit = 10;
    pool_with(&a, "a", 5, 5, ai);
    pool_with(&b, "b", 3, 3, bi);
    pool_with(&c, "c", 2, 0, ci);
    pool_set_limits(&b, 2, 0);
    CHECK((ci[2] = pool_get(&c, PR_NOWAIT)) != NULL, "two pools have empty pages");
    CHECK(a.npages + b.npages == 7 && a.drained + b.drained == 1, "%lu and %lu pages", a.npages,
          b.npages);
    CHECK((ci[3] = pool_get(&c, PR_WAITOK)) != NULL, "two pools have empty pages");
    CHECK(a.npages == 4 && b.npages == 2, "turn about: %lu and %lu pages", a.npages, b.npages);
    unsigned n = 4;
    while ((ci[n] = pool_get(&c, PR_NOWAIT)))
        n++;
    CHECK(n == 8 && a.npages == 0 && b.npages == 2, "%u items; %lu and %lu pages", n, a.npages,
          b.npages);
    CHECK(c.fails == 1 && a.drained == 5 && b.drained == 1 && c.drained == 0, "%lu fails", c.fails);
    check(NULL);
    pool_set_limits(&b, 0, 0);
    struct shim_thread *other = shim_spawn("holder", hold, &b);
    while (!__atomic_load_n(&held, __ATOMIC_SEQ_CST))
        sched_yield();
    CHECK(!pool_get(&c, PR_NOWAIT), "a pool that is locked gave a page up");
    __atomic_store_n(&held, false, __ATOMIC_SEQ_CST);
    shim_join(other);
    empty_and_destroy(&c, ci, n);
    pool_destroy(&b);
    pool_destroy(&a);
    CHECK(big_pages == 0, "%u pages", big_pages);
}

// Pools that come and go, and starve: each thread has one, and there are pages for two of them.
static void starve(void *arg)
{
    struct rng rng = {(uintptr_t)arg};
    void *items[8];

    for (unsigned round = 0; round < 300; round++) {
        struct pool p;
        unsigned n = 0;
        pool_init(&p, "starving", 8000, 0, &big);
        for (unsigned i = 0; i < 24; i++) {
            if (n < 8 && rng_below(&rng, 3)) {
                if ((items[n] = pool_get(&p, rng_below(&rng, 2) ? PR_WAITOK : PR_NOWAIT)))
                    memset(items[n++], 0x5a, 8000);
            } else if (n > 0) {
                pool_put(&p, items[--n]);
            }
        }
        while (n > 0)
            pool_put(&p, items[--n]);
        pool_destroy(&p);
    }
}

static void test_starving_threads(void)
{
    struct shim_thread *threads[3];

    big_limit = 8;
    for (uintptr_t i = 0; i < 3; i++)
        threads[i] = shim_spawn("starve", starve, (void *)(i + shim_seed));
    for (unsigned i = 0; i < 3; i++)
        shim_join(threads[i]);
    CHECK(big_pages == 0, "%u pages", big_pages);
    check(NULL);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    pool_allocator_init(&big);
    RUN(test_shortage);
    RUN(test_starving_threads);
    return shim_done();
}
