// SPDX-License-Identifier: BSD-2-Clause
//
// The scheduler: run queues, the switch, waiting and waking. See sched.h for the rules.
//
// No wake-up is lost: a thread checks wake_pending and its work, and becomes BLOCKED, under its
// queue's lock, which is held until it is off the CPU; a waker takes the same lock. So it finds
// the thread BLOCKED with its registers saved, or not blocked yet: then it leaves wake_pending.
#include "proc/sched.h"

#include "amd64/cpu.h"
#include "amd64/intr.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "pmap/pmap.h"
#include "proc/process.h"
#include "proc/runq.h"
#include "proc/thread.h"
#include "proc/timer.h"
#include "sync/irq.h"
#include "sync/spinlock.h"
#include "sync/waitq.h"
#include "vm/vm_space.h"

#define SLICE_TICKS 2

static struct thread *buried; // (a) a lock-free stack, taken as a whole
static uint64_t idle_cpus;    // (a) bit per CPU that halts or is about to

static inline struct runq *this_runq(void)
{
    return &runqs[this_cpu()->id];
}

// ---- queues ----

// Locks the queue that guards t.
static struct runq *lock_thread(struct thread *t)
{
    for (;;) {
        unsigned cpu = load_acquire(&t->cpu);
        struct runq *rq = &runqs[cpu];
        spin_lock(&rq->lock);
        if (t->cpu == cpu)
            return rq;
        spin_unlock(&rq->lock);
    }
}

// rq is locked; t belongs to it.
static void enqueue(struct runq *rq, struct thread *t)
{
    t->state = THREAD_READY;
    list_push_back(&rq->ready, &t->run_link);
    store_relaxed(&rq->nready, rq->nready + 1);
}

static struct thread *dequeue(struct runq *rq)
{
    struct thread *t = list_pop(&rq->ready, struct thread, run_link);

    if (t)
        store_relaxed(&rq->nready, rq->nready - 1);
    return t;
}

// A thread was put on this CPU's queue: if that CPU halts, wakes it, else one that can steal. The
// fence orders the queue before the look at idle_cpus; sched_idle does it the other way round.
static void kick(unsigned cpu)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    uint64_t idle = load_relaxed(&idle_cpus);

    if (!idle)
        return;
    if (!(idle >> cpu & 1))
        cpu = (unsigned)__builtin_ctzl(idle);
    if (cpu != this_cpu()->id)
        ipi_send(cpu, IPI_RESCHEDULE);
}

// Puts t, which is not on a queue, on one: its own if that CPU is idle, else an idle CPU's. t's
// queue is locked.
static void make_ready(struct runq *rq, struct thread *t)
{
    uint64_t idle = load_relaxed(&idle_cpus);
    unsigned target = t->cpu;

    if (idle && !(idle >> target & 1))
        target = (unsigned)__builtin_ctzl(idle);
    struct runq *other = &runqs[target];
    if (other == rq || !spin_trylock(&other->lock)) {
        enqueue(rq, t);
        kick(t->cpu);
        return;
    }
    store_release(&t->cpu, target);
    enqueue(other, t);
    spin_unlock(&other->lock);
    kick(target);
}

// Takes a thread from the longest queue. rq, the caller's, is locked and empty.
static struct thread *steal(struct runq *rq)
{
    struct runq *victim = NULL;
    unsigned most = 0;

    for (unsigned i = 0; i < ncpus; i++) {
        unsigned n = load_relaxed(&runqs[i].nready);
        if (n > most) {
            most = n;
            victim = &runqs[i];
        }
    }
    if (!victim || victim == rq || !spin_trylock(&victim->lock))
        return NULL;
    struct thread *t = dequeue(victim);
    if (t)
        store_release(&t->cpu, (unsigned)(rq - runqs));
    spin_unlock(&victim->lock);
    return t;
}

// ---- the switch ----

// Page tables: a thread without a space runs on whatever is loaded.
static void load_space(struct thread *t)
{
    struct pmap *pm = t->proc && t->proc->space ? t->proc->space->pmap : NULL;

    pmap_activate(pm);
}

static void account(struct runq *rq, struct thread *from, struct thread *to)
{
    uint64_t now = clock_ns();

    from->run_ns += now - from->run_since_ns;
    to->run_since_ns = now;
    rq->switches++;
}

static void bury(struct thread *t)
{
    t->next_buried = load_relaxed(&buried);
    while (!compare_swap(&buried, &t->next_buried, t))
        ;
}

struct thread *sched_take_buried(void)
{
    if (!load_relaxed(&buried))
        return NULL;
    return swap_acquire(&buried, NULL);
}

// What is left to do after a switch, in the thread switched to: the queue of the CPU that it
// runs on now is locked since before.
void sched_finish_switch(void)
{
    struct runq *rq = this_runq();
    struct thread *previous = rq->previous;

    if (previous->state == THREAD_DEAD)
        bury(previous);
    spin_unlock(&rq->lock);
    if (rq->current != &rq->idle)
        timer_start_ticks();
}

// Runs another thread if there is one; rq is this CPU's and locked, the running thread is READY (on
// a queue), BLOCKED or DEAD. Returns, with nothing locked, when the caller runs again.
static __attribute__((noinline)) void reschedule(struct runq *rq)
{
    struct thread *self = rq->current;
    struct thread *next = dequeue(rq);

    if (!next && !(next = steal(rq)))
        next = &rq->idle;
    next->state = THREAD_RUNNING;
    if (next == self) {
        spin_unlock(&rq->lock);
        return;
    }
    KASSERT(this_cpu()->irq_off_depth == 1 && this_cpu()->irq_was_on,
            "thread %d (%s) switches with interrupts off: depth %u", self->tid, self->comm,
            this_cpu()->irq_off_depth);
    account(rq, self, next);
    next->ticks_left = next->slice_ticks;
    rq->previous = self;
    rq->current = next;
    load_space(next);
    // The lock goes over to the next thread.
    lock_note_release(&self->kctx, &rq->lock.lock);
    rq->lock.lock.owner = &next->kctx;
    this_cpu()->kctx = &next->kctx;
    lock_note_acquired(&next->kctx, &rq->lock.lock);
    context_switch(&self->context, &next->context);
    sched_finish_switch();
}

// ---- waiting and waking ----

static bool wait_admits(unsigned flags, uint32_t work)
{
    if (flags & WAIT_NOINTR)
        return false;
    return work & (flags & WAIT_INTR ? WORK_KILL | WORK_SIGNAL | WORK_STOP : WORK_KILL);
}

// Ends t's wait, if it is in one. t's queue is locked.
static void end_wait(struct runq *rq, struct thread *t, int result)
{
    t->wait_result = result;
    make_ready(rq, t);
}

static void sleep_timeout(struct timer *timer)
{
    struct thread *t = container_of(timer, struct thread, sleep_timer);
    struct runq *rq = lock_thread(t);

    if (t->state == THREAD_BLOCKED)
        end_wait(rq, t, ETIMEDOUT);
    else
        t->timed_out = true;
    spin_unlock(&rq->lock);
}

static int block_until_woken(struct thread *t, unsigned flags)
{
    struct runq *rq = this_runq();
    int result;

    spin_lock(&rq->lock);
    if (t->wake_pending)
        result = 0;
    else if (wait_admits(flags, load_acquire(&t->work)))
        result = EINTR;
    else if (t->timed_out)
        result = ETIMEDOUT;
    else {
        t->state = THREAD_BLOCKED;
        t->wait_flags = flags;
        reschedule(rq);
        return t->wait_result;
    }
    t->wake_pending = false;
    spin_unlock(&rq->lock);
    return result;
}

static int sched_block(unsigned flags, uint64_t deadline_ns)
{
    struct thread *t = thread_current();

    t->timed_out = false;
    if (deadline_ns == WAIT_FOREVER)
        return block_until_woken(t, flags);
    timer_init(&t->sleep_timer, sleep_timeout);
    timer_set(&t->sleep_timer, deadline_ns);
    int result = block_until_woken(t, flags);
    timer_cancel(&t->sleep_timer);
    return result;
}

static void sched_wake(struct kctx *who)
{
    struct thread *t = thread_of(who);
    struct runq *rq = lock_thread(t);

    if (t->state == THREAD_BLOCKED)
        end_wait(rq, t, 0);
    else
        t->wake_pending = true;
    spin_unlock(&rq->lock);
}

void sched_interrupt(struct thread *t, bool fatal)
{
    struct runq *rq = lock_thread(t);

    if (t->state == THREAD_BLOCKED) {
        if (wait_admits(t->wait_flags, fatal ? WORK_KILL : WORK_SIGNAL))
            end_wait(rq, t, EINTR);
    } else if (t->state == THREAD_RUNNING && t->cpu != this_cpu()->id) {
        percpu_of[t->cpu]->need_resched = true;
        ipi_send(t->cpu, IPI_RESCHEDULE);
    }
    spin_unlock(&rq->lock);
}

void sched_start(struct thread *t)
{
    struct runq *rq = lock_thread(t);

    KASSERT(t->state == THREAD_NEW, "thread %d (%s) is started again", t->tid, t->comm);
    make_ready(rq, t);
    spin_unlock(&rq->lock);
}

void sched_set_nice(struct thread *t, int nice)
{
    t->nice = nice;
    t->slice_ticks = nice > 0 ? 1 : (unsigned)(SLICE_TICKS - nice / 5);
}

void sched_yield(void)
{
    struct runq *rq = this_runq();

    this_cpu()->need_resched = false;
    if (load_relaxed(&rq->nready) == 0)
        return;
    spin_lock(&rq->lock);
    enqueue(rq, rq->current);
    reschedule(rq);
}

void sched_exit(void)
{
    struct runq *rq = this_runq();

    spin_lock(&rq->lock);
    rq->current->state = THREAD_DEAD;
    reschedule(rq);
    panic("a dead thread runs");
}

bool sched_tick(void)
{
    struct runq *rq = this_runq();
    struct thread *t = rq->current;

    if (t == &rq->idle)
        return false;
    sched_update_loads();
    // Its frame is that of what brought it from user mode: the tick itself, if it was there.
    if (!t->proc || thread_frame(t)->vector == VECTOR_SYSCALL)
        t->sys_ticks++;
    else
        t->user_ticks++;
    if (t->proc && add_relaxed(&t->proc->cpu_ticks, 1) >= load_relaxed(&t->proc->cpu_ticks_limit))
        or_relaxed(&t->work, WORK_CPU);
    if (t->ticks_left > 1) {
        t->ticks_left--;
    } else {
        t->ticks_left = t->slice_ticks;
        this_cpu()->need_resched = true;
    }
    return true;
}

// ---- idle CPUs ----

static bool work_anywhere(void)
{
    for (unsigned i = 0; i < ncpus; i++) {
        if (load_relaxed(&runqs[i].nready))
            return true;
    }
    return false;
}

// Halts until an interrupt, unless there is work already.
static void halt(uint64_t bit)
{
    intr_off();
    or_seq(&idle_cpus, bit);
    if (!work_anywhere())
        cpu_idle();
    and_seq(&idle_cpus, ~bit);
    intr_on();
}

// What has run on this CPU since its start becomes its idle thread.
static void adopt_boot(struct runq *rq)
{
    struct thread *t = &rq->idle;

    strlcpy(t->comm, "idle", sizeof(t->comm));
    t->kctx.name = t->comm;
    t->kctx.nosleep = 1;
    t->cpu = this_cpu()->id;
    t->state = THREAD_RUNNING;
    list_init(&t->run_link);
    context_adopt(&t->context);
    t->run_since_ns = clock_ns();
    rq->current = t;
    irq_push();
    this_cpu()->kctx = &t->kctx;
    irq_pop();
}

void sched_idle(void)
{
    struct runq *rq = this_runq();
    uint64_t bit = 1ul << this_cpu()->id;

    adopt_boot(rq);
    intr_on();
    for (;;) {
        this_cpu()->need_resched = false;
        if (work_anywhere()) {
            spin_lock(&rq->lock);
            reschedule(rq);
        } else {
            halt(bit);
        }
    }
}

static bool sched_killed(void)
{
    return wait_admits(WAIT_KILLABLE, load_acquire(&thread_current()->work));
}

// ---- start-up ----

void sched_init(void)
{
    static const struct wait_ops ops = {
        .block = sched_block, .wake = sched_wake, .yield = sched_yield, .killed = sched_killed};

    for (unsigned i = 0; i < MAX_CPUS; i++)
        list_init(&runqs[i].ready);
    waitq_set_ops(&ops);
}
