// SPDX-License-Identifier: BSD-2-Clause
//
// Wait queues. A waiter is on its queue from waitq_add until a wake-up or waitq_remove takes it
// off; both happen under the queue's lock, and a woken thread takes that lock once more before
// its waiter goes away, so a waker may use the waiter until it lets the lock go.
//
// Why no wake-up is lost: (1) the waiter is queued before the condition is checked, and a fence
// on each side orders the two, so either the waker finds the waiter or the check finds the
// condition true; (2) wake before block makes block return at once; (3) a wake-up that arrives
// while the thread sleeps for something else (a mutex, say) is not forgotten: kctx.woken counts
// it until the waiter is removed.
#include "lib/atomic.h"
#include "lib/panic.h"
#include "sync/irq.h"
#include "sync/jitter.h"
#include "sync/waitq.h"

static const struct wait_ops *ops;

void waitq_set_ops(const struct wait_ops *new_ops)
{
    ops = new_ops;
    jitter_yield = new_ops ? new_ops->yield : NULL;
}

const struct wait_ops *waitq_ops(void)
{
    return ops;
}

bool waitq_killed(void)
{
    return ops && ops->killed();
}

// Jitter stays out of the scheduler: what it does for this thread must not be done twice.
static int block(unsigned flags, uint64_t deadline_ns)
{
    struct kctx *ctx = kctx_current();

    KASSERT(ops, "thread %d (%s) must wait before there is a scheduler", ctx->id, ctx->name);
    ctx->no_jitter++;
    int error = ops->block(flags, deadline_ns);
    ctx->no_jitter--;
    return error;
}

void waitq_enqueue(struct waitq *q, struct waiter *w)
{
    KASSERT(spin_held(&q->lock), "queue %s is not locked", q->lock.lock.name);
    *w = (struct waiter){.queue = q, .who = kctx_current()};
    list_push_back(&q->waiters, &w->link);
}

void waitq_grant(struct waitq *q, struct waiter *w)
{
    KASSERT(spin_held(&q->lock) && w->queue == q && !w->woken, "queue %s, waiter of %p, woken %d",
            q->lock.lock.name, (void *)w->queue, w->woken);
    list_remove(&w->link);
    w->woken = true;
    ops->wake(w->who);
}

void waitq_wait_granted(struct waitq *q, struct waiter *w)
{
    KASSERT(spin_held(&q->lock) && w->queue == q, "queue %s, waiter of %p", q->lock.lock.name,
            (void *)w->queue);
    while (!w->woken) {
        spin_unlock(&q->lock);
        block(WAIT_NOINTR, WAIT_FOREVER);
        spin_lock(&q->lock);
    }
    spin_unlock(&q->lock);
}

void waitq_add(struct waitq *q, struct waiter *w)
{
    spin_lock(&q->lock);
    waitq_enqueue(q, w);
    spin_unlock(&q->lock);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void waitq_remove(struct waiter *w)
{
    struct waitq *q = w->queue;

    KASSERT(w->who == kctx_current(), "queue %s: another thread's waiter", q->lock.lock.name);
    spin_lock(&q->lock);
    if (w->woken)
        sub_relaxed(&w->who->woken, 1);
    else
        list_remove(&w->link);
    spin_unlock(&q->lock);
}

int waitq_block(unsigned flags, uint64_t deadline_ns)
{
    assert_may_sleep("waitq_block");
    if (flags & WAIT_INTR)
        lock_assert_none_held("waitq_block");
    if (load_acquire(&kctx_current()->woken))
        return 0;
    return block(flags, deadline_ns);
}

int waitq_block_and_remove(struct waiter *w, unsigned flags, uint64_t deadline_ns)
{
    int error = waitq_block(flags, deadline_ns);

    waitq_remove(w);
    return w->woken ? 0 : error;
}

int waitq_wait_spin(struct waitq *q, struct spinlock *lk, unsigned flags, uint64_t deadline_ns)
{
    struct waiter w;

    KASSERT(spin_held(lk), "lock %s is not held", lk->lock.name);
    waitq_add(q, &w);
    spin_unlock(lk);
    int error = waitq_block_and_remove(&w, flags, deadline_ns);
    spin_lock(lk);
    return error;
}

// Wakes up to `most' waiters, oldest first.
static unsigned wake(struct waitq *q, unsigned most)
{
    unsigned n = 0;

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (load_relaxed(&q->waiters.next) == &q->waiters)
        return 0;
    spin_lock(&q->lock);
    while (n < most && !list_empty(&q->waiters)) {
        struct waiter *w = list_first(&q->waiters, struct waiter, link);
        add_release(&w->who->woken, 1);
        waitq_grant(q, w);
        n++;
    }
    spin_unlock(&q->lock);
    return n;
}

unsigned waitq_wake_one(struct waitq *q)
{
    return wake(q, 1);
}

unsigned waitq_wake_all(struct waitq *q)
{
    return wake(q, ~0u);
}
