// SPDX-License-Identifier: BSD-2-Clause
//
// The scheduler's own: a CPU's run queue. For sched.c, and sched_figures.c which reads it.
#pragma once

#include "lib/list.h"
#include "proc/thread.h"
#include "sync/percpu.h"
#include "sync/spinlock.h"

struct runq {
    struct spinlock lock;           // guards the rest, and the threads of this queue
    struct list ready;              // struct thread.run_link
    unsigned nready;                // on `ready'; read by others without the lock
    struct thread *current;
    struct thread *previous;        // switched away from last; valid until the switch is over
    struct thread idle;
    uint64_t switches;
};

extern struct runq runqs[MAX_CPUS];
