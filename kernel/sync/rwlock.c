// SPDX-License-Identifier: BSD-2-Clause
//
// Reader-writer locks. One atomic word holds the number of readers, RW_WRITER and RW_WAITERS.
// With RW_WAITERS clear, all is done on that word alone. A thread that must wait sets it under
// the queue's lock; from then on newcomers queue up too, and whoever empties the lock (the
// writer, or the last reader) hands it over under the queue's lock. So the lock is never free
// while a thread waits, nobody overtakes, and no wake-up can be lost.
#include "lib/atomic.h"
#include "lib/panic.h"
#include "sync/jitter.h"
#include "sync/rwlock.h"

struct rw_waiter {
    struct waiter waiter;
    bool write;
};

void rw_init(struct rwlock *l, const char *name, enum lock_rank rank, unsigned flags)
{
    lock_init(&l->lock, name, rank, flags);
    l->state = 0;
    waitq_init(&l->waiters, name);
}

static inline bool change(struct rwlock *l, uint32_t from, uint32_t to)
{
    return compare_swap(&l->state, &from, to);
}

// Enters if nobody is in the way.
static inline bool try_enter(struct rwlock *l, bool write)
{
    uint32_t s = load_relaxed(&l->state);

    if (write)
        return s == 0 && change(l, 0, RW_WRITER);
    while (!(s & (RW_WRITER | RW_WAITERS))) {
        if (change(l, s, s + 1))
            return true;
        s = load_relaxed(&l->state);
    }
    return false;
}

// Announces a waiter; false if the lock became free meanwhile. The queue is locked.
static bool set_waiters(struct rwlock *l)
{
    uint32_t s = load_relaxed(&l->state);

    KASSERT(spin_held(&l->waiters.lock), "rwlock %s: queue", l->lock.name);
    while (s != 0 && !(s & RW_WAITERS)) {
        if (change(l, s, s | RW_WAITERS))
            return true;
        s = load_relaxed(&l->state);
    }
    return s != 0;
}

static void rw_wait(struct rwlock *l, bool write)
{
    struct kctx *ctx = kctx_current();
    struct rw_waiter w = {.write = write};

    spin_lock(&l->waiters.lock);
    while (!set_waiters(l)) {
        if (try_enter(l, write)) {
            spin_unlock(&l->waiters.lock);
            return;
        }
    }
    ctx->waiting = &l->lock;
    lock_count_contended();
    waitq_enqueue(&l->waiters, &w.waiter);
    waitq_wait_granted(&l->waiters, &w.waiter);
    ctx->waiting = NULL;
}

// The oldest waiter, or NULL.
static struct rw_waiter *first_waiter(struct rwlock *l)
{
    return list_first(&l->waiters.waiters, struct rw_waiter, waiter.link);
}

// Lets in the readers at the head of the queue.
static void grant_readers(struct rwlock *l)
{
    struct rw_waiter *w;
    uint32_t readers = 0;

    KASSERT(spin_held(&l->waiters.lock), "rwlock %s: queue", l->lock.name);
    while ((w = first_waiter(l)) && !w->write) {
        waitq_grant(&l->waiters, &w->waiter);
        readers++;
    }
    store_release(&l->state, readers | (w ? RW_WAITERS : 0));
}

// Hands the lock, which nobody is inside of, to the oldest waiter and its like.
OFF_THE_WAY static void hand_over(struct rwlock *l)
{
    spin_lock(&l->waiters.lock);
    struct rw_waiter *w = first_waiter(l);
    KASSERT(w, "rwlock %s: state %#x and nobody waits", l->lock.name, l->state);
    if (w->write) {
        l->lock.owner = w->waiter.who;
        waitq_grant(&l->waiters, &w->waiter);
        store_release(&l->state, RW_WRITER | (first_waiter(l) ? RW_WAITERS : 0));
    } else {
        grant_readers(l);
    }
    spin_unlock(&l->waiters.lock);
}

static inline void entered(struct kctx *ctx, struct rwlock *l, bool write)
{
    if (write)
        l->lock.owner = ctx;
    lock_note_acquired(ctx, &l->lock);
}

// What is out of the common order, if that may be, or taken.
OFF_THE_WAY static void lock_unusual(struct rwlock *l, bool write)
{
    struct kctx *ctx = kctx_current();

    jitter_point();
    if (!lock_in_order(ctx, &l->lock))
        lock_check_order(&l->lock);
    if (!try_enter(l, write))
        rw_wait(l, write);
    entered(ctx, l, write);
}

static inline void rw_lock(struct rwlock *l, bool write)
{
    struct kctx *ctx = kctx_current();

    if (!jitter_one_in && lock_in_order(ctx, &l->lock) && __builtin_expect(try_enter(l, write), 1))
        entered(ctx, l, write);
    else
        lock_unusual(l, write);
}

void rw_lock_read(struct rwlock *l)
{
    assert_may_sleep("rw_lock_read");
    rw_lock(l, false);
}

void rw_lock_write(struct rwlock *l)
{
    assert_may_sleep("rw_lock_write");
    rw_lock(l, true);
}

bool rw_trylock_read(struct rwlock *l)
{
    if (!try_enter(l, false))
        return false;
    lock_note_tried(kctx_current(), &l->lock);
    return true;
}

bool rw_trylock_write(struct rwlock *l)
{
    if (!try_enter(l, true))
        return false;
    l->lock.owner = kctx_current();
    lock_note_tried(l->lock.owner, &l->lock);
    return true;
}

static inline void release(struct kctx *ctx, struct rwlock *l, bool write)
{
    lock_note_release(ctx, &l->lock);
    if (write)
        l->lock.owner = NULL;
    if (write ? !change(l, RW_WRITER, 0) : sub_acq_rel(&l->state, 1) == RW_WAITERS)
        hand_over(l);
}

OFF_THE_WAY static void release_unusual(struct rwlock *l, bool write)
{
    release(kctx_current(), l, write);
    jitter_point();
}

static inline void rw_unlock(struct rwlock *l, bool write)
{
    struct kctx *ctx = kctx_current();

    if (lock_is_last(ctx, &l->lock))
        release(ctx, l, write);
    else
        release_unusual(l, write);
}

void rw_unlock_read(struct rwlock *l)
{
    KASSERT(!lock_owned(&l->lock), "rwlock %s is held for writing", l->lock.name);
    rw_unlock(l, false);
}

void rw_unlock_write(struct rwlock *l)
{
    KASSERT(lock_owned(&l->lock), "rwlock %s is not held for writing", l->lock.name);
    rw_unlock(l, true);
}
