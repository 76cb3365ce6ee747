// SPDX-License-Identifier: BSD-2-Clause
//
// Job control: stopping and continuing a process. A stop is under way until all threads sleep in
// signal_job_wait; then the parent is told. SIGCONT ends it at once; the first thread to wake
// tells the parent. A thread that has not yet left the wait when the next stop begins counts for
// that one.
#include "lib/panic.h"
#include "proc/process.h"
#include "proc/sigdeliver.h"
#include "proc/thread.h"
#include "sync/scoped.h"

void signal_job_stop(struct process *p, int sig, uint64_t ncontinues)
{
    if (p->exiting || p->stop != STOP_NONE || p->ncontinues != ncontinues)
        return;
    p->stop = STOP_UNDER_WAY;
    p->stop_signal = sig;
    p->continued = false;
    list_for_each (t, &p->threads, struct thread, link)
        signal_give_work(t, WORK_STOP);
}

// If p is stopped (or continued) and the parent does not know: tells it. No lock held.
static void tell_parent(struct process *p)
{
    SCOPED_MUTEX(&proc_tree_lock);
    spin_lock(&p->sig_lock);
    bool continued = p->stop == STOP_NONE && p->continued;
    bool stopped = p->stop == STOP_DONE;
    int sig = p->stop_signal;
    p->continued = false;
    spin_unlock(&p->sig_lock);
    if (stopped) {
        p->wait_stopped = true;
        p->wait_continued = false;
        process_notify_parent(p, CLD_STOPPED, sig);
    } else if (continued) {
        p->wait_stopped = false;
        p->wait_continued = true;
        process_notify_parent(p, CLD_CONTINUED, SIGCONT);
    }
}

// sig_lock held: true if this completes a stop.
static bool stop_completes(struct process *p)
{
    if (p->stop != STOP_UNDER_WAY || p->nstopped < p->nthreads)
        return false;
    p->stop = STOP_DONE;
    return true;
}

void signal_job_thread_gone(struct process *p)
{
    spin_lock(&p->sig_lock);
    bool completes = p->nthreads > 0 && stop_completes(p);
    spin_unlock(&p->sig_lock);
    if (completes)
        tell_parent(p);
}

void signal_job_wait(struct thread *t)
{
    struct process *p = t->proc;

    spin_lock(&p->sig_lock);
    p->nstopped++;
    if (stop_completes(p)) {
        spin_unlock(&p->sig_lock);
        tell_parent(p);
        spin_lock(&p->sig_lock);
    }
    int error = 0;
    while (p->stop != STOP_NONE && !p->exiting && !error)
        error = waitq_wait_spin(&p->stop_wait, &p->sig_lock, WAIT_KILLABLE, WAIT_FOREVER);
    KASSERT(p->nstopped > 0, "process %d: nobody is stopped", p->pid);
    p->nstopped--;
    and_relaxed(&t->work, ~(uint32_t)WORK_STOP);
    signal_recalc(t);
    bool tell = p->continued;
    spin_unlock(&p->sig_lock);
    if (tell)
        tell_parent(p);
}
