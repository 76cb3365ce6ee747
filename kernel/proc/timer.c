// SPDX-License-Identifier: BSD-2-Clause
//
// Timers: a tree by deadline for each CPU. The CPU's clock event is set for the first deadline or
// the next tick, whichever comes first; it is never set later than needed, but may come in vain.
#include "proc/timer.h"

#include "lib/panic.h"
#include "sync/irq.h"
#include "sync/scoped.h"

struct timer_queue {
    struct spinlock lock; // guards all of this
    struct rb_tree tree;
    struct timer *running; // its function is being called
    uint64_t event_ns;     // what the clock is set to; CLOCK_NEVER: nothing
    uint64_t next_tick_ns; // CLOCK_NEVER: the CPU is idle
};

static struct timer_queue queues[MAX_CPUS] = {
    [0 ... MAX_CPUS - 1] = {.lock = SPINLOCK_INIT("timers", LOCK_TIMER, 0),
                            .event_ns = CLOCK_NEVER,
                            .next_tick_ns = CLOCK_NEVER}};

static inline struct timer *first_timer(struct timer_queue *q)
{
    struct rb_node *n = rb_first(&q->tree);

    return n ? rb_entry(n, struct timer, node) : NULL;
}

void timer_init(struct timer *t, void (*fn)(struct timer *t))
{
    t->fn = fn;
    t->cpu = 0;
    t->queued = false;
}

static void program(struct timer_queue *q, uint64_t when_ns)
{
    if (when_ns >= q->event_ns)
        return;
    q->event_ns = when_ns;
    clock_set_event(when_ns);
}

void timer_set(struct timer *t, uint64_t deadline_ns)
{
    irq_push();
    struct timer_queue *q = &queues[this_cpu()->id];

    spin_lock(&q->lock);
    KASSERT(!t->queued, "timer %p is already on the queue of CPU %u", (void *)t, t->cpu);
    t->deadline_ns = deadline_ns;
    rb_add(&q->tree, &t->node, RB_KEY(struct timer, node, deadline_ns));
    t->cpu = this_cpu()->id;
    t->queued = true;
    program(q, deadline_ns);
    spin_unlock(&q->lock);
    irq_pop();
}

// A function that runs may start its timer again, but on the same queue: so what is seen there,
// with the queue locked, holds.
bool timer_cancel(struct timer *t)
{
    struct timer_queue *q = &queues[t->cpu];
    bool running, stopped = false;

    do {
        spin_lock(&q->lock);
        running = q->running == t;
        if (t->queued) {
            rb_remove(&q->tree, &t->node);
            t->queued = false;
            stopped = true;
        }
        spin_unlock(&q->lock);
        if (running) {
            cpu_relax();
            spin_poll();
        }
    } while (running);
    return stopped;
}

uint64_t timer_deadline(struct timer *t)
{
    SCOPED_SPIN(&queues[t->cpu].lock);
    return t->queued ? t->deadline_ns : 0;
}

// Calls what is due. The queue is locked, but not during the calls.
static void run_due(struct timer_queue *q, uint64_t now)
{
    struct timer *t;

    while ((t = first_timer(q)) && t->deadline_ns <= now) {
        rb_remove(&q->tree, &t->node);
        t->queued = false;
        q->running = t;
        spin_unlock(&q->lock);
        t->fn(t);
        spin_lock(&q->lock);
        q->running = NULL;
    }
}

void timer_interrupt(bool (*tick)(void))
{
    struct timer_queue *q = &queues[this_cpu()->id];
    uint64_t now = clock_ns();
    bool due = now >= q->next_tick_ns;

    SCOPED_SPIN(&q->lock);
    q->event_ns = CLOCK_NEVER;
    run_due(q, now);
    if (due)
        q->next_tick_ns = tick() ? now + TICK_NS : CLOCK_NEVER;
    struct timer *t = first_timer(q);
    uint64_t next = min(t ? t->deadline_ns : CLOCK_NEVER, q->next_tick_ns);
    if (next != CLOCK_NEVER)
        program(q, next);
}

void timer_start_ticks(void)
{
    struct timer_queue *q = &queues[this_cpu()->id];

    if (q->next_tick_ns != CLOCK_NEVER)
        return;
    SCOPED_SPIN(&q->lock);
    q->next_tick_ns = clock_ns() + TICK_NS;
    program(q, q->next_tick_ns);
}
