// SPDX-License-Identifier: BSD-2-Clause
//
// Pools on several CPUs at once: shared ones, reclaimed meanwhile; ones that starve beside each
// other; ones that are destroyed while others drain.

#include "amd64/cpu.h"
#include "amd64/intr.h"
#include "dev/record.h"
#include "lab_pool.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "mem/memlayout.h"
#include "sync/irq.h"
#include "sync/waitq.h"
#include "tests/kernel/smp_test.h"

#define SHARED 3u  // pools
#define EACH   24u // items of a CPU
#define TIMES  1500u

struct held {
    uint64_t *p;
    uint64_t stamp;
    unsigned pool;
};

static struct held held[MAX_CPUS][EACH];
static bool own_pools;            // each CPU has a pool of its own
static unsigned granted, refused; // atomic

static size_t words(unsigned n)
{
    return lab_size[n] / sizeof(uint64_t);
}

static void take(struct held *h, unsigned n, uint64_t stamp)
{
    uint64_t *p = pool_get(&lab_pool[n], PR_NOWAIT);

    __atomic_fetch_add(p ? &granted : &refused, 1, __ATOMIC_RELAXED);
    if (!p)
        return;
    *h = (struct held){p, stamp, n};
    for (size_t i = 0; i < words(n); i++)
        p[i] = stamp;
}

static void give(struct held *h)
{
    for (size_t i = 0; i < words(h->pool); i++)
        if (h->p[i] != h->stamp) {
            ktest_fail("word %zu of item %p is %#lx, not %#lx", i, (void *)h->p, h->p[i], h->stamp);
            break;
        }
    pool_put(&lab_pool[h->pool], h->p);
    h->p = NULL;
}

static void smp_work(unsigned cpu)
{
    struct rng r = lab_rng(100 + cpu);

    for (unsigned k = 0; k < TIMES; k++) {
        struct held *h = &held[cpu][rng_below(&r, EACH)];
        unsigned n = own_pools ? cpu : (unsigned)rng_below(&r, SHARED);
        if (h->p)
            give(h);
        else
            take(h, n, (uint64_t)cpu << 32 | k);
        if (!own_pools && rng_below(&r, 50) == 0)
            pool_reclaim(&lab_pool[n]);
        if (!own_pools && rng_below(&r, 200) == 0)
            pool_reclaim_all();
        spin_poll();
    }
    for (unsigned i = 0; i < EACH; i++)
        if (held[cpu][i].p)
            give(&held[cpu][i]);
}

static void begin(unsigned limit)
{
    struct rng r = lab_rng(200);

    take_short_turns(&r);
    granted = refused = 0;
    lab_make_arena(0, PAGE_SIZE, limit);
}

KTEST(lab_pool_smp)
{
    begin(LAB_PAGES);
    own_pools = false;
    for (unsigned n = 0; n < SHARED; n++)
        lab_make_pool(n, 0, 300 * n + 104, 0);
    on_all_cpus(smp_work);
    KTEST_CHECK(!refused, "%u gets are refused, %u not", refused, granted);
    lab_point("worked");
    lab_end();
}

// Pages for half of what they want. In the end all are empty, and one pool wants them.
KTEST(lab_pool_starve_smp)
{
    unsigned npages = 3 * ncpus, nitems = 0;

    begin(npages);
    own_pools = true;
    for (unsigned n = 0; n < ncpus; n++)
        lab_make_pool(n, 0, 1000, 0);
    on_all_cpus(smp_work);
    record_printf("starved %u %u", granted, refused);
    lab_point("worked");
    while (lab_get(0, PR_NOWAIT))
        nitems++;
    KTEST_CHECK(nitems == npages * lab_pool[0].items_per_page, "%u items in %u pages", nitems,
                npages);
    lab_point("used");
    lab_end();
}

// ---- a backend's lock that another CPU holds ----

#define STAYS 1000u // pauses

static unsigned nrunning;       // CPUs that have not finished; atomic
static bool is_wanted, is_held; // atomic

// Takes the lock when it is wanted, and keeps it until the other CPU has had time to meet it.
static void hold_part(void)
{
    while (!__atomic_load_n(&is_wanted, __ATOMIC_SEQ_CST))
        cpu_relax();
    spin_lock(&lab_arena[0].pa.lock);
    __atomic_store_n(&is_held, true, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < STAYS; i++)
        cpu_relax();
    spin_unlock(&lab_arena[0].pa.lock);
    __atomic_fetch_sub(&nrunning, 1, __ATOMIC_SEQ_CST);
}

// The page that the first pool gave is somebody else's. Before the next one is asked, the other CPU
// has the backend's lock.
static void have_it_held(void)
{
    if (lab_arena[0].frees == 0)
        return;
    lab_arena[0].takes_away = false;
    __atomic_store_n(&is_wanted, true, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&is_held, __ATOMIC_SEQ_CST))
        cpu_relax();
}

KTEST(lab_pool_lock_held)
{
    if (ncpus == 1) // nobody else could hold it
        return;
    begin(3);
    for (unsigned n = 0; n < 3; n++) {
        lab_make_pool(n, 0, 3000, 0);
        lab_fill(n, 1);
    }
    lab_put_all(0);
    lab_put_all(1);
    lab_point("full");
    nrunning = 1;
    ipi_register(IPI_TEST, hold_part);
    ipi_send(this_cpu()->id ? 0 : 1, IPI_TEST);
    lab_arena[0].takes_away = true;
    lab_arena[0].asked = have_it_held;
    bool got = lab_get(2, PR_NOWAIT);
    lab_arena[0].asked = NULL;
    __atomic_store_n(&is_wanted, true, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&nrunning, __ATOMIC_SEQ_CST) > 0)
        cpu_relax();
    record_printf("held %u", got);
    lab_point("held");
    lab_end();
}

// ---- pools that come and go ----

// A pool of its own for each of the other CPUs, which want more than there is.
static void starve_part(void)
{
    unsigned cpu = this_cpu()->id;
    struct rng r = lab_rng(300 + cpu);

    for (unsigned k = 0; k < 4 * TIMES; k++) {
        struct held *h = &held[cpu][rng_below(&r, EACH)];
        if (h->p && rng_below(&r, 8) == 0)
            give(h);
        else if (h->p)
            spin_poll();
        else
            take(h, cpu, (uint64_t)cpu << 32 | k);
        spin_poll();
    }
    for (unsigned i = 0; i < EACH; i++)
        if (held[cpu][i].p)
            give(&held[cpu][i]);
    __atomic_fetch_sub(&nrunning, 1, __ATOMIC_SEQ_CST);
}

// What this CPU destroys, the others may be about to drain. It has pages of its own, the reserve's,
// or none: then it is gone sooner.
static void come_and_go(unsigned n, unsigned nitems)
{
    lab_make_pool(n, 0, 700, 0);
    for (unsigned i = 0; i < nitems; i++)
        (void)lab_get(n, PR_RESERVE);
    lab_put_all(n);
    lab_destroy_pool(n);
}

KTEST(lab_pool_come_and_go)
{
    unsigned self = this_cpu()->id, ntimes = 0;

    begin(2 * ncpus + 2);
    lab_arena[0].reserve = 2;
    for (unsigned n = 0; n < ncpus; n++)
        lab_make_pool(n, 0, 1000, 0);
    nrunning = ncpus - 1;
    ipi_register(IPI_TEST, starve_part);
    for (unsigned cpu = 0; cpu < ncpus; cpu++)
        if (cpu != self)
            ipi_send(cpu, IPI_TEST);
    do {
        ntimes++;
        come_and_go(MAX_CPUS + ntimes % 4, ntimes % 3 ? 0 : 6);
        cpu_relax(); // where CPUs run in turns, one that never pauses leaves the others none
    } while (__atomic_load_n(&nrunning, __ATOMIC_SEQ_CST) > 0);
    record_printf("starved %u %u", granted, refused);
    lab_point("worked");
    lab_end();
}

// ---- a pool that is destroyed while a walk is at it ----

static bool at_it, is_destroying, is_gone, has_left; // atomic
static unsigned nfaults;
static bool kept; // the pool has its least still
static char faults[256];

static void count_pass(struct pool *p, void *npools)
{
    *(unsigned *)npools += p >= lab_pool && p < lab_pool + LAB_POOLS;
}

// Another walk comes by and goes on. Then this one stays at the pool until its destroyer has had
// time to do whatever it does before it waits.
static void stay(struct pool *p, void *arg UNUSED)
{
    struct strbuf out;
    unsigned npools = 0;

    if (p != &lab_pool[1])
        return;
    pool_for_each(count_pass, &npools);
    __atomic_store_n(&at_it, true, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < STAYS; i += __atomic_load_n(&is_destroying, __ATOMIC_SEQ_CST)) {
        cpu_relax();
        spin_poll();
    }
    KASSERT(!__atomic_load_n(&is_gone, __ATOMIC_SEQ_CST),
            "pool_destroy returned while a walk was at the pool");
    strbuf_init(&out, faults, sizeof(faults));
    nfaults = pool_check(p, &out);
    kept = p->min_pages == 2 && !pool_reclaim(p) && p->npages == 2;
    __atomic_store_n(&has_left, true, __ATOMIC_SEQ_CST);
}

// There is no scheduler: who waits looks again and again.
static int pause(unsigned flags UNUSED, uint64_t deadline_ns UNUSED)
{
    cpu_relax();
    return 0;
}

static void wake(struct kctx *who UNUSED)
{
}

static void walk_part(void)
{
    pool_for_each(stay, NULL);
    __atomic_fetch_sub(&nrunning, 1, __ATOMIC_SEQ_CST);
}

static unsigned npasses; // of walks within a walk

static void walk_again(struct pool *p, void *arg UNUSED)
{
    static char text[128];
    struct strbuf out;

    if (p < lab_pool || p >= lab_pool + LAB_POOLS)
        return;
    pool_for_each(count_pass, &npasses);
    pool_reclaim_all();
    strbuf_init(&out, text, sizeof(text));
    KTEST_CHECK(pool_check(NULL, &out) == 0, "%s", text);
}

// Who walks through all pools may walk through all pools: each walk comes to each pool.
KTEST(lab_pool_walks_nest)
{
    lab_make_arena(0, PAGE_SIZE, 6);
    for (unsigned n = 0; n < 3; n++)
        lab_make_pool(n, 0, 1000, 0);
    npasses = 0;
    pool_for_each(walk_again, NULL);
    KTEST_CHECK(npasses == 9, "three walks within a walk came to %u pools, not to 9", npasses);
    lab_end();
}

KTEST(lab_pool_walked)
{
    static const struct wait_ops polling = {.block = pause, .wake = wake};

    if (ncpus == 1) // nobody else could walk
        return;
    begin(6);
    for (unsigned n = 0; n < 3; n++)
        lab_make_pool(n, 0, 1000, 0);
    lab_pages(1, 2, 2, false);
    pool_set_limits(&lab_pool[1], 2, 0);
    lab_point("made");
    nrunning = 1;
    ipi_register(IPI_TEST, walk_part);
    ipi_send(this_cpu()->id ? 0 : 1, IPI_TEST);
    while (!__atomic_load_n(&at_it, __ATOMIC_SEQ_CST))
        cpu_relax();
    __atomic_store_n(&is_destroying, true, __ATOMIC_SEQ_CST);
    waitq_set_ops(&polling);
    lab_destroy_pool(1);
    __atomic_store_n(&is_gone, true, __ATOMIC_SEQ_CST);
    waitq_set_ops(NULL);
    KTEST_CHECK(__atomic_load_n(&has_left, __ATOMIC_SEQ_CST),
                "pool_destroy returned while a walk was at the pool");
    while (__atomic_load_n(&nrunning, __ATOMIC_SEQ_CST) > 0)
        cpu_relax();
    KTEST_CHECK(kept,
                "while a walk is at a pool that is to be destroyed, it gives up pages that it "
                "is to keep");
    KTEST_CHECK(nfaults == 0, "a walk's pool stays there until the walk goes on: %s", faults);
    lab_end();
}
