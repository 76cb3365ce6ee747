// SPDX-License-Identifier: BSD-2-Clause
//
// Sleeping mutexes. One atomic word decides: FREE to HELD takes the mutex and HELD to FREE
// releases it, without the wait queue. A thread that must wait makes the word CONTENDED under the
// queue's lock; then a release fails its fast path and, under the same lock, hands the mutex to
// the oldest waiter without ever making it free, so nobody can overtake and no wake-up can be
// lost. Invariant, under the queue's lock: the queue is empty unless the word is CONTENDED.
#include "lib/panic.h"
#include "sync/jitter.h"
#include "sync/mutex.h"

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank, unsigned flags)
{
    lock_init(&m->lock, name, rank, flags);
    m->state = MUTEX_FREE;
    waitq_init(&m->waiters, name);
}

static inline bool change(struct mutex *m, uint32_t from, uint32_t to)
{
    return __atomic_compare_exchange_n(&m->state, &from, to, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

// Waits until the mutex is handed to this thread, or finds that it has become free. Out of line, so
// that the fast path need not save registers for it.
static __attribute__((noinline)) void mutex_wait(struct mutex *m)
{
    struct kctx *ctx = kctx_current();
    struct waiter w;

    spin_lock(&m->waiters.lock);
    if (__atomic_exchange_n(&m->state, MUTEX_CONTENDED, __ATOMIC_ACQUIRE) == MUTEX_FREE) {
        // Free means that nobody waits, and nobody can begin to while we have the queue.
        __atomic_store_n(&m->state, MUTEX_HELD, __ATOMIC_RELAXED);
        m->lock.owner = ctx;
        spin_unlock(&m->waiters.lock);
        return;
    }
    ctx->waiting = &m->lock;
    waitq_enqueue(&m->waiters, &w);
    waitq_wait_granted(&m->waiters, &w);
    ctx->waiting = NULL;
}

void mutex_lock(struct mutex *m)
{
    struct kctx *ctx = kctx_current();

    assert_may_sleep("mutex_lock");
    jitter_point();
    lock_note_acquire(ctx, &m->lock);
    if (__builtin_expect(change(m, MUTEX_FREE, MUTEX_HELD), 1))
        m->lock.owner = ctx;
    else
        mutex_wait(m);
    lock_note_acquired(ctx, &m->lock);
}

bool mutex_trylock(struct mutex *m)
{
    if (!change(m, MUTEX_FREE, MUTEX_HELD))
        return false;
    m->lock.owner = kctx_current();
    lock_note_tried(m->lock.owner, &m->lock);
    return true;
}

// Makes the oldest waiter the owner.
static __attribute__((noinline)) void mutex_hand_over(struct mutex *m)
{
    spin_lock(&m->waiters.lock);
    struct waiter *w = list_first(&m->waiters.waiters, struct waiter, link);
    KASSERT(w, "mutex %s is contended (%u) and nobody waits", m->lock.name, m->state);
    m->lock.owner = w->who;
    waitq_grant(&m->waiters, w);
    if (list_empty(&m->waiters.waiters))
        __atomic_store_n(&m->state, MUTEX_HELD, __ATOMIC_RELEASE);
    spin_unlock(&m->waiters.lock);
}

void mutex_unlock(struct mutex *m)
{
    lock_note_release(kctx_current(), &m->lock);
    m->lock.owner = NULL;
    if (__builtin_expect(!change(m, MUTEX_HELD, MUTEX_FREE), 0))
        mutex_hand_over(m);
    jitter_point();
}
