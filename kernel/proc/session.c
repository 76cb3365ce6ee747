// SPDX-License-Identifier: BSD-2-Clause
//
// Process groups and sessions, and what the terminal asks about them.
#include "fs/tty.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "proc/process.h"
#include "proc/sigdeliver.h"
#include "sync/scoped.h"

// ---- groups; tree lock held ----

void signal_group_member(struct process *p, int sig, const struct siginfo *info)
{
    KASSERT(mutex_held(&proc_tree_lock), "signal %d for a group without the lock", sig);
    SCOPED_SPIN(&p->sig_lock);
    signal_send_locked(p, NULL, sig, info);
    list_for_each (t, &p->threads, struct thread, link) {
        if (t->forking && !signal_is_ignored(p, sig))
            t->fork_signals |= sigbit(sig);
    }
}

static bool group_exists_in(int pgid, int sid)
{
    for (struct process *p = init_process; p; p = process_after(p)) {
        if (p->pgid == pgid && p->sid == sid)
            return true;
    }
    return false;
}

bool process_group_orphaned(int pgid, const struct process *but_for)
{
    for (struct process *p = init_process; p; p = process_after(p)) {
        if (p->pgid != pgid || p == but_for || p->zombie || !p->parent)
            continue;
        if (p->parent != init_process && p->parent->pgid != pgid && p->parent->sid == p->sid)
            return false;
    }
    return true;
}

// The group has no parent left that could continue its stopped processes.
static void wake_orphans(int pgid)
{
    bool stopped = false;

    for (struct process *p = init_process; p; p = process_after(p))
        stopped |= p->pgid == pgid && !p->zombie && p->stop == STOP_DONE;
    for (struct process *p = init_process; stopped && p; p = process_after(p)) {
        if (p->pgid != pgid)
            continue;
        signal_group_member(p, SIGHUP, NULL);
        signal_group_member(p, SIGCONT, NULL);
    }
}

void session_process_ends(struct process *p)
{
    // Its own group may have depended on its parent's being there for it; its children's on it.
    if (p->parent->pgid != p->pgid && process_group_orphaned(p->pgid, p))
        wake_orphans(p->pgid);
    list_for_each (c, &p->children, struct process, sibling) {
        if (c->pgid == p->pgid || c->sid != p->sid)
            continue;
        struct process *parent = c->parent;
        c->parent = init_process;
        if (process_group_orphaned(c->pgid, NULL))
            wake_orphans(c->pgid);
        c->parent = parent;
    }
}

int process_setpgid(int pid, int pgid)
{
    struct process *self = process_current();

    if (pgid < 0)
        return EINVAL;
    SCOPED_MUTEX(&proc_tree_lock);
    struct process *p = pid ? process_find_locked(pid) : self;
    if (pgid == 0 && p)
        pgid = p->pid;
    if (!p || (p != self && p->parent != self))
        return ESRCH;
    if (p != self && p->execed)
        return EACCES;
    if (p->sid == p->pid || p->sid != self->sid)
        return EPERM;
    if (pgid != p->pid && !group_exists_in(pgid, p->sid))
        return EPERM;
    store_relaxed(&p->pgid, pgid);
    return 0;
}

int process_setsid(int *sid)
{
    struct process *self = process_current();

    SCOPED_MUTEX(&proc_tree_lock);
    for (struct process *p = init_process; p; p = process_after(p)) {
        if (p->pgid == self->pid)
            return EPERM;
    }
    self->pgid = self->sid = *sid = self->pid;
    return 0;
}

// ---- the terminal's hooks ----

static void signal_one(struct process *p, void *sig)
{
    signal_group_member(p, (int)(intptr_t)sig, NULL);
}

static void signal_group(int pgid, int sig)
{
    process_for_group(pgid, signal_one, (void *)(intptr_t)sig);
}

static int current_session(void)
{
    return process_current()->sid;
}

static int current_group(void)
{
    return process_current()->pgid;
}

static bool is_leader(void)
{
    return process_current()->sid == process_current()->pid;
}

static bool group_in_session(int pgid, int sid)
{
    SCOPED_MUTEX(&proc_tree_lock);
    return group_exists_in(pgid, sid);
}

static int background(int sig)
{
    struct process *self = process_current();

    if (signal_ignored_or_blocked(sig))
        return sig == SIGTTIN ? EIO : 0;
    {
        SCOPED_MUTEX(&proc_tree_lock);
        if (process_group_orphaned(self->pgid, NULL))
            return EIO;
    }
    signal_group(self->pgid, sig);
    return ERESTART;
}

void session_init(void)
{
    static const struct tty_ops ops = {.signal_group = signal_group,
                                       .session = current_session,
                                       .group = current_group,
                                       .is_leader = is_leader,
                                       .group_in_session = group_in_session,
                                       .background = background};

    tty_init(&ops);
}
