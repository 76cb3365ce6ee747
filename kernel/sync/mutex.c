// SPDX-License-Identifier: BSD-2-Clause
//
// Sleeping mutexes. Where nobody waits, one atomic operation takes the mutex and one releases it.
//
// A thread that finds it held spins for a while if the owner runs on another CPU, as in FreeBSD's
// and NetBSD's adaptive mutexes, and then queues up. A release with threads waiting makes the mutex
// free and wakes the oldest of them, but does not wait for it: others may take the mutex meanwhile.
// Handing it over at once would give a convoy, in which each holder's next round waits for a switch
// of threads. To starve nobody, a thread that comes too late goes to the queue's front and asks for
// MUTEX_HANDOFF: then the next release gives it the mutex without ever making it free. (Go's
// sync.Mutex and Linux's mutexes do the same.)
//
// A release that sees only MUTEX_HELD is one compare-and-swap; all else is done under the queue's
// lock, but for MUTEX_HELD, which may be set at any time while it is clear. Invariants, under the
// queue's lock: the queue is empty unless MUTEX_WAITED is set; with MUTEX_HANDOFF it is not, and
// the mutex is held; MUTEX_WOKEN is set from a wake-up until the woken thread has the mutex or is
// back on the queue, and nobody else is woken for it meanwhile.
#include "lib/atomic.h"
#include "lib/panic.h"
#include "sync/irq.h"
#include "sync/jitter.h"
#include "sync/mutex.h"

#define SPINS 100 // a few times what a page fault holds its object for

// Changes the state if it is still `*from'; else tells what it is.
static inline bool change(struct mutex *m, uint32_t *from, uint32_t to)
{
    return compare_swap(&m->state, from, to);
}

// `gone': the bits that this thread has to take back with it.
static bool take(struct mutex *m, uint32_t gone)
{
    uint32_t state = load_relaxed(&m->state);

    while (!(state & MUTEX_HELD)) {
        if (change(m, &state, (state & ~gone) | MUTEX_HELD)) {
            m->lock.owner = kctx_current();
            return true;
        }
    }
    return false;
}

// If the owner is on a CPU, and so on its way to the release, or just comes or goes.
static bool owner_runs(const struct mutex *m)
{
    const struct kctx *owner = load_relaxed(&m->lock.owner);

    for (unsigned i = 0; owner && i < ncpus; i++)
        if (load_relaxed(&percpu_of[i]->kctx) == owner)
            return true;
    return !owner;
}

static bool spin(struct mutex *m, uint32_t gone)
{
    for (unsigned i = 0; i < SPINS && ncpus > 1 && owner_runs(m); i++) {
        if (take(m, gone))
            return true;
        cpu_relax();
        spin_poll();
    }
    return false;
}

// Takes the mutex, or changes the state to what a thread in the queue wants. Queue locked.
static bool take_or_wait(struct mutex *m, uint32_t gone, uint32_t wanted)
{
    uint32_t state = load_relaxed(&m->state);

    KASSERT(spin_held(&m->waiters.lock), "mutex %s: queue", m->lock.name);
    do {
        if (take(m, gone))
            return true;
        state |= MUTEX_HELD;
    } while (!change(m, &state, (state & ~gone) | wanted));
    return false;
}

static void mutex_wait(struct mutex *m)
{
    struct kctx *ctx = kctx_current();
    struct waiter w;
    uint32_t gone = 0, wanted = MUTEX_WAITED;

    ctx->waiting = &m->lock;
    lock_count_contended();
    while (!spin(m, gone)) {
        spin_lock(&m->waiters.lock);
        if (take_or_wait(m, gone, wanted)) {
            spin_unlock(&m->waiters.lock);
            break;
        }
        waitq_enqueue(&m->waiters, &w);
        if (gone) {
            list_remove(&w.link);
            list_push_front(&m->waiters.waiters, &w.link);
        }
        waitq_wait_granted(&m->waiters, &w);
        if (lock_owned(&m->lock))
            break;
        gone = MUTEX_WOKEN;
        wanted = MUTEX_WAITED | MUTEX_HANDOFF;
    }
    ctx->waiting = NULL;
}

// What is out of the common order, if that may be, or taken.
OFF_THE_WAY static void lock_unusual(struct mutex *m)
{
    struct kctx *ctx = kctx_current();

    jitter_point();
    if (!lock_in_order(ctx, &m->lock))
        lock_check_order(&m->lock);
    if (!take(m, 0))
        mutex_wait(m);
    lock_note_acquired(ctx, &m->lock);
}

void mutex_lock(struct mutex *m)
{
    struct kctx *ctx = kctx_current();

    uint32_t state = 0;

    assert_may_sleep("mutex_lock");
    if (!jitter_one_in && lock_in_order(ctx, &m->lock) &&
        __builtin_expect(change(m, &state, MUTEX_HELD), 1)) {
        m->lock.owner = ctx;
        lock_note_acquired(ctx, &m->lock);
    } else {
        lock_unusual(m);
    }
}

bool mutex_trylock(struct mutex *m)
{
    if (!take(m, 0))
        return false;
    lock_note_tried(m->lock.owner, &m->lock);
    return true;
}

// The owner is NULL, and somebody waits or was woken.
OFF_THE_WAY static void release_contended(struct mutex *m)
{
    spin_lock(&m->waiters.lock);
    uint32_t state = load_relaxed(&m->state);
    struct waiter *w = list_first(&m->waiters.waiters, struct waiter, link);
    KASSERT(state & MUTEX_HELD && (w || !(state & (MUTEX_WAITED | MUTEX_HANDOFF))),
            "mutex %s: state %x, first waiter %p", m->lock.name, state, (void *)w);

    if (state & MUTEX_HANDOFF || (w && !(state & MUTEX_WOKEN))) {
        bool handoff = state & MUTEX_HANDOFF;
        if (handoff)
            m->lock.owner = w->who;
        waitq_grant(&m->waiters, w);
        state = (handoff ? MUTEX_HELD : MUTEX_WOKEN) |
                (list_empty(&m->waiters.waiters) ? 0 : MUTEX_WAITED);
    } else {
        state &= ~MUTEX_HELD;
    }
    store_release(&m->state, state);
    spin_unlock(&m->waiters.lock);
}

static inline void release(struct kctx *ctx, struct mutex *m)
{
    uint32_t state = MUTEX_HELD;

    lock_note_release(ctx, &m->lock);
    m->lock.owner = NULL;
    if (__builtin_expect(!change(m, &state, 0), 0))
        release_contended(m);
}

OFF_THE_WAY static void release_unusual(struct mutex *m)
{
    release(kctx_current(), m);
    jitter_point();
}

void mutex_unlock(struct mutex *m)
{
    struct kctx *ctx = kctx_current();

    if (lock_is_last(ctx, &m->lock))
        release(ctx, m);
    else
        release_unusual(m);
}

int waitq_wait_mutex(struct waitq *q, struct mutex *m, unsigned flags, uint64_t deadline_ns)
{
    struct waiter w;

    KASSERT(mutex_held(m), "mutex %s is not held", m->lock.name);
    waitq_add(q, &w);
    mutex_unlock(m);
    int error = waitq_block_and_remove(&w, flags, deadline_ns);
    mutex_lock(m);
    return error;
}
