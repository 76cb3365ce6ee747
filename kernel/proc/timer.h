// SPDX-License-Identifier: BSD-2-Clause
//
// Timers: functions to call at a time of the monotonic clock, in the timer interrupt. Each CPU
// has a queue, ordered by time, and programs its clock for the first; a busy CPU also gets a tick
// every TICK_NS, an idle one none.
//
// Locks: the queue's spinlock (LOCK_TIMER), not held while a function runs. timer_set and
// timer_cancel may be called in any context with locks before LOCK_TIMER held.
#pragma once

#include "amd64/clock.h"
#include "lib/rbtree.h"
#include "lib/types.h"

#define TICK_NS    10000000ul       // the scheduler's tick, and Linux's USER_HZ

struct timer {
    struct rb_node node;            // (queue) in its CPU's tree, by deadline
    uint64_t deadline_ns;           // (queue) monotonic
    void (*fn)(struct timer *t);    // constant; in the interrupt: spinlocks only, does not sleep
    unsigned cpu;                   // whose queue it is on, or was last on; written by timer_set
    bool queued;                    // (queue)
};

void timer_init(struct timer *t, void (*fn)(struct timer *t));

// Starts t, which is not running, on this CPU's queue. Its function may do so again. Of others, one
// at a time sets or cancels t.
void timer_set(struct timer *t, uint64_t deadline_ns);

// Stops t. When it returns, t's function does not run and will not, also if it would start t again.
// Not from the function itself, nor with a lock held that the function takes. True if t was
// started and had not run since.
bool timer_cancel(struct timer *t);

// When t is due, or 0 if it is not set.
uint64_t timer_deadline(struct timer *t);

// Runs what is due on this CPU and programs the next event. If that is a tick, calls `tick' with
// the queue locked; false: the CPU is idle and needs no more of them.
void timer_interrupt(bool (*tick)(void));

// This CPU has work again after it was idle: its ticks start.
void timer_start_ticks(void);
