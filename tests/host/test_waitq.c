// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of kernel/sync/waitq with several threads: wake-ups that must not get lost, signals
// and deadlines. A lost wake-up shows as a hang, which the watchdog ends.
//
// link: tests/host/lib/shim.c tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c
// link: kernel/sync/[!i]*.c
#include <stdio.h>
#include "lib/shim.h"
#include "amd64/clock.h"
#include "lib/errno.h"
#include "sync/jitter.h"
#include "sync/mutex.h"
#include "sync/waitq.h"

#define THREADS 4
#define ROUNDS  4000
#define MS      1000000ul

static struct shim_thread *threads[THREADS];
static struct spinlock spin;
static struct mutex mutex;

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
        shim_run_threads(n, trade);
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
    shim_run_threads(THREADS, pass_on);
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
    struct shim_thread *t = shim_spawn("checking", check_under_mutex, NULL);
    shim_wait_blocked(t);
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
        uint64_t before = clock_ns();
        lock();
        int err = wait_on(&turns, 0, before + 5 * MS);
        CHECK(err == ETIMEDOUT && clock_ns() >= before + 5 * MS, "got %d", err);
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
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i] = shim_spawn("wait", wait_with, NULL);
        shim_wait_blocked(threads[i]);
    }
    CHECK(waitq_wake_one(&turns) == 1, "one");
    CHECK(waitq_wake_all(&turns) == THREADS - 1, "all the others");
    CHECK(waitq_wake_all(&turns) == 0, "nobody is left");
    for (unsigned i = 0; i < THREADS; i++)
        shim_join(threads[i]);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    shim_watchdog(60);
    spin_init(&spin, "spin", LOCK_POOL, 0);
    mutex_init(&mutex, "mutex", LOCK_OBJECT, 0);
    RUN(test_no_lost_wakeups);
    RUN(test_long_form);
    RUN(test_wake_during_mutex_wait);
    RUN(test_signals);
    RUN(test_wakeup_beats_signal);
    RUN(test_deadlines);
    RUN(test_wake_counts);
    return shim_done();
}
