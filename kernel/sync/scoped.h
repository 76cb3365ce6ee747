// SPDX-License-Identifier: BSD-2-Clause
//
// Locks that are held to the end of the block that takes them, whichever way it is left:
//
//     SPIN_SCOPED(&p->sig_lock);
//     if (!p->exiting)
//         return ESRCH;
//
// What is returned is computed before the lock is released. Not where the block is left by a
// function that never returns, which would keep the lock.
#pragma once

#include "sync/mutex.h"
#include "sync/spinlock.h"

static inline void spin_scope_ends(struct spinlock **l)
{
    spin_unlock(*l);
}

static inline void mutex_scope_ends(struct mutex **l)
{
    mutex_unlock(*l);
}

#define SCOPED_NAME_(line) scoped_##line##_
#define SCOPED_LOCK_(type, l, take, give, line)                                                    \
    __attribute__((cleanup(give), unused)) struct type *SCOPED_NAME_(line) = ({                    \
        struct type *lock_ = (l);                                                                  \
        take(lock_);                                                                               \
        lock_;                                                                                     \
    })

#define SPIN_SCOPED(l)  SCOPED_LOCK_(spinlock, l, spin_lock, spin_scope_ends, __LINE__)
#define MUTEX_SCOPED(l) SCOPED_LOCK_(mutex, l, mutex_lock, mutex_scope_ends, __LINE__)
