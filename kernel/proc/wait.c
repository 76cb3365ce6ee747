// SPDX-License-Identifier: BSD-2-Clause
//
// Waiting for children, telling parents, and adding up CPU time.
#include "amd64/clock.h"
#include "lib/errno.h"
#include "proc/process.h"
#include "sync/scoped.h"

// ---- time ----

void thread_usage(const struct thread *t, struct usage *u)
{
    uint64_t ns = t->run_ns, ticks = t->user_ticks + t->sys_ticks;

    if (t == thread_current())
        ns += clock_ns() - t->run_since_ns;
    // The total is exact; the ticks, which are samples, divide it.
    u->user_ns = ticks ? ns / ticks * t->user_ticks : ns;
    u->sys_ns = ns - u->user_ns;
}

void process_usage(struct process *p, struct usage *u)
{
    struct usage one;

    SCOPED_SPIN(&p->sig_lock);
    *u = p->dead_usage;
    list_for_each (t, &p->threads, struct thread, link) {
        thread_usage(t, &one);
        usage_add(u, &one);
    }
}

// ---- telling the parent; tree lock held ----

void process_notify_parent(struct process *p, int code, int status)
{
    struct process *parent = p->parent;
    bool end = code != CLD_STOPPED && code != CLD_CONTINUED;
    int sig = end ? p->exit_signal : SIGCHLD;
    struct usage u;

    if (!parent)
        return;
    process_usage(p, &u);
    struct siginfo info = {.code = code,
                           .pid = p->pid,
                           .status = status,
                           .utime = (int64_t)(u.user_ns / TICK_NS),
                           .stime = (int64_t)(u.sys_ns / TICK_NS)};
    bool quiet = !end && (parent->actions[SIGCHLD - 1].flags & SA_NOCLDSTOP);
    if (sig && sig <= NSIG && !quiet) // what clone got is any byte
        signal_process(parent, sig, &info);
    waitq_wake_all(&parent->child_wait);
}

static void reap(struct process *p)
{
    process_remove(p);
    process_unref(p);
}

void process_report_end(struct process *p)
{
    struct process *parent = p->parent;
    const struct sigaction *act = &parent->actions[SIGCHLD - 1];
    bool ignored = act->handler == SIG_IGN || (act->flags & SA_NOCLDWAIT);
    int sig = p->exit_status & 0x7f;

    process_notify_parent(p, sig ? CLD_KILLED : CLD_EXITED, sig ? sig : p->exit_status >> 8);
    if (ignored && p->exit_signal == SIGCHLD)
        reap(p);
}

// ---- waiting ----

static bool matches(const struct process *c, int type, int id, int options)
{
    bool clone_child = c->exit_signal != SIGCHLD;

    if (!(options & WALL) && clone_child != !!(options & WCLONE))
        return false;
    if (type == P_PID)
        return c->pid == id;
    return type != P_PGID || c->pgid == id;
}

// If c has something to report that the options ask for: fills *result and consumes it.
static bool report(struct process *p, struct process *c, int options, struct wait_result *result)
{
    bool keep = options & WNOWAIT;

    result->pid = c->pid;
    if (c->wait_stopped && (options & WUNTRACED)) {
        result->status = W_STOPPED(c->stop_signal);
        c->wait_stopped = keep;
    } else if (c->wait_continued && (options & WCONTINUED)) {
        result->status = W_CONTINUED;
        c->wait_continued = keep;
    } else if (c->zombie && (options & WEXITED)) {
        result->status = c->exit_status;
    } else {
        return false;
    }
    process_usage(c, &result->usage);
    if (c->zombie && !keep) {
        usage_add(&result->usage, &c->children_usage);
        usage_add(&p->children_usage, &result->usage);
        reap(c);
    }
    return true;
}

// One look at the children: 0 with result->pid, EAGAIN: none is ready yet, ECHILD.
static int look(struct process *p, int type, int id, int options, struct wait_result *result)
{
    bool any = false;

    list_for_each (c, &p->children, struct process, sibling) {
        if (!matches(c, type, id, options))
            continue;
        any = true;
        if (report(p, c, options, result))
            return 0;
    }
    return any ? EAGAIN : ECHILD;
}

int process_wait(int type, int id, int options, struct wait_result *result)
{
    struct process *p = process_current();
    int error;

    SCOPED_MUTEX(&proc_tree_lock);
    if (type == P_PGID && id == 0)
        id = p->pgid;
    while ((error = look(p, type, id, options, result)) == EAGAIN) {
        if (options & WNOHANG) {
            result->pid = 0;
            return 0;
        }
        if (waitq_wait_mutex(&p->child_wait, &proc_tree_lock, WAIT_INTR, WAIT_FOREVER))
            return ERESTART;
    }
    return error;
}
