// SPDX-License-Identifier: BSD-2-Clause
//
// Sleeping reader-writer locks. A waiting writer keeps new readers out. Not recursive, not even
// for readers. Fair: a release hands the lock to the thread that has waited longest, and if that
// is a reader, to all readers that wait before the next writer. Taking and releasing one are
// preemption points when jitter is on.
#pragma once

#include "lib/atomic.h"
#include "sync/lock_check.h"
#include "sync/waitq.h"

struct rwlock {
    struct lock lock;           // owner: the writer
    uint32_t state;             // readers inside, RW_WRITER, RW_WAITERS; atomic
    struct waitq waiters;       // not empty exactly if RW_WAITERS is set
};

#define RW_WRITER  (1u << 31)   // a writer is inside
#define RW_WAITERS (1u << 30)   // a release must hand over; new readers stay out

void rw_init(struct rwlock *l, const char *name, enum lock_rank rank, unsigned flags);
void rw_lock_read(struct rwlock *l);
void rw_lock_write(struct rwlock *l);
MUST_CHECK bool rw_trylock_read(struct rwlock *l);
MUST_CHECK bool rw_trylock_write(struct rwlock *l);
void rw_unlock_read(struct rwlock *l);
void rw_unlock_write(struct rwlock *l);
static inline bool rw_held_write(const struct rwlock *l)
{
    return lock_owned(&l->lock);
}
static inline bool rw_held(const struct rwlock *l)
{
    return lock_owned(&l->lock) || lock_held(&l->lock);
}
