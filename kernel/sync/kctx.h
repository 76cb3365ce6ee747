// SPDX-License-Identifier: BSD-2-Clause
//
// What the low floors know of a thread: its identity as a lock owner, the locks it holds, whether
// it may sleep, and the faults that tests inject into it. struct thread embeds one; each CPU has
// a boot-time one for before the scheduler runs. Only the owning thread writes it.
#pragma once

#include "lib/types.h"

struct lock;

#define KCTX_MAX_LOCKS 24

struct kctx {
    const char *name;               // the thread's name, for reports; constant after creation
    int id;                         // the thread's id, for reports
    struct lock *held[KCTX_MAX_LOCKS];  // in the order taken
    unsigned nheld;
    unsigned nosleep;               // > 0: sleeping is an error ("may not sleep" depth)
    unsigned nofault;               // > 0: a fault on a user address fails with EFAULT at once
    struct lock *waiting;           // the lock that it waits for now, or NULL; for reports
    uint64_t fail_nth;              // > 0: the nth allocation from now on fails (counts down)
    uint64_t allocs;                // allocations since start; what fail_nth counted
    bool reserve;                   // may take the page reserve (page daemon and kernel cleaners)
};

// The running thread's context.
struct kctx *kctx_current(void);

// Raise and lower the "may not sleep" depth.
void nosleep_enter(void);
void nosleep_exit(void);

// Panics, naming `what' and the caller, if the running thread may not sleep here: a spinlock is
// held, interrupts are off for good, or the nosleep depth is raised. Every function that may
// sleep calls it first, also when it will not sleep this time.
void assert_may_sleep(const char *what);

// Counts one allocation of the running thread; true if this one is told to fail (fail-nth).
// Every allocator calls it once at its entry. Allocations made in interrupts are not counted.
bool fail_injected(void);
