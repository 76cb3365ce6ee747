// SPDX-License-Identifier: BSD-2-Clause
//
// Ticket spinlocks: a thread draws the next ticket and waits until it is served, so that CPUs get
// the lock in the order they asked. Interrupts go off before the ticket is drawn: a handler on
// the same CPU could otherwise wait for the thread that it interrupted.
#include "lib/panic.h"
#include "sync/irq.h"
#include "sync/jitter.h"
#include "sync/spinlock.h"

void spin_init(struct spinlock *l, const char *name, enum lock_rank rank, unsigned flags)
{
    lock_init(&l->lock, name, rank, LOCK_SPIN | flags);
    l->next = l->serving = 0;
}

static __attribute__((noinline)) void wait_for_ticket(struct spinlock *l, uint32_t ticket)
{
    struct kctx *ctx = kctx_current();
    struct lock *outer = ctx->waiting; // a sleeping lock whose queue this is, say

    ctx->waiting = &l->lock;
    while (__atomic_load_n(&l->serving, __ATOMIC_ACQUIRE) != ticket) {
        cpu_relax();
        spin_poll();
    }
    ctx->waiting = outer;
}

void spin_lock(struct spinlock *l)
{
    struct kctx *ctx = kctx_current();

    irq_push();
    lock_note_acquire(ctx, &l->lock);
    uint32_t ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_ACQUIRE);
    if (__builtin_expect(__atomic_load_n(&l->serving, __ATOMIC_ACQUIRE) != ticket, 0))
        wait_for_ticket(l, ticket);
    lock_note_acquired(ctx, &l->lock);
    l->lock.owner = ctx;
}

bool spin_trylock(struct spinlock *l)
{
    struct kctx *ctx = kctx_current();

    irq_push();
    uint32_t ticket = __atomic_load_n(&l->serving, __ATOMIC_ACQUIRE);
    if (!__atomic_compare_exchange_n(&l->next, &ticket, ticket + 1, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED)) {
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
    __atomic_store_n(&l->serving, l->serving + 1, __ATOMIC_RELEASE);
    irq_pop();
    if (may_yield)
        jitter_point();
}
