// SPDX-License-Identifier: BSD-2-Clause
//
// Which signals a thread blocks, and what a process does about each.
#include "lib/errno.h"
#include "lib/panic.h"
#include "proc/process.h"
#include "proc/sigdeliver.h"
#include "sync/scoped.h"

bool signal_pending(void)
{
    return load_relaxed(&thread_current()->work) & (WORK_SIGNAL | WORK_KILL | WORK_STOP);
}

// Signals for the process that t now blocks go to threads that do not. sig_lock held.
static void retarget(struct thread *t, sigset_t newly_blocked)
{
    struct process *p = t->proc;
    sigset_t moved = p->pending.set & newly_blocked;

    if (!moved || p->nthreads == 1)
        return;
    list_for_each (other, &p->threads, struct thread, link) {
        if (other != t && (moved & ~other->blocked))
            signal_give_work(other, WORK_SIGNAL);
    }
}

void signal_set_mask(sigset_t mask)
{
    struct thread *t = thread_current();

    SCOPED_SPIN(&t->proc->sig_lock);
    sigset_t old = t->blocked;
    t->blocked = mask & ~UNBLOCKABLE;
    retarget(t, t->blocked & ~old);
    signal_recalc(t);
}

void signal_set_mask_for_call(sigset_t mask)
{
    struct thread *t = thread_current();

    t->saved_mask = t->blocked;
    or_relaxed(&t->work, WORK_MASK);
    signal_set_mask(mask);
}

// sig_lock held.
static void set_action(struct process *p, int sig, const struct sigaction *act)
{
    p->acted |= sigbit(sig);
    p->actions[sig - 1] = *act;
    p->actions[sig - 1].mask &= ~UNBLOCKABLE;
    if (signal_is_ignored(p, sig)) {
        sigpending_flush(&p->pending, sigbit(sig));
        list_for_each (t, &p->threads, struct thread, link)
            sigpending_flush(&t->pending, sigbit(sig));
    }
}

static void set_one(struct process *p, int sig, const struct sigaction *act)
{
    SCOPED_SPIN(&p->sig_lock);
    set_action(p, sig, act);
}

static void set_shared_action(struct process *p, int sig, const struct sigaction *act)
{
    SCOPED_MUTEX(&proc_tree_lock);
    set_one(p, sig, act);
    list_for_each (other, &p->sharers, struct process, sharers)
        set_one(other, sig, act);
}

int signal_action(int sig, const struct sigaction *act, struct sigaction *old)
{
    struct process *p = process_current();

    if (sig < 1 || sig > NSIG || (act && (UNBLOCKABLE & sigbit(sig))))
        return EINVAL;
    spin_lock(&p->sig_lock);
    if (old)
        *old = p->actions[sig - 1];
    bool shared = act && !list_empty(&p->sharers);
    if (act && !shared)
        set_action(p, sig, act);
    spin_unlock(&p->sig_lock);
    if (shared)
        set_shared_action(p, sig, act);
    return 0;
}

void signal_unshare_actions(struct process *p)
{
    KASSERT(mutex_held(&proc_tree_lock), "process %d unshares without the lock", p->pid);
    if (list_empty(&p->sharers))
        return;
    SCOPED_SPIN(&p->sig_lock);
    list_remove(&p->sharers);
}

void signal_inherit_actions(struct process *child, const struct process *p)
{
    KASSERT(spin_held(&p->sig_lock), "actions of process %d without the lock", p->pid);
    child->acted = p->acted;
    for (sigset_t left = p->acted; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzl(left);
        child->actions[i] = p->actions[i];
    }
}

void signal_exec(struct process *p)
{
    if (!list_empty(&p->sharers)) {
        mutex_lock(&proc_tree_lock);
        signal_unshare_actions(p);
        mutex_unlock(&proc_tree_lock);
    }
    thread_current()->altstack = (struct sigaltstack){.flags = SS_DISABLE};
    SCOPED_SPIN(&p->sig_lock);
    for (sigset_t left = p->acted; left; left &= left - 1) {
        struct sigaction *act = &p->actions[__builtin_ctzl(left)];
        *act = (struct sigaction){.handler = act->handler == SIG_IGN ? SIG_IGN : SIG_DFL};
    }
}

bool signal_ignored_or_blocked(int sig)
{
    struct thread *t = thread_current();

    return (t->blocked & sigbit(sig)) || t->proc->actions[sig - 1].handler == SIG_IGN;
}
