// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of the locks in kernel/sync with several threads: exclusion, and hand-over in order.
//
// link: tests/host/lib/shim.c tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c
// link: kernel/sync/[!i]*.c
#include <stdio.h>
#include "lib/shim.h"
#include "lib/rng.h"
#include "sync/mutex.h"
#include "sync/rwlock.h"
#include "sync/spinlock.h"

#define THREADS 4
#define ROUNDS  4000

static struct shim_thread *threads[THREADS];

// ---- Exclusion ----

static struct spinlock spin;
static struct mutex mutex;
static struct rwlock rwlock;
static unsigned inside;             // threads in the section; not atomic on purpose
static unsigned long counter, twin; // equal outside of a writer's section

static void section(void)
{
    CHECK(inside == 0, "%u threads inside", inside);
    inside++;
    counter++;
    if (counter % 64 == 0)
        shim_sleep(1000);
    twin++;
    inside--;
}

static void spin_body(void *arg)
{
    struct rng rng = {.state = shim_seed + (uintptr_t)arg};

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (rng_below(&rng, 4) == 0) {
            if (!spin_trylock(&spin))
                continue;
        } else {
            spin_lock(&spin);
        }
        section();
        spin_unlock(&spin);
    }
}

static void mutex_body(void *arg)
{
    struct rng rng = {.state = shim_seed + (uintptr_t)arg};

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (rng_below(&rng, 4) == 0) {
            if (!mutex_trylock(&mutex))
                continue;
        } else {
            mutex_lock(&mutex);
        }
        CHECK(mutex_held(&mutex), "not the owner");
        section();
        mutex_unlock(&mutex);
    }
}

static void rwlock_body(void *arg)
{
    struct rng rng = {.state = shim_seed + (uintptr_t)arg};

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (rng_below(&rng, 3) == 0) {
            rw_lock_write(&rwlock);
            CHECK(rw_held_write(&rwlock), "not the owner");
            section();
            rw_unlock_write(&rwlock);
            continue;
        }
        rw_lock_read(&rwlock);
        CHECK(rw_held(&rwlock) && !rw_held_write(&rwlock), "not a reader");
        CHECK(inside == 0 && counter == twin, "a reader beside a writer: %lu, %lu", counter, twin);
        rw_unlock_read(&rwlock);
    }
}

static void test_spin_exclusion(void)
{
    spin_init(&spin, "spin", LOCK_POOL, 0);
    shim_run_threads(THREADS, spin_body);
    CHECK(!spin.taken && !spin.lock.owner, "%u", spin.taken);
}

static void test_mutex_exclusion(void)
{
    mutex_init(&mutex, "mutex", LOCK_OBJECT, 0);
    shim_run_threads(THREADS, mutex_body);
    CHECK(mutex.state == 0 && !mutex.lock.owner, "state %u", mutex.state);
    CHECK(list_empty(&mutex.waiters.waiters), "somebody waits");
}

static void test_rwlock_exclusion(void)
{
    rw_init(&rwlock, "rwlock", LOCK_MAP, 0);
    shim_run_threads(THREADS, rwlock_body);
    CHECK(rwlock.state == 0 && !rwlock.lock.owner, "state %#x", rwlock.state);
    CHECK(list_empty(&rwlock.waiters.waiters), "somebody waits");
}

// ---- Order ----

static char trace[32]; // what happened, a letter each; guarded by the lock under test
static unsigned ntrace;

static void trace_reset(void)
{
    ntrace = 0;
    for (unsigned i = 0; i < sizeof(trace); i++)
        trace[i] = '\0';
}

static void trace_add(char c)
{
    trace[__atomic_fetch_add(&ntrace, 1, __ATOMIC_RELAXED)] = c;
}

static void trace_expect(const char *expected)
{
    for (unsigned i = 0; expected[i] || trace[i]; i++)
        CHECK(trace[i] == expected[i], "got `%s', expected `%s'", trace, expected);
}

static void queue_up(void *arg)
{
    mutex_lock(&mutex);
    trace_add('0' + (uintptr_t)arg);
    mutex_unlock(&mutex);
}

static void test_mutex_order(void)
{
    trace_reset();
    mutex_lock(&mutex);
    for (uintptr_t i = 0; i < THREADS; i++) {
        threads[i] = shim_spawn("queueing", queue_up, (void *)i);
        shim_wait_blocked(threads[i]);
        CHECK(shim_kctx(threads[i])->waiting == &mutex.lock, "waits for another lock");
    }
    CHECK(mutex.state == (MUTEX_HELD | MUTEX_WAITED), "state %u", mutex.state);
    mutex_unlock(&mutex);
    for (unsigned i = 0; i < THREADS; i++)
        shim_join(threads[i]);
    trace_expect("0123");
    CHECK(mutex.state == 0, "state %u", mutex.state);
}

// Whoever was overtaken while it woke up is the next.
static void test_mutex_handoff(void)
{
    unsigned overtaken = 0;

    for (unsigned round = 0; round < 1000 || overtaken == 0; round++) {
        trace_reset();
        mutex_lock(&mutex);
        for (uintptr_t i = 0; i < 2; i++) {
            threads[i] = shim_spawn("queueing", queue_up, (void *)i);
            shim_wait_blocked(threads[i]);
        }
        mutex_unlock(&mutex);
        mutex_lock(&mutex);
        if (!trace[0]) {
            overtaken++;
            shim_wait_blocked(threads[0]);
            CHECK(mutex.state == (MUTEX_HELD | MUTEX_WAITED | MUTEX_HANDOFF), "state %u",
                  mutex.state);
        }
        mutex_unlock(&mutex);
        for (unsigned i = 0; i < 2; i++)
            shim_join(threads[i]);
        trace_expect("01");
        CHECK(mutex.state == 0, "state %u", mutex.state);
    }
}

static void reader(void *arg)
{
    (void)arg;
    rw_lock_read(&rwlock);
    trace_add('r');
    while (*(volatile unsigned *)&ntrace % 2) // leaves when the second reader is in too
        shim_sleep(100000);
    rw_unlock_read(&rwlock);
}

static void writer(void *arg)
{
    (void)arg;
    rw_lock_write(&rwlock);
    trace_add('w');
    trace_add('W');
    rw_unlock_write(&rwlock);
}

// Starts a thread that must wait for the rwlock.
static struct shim_thread *blocked(void (*body)(void *arg))
{
    struct shim_thread *t = shim_spawn("waiting", body, NULL);

    shim_wait_blocked(t);
    return t;
}

static void test_rwlock_order(void)
{
    trace_reset();
    rw_lock_read(&rwlock);
    CHECK(rwlock.state == 1, "%#x", rwlock.state);
    threads[0] = blocked(writer);
    CHECK(!rw_trylock_read(&rwlock) && !rw_trylock_write(&rwlock), "past a waiting writer");
    threads[1] = blocked(reader);
    threads[2] = blocked(reader);
    threads[3] = blocked(writer);
    trace_expect("");
    rw_unlock_read(&rwlock);
    for (unsigned i = 0; i < THREADS; i++)
        shim_join(threads[i]);
    trace_expect("wWrrwW");
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    shim_watchdog(60);
    RUN(test_spin_exclusion);
    RUN(test_mutex_exclusion);
    RUN(test_rwlock_exclusion);
    RUN(test_mutex_order);
    RUN(test_mutex_handoff);
    RUN(test_rwlock_order);
    return shim_done();
}
