// SPDX-License-Identifier: BSD-2-Clause
//
// Wait queues: how threads sleep until an event. No wake-up is lost: a thread puts its waiter on
// the queue, checks its condition under its own lock, and then blocks; a wake between the two
// makes the block return at once. The scheduler registers how to block and wake (waitq_set_ops).
#pragma once

#include "lib/list.h"
#include "sync/spinlock.h"

struct mutex;

struct waitq {
    struct spinlock lock;
    struct list waiters;        // (lock) struct waiter.link, oldest first
};

struct waiter {
    struct list link;           // (queue's lock) on the queue, or to itself
    struct waitq *queue;        // constant while enqueued
    struct kctx *who;           // constant
    bool woken;                 // (queue's lock) taken off by a wake-up
};

enum wait_flags {
    WAIT_KILLABLE = 0,          // default: only a fatal signal ends the wait early
    WAIT_INTR = 1,              // any unmasked signal ends it: EINTR
    WAIT_NOINTR = 2,            // nothing but the wake-up (or deadline) ends it
};

#define WAIT_FOREVER 0ul        // as a deadline

struct wait_ops {
    // Sleeps until wake(self) or the deadline (absolute ns of the monotonic clock, WAIT_FOREVER:
    // none) or a signal that `flags' admits; 0, ETIMEDOUT or EINTR. A wake that came since
    // the last block makes it return 0 at once. No spinlock held.
    int (*block)(unsigned flags, uint64_t deadline_ns);
    void (*wake)(struct kctx *who);     // any context; spinlocks up to LOCK_WAITQ may be held
    void (*yield)(void);                // gives up the CPU once; for jitter
};
void waitq_set_ops(const struct wait_ops *ops);

#define WAITQ_INIT(nm, q)                                                                          \
    {.lock = SPINLOCK_INIT(nm, LOCK_WAITQ, 0), .waiters = LIST_INIT((q).waiters)}
void waitq_init(struct waitq *q, const char *name);

// The plain form: with lk held and the condition false, atomically releases lk and sleeps, then
// takes lk again. Returns 0 (woken: check the condition again), EINTR or ETIMEDOUT.
int waitq_wait_spin(struct waitq *q, struct spinlock *lk, unsigned flags, uint64_t deadline_ns);
int waitq_wait_mutex(struct waitq *q, struct mutex *m, unsigned flags, uint64_t deadline_ns);

// The long form, for select and for more than one queue: add a waiter to each queue, check, block, remove all.
void waitq_add(struct waitq *q, struct waiter *w);
void waitq_remove(struct waiter *w);
int waitq_block(unsigned flags, uint64_t deadline_ns);

// Wake; any context. Return the number of threads woken.
unsigned waitq_wake_one(struct waitq *q);
unsigned waitq_wake_all(struct waitq *q);
