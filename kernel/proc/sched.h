// SPDX-License-Identifier: BSD-2-Clause
//
// The scheduler: round robin on a run queue for each CPU. A woken thread goes to the CPU it ran
// on if that is idle, else to an idle one, else to the queue of its own; an idle CPU takes from
// the longest queue before it halts, and is woken by an interrupt. The kernel is not preempted: a
// thread gives the CPU up where it sleeps, on the way to user mode, and at jitter points.
//
// Locks: a spinlock for each run queue (LOCK_SCHED) guards the queue and the state of each thread
// whose `cpu' it is. It is held across the switch: the thread switched to releases it. Moving a
// thread needs both queues' locks, the second by try-lock.
#pragma once

#include "lib/types.h"

struct thread;

enum thread_state {
    THREAD_NEW,             // not yet started
    THREAD_READY,           // on a run queue
    THREAD_RUNNING,
    THREAD_BLOCKED,
    THREAD_DEAD,            // switched away from for ever
};

// Registers the wait operations. After it kernel threads can be made; they run once a CPU idles.
void sched_init(void);

// The boot code of each CPU ends here: it becomes the CPU's idle thread.
_Noreturn void sched_idle(void);

// Makes a new thread runnable.
void sched_start(struct thread *t);

// Ends a wait of t that admits it: a signal came (fatal: SIGKILL or the group's exit). If t runs
// in user mode on another CPU, makes it look at its work soon. Any context, locks before
// LOCK_SCHED may be held.
void sched_interrupt(struct thread *t, bool fatal);

// From -20 to 19. All that it changes is the time slice: from six ticks to one; 0 has two.
void sched_set_nice(struct thread *t, int nice);

// Gives up the CPU to the others that are ready. No spinlock held.
void sched_yield(void);

// Gives up the CPU for ever: the thread is buried, until somebody else takes it and frees it.
_Noreturn void sched_exit(void);
// All that are buried, linked by next_buried.
struct thread *sched_take_buried(void);

// The tick, for timer_interrupt: accounts it, ends time slices; false if the CPU is idle.
bool sched_tick(void);

// The first act of a new thread: releases the run queue that the switch left locked.
void sched_finish_switch(void);

// Ready or running threads; context switches so far.
unsigned sched_nready(void);
// The load averages of 1, 5 and 15 minutes as Linux has them, in 1/LOAD_ONE; at a tick and when
// they are read.
#define LOAD_ONE 2048u
void sched_update_loads(void);
void sched_loads(uint64_t loads[3]);
uint64_t sched_switches(void);
uint64_t sched_idle_ns(void);       // of all CPUs
