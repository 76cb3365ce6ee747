// SPDX-License-Identifier: BSD-2-Clause
//
// Sending signals, and the pending sets. What a thread does about them is in sigdeliver.c.
//
// A thread's WORK bits are set by anybody, after which sched_interrupt ends its wait, and cleared
// by the thread itself only, under sig_lock.
#include "proc/signal.h"

#include "lib/errno.h"
#include "lib/panic.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "proc/process.h"
#include "proc/sigdeliver.h"
#include "proc/thread.h"
#include "sync/scoped.h"

struct siginfo_item {
    struct list link;
    struct siginfo info;
};

#define MEMORY_PART 64 // of the memory, signals that wait take one part in so many

static struct pool item_pool;

void signal_init(void)
{
    struct vm_page_stats pages;

    pool_init(&item_pool, "siginfo", sizeof(struct siginfo_item), 0, NULL);
    vm_page_get_stats(&pages);
    pool_set_limits(&item_pool, 0, pages.npages * PAGE_SIZE / MEMORY_PART / item_pool.item_size);
}

// ---- pending sets; sig_lock held ----

void sigpending_init(struct sigpending *p, unsigned *count)
{
    p->set = 0;
    p->count = count;
    list_init(&p->infos);
}

static void remove_item(struct sigpending *p, struct siginfo_item *item)
{
    list_remove(&item->link);
    pool_put(&item_pool, item);
    sub_relaxed(p->count, 1);
}

void sigpending_flush(struct sigpending *p, sigset_t which)
{
    if (!(p->set & which))
        return;
    p->set &= ~which;
    list_for_each_safe (item, &p->infos, struct siginfo_item, link) {
        if (which & sigbit(item->info.signo))
            remove_item(p, item);
    }
}

size_t sigpending_bytes(const struct sigpending *p)
{
    size_t n = 0;

    list_for_each (item, &p->infos, struct siginfo_item, link)
        n += sizeof(*item);
    return n;
}

// What comes from the kernel or from kill is pending once at most, and does not count.
static inline struct siginfo_item *new_item(struct sigpending *p, int sig,
                                            const struct siginfo *info, const struct rlimit *limit)
{
    bool exempt = sig < SIGRTMIN && (!info || info->code >= 0);

    if (!exempt) {
        uint64_t most = min(load_relaxed(&limit->cur), (uint64_t)SIGPENDING_MAX);
        if (load_relaxed(p->count) >= most)
            return NULL;
    }
    struct siginfo_item *item = pool_get(&item_pool, PR_NOWAIT);
    if (item)
        add_relaxed(p->count, 1);
    return item;
}

// A signal below SIGRTMIN is pending once at most. Without memory, and beyond the limit, the signal
// comes and its details do not; where they are what the sender asked for, EAGAIN.
static int sigpending_add(struct sigpending *p, int sig, const struct siginfo *info,
                          const struct rlimit *limit)
{
    if (sig < SIGRTMIN && (p->set & sigbit(sig)))
        return 0;
    struct siginfo_item *item = new_item(p, sig, info, limit);
    if (!item && sig >= SIGRTMIN && info && info->code != SI_USER)
        return EAGAIN;
    p->set |= sigbit(sig);
    if (!item)
        return 0;
    if (info)
        item->info = *info;
    else
        item->info = (struct siginfo){.code = SI_KERNEL};
    item->info.signo = sig;
    list_push_back(&p->infos, &item->link);
    return 0;
}

int sigpending_take(struct sigpending *p, sigset_t which, struct siginfo *info)
{
    const sigset_t faults = sigbit(SIGSEGV) | sigbit(SIGBUS) | sigbit(SIGILL) | sigbit(SIGTRAP) |
                            sigbit(SIGFPE) | sigbit(SIGSYS);
    sigset_t ready = p->set & which;

    if (!ready)
        return 0;
    int sig = __builtin_ctzl(ready & faults ? ready & faults : ready) + 1;
    struct siginfo_item *found = NULL;
    unsigned same = 0;
    list_for_each (item, &p->infos, struct siginfo_item, link) {
        if (item->info.signo != sig)
            continue;
        if (same++ > 0)
            break;
        found = item;
    }
    if (same <= 1)
        p->set &= ~sigbit(sig);
    if (found) {
        *info = found->info;
        remove_item(p, found);
    } else {
        *info = (struct siginfo){.signo = sig, .code = SI_USER};
    }
    return sig;
}

// ---- what a signal does ----

#define STOPS   (sigbit(SIGSTOP) | sigbit(SIGTSTP) | sigbit(SIGTTIN) | sigbit(SIGTTOU))
#define IGNORED (sigbit(SIGCHLD) | sigbit(SIGURG) | sigbit(SIGWINCH) | sigbit(SIGCONT))

enum sig_default signal_default(int sig)
{
    sigset_t bit = sigbit(sig);

    return bit & IGNORED ? DEFAULT_IGNORE : bit & STOPS ? DEFAULT_STOP : DEFAULT_END;
}

bool signal_is_ignored(const struct process *p, int sig)
{
    vaddr_t handler = p->actions[sig - 1].handler;

    if (handler != SIG_DFL)
        return handler == SIG_IGN;
    // init dies of nothing that it has not asked for.
    return p->pid == INIT_PID || signal_default(sig) == DEFAULT_IGNORE;
}

void signal_give_work(struct thread *t, uint32_t work)
{
    or_seq(&t->work, work);
    sched_interrupt(t, work & WORK_KILL);
}

void signal_recalc(struct thread *t)
{
    if ((t->pending.set | t->proc->pending.set) & ~t->blocked)
        or_relaxed(&t->work, WORK_SIGNAL);
    else
        and_relaxed(&t->work, ~(uint32_t)WORK_SIGNAL);
}

void signal_kill_group_locked(struct process *p, int status)
{
    if (p->exiting)
        return;
    p->exiting = true;
    p->group_status = status;
    list_for_each (t, &p->threads, struct thread, link)
        signal_give_work(t, WORK_KILL);
}

void signal_kill_group(struct process *p, int status)
{
    SCOPED_SPIN(&p->sig_lock);
    signal_kill_group_locked(p, status);
}

// ---- sending ----

// A stopped process looks at nothing but SIGKILL until it goes on.
static bool takes(const struct thread *t, int sig)
{
    if (t->proc->stop == STOP_DONE && sig != SIGKILL)
        return false;
    return !(t->blocked & sigbit(sig)) || (t->waited & sigbit(sig));
}

// A thread of p that takes sig: the running one if it can, else the oldest; NULL: all block it.
static struct thread *choose(struct process *p, int sig)
{
    struct thread *self = this_cpu()->in_interrupt ? NULL : thread_current();

    if (self && self->proc == p && takes(self, sig))
        return self;
    list_for_each (t, &p->threads, struct thread, link) {
        if (takes(t, sig))
            return t;
    }
    return NULL;
}

// A stop ends, or one that a thread is about to begin does not begin.
static void continue_process(struct process *p)
{
    p->ncontinues++;
    if (p->stop == STOP_NONE)
        return;
    p->continued = p->stop == STOP_DONE;
    p->stop = STOP_NONE;
    waitq_wake_all(&p->stop_wait);
}

// The effects that SIGCONT and the stop signals have when they are sent, blocked or not.
static void job_control(struct process *p, int sig)
{
    sigset_t cancelled = sig == SIGCONT ? STOPS : sigbit(sig) & STOPS ? sigbit(SIGCONT) : 0;

    if (!cancelled)
        return;
    sigpending_flush(&p->pending, cancelled);
    list_for_each (t, &p->threads, struct thread, link) {
        sigpending_flush(&t->pending, cancelled);
        t->fork_signals &= ~cancelled;
    }
    if (sig == SIGCONT)
        continue_process(p);
}

int signal_send_locked(struct process *p, struct thread *target, int sig,
                       const struct siginfo *info)
{
    KASSERT(spin_held(&p->sig_lock), "signal %d for process %d without the lock", sig, p->pid);
    if (p->exiting || list_empty(&p->threads))
        return 0;
    job_control(p, sig);
    struct thread *t = target && takes(target, sig) ? target : NULL;
    if (!target)
        t = choose(p, sig);
    bool waited = t && (t->waited & sigbit(sig));
    struct thread *first = target ? target : list_first(&p->threads, struct thread, link);
    if (signal_is_ignored(p, sig) && !waited && !(first->blocked & sigbit(sig)))
        return 0;
    int error = sigpending_add(target ? &target->pending : &p->pending, sig, info,
                               &p->limits[RLIMIT_SIGPENDING]);
    if (error || !t)
        return error;
    if (waited && (t->blocked & sigbit(sig)))
        waitq_ops()->wake(&t->kctx);
    else if (p->actions[sig - 1].handler == SIG_DFL && signal_default(sig) == DEFAULT_END)
        signal_kill_group_locked(p, W_SIGNALED(sig));
    else
        signal_give_work(t, WORK_SIGNAL);
    return 0;
}

int signal_thread_locked(struct thread *t, int sig, const struct siginfo *info)
{
    return signal_send_locked(t->proc, t, sig, info);
}

int signal_process(struct process *p, int sig, const struct siginfo *info)
{
    SCOPED_SPIN(&p->sig_lock);
    return signal_send_locked(p, NULL, sig, info);
}

int signal_thread(struct thread *t, int sig, const struct siginfo *info)
{
    SCOPED_SPIN(&t->proc->sig_lock);
    return signal_thread_locked(t, sig, info);
}

void signal_fault(int sig, int code, vaddr_t addr)
{
    struct thread *t = thread_current();
    struct process *p = t->proc;
    struct siginfo info = {.code = code, .addr = addr};

    KASSERT(sig >= 1 && sig <= NSIG, "signal %d", sig);
    SCOPED_SPIN(&p->sig_lock);
    struct sigaction *act = &p->actions[sig - 1];
    if (act->handler == SIG_IGN || (t->blocked & sigbit(sig)) ||
        (act->handler == SIG_DFL && p->pid == INIT_PID)) {
        act->handler = SIG_DFL;
        t->blocked &= ~sigbit(sig);
        signal_kill_group_locked(p, W_SIGNALED(sig));
    }
    signal_send_locked(p, t, sig, &info);
    // Else it would go back to the instruction that faults, for ever.
    KASSERT(t->work & (WORK_SIGNAL | WORK_KILL | WORK_STOP), "thread %d does not hear of signal %d",
            t->tid, sig);
}
