// SPDX-License-Identifier: BSD-2-Clause
//
// What the low floors know of a thread: its identity as a lock owner, the locks it holds, whether
// it may sleep, and the faults that tests inject into it. struct thread embeds one; each CPU has
// a boot-time one for before the scheduler runs. Only the owning thread writes it, but for
// `woken'. A zeroed one is ready for use.
#pragma once

#include "lib/panic.h"
#include "lib/types.h"
#include "sync/percpu.h"

struct lock;

#define KCTX_MAX_LOCKS 24

struct kctx {
    const char *name;               // the thread's name, for reports; constant after creation
    int id;                         // the thread's id, for reports
    struct lock *held[KCTX_MAX_LOCKS + 1];  // [1] to [nheld], in the order taken; [0]: NULL
    uint8_t top_rank[KCTX_MAX_LOCKS + 1];   // [i]: highest rank among the first i held; 0 above
                                            // nheld
    size_t nheld;                   // as wide as an address: each lock and unlock indexes by it
    unsigned nosleep;               // > 0: sleeping is an error ("may not sleep" depth)
    unsigned noalloc;               // > 0: allocating is an error ("may not allocate" depth)
    unsigned nomemwait;             // > 0: waiting for memory is an error (a map is being changed)
    unsigned nofault;               // > 0: a fault on a user address fails with EFAULT at once
    unsigned no_jitter;             // > 0: jitter points do nothing (inside the scheduler's hooks)
    unsigned woken;                 // (atomic) its waiters that were woken and are not yet removed
    struct lock *waiting;           // the lock that it waits for now, or NULL; for reports
    uint64_t fail_nth;              // > 0: the nth allocation from now on fails (counts down)
    uint64_t allocs;                // allocations since start; what fail_nth counted
    bool refault;                   // pmap found the mapping that it was to enter, unchanged
    uint8_t reserve;                // enum kctx_reserve: how much of the page reserve it may take
};

enum kctx_reserve {
    RESERVE_NONE,                   // none, unless the request says otherwise (PA_RESERVE)
    RESERVE_ALL,                    // the last page too: the page daemon
    RESERVE_KERNEL,                 // as if each request said PA_RESERVE: init
};

// Raise and lower the "may not sleep" depth.
static inline void nosleep_enter(void)
{
    kctx_current()->nosleep++;
}

void nosleep_exit(void);

// Raise and lower the "may not allocate" depth, at which fail_injected panics.
static inline void noalloc_enter(void)
{
    kctx_current()->noalloc++;
}

static inline void noalloc_exit(void)
{
    KASSERT(kctx_current()->noalloc > 0, "the depth is 0");
    kctx_current()->noalloc--;
}

// Raise and lower the "may not wait for memory" depth, which assert_may_wait_for_memory looks at.
static inline void nomemwait_enter(void)
{
    kctx_current()->nomemwait++;
}

static inline void nomemwait_exit(void)
{
    KASSERT(kctx_current()->nomemwait > 0, "the depth is 0");
    kctx_current()->nomemwait--;
}

// For the one who may wait all the same: lifts the depth, and returns what nomemwait_restore puts
// back.
static inline unsigned nomemwait_lift(void)
{
    unsigned depth = kctx_current()->nomemwait;

    kctx_current()->nomemwait = 0;
    return depth;
}

static inline void nomemwait_restore(unsigned depth)
{
    kctx_current()->nomemwait = depth;
}

// Panics with who asked; for assert_may_wait_for_memory.
_Noreturn void kctx_memwait_panic(const char *what) __attribute__((cold));

// Every function that may wait until there is memory calls it first, also when there is some.
static inline void assert_may_wait_for_memory(const char *what)
{
    if (__builtin_expect(kctx_current()->nomemwait, 0))
        kctx_memwait_panic(what);
}

// Panics with what forbids sleeping and who asked; for assert_may_sleep.
_Noreturn void kctx_sleep_panic(const char *what, const void *caller) __attribute__((cold));

// Panics, naming `what' and the caller, if the running thread may not sleep here: a spinlock is
// held, interrupts are off for good, or the nosleep depth is raised. Every function that may
// sleep calls it first, also when it will not sleep this time.
static inline void assert_may_sleep(const char *what)
{
    if (__builtin_expect(kctx_current()->nosleep || !percpu_may_sleep(), 0))
        kctx_sleep_panic(what, __builtin_return_address(0));
}

// Counts one allocation of the running thread; true if this one is told to fail (fail-nth).
// Every allocator calls it once at its entry. Allocations made in interrupts are not counted.
// Panics if the running thread may not allocate.
MUST_CHECK bool fail_injected(void);
