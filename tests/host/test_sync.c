// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of kernel/sync with several threads: exclusion, hand-over in order, wake-ups that must
// not get lost, signals and deadlines. A lost wake-up shows as a hang, which the watchdog ends.
//
// link: tests/host/lib/shim.c tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c
// link: kernel/sync/[!i]*.c
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include "lib/shim.h"
#include "lib/errno.h"
#include "lib/rng.h"
#include "sync/jitter.h"
#include "sync/mutex.h"
#include "sync/rwlock.h"
#include "sync/spinlock.h"
#include "sync/waitq.h"

#define THREADS  4
#define ROUNDS   4000
#define MS       1000000ul
#define WATCHDOG 60 // seconds

static struct shim_thread *threads[THREADS];

static void start_some(unsigned n, void (*body)(void *arg))
{
    static const char *const names[THREADS] = {"t0", "t1", "t2", "t3"};

    for (uintptr_t i = 0; i < n; i++)
        threads[i] = shim_spawn(names[i], body, (void *)i);
}

static void join_some(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        shim_join(threads[i]);
}

static void start_threads(void (*body)(void *arg))
{
    start_some(THREADS, body);
}

static void join_threads(void)
{
    join_some(THREADS);
}

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
            if (rng_below(&rng, 2)) {
                rw_unlock_write(&rwlock);
                continue;
            }
            rw_downgrade(&rwlock);
        } else {
            rw_lock_read(&rwlock);
        }
        CHECK(rw_held(&rwlock) && !rw_held_write(&rwlock), "not a reader");
        CHECK(inside == 0 && counter == twin, "a reader beside a writer: %lu, %lu", counter, twin);
        rw_unlock_read(&rwlock);
    }
}

static void test_spin_exclusion(void)
{
    spin_init(&spin, "spin", LOCK_POOL, 0);
    start_threads(spin_body);
    join_threads();
    CHECK(spin.next == spin.serving && !spin.lock.owner, "%u, %u", spin.next, spin.serving);
}

static void test_mutex_exclusion(void)
{
    mutex_init(&mutex, "mutex", LOCK_OBJECT, 0);
    start_threads(mutex_body);
    join_threads();
    CHECK(mutex.state == MUTEX_FREE && !mutex.lock.owner, "state %u", mutex.state);
    CHECK(list_empty(&mutex.waiters.waiters), "somebody waits");
}

static void test_rwlock_exclusion(void)
{
    rw_init(&rwlock, "rwlock", LOCK_MAP, 0);
    start_threads(rwlock_body);
    join_threads();
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
    CHECK(mutex.state == MUTEX_CONTENDED, "state %u", mutex.state);
    mutex_unlock(&mutex);
    CHECK(!mutex_held(&mutex), "it is the next thread's already");
    mutex_lock(&mutex); // after all who came before
    trace_expect("0123");
    mutex_unlock(&mutex);
    join_threads();
    CHECK(mutex.state == MUTEX_FREE, "state %u", mutex.state);
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
    CHECK(rw_readers(&rwlock) == 1, "%u readers", rw_readers(&rwlock));
    threads[0] = blocked(writer);
    CHECK(!rw_trylock_read(&rwlock) && !rw_trylock_write(&rwlock), "past a waiting writer");
    threads[1] = blocked(reader);
    threads[2] = blocked(reader);
    threads[3] = blocked(writer);
    trace_expect("");
    rw_unlock_read(&rwlock);
    join_threads();
    trace_expect("wWrrwW");
}

static void test_rwlock_downgrade(void)
{
    trace_reset();
    rw_lock_write(&rwlock);
    threads[0] = blocked(reader);
    threads[1] = blocked(reader);
    threads[2] = blocked(writer);
    threads[3] = blocked(writer);
    rw_downgrade(&rwlock);
    CHECK(!rw_held_write(&rwlock) && rw_held(&rwlock), "not a reader");
    shim_join(threads[0]);
    shim_join(threads[1]);
    trace_expect("rr");
    CHECK(shim_blocked(threads[2]) && shim_blocked(threads[3]), "a writer beside a reader");
    rw_unlock_read(&rwlock);
    shim_join(threads[2]);
    shim_join(threads[3]);
    trace_expect("rrwWwW");
}

// ---- Wait queues ----

static struct waitq not_empty, not_full;
static unsigned stock; // 0 or 1
static unsigned long taken;
static bool by_mutex;

static void lock(void)
{
    if (by_mutex)
        mutex_lock(&mutex);
    else
        spin_lock(&spin);
}

static void unlock(void)
{
    if (by_mutex)
        mutex_unlock(&mutex);
    else
        spin_unlock(&spin);
}

static int wait_on(struct waitq *q, unsigned flags, uint64_t deadline)
{
    if (by_mutex)
        return waitq_wait_mutex(q, &mutex, flags, deadline);
    return waitq_wait_spin(q, &spin, flags, deadline);
}

// Half of the threads fill a stock of one and half empty it; each change wakes one thread.
static void trade(void *arg)
{
    bool fill = (uintptr_t)arg % 2;

    for (unsigned i = 0; i < ROUNDS; i++) {
        lock();
        while (stock == fill)
            CHECK(wait_on(fill ? &not_full : &not_empty, 0, WAIT_FOREVER) == 0, "interrupted");
        stock = fill;
        taken += !fill;
        if (i % 2) {
            unlock();
            waitq_wake_one(fill ? &not_empty : &not_full);
        } else {
            waitq_wake_one(fill ? &not_empty : &not_full);
            unlock();
        }
    }
}

// With two threads nobody else's wake-up makes up for a lost one; jitter opens the windows.
static void test_no_lost_wakeups(void)
{
    waitq_init(&not_empty, "not empty");
    waitq_init(&not_full, "not full");
    for (unsigned i = 0; i < 8; i++) {
        unsigned n = i & 4 ? THREADS : 2;
        by_mutex = i & 1;
        jitter_init(shim_seed, i & 2 ? 8 : 0);
        taken = stock = 0;
        start_some(n, trade);
        join_some(n);
        CHECK(taken == ROUNDS * n / 2 && stock == 0, "%lu taken, %u left", taken, stock);
    }
    jitter_init(0, 0);
}

// The long form with a condition that no lock guards: threads pass a number round.
static struct waitq turns;
static unsigned long turn;

static void pass_on(void *arg)
{
    uintptr_t me = (uintptr_t)arg;
    struct waiter w;

    for (unsigned long i = me; i < ROUNDS; i += THREADS) {
        while (__atomic_load_n(&turn, __ATOMIC_RELAXED) != i) {
            waitq_add(&turns, &w);
            if (__atomic_load_n(&turn, __ATOMIC_RELAXED) != i)
                waitq_block(WAIT_NOINTR, WAIT_FOREVER);
            waitq_remove(&w);
        }
        __atomic_store_n(&turn, i + 1, __ATOMIC_RELAXED);
        waitq_wake_all(&turns);
    }
}

static void test_long_form(void)
{
    waitq_init(&turns, "turns");
    start_threads(pass_on);
    join_threads();
    CHECK(turn == ROUNDS, "turn %lu", turn);
    CHECK(waitq_wake_all(&turns) == 0 && waitq_wake_one(&turns) == 0, "woke nobody");
}

// A wake-up that comes while the thread waits for a mutex within its check.
static void check_under_mutex(void *arg)
{
    struct waiter w;

    (void)arg;
    waitq_add(&turns, &w);
    mutex_lock(&mutex);
    mutex_unlock(&mutex);
    CHECK(waitq_block(WAIT_NOINTR, WAIT_FOREVER) == 0, "interrupted");
    waitq_remove(&w);
}

static void test_wake_during_mutex_wait(void)
{
    mutex_lock(&mutex);
    struct shim_thread *t = blocked(check_under_mutex);
    CHECK(waitq_wake_one(&turns) == 1, "nobody woken");
    shim_wait_blocked(t);
    CHECK(shim_kctx(t)->waiting == &mutex.lock && shim_kctx(t)->woken == 1, "woken %u",
          shim_kctx(t)->woken);
    mutex_unlock(&mutex);
    shim_join(t);
}

static int wait_result;

static void wait_with(void *arg)
{
    lock();
    wait_result = wait_on(&turns, (uintptr_t)arg, WAIT_FOREVER);
    unlock();
}

static void test_signals(void)
{
    static const unsigned flags[] = {WAIT_INTR, WAIT_KILLABLE, WAIT_NOINTR};
    static const bool ends[][3] = {{true, true}, {false, true}, {false, false}};

    for (unsigned i = 0; i < array_len(flags); i++)
        for (int fatal = 0; fatal < 2; fatal++) {
            struct shim_thread *t = shim_spawn("wait", wait_with, (void *)(uintptr_t)flags[i]);
            shim_wait_blocked(t);
            shim_signal(t, fatal ? SHIM_FATAL : SHIM_SIGNAL);
            if (!ends[i][fatal]) {
                shim_sleep(2 * MS);
                CHECK(shim_blocked(t), "flags %u, fatal %d: ended", flags[i], fatal);
                CHECK(waitq_wake_all(&turns) == 1, "not on the queue");
            }
            shim_join(t);
            int expected = ends[i][fatal] ? EINTR : 0;
            CHECK(wait_result == expected, "flags %u, fatal %d: %d", flags[i], fatal, wait_result);
            CHECK(list_empty(&turns.waiters), "left on the queue");
        }
}

// The thread leaves its block for the signal, but before it is off the queue it is chosen.
static void test_wakeup_beats_signal(void)
{
    struct shim_thread *t = shim_spawn("wait", wait_with, (void *)(uintptr_t)WAIT_INTR);

    shim_wait_blocked(t);
    spin_lock(&turns.lock);
    shim_signal(t, SHIM_SIGNAL);
    while (shim_blocked(t))
        shim_sleep(100000);
    struct waiter *w = list_first(&turns.waiters, struct waiter, link);
    __atomic_add_fetch(&w->who->woken, 1, __ATOMIC_RELEASE);
    waitq_grant(&turns, w);
    spin_unlock(&turns.lock);
    shim_join(t);
    CHECK(wait_result == 0, "got %d: the wake-up is lost", wait_result);
}

static void test_deadlines(void)
{
    for (int i = 0; i < 2; i++) {
        by_mutex = i;
        uint64_t before = shim_now();
        lock();
        int err = wait_on(&turns, 0, before + 5 * MS);
        CHECK(err == ETIMEDOUT && shim_now() >= before + 5 * MS, "got %d", err);
        CHECK(list_empty(&turns.waiters), "left on the queue");
        err = wait_on(&turns, WAIT_NOINTR, before);
        CHECK(err == ETIMEDOUT, "a deadline in the past: %d", err);
        CHECK(by_mutex ? mutex_held(&mutex) : spin_held(&spin), "the lock is not back");
        unlock();
        CHECK(kctx_current()->woken == 0, "woken %u", kctx_current()->woken);
    }
}

static void test_wake_counts(void)
{
    by_mutex = false;
    start_threads(wait_with);
    for (unsigned i = 0; i < THREADS; i++)
        shim_wait_blocked(threads[i]);
    CHECK(waitq_wake_one(&turns) == 1, "one");
    CHECK(waitq_wake_all(&turns) == THREADS - 1, "all the others");
    CHECK(waitq_wake_all(&turns) == 0, "nobody is left");
    join_threads();
}

static void *watchdog(void *arg)
{
    (void)arg;
    sleep(WATCHDOG);
    shim_fail("no end after %d s: a wake-up was lost", WATCHDOG);
}

int main(int argc, char **argv)
{
    pthread_t dog;

    shim_main(argc, argv);
    pthread_create(&dog, NULL, watchdog, NULL);
    pthread_detach(dog);
    RUN(test_spin_exclusion);
    RUN(test_mutex_exclusion);
    RUN(test_rwlock_exclusion);
    RUN(test_mutex_order);
    RUN(test_rwlock_order);
    RUN(test_rwlock_downgrade);
    RUN(test_no_lost_wakeups);
    RUN(test_long_form);
    RUN(test_wake_during_mutex_wait);
    RUN(test_signals);
    RUN(test_wakeup_beats_signal);
    RUN(test_deadlines);
    RUN(test_wake_counts);
    return shim_done();
}
