// SPDX-License-Identifier: BSD-2-Clause
//
// Sleeping mutexes: mutual exclusion over sections that may sleep. Owner-checked, not recursive,
// not for interrupt handlers. Waiters are served in order. Taking and releasing one are preemption points when jitter is on.
#pragma once

#include "sync/lock_check.h"
#include "sync/waitq.h"

struct mutex {
    struct lock lock;
    struct waitq waiters;
};

// flags: 0 or LOCK_NESTED.
void mutex_init(struct mutex *m, const char *name, enum lock_rank rank, unsigned flags);
void mutex_lock(struct mutex *m);
bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);
static inline bool mutex_held(const struct mutex *m)
{
    return lock_held(&m->lock);
}
