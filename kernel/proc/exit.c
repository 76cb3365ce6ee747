// SPDX-License-Identifier: BSD-2-Clause
//
// The end of threads and processes. Nothing here needs memory: what must be freed is freed, what
// must be told is told, and the zombie is the struct process that was there before.
#include "amd64/usercopy.h"
#include "fs/tty.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "proc/futex.h"
#include "proc/process.h"
#include "proc/sigdeliver.h"
#include "sync/scoped.h"
#include "vm/vm_space.h"

// Tells the others that share the memory that this thread is gone: pthread_join waits for it.
static void release_user_words(struct thread *t, int tid)
{
    const uint32_t zero = 0;

    // A robust mutex may lie in memory that the process shares with others, now or later.
    if (t->robust_list_va)
        futex_exit_robust(t->robust_list_va, (uint32_t)tid);
    t->robust_list_va = 0;
    if (t->proc->nthreads == 1 && load_relaxed(&t->proc->space->nrefs) == 1)
        return;
    if (t->clear_tid_va && copyout(t->clear_tid_va, &zero, sizeof(zero)) == 0)
        futex_wake(t->clear_tid_va, 1, FUTEX_MATCH_ANY, false, NULL);
}

// Takes t off its process; true if it was the last.
static bool leave_process(struct thread *t, int status)
{
    struct process *p = t->proc;
    struct usage u;

    thread_usage(t, &u);
    SCOPED_SPIN(&p->sig_lock);
    list_remove(&t->link);
    p->nthreads--;
    usage_add(&p->dead_usage, &u);
    bool last = p->nthreads == 0;
    if (last && !p->exiting) {
        p->exiting = true;
        p->group_status = status;
    }
    if (last)
        sigpending_flush(&p->pending, ~0ul); // not only when the parent has waited
    // Signals that this thread was to take are for others now.
    list_for_each (other, &p->threads, struct thread, link) {
        if (p->pending.set & ~other->blocked)
            signal_give_work(other, WORK_SIGNAL);
    }
    if (p->execing)
        waitq_wake_all(&p->thread_wait);
    if (!last)
        task_release();
    return last;
}

// Tree lock held: p's children become init's.
static void give_children_away(struct process *p)
{
    list_for_each_safe (c, &p->children, struct process, sibling) {
        list_remove(&c->sibling);
        list_push_back(&init_process->children, &c->sibling);
        c->parent = init_process;
        store_relaxed(&c->ppid, init_process->pid);
        c->exit_signal = SIGCHLD; // init waits for children of all kinds alike
        if (c->zombie)
            process_report_end(c);
    }
}

// The last thread of p has left: p becomes a zombie, or goes at once if its parent does not care.
static void end_process(struct process *p)
{
    if (p == init_process)
        panic("init ended with wait status %#x", p->group_status);
    timer_cancel(&p->alarm);
    process_release_resources(p);
    vfork_release(p);
    if (p->sid == p->pid)
        tty_session_ends(p->sid);
    SCOPED_MUTEX(&proc_tree_lock);
    signal_unshare_actions(p);
    session_process_ends(p);
    give_children_away(p);
    p->exit_status = p->group_status;
    p->zombie = true;
    process_report_end(p);
}

void thread_exit(int status)
{
    struct thread *t = thread_current();
    struct process *p = t->proc;

    lock_assert_none_held("thread exit");
    thread_reap(false);
    if (p->space)
        release_user_words(t, t->tid);
    if (leave_process(t, status))
        end_process(p);
    else
        signal_job_thread_gone(p);
    sched_exit();
}

void process_exit(int status)
{
    signal_kill_group(process_current(), status);
    thread_exit(status);
}

static int end_others(struct thread *t)
{
    struct process *p = t->proc;
    int error = 0;

    SCOPED_SPIN(&p->sig_lock);
    if (p->exiting || p->execing)
        return EINTR;
    if (p->nthreads == 1)
        return 0;
    p->execing = t;
    list_for_each (other, &p->threads, struct thread, link) {
        if (other != t)
            signal_give_work(other, WORK_KILL);
    }
    while (p->nthreads > 1 && !error)
        error = waitq_wait_spin(&p->thread_wait, &p->sig_lock, WAIT_KILLABLE, WAIT_FOREVER);
    p->execing = NULL;
    if (!error)
        thread_set_id(t, p->pid);
    return error;
}

int process_single_thread(void)
{
    struct thread *t = thread_current();
    struct process *p = t->proc;
    int tid = t->tid, error = end_others(t);

    if (!error && p->space) // the program that had the words is about to go
        release_user_words(t, tid);
    return error;
}
