// SPDX-License-Identifier: BSD-2-Clause
//
// Sleeping mutexes: mutual exclusion over sections that may sleep. Owner-checked, not recursive,
// not for interrupt handlers. Fair: a release with threads waiting hands the mutex to the one that
// has waited longest. Taking and releasing one are preemption points when jitter is on.
#pragma once

#include "sync/lock_check.h"
#include "sync/waitq.h"

struct mutex {
    struct lock lock;
    uint32_t state;             // enum mutex_state; atomic
    struct waitq waiters;
};

enum mutex_state {
    MUTEX_FREE,
    MUTEX_HELD,                 // and nobody waits
    MUTEX_CONTENDED,            // held, and a release must hand it over
};

// flags: 0 or LOCK_NESTED.
void mutex_init(struct mutex *m, const char *name, enum lock_rank rank, unsigned flags);
void mutex_lock(struct mutex *m);
bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);
static inline bool mutex_held(const struct mutex *m)
{
    return lock_owned(&m->lock);
}
