// SPDX-License-Identifier: BSD-2-Clause
//
// Test-and-test-and-set spinlocks. They are not fair, on purpose: where the host has fewer CPUs
// than the guest, a queue would wait for a virtual CPU that does not run, while this one gives the
// lock to whoever does. Interrupts go off first: a handler on the same CPU could otherwise wait for
// the thread that it interrupted.
#include "lib/atomic.h"
#include "lib/panic.h"
#include "sync/irq.h"
#include "sync/jitter.h"
#include "sync/spinlock.h"

// Where the caller's caller is, in the kernel's last 2 GiB: what a lock holds while it is taken.
#define PLACE ((uint32_t)(uintptr_t)__builtin_return_address(0))

// Where it is taken already, that it was taken there stays.
static inline bool take(struct spinlock *l, uint32_t place)
{
    uint32_t nowhere = 0;

    return compare_swap(&l->taken, &nowhere, place);
}

static inline void taken(struct kctx *ctx, struct spinlock *l)
{
    lock_note_acquired(ctx, &l->lock);
    l->lock.owner = ctx;
}

// What is out of the common order, if that may be, or held by another CPU.
OFF_THE_WAY static void wait_and_take(struct spinlock *l, uint32_t place)
{
    struct kctx *ctx = kctx_current();
    struct lock *outer = ctx->waiting; // a sleeping lock whose queue this is, say

    if (!lock_in_order(ctx, &l->lock))
        lock_check_order(&l->lock);
    ctx->waiting = &l->lock;
    while (!take(l, place)) {
        lock_count_contended();
        while (load_relaxed(&l->taken)) {
            cpu_relax();
            spin_poll();
        }
    }
    ctx->waiting = outer;
    taken(ctx, l);
}

void spin_lock(struct spinlock *l)
{
    struct kctx *ctx = kctx_current();

    irq_push();
    if (lock_in_order(ctx, &l->lock) && __builtin_expect(take(l, PLACE), 1))
        taken(ctx, l);
    else
        wait_and_take(l, PLACE);
}

bool spin_trylock(struct spinlock *l)
{
    struct kctx *ctx = kctx_current();

    irq_push();
    if (!take(l, PLACE)) {
        irq_pop();
        return false;
    }
    lock_note_tried(ctx, &l->lock);
    l->lock.owner = ctx;
    return true;
}

static inline void release(struct kctx *ctx, struct spinlock *l)
{
    lock_note_release(ctx, &l->lock);
    l->lock.owner = NULL;
    store_release(&l->taken, 0);
    irq_pop();
}

// The locks that a scheduler takes on its way to another thread are no preemption points.
OFF_THE_WAY static void release_unusual(struct spinlock *l)
{
    bool may_yield = l->lock.rank < LOCK_TIMER;

    release(kctx_current(), l);
    if (may_yield)
        jitter_point();
}

void spin_unlock(struct spinlock *l)
{
    struct kctx *ctx = kctx_current();

    if (lock_is_last(ctx, &l->lock))
        release(ctx, l);
    else
        release_unusual(l);
}
