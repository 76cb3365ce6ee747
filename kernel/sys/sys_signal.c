// SPDX-License-Identifier: BSD-2-Clause
//
// Calls on signals.
#include "amd64/usercopy.h"
#include "lib/errno.h"
#include "proc/process.h"
#include "proc/sigdeliver.h"
#include "proc/thread.h"
#include "sync/waitq.h"
#include "sys/calls.h"
#include "sys/syscall.h"

static struct siginfo info_from_self(int code)
{
    return (struct siginfo){.code = code, .pid = process_current()->pid};
}

struct kill_arg {
    int sig;
    struct siginfo info;
};

static void kill_member(struct process *p, void *arg)
{
    const struct kill_arg *k = arg;

    if (k->sig)
        signal_group_member(p, k->sig, &k->info);
}

static void kill_one(struct process *p, void *arg)
{
    const struct kill_arg *k = arg;

    if (k->sig)
        signal_process(p, k->sig, &k->info);
}

long sys_kill(int pid, int sig)
{
    struct kill_arg k = {sig, info_from_self(SI_USER)};

    if (sig < 0 || sig > NSIG)
        return -EINVAL;
    if (pid == INT32_MIN)
        return -ESRCH;
    if (pid <= 0) {
        int group = pid == 0 ? process_current()->pgid : pid == -1 ? -1 : -pid;
        return process_for_group(group, kill_member, &k) ? 0 : -ESRCH;
    }
    struct process *p = process_find(pid);
    if (!p)
        return -ESRCH;
    kill_one(p, &k);
    process_unref(p);
    return 0;
}

// Sends to thread tid of p: false if p has none.
static bool kill_thread(struct process *p, int tid, const struct kill_arg *k)
{
    bool found = false;

    spin_lock(&p->sig_lock);
    list_for_each (t, &p->threads, struct thread, link) {
        if (t->tid == tid) {
            found = true;
            if (k->sig)
                signal_thread_locked(t, k->sig, &k->info);
            break;
        }
    }
    spin_unlock(&p->sig_lock);
    return found;
}

long sys_tgkill(int tgid, int tid, int sig)
{
    const struct kill_arg k = {sig, info_from_self(SI_TKILL)};

    if (tgid <= 0 || tid <= 0 || sig < 0 || sig > NSIG)
        return -EINVAL;
    struct process *p = process_find(tgid);
    if (!p)
        return -ESRCH;
    bool found = kill_thread(p, tid, &k);
    process_unref(p);
    return found ? 0 : -ESRCH;
}

long sys_tkill(int tid, int sig)
{
    const struct kill_arg k = {sig, info_from_self(SI_TKILL)};

    if (tid <= 0 || sig < 0 || sig > NSIG)
        return -EINVAL;
    if (kill_thread(process_current(), tid, &k))
        return 0;
    bool found = false;
    mutex_lock(&proc_tree_lock);
    for (struct process *p = init_process; p && !found; p = process_after(p))
        found = kill_thread(p, tid, &k);
    mutex_unlock(&proc_tree_lock);
    return found ? 0 : -ESRCH;
}

// ---- masks and actions ----

static bool bad_size(size_t size)
{
    return size != sizeof(sigset_t);
}

long sys_rt_sigaction(int sig, vaddr_t new_va, vaddr_t old_va, size_t size)
{
    struct sigaction new, old;

    if (bad_size(size))
        return -EINVAL;
    if (new_va && copyin(&new, new_va, sizeof(new)) != 0)
        return -EFAULT;
    int err = signal_action(sig, new_va ? &new : NULL, &old);
    if (!err && old_va)
        err = copyout(old_va, &old, sizeof(old));
    return -err;
}

long sys_rt_sigprocmask(int how, vaddr_t set_va, vaddr_t old_va, size_t size)
{
    sigset_t old = thread_current()->blocked, set;

    if (bad_size(size))
        return -EINVAL;
    if (set_va) {
        if (copyin(&set, set_va, sizeof(set)) != 0)
            return -EFAULT;
        if (how == SIG_BLOCK)
            set |= old;
        else if (how == SIG_UNBLOCK)
            set = old & ~set;
        else if (how != SIG_SETMASK)
            return -EINVAL;
        signal_set_mask(set);
    }
    return old_va ? -copyout(old_va, &old, sizeof(old)) : 0;
}

long sys_rt_sigpending(vaddr_t set_va, size_t size)
{
    struct thread *t = thread_current();

    if (size > sizeof(sigset_t))
        return -EINVAL;
    spin_lock(&t->proc->sig_lock);
    sigset_t set = (t->pending.set | t->proc->pending.set) & t->blocked;
    spin_unlock(&t->proc->sig_lock);
    return -copyout(set_va, &set, size);
}

long sys_sigaltstack(vaddr_t new_va, vaddr_t old_va)
{
    struct sigaltstack new, old;

    if (new_va && copyin(&new, new_va, sizeof(new)) != 0)
        return -EFAULT;
    int err = signal_altstack(new_va ? &new : NULL, &old);
    if (!err && old_va)
        err = copyout(old_va, &old, sizeof(old));
    return -err;
}

long sys_rt_sigreturn(void)
{
    struct thread *t = thread_current();
    struct trapframe *tf = thread_frame(t);

    if (sigframe_pop(t, tf) != 0)
        signal_fault(SIGSEGV, SI_KERNEL, 0);
    return (long)tf->rax;
}

// ---- waiting ----

static long wait_for_signal(void)
{
    while (!signal_pending())
        waitq_block(WAIT_INTR, WAIT_FOREVER);
    return -ERESTART_NOHAND;
}

long sys_pause(void)
{
    return wait_for_signal();
}

long sys_rt_sigsuspend(vaddr_t set_va, size_t size)
{
    sigset_t set;

    if (bad_size(size))
        return -EINVAL;
    if (copyin(&set, set_va, sizeof(set)) != 0)
        return -EFAULT;
    signal_set_mask_for_call(set);
    return wait_for_signal();
}

long sys_rt_sigtimedwait(vaddr_t set_va, vaddr_t info_va, vaddr_t timeout_va, size_t size)
{
    uint64_t ns, deadline = WAIT_FOREVER;
    struct siginfo info;
    sigset_t set;

    if (bad_size(size))
        return -EINVAL;
    if (copyin(&set, set_va, sizeof(set)) != 0)
        return -EFAULT;
    if (timeout_va) {
        int err = timespec_in(timeout_va, &ns);
        if (err)
            return -err;
        deadline = deadline_after(ns);
    }
    int err = signal_timedwait(set, deadline, &info);
    if (err)
        return -err;
    if (info_va && copyout(info_va, &info, sizeof(info)) != 0)
        return -EFAULT;
    return info.signo;
}

static long queue_info(vaddr_t info_va, int sig, struct kill_arg *k)
{
    if (sig < 0 || sig > NSIG)
        return -EINVAL;
    if (copyin(&k->info, info_va, sizeof(k->info)) != 0)
        return -EFAULT;
    // Only the kernel may say that the kernel or kill sent it.
    if (k->info.code >= 0 || k->info.code == SI_TKILL)
        return -EPERM;
    k->sig = sig;
    return 0;
}

long sys_rt_sigqueueinfo(int pid, int sig, vaddr_t info_va)
{
    struct kill_arg k;
    long result = queue_info(info_va, sig, &k);

    if (result)
        return result;
    struct process *p = pid > 0 ? process_find(pid) : NULL;
    if (!p)
        return -ESRCH;
    kill_one(p, &k);
    process_unref(p);
    return 0;
}
