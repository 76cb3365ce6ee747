// SPDX-License-Identifier: BSD-2-Clause
//
// Locks that are held to the end of the block that takes them, whichever way it is left, and given
// back in the opposite order:
//
//     SCOPED_SPIN(&p->sig_lock);
//     if (!p->exiting)
//         return ESRCH;
//
// What is returned is computed before the lock is released; what is to be given back after it is
// declared before the lock. Not where the block is left by a function that never returns, which
// would keep the lock.
#pragma once

#include "sync/mutex.h"
#include "sync/rwlock.h"
#include "sync/spinlock.h"

#define SCOPE_OF(name, type, give)                                                                 \
    static inline void scope_##name##_ends(struct type **lock)                                     \
    {                                                                                              \
        give(*lock);                                                                               \
    }

SCOPE_OF(mutex, mutex, mutex_unlock)
SCOPE_OF(read, rwlock, rw_unlock_read)
SCOPE_OF(write, rwlock, rw_unlock_write)
SCOPE_OF(spin, spinlock, spin_unlock)

#define SCOPE_NAME_(line) scope_##line##_
#define SCOPE_NAME(line)  SCOPE_NAME_(line)
#define SCOPE(name, type, take, l)                                                                 \
    __attribute__((cleanup(scope_##name##_ends), unused)) struct type *SCOPE_NAME(__LINE__) = ({   \
        struct type *lock_ = (l);                                                                  \
        take(lock_);                                                                               \
        lock_;                                                                                     \
    })

#define SCOPED_MUTEX(l) SCOPE(mutex, mutex, mutex_lock, l)
#define SCOPED_READ(l)  SCOPE(read, rwlock, rw_lock_read, l) // shared
#define SCOPED_WRITE(l) SCOPE(write, rwlock, rw_lock_write, l)
#define SCOPED_SPIN(l)  SCOPE(spin, spinlock, spin_lock, l)
