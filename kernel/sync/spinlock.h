// SPDX-License-Identifier: BSD-2-Clause
//
// Spinlocks for short sections that never sleep. Interrupts are off while one is held, so they
// may be taken in interrupt handlers. Waiting calls spin_poll. Not recursive, not fair.
// Releasing the last one is a preemption point when jitter is on, except for the locks that
// the scheduler itself works with (LOCK_TIMER and beyond).
#pragma once

#include "lib/atomic.h"
#include "sync/lock_check.h"

struct spinlock {
    struct lock lock;
    // while held: the low half of the address that it was taken from; atomic
    uint32_t taken;
};

// Where a spinlock that is held was taken, for reports.
static inline uintptr_t spin_place(const struct spinlock *l)
{
    return (uintptr_t)(int32_t)load_relaxed(&l->taken);
}

#define SPINLOCK_INIT(nm, rk, fl)                                                                  \
    {.lock = {.name = (nm), .rank = (rk), .flags = LOCK_SPIN | (fl)}}

// flags: 0 or LOCK_NESTED. The name must outlive the lock.
static inline void spin_init(struct spinlock *l, const char *name, enum lock_rank rank,
                             unsigned flags)
{
    lock_init(&l->lock, name, rank, LOCK_SPIN | flags);
    l->taken = 0;
}
void spin_lock(struct spinlock *l);
MUST_CHECK bool spin_trylock(struct spinlock *l);
void spin_unlock(struct spinlock *l);
static inline bool spin_held(const struct spinlock *l)
{
    return lock_owned(&l->lock);
}
