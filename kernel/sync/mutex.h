// SPDX-License-Identifier: BSD-2-Clause
//
// Sleeping mutexes: mutual exclusion over sections that may sleep. Owner-checked, not recursive,
// not for interrupt handlers. Nearly fair: threads get it in the order in which they came, but
// while one is being woken, others may overtake it; after that it is next. Taking and releasing one
// are preemption points when jitter is on.
#pragma once

#include "lib/atomic.h"
#include "sync/lock_check.h"
#include "sync/waitq.h"

struct mutex {
    struct lock lock;
    uint32_t state;             // bits of enum mutex_state; 0: free; atomic
    struct waitq waiters;
};

enum mutex_state {
    MUTEX_HELD = 1,
    MUTEX_WAITED = 2,           // somebody is on the queue
    MUTEX_WOKEN = 4,            // somebody was woken and is on its way
    MUTEX_HANDOFF = 8,          // the next release must hand the mutex over
};

// flags: 0 or LOCK_NESTED.
static inline void mutex_init(struct mutex *m, const char *name, enum lock_rank rank,
                              unsigned flags)
{
    lock_init(&m->lock, name, rank, flags);
    m->state = 0;
    waitq_init(&m->waiters, name);
}
void mutex_lock(struct mutex *m);
MUST_CHECK bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);
// Before the memory of a mutex that several knew is used again: it is free, and when this returns
// nobody is still on the way out of mutex_unlock.
static inline void mutex_retire(struct mutex *m)
{
    while (__builtin_expect(load_acquire(&m->waiters.lock.taken), 0))
        spin_hint();
}
static inline bool mutex_held(const struct mutex *m)
{
    return lock_owned(&m->lock);
}
