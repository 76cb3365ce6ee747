// SPDX-License-Identifier: BSD-2-Clause
//
// The receiving side of signals: waiting for one, and the work before a return to user mode.
#include "proc/sigdeliver.h"

#include "amd64/trapframe.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "proc/process.h"
#include "proc/thread.h"
#include "sync/scoped.h"

#define SYSCALL_INSN_LEN 2

// ---- waiting ----

// sig_lock held.
static int take(struct thread *t, sigset_t which, struct siginfo *info)
{
    int sig = sigpending_take(&t->pending, which, info);

    return sig ? sig : sigpending_take(&t->proc->pending, which, info);
}

int signal_timedwait(sigset_t set, uint64_t deadline_ns, struct siginfo *info)
{
    struct thread *t = thread_current();
    struct process *p = t->proc;
    int error = 0, sig;

    set &= ~UNBLOCKABLE;
    spin_lock(&p->sig_lock);
    t->waited = set;
    while (!(sig = take(t, set, info)) && !error) {
        spin_unlock(&p->sig_lock);
        error = waitq_block(WAIT_INTR, deadline_ns);
        spin_lock(&p->sig_lock);
    }
    t->waited = 0;
    signal_recalc(t);
    spin_unlock(&p->sig_lock);
    if (sig)
        return 0;
    return error == ETIMEDOUT ? EAGAIN : EINTR;
}

uint64_t signal_deadline(uint64_t computed_ns)
{
    struct thread *t = thread_current();
    uint64_t earlier = t->restart_deadline_ns;

    t->restart_deadline_ns = 0;
    return earlier ? earlier : computed_ns;
}

int signal_restart_at(uint64_t deadline_ns)
{
    thread_current()->restart_deadline_ns = deadline_ns;
    return ERESTART_NOHAND;
}

// ---- before a return to user mode ----

static bool wants_restart(const struct trapframe *tf)
{
    long result = (long)tf->rax;

    return tf->vector == VECTOR_SYSCALL && result <= -ERESTART && result >= -ERESTART_NOHAND;
}

static void restart_call(struct trapframe *tf)
{
    tf->rip -= SYSCALL_INSN_LEN;
    tf->rax = tf->error;
}

// The frame cannot be written: as on Linux, SIGSEGV, which ends the process if that is the one.
static void frame_failed(struct thread *t, int sig)
{
    if (sig == SIGSEGV) {
        SCOPED_SPIN(&t->proc->sig_lock);
        t->proc->actions[SIGSEGV - 1].handler = SIG_DFL;
    }
    signal_fault(SIGSEGV, SI_KERNEL, 0);
}

static void enter_handler(struct thread *t, struct trapframe *tf, const struct sigaction *act,
                          const struct siginfo *info)
{
    int sig = info->signo;

    if (wants_restart(tf)) {
        long result = (long)tf->rax;
        if (result == -ERESTART_NOINTR || (result == -ERESTART && (act->flags & SA_RESTART)))
            restart_call(tf);
        else
            tf->rax = (uint64_t)-EINTR;
    }
    t->restart_deadline_ns = 0;
    sigset_t old = t->work & WORK_MASK ? t->saved_mask : t->blocked;
    if (sigframe_push(t, tf, act, info, old) != 0) {
        frame_failed(t, sig);
        return;
    }
    and_relaxed(&t->work, ~(uint32_t)WORK_MASK);
    signal_set_mask(t->blocked | act->mask | (act->flags & SA_NODEFER ? 0 : sigbit(sig)));
}

// The default action of a signal that ends or stops the process, which had been continued so often
// when the signal was taken.
static void default_action(struct process *p, int sig, uint64_t ncontinues)
{
    if (signal_default(sig) == DEFAULT_END) {
        signal_kill_group(p, W_SIGNALED(sig));
        return;
    }
    if (sig != SIGSTOP) {
        SCOPED_MUTEX(&proc_tree_lock);
        if (process_group_orphaned(p->pgid, NULL))
            return;
    }
    SCOPED_SPIN(&p->sig_lock);
    signal_job_stop(p, sig, ncontinues);
}

// Takes one signal and does what its action says; WORK_SIGNAL is up to date afterwards.
static void deliver(struct thread *t, struct trapframe *tf)
{
    struct process *p = t->proc;
    struct siginfo info;

    spin_lock(&p->sig_lock);
    int sig = take(t, ~t->blocked, &info);
    struct sigaction act = {0};
    bool ignored = true;
    if (sig) {
        ignored = signal_is_ignored(p, sig);
        act = p->actions[sig - 1];
        if (act.handler > SIG_IGN && (act.flags & SA_RESETHAND))
            p->actions[sig - 1].handler = SIG_DFL;
    }
    uint64_t ncontinues = p->ncontinues;
    signal_recalc(t);
    spin_unlock(&p->sig_lock);
    if (ignored)
        return;
    if (act.handler == SIG_DFL)
        default_action(p, sig, ncontinues);
    else
        enter_handler(t, tf, &act, &info);
}

void signal_user_return(struct thread *t, struct trapframe *tf)
{
    uint32_t work;

    while ((work = load_acquire(&t->work))) {
        if (work & WORK_KILL)
            thread_exit(t->proc->group_status);
        if (work & WORK_STOP) {
            signal_job_wait(t);
        } else if (work & WORK_SIGNAL) {
            deliver(t, tf);
        } else if (work & WORK_CPU) {
            and_relaxed(&t->work, ~(uint32_t)WORK_CPU);
            limits_cpu_used();
        } else {
            and_relaxed(&t->work, ~(uint32_t)WORK_MASK);
            signal_set_mask(t->saved_mask);
        }
    }
    if (wants_restart(tf))
        restart_call(tf);
}
