// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of the checks in kernel/sync, on one thread: lock order, owners, the held list, "may
// not sleep", interrupt depth, fail-nth, jitter. test_sync has what needs several threads.
//
// link: tests/host/lib/shim.c tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c
// link: kernel/sync/[!i]*.c
#include <stdio.h>
#include <string.h>
#include "lib/shim.h"
#include "lib/printf.h"
#include "lib/rng.h"
#include "sync/irq.h"
#include "sync/jitter.h"
#include "sync/mutex.h"
#include "sync/rwlock.h"
#include "sync/scoped.h"
#include "sync/waitq.h"

static struct rng rng;
static struct rwlock vnode, map, child_map;
static struct mutex amap, anon, object;
static struct spinlock pmap, other_pmap, pool, sched;

static void init_locks(void)
{
    rw_init(&vnode, "vnode", LOCK_VNODE, LOCK_NESTED);
    rw_init(&map, "map", LOCK_MAP, LOCK_NESTED);
    rw_init(&child_map, "child map", LOCK_MAP, LOCK_NESTED);
    mutex_init(&amap, "amap", LOCK_AMAP, 0);
    mutex_init(&anon, "anon", LOCK_ANON, 0);
    mutex_init(&object, "object", LOCK_OBJECT, 0);
    spin_init(&pmap, "pmap", LOCK_PMAP, LOCK_NESTED);
    spin_init(&other_pmap, "other pmap", LOCK_PMAP, LOCK_NESTED);
    spin_init(&pool, "pool", LOCK_POOL, 0);
    spin_init(&sched, "sched", LOCK_SCHED, 0);
}

static void test_order(void)
{
    char text[128];

    rw_lock_read(&map);
    mutex_lock(&amap);
    mutex_lock(&object);
    spin_lock(&pmap);
    spin_lock(&pool);
    CHECK(kctx_current()->nheld == 5, "%lu held", kctx_current()->nheld);
    CHECK(rw_held(&map) && !rw_held_write(&map) && mutex_held(&amap) && spin_held(&pool), "held");
    CHECK(!rw_held(&vnode) && !mutex_held(&anon) && !spin_held(&other_pmap), "not held");
    spin_unlock(&pool);
    spin_unlock(&pmap);
    PANICS("is taken after object (rank", mutex_lock(&anon));
    ksnprintf(
        text, sizeof(text),
        "lock anon (rank %d) is taken after object (rank %d), against the lock order; thread 0 "
        "(main) holds map (rank %d), amap (rank %d), object (rank %d)",
        LOCK_ANON, LOCK_OBJECT, LOCK_MAP, LOCK_AMAP, LOCK_OBJECT);
    PANICS(text, mutex_lock(&anon));
    PANICS("lock vnode (rank", rw_lock_read(&vnode));
    PANICS("lock vnode (rank", rw_lock_write(&vnode));
    mutex_unlock(&object);
    mutex_lock(&anon);
    mutex_unlock(&anon);
    mutex_unlock(&amap);
    rw_unlock_read(&map);
}

static void test_spin_order(void)
{
    spin_lock(&pool);
    PANICS("lock pmap (rank", spin_lock(&pmap));
    spin_lock(&sched);
    spin_unlock(&sched);
    spin_unlock(&pool);
    CHECK(irq_enabled(), "interrupts stay off");
}

static void test_nested(void)
{
    struct mutex amap2;

    mutex_init(&amap2, "amap 2", LOCK_AMAP, 0);
    rw_lock_write(&map);
    rw_lock_write(&child_map);
    PANICS("lock map (rank", rw_lock_read(&map));
    PANICS("lock child map (rank", rw_lock_write(&child_map));
    mutex_lock(&amap);
    PANICS("lock amap 2 (rank", mutex_lock(&amap2));
    PANICS("lock amap (rank", mutex_lock(&amap));
    mutex_unlock(&amap);
    rw_unlock_write(&map);
    rw_unlock_write(&child_map);
    spin_lock(&pmap);
    spin_lock(&other_pmap);
    PANICS("lock pmap", spin_lock(&pmap));
    spin_unlock(&pmap);
    spin_unlock(&other_pmap);
}

static void test_try(void)
{
    mutex_lock(&object);
    CHECK(mutex_trylock(&amap) && rw_trylock_read(&map) && rw_trylock_write(&vnode), "upward");
    CHECK(!mutex_trylock(&object) && !rw_trylock_write(&map) && !rw_trylock_read(&vnode), "held");
    PANICS("lock anon (rank", mutex_lock(&anon));
    mutex_unlock(&object);
    mutex_lock(&anon);
    mutex_unlock(&anon);
    rw_unlock_write(&vnode);
    rw_unlock_read(&map);
    mutex_unlock(&amap);
    spin_lock(&pool);
    CHECK(spin_trylock(&pmap) && !spin_trylock(&pool), "spin");
    spin_unlock(&pool);
    CHECK(!irq_enabled() && this_cpu()->irq_off_depth == 1, "depth");
    spin_unlock(&pmap);
    CHECK(irq_enabled(), "interrupts stay off");
}

// The bookkeeping after random acquisitions by trylock and releases in any order.
static void test_held_list(void)
{
    struct mutex m[KCTX_MAX_LOCKS + 1];
    bool held[KCTX_MAX_LOCKS] = {0};
    struct kctx *ctx = kctx_current();

    for (unsigned i = 0; i <= KCTX_MAX_LOCKS; i++)
        mutex_init(&m[i], "one of many", 1 + rng_below(&rng, LOCK_SPIN_FIRST - 1), 0);
    for (unsigned round = 0; round < 20000; round++) {
        unsigned i = rng_below(&rng, KCTX_MAX_LOCKS);
        if (held[i])
            mutex_unlock(&m[i]);
        else
            CHECK(mutex_trylock(&m[i]), "mutex %u", i);
        held[i] = !held[i];
        unsigned top = 0;
        for (unsigned k = 0; k <= KCTX_MAX_LOCKS; k++) {
            unsigned expected = k <= ctx->nheld ? top : 0;
            CHECK(ctx->top_rank[k] == expected, "top_rank[%u] of %lu: %u, expected %u", k,
                  ctx->nheld, ctx->top_rank[k], expected);
            if (k < ctx->nheld)
                top = max(top, ctx->held[k + 1]->rank);
        }
    }
    for (unsigned i = 0; i < KCTX_MAX_LOCKS; i++)
        if (!held[i])
            mutex_trylock(&m[i]);
    PANICS("is one more than a thread may hold", mutex_trylock(&m[KCTX_MAX_LOCKS]));
    for (unsigned i = 0; i < KCTX_MAX_LOCKS; i++)
        mutex_unlock(&m[i]);
}

static void release_object(void *arg)
{
    (void)arg;
    PANICS("does not hold it", mutex_unlock(&object));
    PANICS("does not hold it", rw_unlock_read(&map));
    PANICS("is not held for writing", rw_unlock_write(&vnode));
    CHECK(!mutex_held(&object) && !rw_held(&vnode), "another thread's");
}

// How many locks are held while the result is computed.
static unsigned long scoped(bool early)
{
    SCOPED_MUTEX(&amap);
    if (early)
        return kctx_current()->nheld;
    SCOPED_SPIN(&pmap);
    CHECK(mutex_held(&amap) && spin_held(&pmap), "not held");
    return kctx_current()->nheld;
}

static void test_scoped(void)
{
    CHECK(scoped(true) == 1 && scoped(false) == 2, "not held when the result is computed");
    CHECK(!mutex_held(&amap) && !spin_held(&pmap), "held after the scope");
    CHECK(kctx_current()->nheld == 0, "%lu held", (unsigned long)kctx_current()->nheld);
}

static void test_owners(void)
{
    struct mutex zero = {0};

    PANICS("lock amap (rank", mutex_unlock(&amap));
    PANICS("does not hold it", spin_unlock(&pool));
    PANICS("does not hold it", rw_unlock_read(&map));
    PANICS("was never initialised", mutex_lock(&zero));
    PANICS("rank 0", mutex_init(&zero, "zero", LOCK_NONE, 0));
    PANICS("sleeping locks below", mutex_init(&zero, "mutex", LOCK_POOL, 0));
    rw_lock_read(&map);
    rw_lock_write(&child_map);
    mutex_lock(&object);
    PANICS("is held for writing", rw_unlock_read(&child_map));
    rw_unlock_write(&child_map);
    shim_join(shim_spawn("stranger", release_object, NULL));
    PANICS("return to user: thread 0 (main) holds map", lock_assert_none_held("return to user"));
    rw_unlock_read(&map);
    mutex_unlock(&object);
    lock_assert_none_held("here");
}

static void test_may_not_sleep(void)
{
    struct waitq q;

    waitq_init(&q, "queue");
    spin_lock(&pmap);
    PANICS("mutex_lock may sleep", mutex_lock(&amap));
    PANICS("holds pmap (rank", rw_lock_read(&map));
    PANICS("interrupts-off depth 1", rw_lock_write(&map));
    spin_lock(&pool);
    PANICS("waitq_block may sleep", waitq_wait_spin(&q, &pool, 0, WAIT_FOREVER));
    spin_unlock(&pmap); // the wait has released pool before it panicked
    pool.lock.owner = NULL;
    lock_forget(&pool.lock);
    irq_pop();
    waitq_init(&q, "queue");

    nosleep_enter();
    PANICS("nosleep depth 1", mutex_lock(&amap));
    nosleep_exit();
    PANICS("nosleep depth is 0", nosleep_exit());
    this_cpu()->in_interrupt = true;
    PANICS("in an interrupt", mutex_lock(&amap));
    this_cpu()->in_interrupt = false;
    mutex_lock(&amap);
    mutex_unlock(&amap);
}

static void test_irq_depth(void)
{
    irq_push();
    irq_push();
    CHECK(!irq_enabled() && this_cpu()->irq_off_depth == 2, "depth %u", this_cpu()->irq_off_depth);
    irq_pop();
    CHECK(!irq_enabled(), "on too early");
    irq_pop();
    CHECK(irq_enabled(), "off too long");
    irq_disable();
    spin_lock(&pool);
    spin_unlock(&pool);
    CHECK(!irq_enabled(), "they were off before the lock");
    irq_enable();
}

static void test_fail_nth(void)
{
    struct kctx *ctx = kctx_current();
    uint64_t before = ctx->allocs;

    CHECK(!fail_injected() && !fail_injected(), "without a request");
    ctx->fail_nth = 2;
    this_cpu()->in_interrupt = true;
    CHECK(!fail_injected() && !fail_injected(), "in an interrupt");
    this_cpu()->in_interrupt = false;
    CHECK(!fail_injected() && fail_injected() && !fail_injected(), "the second fails");
    CHECK(ctx->allocs == before + 5 && ctx->fail_nth == 0, "%lu allocations", ctx->allocs);
}

static void test_may_not_allocate(void)
{
    noalloc_enter();
    noalloc_enter();
    noalloc_exit();
    PANICS("may not allocate", fail_injected());
    this_cpu()->in_interrupt = true;
    CHECK(!fail_injected(), "in an interrupt");
    this_cpu()->in_interrupt = false;
    noalloc_exit();
    CHECK(!fail_injected(), "allowed again");
}

static char printed[1000];

static void print_sink(const char *text, size_t len)
{
    strncat(printed, text, len);
}

static uintptr_t place;

static void see_place(uintptr_t at)
{
    place = at;
}

static void test_print_held(void)
{
    struct kctx *ctx = kctx_current();

    kprintf_set_sink(print_sink);
    rw_lock_read(&map);
    mutex_lock(&anon);
    ctx->waiting = &object.lock;
    spin_lock(&pmap);
    lock_print_held(ctx, see_place);
    spin_unlock(&pmap);
    ctx->waiting = NULL;
    kprintf_set_sink(NULL);
    const char *first = strstr(printed, "holds map (rank"), *second = strstr(printed, "holds anon");
    const char *third = strstr(printed, "waits for object");
    CHECK(first && first < second && second < third, "got `%s'", printed);
    uint32_t here = (uint32_t)(uintptr_t)test_print_held;
    CHECK((uint32_t)place - here < 4096, "the lock's place: %lx, here: %x", place, here);
    mutex_unlock(&anon);
    rw_unlock_read(&map);
}

static unsigned yields_of(void (*body)(void))
{
    unsigned before = shim_yields();

    body();
    return shim_yields() - before;
}

static void one_of_each(void)
{
    mutex_lock(&amap);
    mutex_unlock(&amap);
    rw_lock_read(&map);
    rw_unlock_read(&map);
    spin_lock(&pmap);
    spin_unlock(&pmap);
}

static void not_allowed(void)
{
    spin_lock(&pmap);
    spin_lock(&pool);
    spin_unlock(&pool);
    jitter_point();
    nosleep_enter();
    spin_unlock(&pmap);
    nosleep_exit();
    spin_lock(&sched);
    spin_unlock(&sched);
    this_cpu()->in_interrupt = true;
    jitter_point();
    this_cpu()->in_interrupt = false;
    irq_disable();
    jitter_point();
    irq_enable();
}

static void many(void)
{
    for (int i = 0; i < 1000; i++)
        one_of_each();
}

static void test_jitter(void)
{
    CHECK(yields_of(many) == 0, "off at first");
    jitter_init(shim_seed, 1);
    CHECK(yields_of(one_of_each) == 5, "%u of 5 points", yields_of(one_of_each));
    CHECK(yields_of(not_allowed) == 0, "%u where it may not", yields_of(not_allowed));
    jitter_init(shim_seed, 10);
    unsigned first = yields_of(many), second = yields_of(many);
    CHECK(first > 350 && first < 650, "%u yields of 5000 points, one in 10", first);
    jitter_init(shim_seed, 10);
    unsigned again = yields_of(many);
    CHECK(again == first, "the same seed gives %u, then %u", first, again);
    CHECK(second > 350 && second < 650, "%u yields of 5000 points", second);
    jitter_init(shim_seed, 0);
    CHECK(yields_of(many) == 0, "off again");
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    rng.state = shim_seed;
    init_locks();
    RUN(test_order);
    RUN(test_spin_order);
    RUN(test_nested);
    RUN(test_try);
    RUN(test_held_list);
    RUN(test_scoped);
    RUN(test_owners);
    RUN(test_may_not_sleep);
    RUN(test_irq_depth);
    RUN(test_fail_nth);
    RUN(test_may_not_allocate);
    RUN(test_print_held);
    RUN(test_jitter);
    return shim_done();
}
