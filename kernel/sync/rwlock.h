// SPDX-License-Identifier: BSD-2-Clause
//
// Sleeping reader-writer locks. A waiting writer keeps new readers out. Not recursive, not even
// for readers. Waiters are served in order. Taking and releasing one are preemption points when jitter is on.
#pragma once

#include "sync/lock_check.h"
#include "sync/waitq.h"

struct rwlock {
    struct lock lock;           // owner: the writer
    struct waitq waiters;       // its spinlock also guards:
    unsigned readers;           // readers inside
    unsigned writers_waiting;
};

void rw_init(struct rwlock *l, const char *name, enum lock_rank rank, unsigned flags);
void rw_lock_read(struct rwlock *l);
void rw_lock_write(struct rwlock *l);
bool rw_trylock_read(struct rwlock *l);
bool rw_trylock_write(struct rwlock *l);
void rw_unlock_read(struct rwlock *l);
void rw_unlock_write(struct rwlock *l);
void rw_downgrade(struct rwlock *l);        // writer becomes reader
static inline bool rw_held_write(const struct rwlock *l)
{
    return lock_held(&l->lock) && l->lock.owner;
}
static inline bool rw_held(const struct rwlock *l)
{
    return lock_held(&l->lock);
}
