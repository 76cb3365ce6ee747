// SPDX-License-Identifier: BSD-2-Clause
//
// Making and burying threads. Stacks come from kernel_map, with a guard page below; a few are
// kept with their struct thread, because kernel memory is slower to get than a cached page.
//
// Locks: `cached' and `kthreads' have a spinlock each.
#include "proc/thread.h"

#include "amd64/cpu.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mem/pool.h"
#include "proc/process.h"
#include "proc/sigdeliver.h"
#include "sync/scoped.h"
#include "vm/kmem.h"

#define MAX_CACHED 8 // stacks kept for reuse

static struct pool thread_pool;
static unsigned nthreads;   // (a)
static int last_kernel_tid; // (a) counts down: kernel threads have ids below zero

// Kernel threads, for the debugger alone.
static struct spinlock kthreads_lock = SPINLOCK_INIT("kernel threads", LOCK_SIGNAL, 0);
static struct list kthreads = LIST_INIT(kthreads); // (kthreads_lock)

static struct spinlock cache_lock = SPINLOCK_INIT("stack cache", LOCK_POOL_BACKEND, 0);
static char *cached[MAX_CACHED]; // (cache_lock)
static unsigned ncached;         // (cache_lock)

void thread_init(void)
{
    pool_init(&thread_pool, "thread", sizeof(struct thread), _Alignof(struct thread),
              &pool_allocator_kva);
}

unsigned thread_count(void)
{
    return load_relaxed(&nthreads);
}

// ---- stacks ----

// A cached stack, or NULL.
static char *take_cached(void)
{
    SCOPED_SPIN(&cache_lock);
    return ncached > 0 ? cached[--ncached] : NULL;
}

static char *stack_get(void)
{
    char *stack = take_cached();

    return stack ? stack : kmem_alloc(kernel_map, KSTACK_SIZE, 0, KM_WAITOK | KM_GUARD);
}

static void stack_free(char *stack)
{
    nosleep_enter();
    kmem_free(kernel_map, stack, KSTACK_SIZE);
    nosleep_exit();
}

static void stack_put(char *stack, bool keep)
{
    spin_lock(&cache_lock);
    bool kept = keep && ncached < MAX_CACHED;
    if (kept)
        cached[ncached++] = stack;
    spin_unlock(&cache_lock);
    if (!kept)
        stack_free(stack);
}

// ---- making ----

// Where every new thread begins. A user thread goes to its program when this returns.
static void thread_main(void *arg)
{
    struct thread *t = arg;

    sched_finish_switch();
    if (t->main)
        t->main(t->main_arg);
    if (!t->proc)
        sched_exit();
}

static void lay_out_context(struct thread *t)
{
    vaddr_t top = (vaddr_t)t->stack + KSTACK_SIZE;

    if (!t->proc)
        context_init_kernel(&t->context, top, thread_main, t);
    else if (t->main)
        context_init_user(&t->context, top, thread_main, t);
    else
        context_init_fork(&t->context, &thread_current()->context, top, thread_main, t);
}

void thread_set_name(struct thread *t, const char *name)
{
    memset(t->comm, 0, sizeof(t->comm)); // PR_GET_NAME answers with all of it
    strlcpy(t->comm, name, sizeof(t->comm));
    t->kctx.name = t->comm;
}

struct thread *thread_create(struct process *proc, const char *name, void (*fn)(void *), void *arg)
{
    thread_reap(false);
    struct thread *t = pool_get(&thread_pool, PR_WAITOK | PR_ZERO);

    if (!t)
        return NULL;
    t->stack = stack_get();
    if (!t->stack) {
        pool_put(&thread_pool, t);
        return NULL;
    }
    t->main = fn;
    t->main_arg = arg;
    t->proc = proc;
    t->cpu = this_cpu()->id;
    thread_set_name(t, name);
    list_init(&t->run_link);
    list_init(&t->link);
    sigpending_init(&t->pending, proc ? &proc->nqueued : NULL);
    t->altstack.flags = SS_DISABLE;
    sched_set_nice(t, 0);
    lay_out_context(t);
    if (proc)
        process_ref(proc);
    add_relaxed(&nthreads, 1);
    return t;
}

static void kthread_list(struct thread *t, bool born)
{
    SCOPED_SPIN(&kthreads_lock);
    if (born)
        list_push_back(&kthreads, &t->link);
    else
        list_remove(&t->link);
}

static void thread_free(struct thread *t, bool keep_stack)
{
    sigpending_flush(&t->pending, ~0ul);
    if (t->proc)
        process_unref(t->proc);
    else
        kthread_list(t, false);
    stack_put(t->stack, keep_stack);
    pool_put(&thread_pool, t);
    sub_relaxed(&nthreads, 1);
}

void thread_discard(struct thread *t)
{
    KASSERT(t->state == THREAD_NEW, "thread %d (%s) has been started", t->tid, t->comm);
    thread_free(t, true);
}

void thread_join_process(struct thread *t)
{
    struct process *p = t->proc;

    KASSERT(spin_held(&p->sig_lock), "thread %d joins without the lock", t->tid);
    KASSERT(!p->exiting && p->stop != STOP_DONE, "thread %d joins too late", t->tid);
    list_push_back(&p->threads, &t->link);
    p->nthreads++;
    if (p->stop == STOP_UNDER_WAY)
        signal_give_work(t, WORK_STOP);
    signal_recalc(t);
}

int kthread_create(const char *name, void (*fn)(void *), void *arg)
{
    struct thread *t = thread_create(NULL, name, fn, arg);

    if (!t)
        return ENOMEM;
    thread_set_id(t, sub_relaxed(&last_kernel_tid, 1));
    kthread_list(t, true);
    sched_start(t);
    return 0;
}

// ---- ending ----

void thread_reap(bool all)
{
    for (struct thread *t = sched_take_buried(), *next; t; t = next) {
        next = t->next_buried;
        thread_free(t, !all);
    }
    for (char *stack; all && (stack = take_cached());)
        stack_free(stack);
}
