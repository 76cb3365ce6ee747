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
    // any unmasked signal ends it: EINTR. It may last for ever, so no lock is held: who waited for
    // that lock could not be killed
    WAIT_INTR = 1,
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
    bool (*killed)(void);               // a wait that is killable would end with EINTR
};
void waitq_set_ops(const struct wait_ops *ops);
const struct wait_ops *waitq_ops(void);     // NULL before the scheduler runs

#define WAITQ_INIT(nm, q)                                                                          \
    {.lock = SPINLOCK_INIT(nm, LOCK_WAITQ, 0), .waiters = LIST_INIT((q).waiters)}
static inline void waitq_init(struct waitq *q, const char *name)
{
    spin_init(&q->lock, name, LOCK_WAITQ, 0);
    list_init(&q->waiters);
}

// The plain form: with lk held and the condition false, atomically releases lk and sleeps, then
// takes lk again. Returns 0 (woken: check the condition again), EINTR or ETIMEDOUT. A thread that
// a wake-up has taken off the queue returns 0 also if a signal or the deadline came too, so that
// no waitq_wake_one is spent on a thread that does not look. lk's rank is below LOCK_WAITQ.
MUST_CHECK int waitq_wait_spin(struct waitq *q, struct spinlock *lk, unsigned flags,
                               uint64_t deadline_ns);
// of mutex.c
MUST_CHECK int waitq_wait_mutex(struct waitq *q, struct mutex *m, unsigned flags,
                                uint64_t deadline_ns);
// For who waits as long as it takes: neither signals nor time end it.
static inline void waitq_await_spin(struct waitq *q, struct spinlock *lk)
{
    int error = waitq_wait_spin(q, lk, WAIT_NOINTR, WAIT_FOREVER);
    KASSERT(!error, "queue %s: error %d", q->lock.lock.name, error);
}
static inline void waitq_await_mutex(struct waitq *q, struct mutex *m)
{
    int error = waitq_wait_mutex(q, m, WAIT_NOINTR, WAIT_FOREVER);
    KASSERT(!error, "queue %s: error %d", q->lock.lock.name, error);
}

// The long form, for select and for more than one queue: add a waiter to each queue, check, block,
// remove all. waitq_block returns at once if one of the thread's waiters has been woken and not
// been removed, so the check may itself take locks and sleep. It may also return 0 for nothing.
void waitq_add(struct waitq *q, struct waiter *w);
void waitq_remove(struct waiter *w);
int waitq_block(unsigned flags, uint64_t deadline_ns);
// For one queue: sleeps with w on it and nothing else held that the waker needs, and takes w off;
// 0 if a wake-up had done that.
int waitq_block_and_remove(struct waiter *w, unsigned flags, uint64_t deadline_ns);

// True if the running thread is being killed: for who works for long without a wait.
bool waitq_killed(void);

// Wake; any context. Return the number of threads woken. On an empty queue they cost a fence
// and a load: whoever makes a condition true need not ask first whether anybody waits.
unsigned waitq_wake_one(struct waitq *q);
unsigned waitq_wake_all(struct waitq *q);

// For locks that hand themselves over; q->lock is held. waitq_grant takes w off and wakes it.
// waitq_wait_granted sleeps, through all else that wakes the thread, until w is granted; it
// releases q->lock.
void waitq_enqueue(struct waitq *q, struct waiter *w);
void waitq_grant(struct waitq *q, struct waiter *w);
void waitq_wait_granted(struct waitq *q, struct waiter *w);
