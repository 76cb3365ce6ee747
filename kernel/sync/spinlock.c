// SPDX-License-Identifier: BSD-2-Clause
//
// Test-and-test-and-set spinlocks. They are not fair, on purpose: where the host has fewer CPUs
// than the guest, a queue would wait for a virtual CPU that does not run, while this one gives the
// lock to whoever does. Interrupts go off first: a handler on the same CPU could otherwise wait for
// the thread that it interrupted.
#include "lib/panic.h"
#include "sync/irq.h"
#include "sync/jitter.h"
#include "sync/spinlock.h"

void spin_init(struct spinlock *l, const char *name, enum lock_rank rank, unsigned flags)
{
    lock_init(&l->lock, name, rank, LOCK_SPIN | flags);
    l->taken = 0;
}

// Where the caller's caller is, in the kernel's last 2 GiB: what a lock holds while it is taken.
#define PLACE ((uint32_t)(uintptr_t)__builtin_return_address(0))

static inline bool take(struct spinlock *l, uint32_t place)
{
    return !__atomic_exchange_n(&l->taken, place, __ATOMIC_ACQUIRE);
}

static __attribute__((noinline)) void wait_and_take(struct spinlock *l, uint32_t place)
{
    struct kctx *ctx = kctx_current();
    struct lock *outer = ctx->waiting; // a sleeping lock whose queue this is, say

    ctx->waiting = &l->lock;
    do {
        while (__atomic_load_n(&l->taken, __ATOMIC_RELAXED)) {
            cpu_relax();
            spin_poll();
        }
    } while (!take(l, place));
    ctx->waiting = outer;
}

void spin_lock(struct spinlock *l)
{
    struct kctx *ctx = kctx_current();

    irq_push();
    lock_note_acquire(ctx, &l->lock);
    if (__builtin_expect(!take(l, PLACE), 0))
        wait_and_take(l, PLACE);
    lock_note_acquired(ctx, &l->lock);
    l->lock.owner = ctx;
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

void spin_unlock(struct spinlock *l)
{
    // The locks that a scheduler takes on its way to another thread are no preemption points.
    bool may_yield = l->lock.rank < LOCK_TIMER;

    lock_note_release(kctx_current(), &l->lock);
    l->lock.owner = NULL;
    __atomic_store_n(&l->taken, 0, __ATOMIC_RELEASE);
    irq_pop();
    if (may_yield)
        jitter_point();
}
