// SPDX-License-Identifier: BSD-2-Clause
//
// Calls on signals.
#include "amd64/usercopy.h"
#include "lib/errno.h"
#include "proc/process.h"
#include "proc/sigdeliver.h"
#include "proc/thread.h"
#include "sync/waitq.h"
#include "sys/syscall.h"

static struct siginfo info_from_self(int code)
{
    return (struct siginfo){.code = code, .pid = process_current()->pid};
}

struct kill_arg {
    int sig;
    struct siginfo info;
};

static bool bad_signal(int sig)
{
    return sig < 0 || sig > NSIG;
}

static void kill_member(struct process *p, void *arg)
{
    const struct kill_arg *k = arg;

    if (k->sig && !bad_signal(k->sig))
        signal_group_member(p, k->sig, &k->info);
}

// Sends to the process that has the task id. Who there is comes before what is sent, as on Linux.
static int kill_task(int id, const struct kill_arg *k)
{
    struct process *p = id > 0 ? process_of_task(id) : NULL;

    if (!p)
        return ESRCH;
    int error = bad_signal(k->sig) ? EINVAL : k->sig ? signal_process(p, k->sig, &k->info) : 0;
    process_unref(p);
    return error;
}

static int sys_kill(int pid, int sig)
{
    struct kill_arg k = {sig, info_from_self(SI_USER)};

    if (pid > 0)
        return kill_task(pid, &k);
    if (pid == INT32_MIN)
        return ESRCH;
    int group = pid == 0 ? process_current()->pgid : pid == -1 ? -1 : -pid;
    if (!process_for_group(group, kill_member, &k))
        return ESRCH;
    return bad_signal(sig) ? EINVAL : 0;
}

// Sends to thread tid of p, whose reference it takes over; p may be NULL.
static int kill_thread(struct process *p, int tid, int sig)
{
    const struct siginfo info = info_from_self(SI_TKILL);
    int error = ESRCH;

    if (!p)
        return ESRCH;
    spin_lock(&p->sig_lock);
    list_for_each (t, &p->threads, struct thread, link) {
        if (t->tid == tid) {
            error = bad_signal(sig) ? EINVAL : sig ? signal_thread_locked(t, sig, &info) : 0;
            break;
        }
    }
    spin_unlock(&p->sig_lock);
    process_unref(p);
    return error;
}

static int sys_tgkill(int tgid, int tid, int sig)
{
    return tgid <= 0 || tid <= 0 ? EINVAL : kill_thread(process_find(tgid), tid, sig);
}

static int sys_tkill(int tid, int sig)
{
    struct process *self = process_current();

    if (tid <= 0)
        return EINVAL;
    process_ref(self);
    int error = kill_thread(self, tid, sig); // raise: nearly always
    return error == ESRCH ? kill_thread(process_of_task(tid), tid, sig) : error;
}

// ---- masks and actions ----

static bool bad_size(size_t size)
{
    return size != sizeof(sigset_t);
}

static int sys_rt_sigaction(int sig, vaddr_t new_va, vaddr_t old_va, size_t size)
{
    struct sigaction new, old;

    if (bad_size(size))
        return EINVAL;
    if (new_va && copyin(&new, new_va, sizeof(new)) != 0)
        return EFAULT;
    int error = signal_action(sig, new_va ? &new : NULL, &old);
    if (!error && old_va)
        error = copyout(old_va, &old, sizeof(old));
    return error;
}

static int sys_rt_sigprocmask(int how, vaddr_t set_va, vaddr_t old_va, size_t size)
{
    sigset_t old = thread_current()->blocked, set;

    if (bad_size(size))
        return EINVAL;
    if (set_va) {
        if (copyin(&set, set_va, sizeof(set)) != 0)
            return EFAULT;
        if (how == SIG_BLOCK)
            set |= old;
        else if (how == SIG_UNBLOCK)
            set = old & ~set;
        else if (how != SIG_SETMASK)
            return EINVAL;
        signal_set_mask(set);
    }
    return old_va ? copyout(old_va, &old, sizeof(old)) : 0;
}

static int sys_rt_sigpending(vaddr_t set_va, size_t size)
{
    struct thread *t = thread_current();

    if (size > sizeof(sigset_t))
        return EINVAL;
    spin_lock(&t->proc->sig_lock);
    sigset_t set = (t->pending.set | t->proc->pending.set) & t->blocked;
    spin_unlock(&t->proc->sig_lock);
    return copyout(set_va, &set, size);
}

static int sys_sigaltstack(vaddr_t new_va, vaddr_t old_va)
{
    struct sigaltstack new, old;

    if (new_va && copyin(&new, new_va, sizeof(new)) != 0)
        return EFAULT;
    int error = signal_altstack(new_va ? &new : NULL, &old);
    if (!error && old_va)
        error = copyout(old_va, &old, sizeof(old));
    return error;
}

static int sys_rt_sigreturn(void)
{
    struct thread *t = thread_current();
    struct trapframe *tf = thread_frame(t);

    if (sigframe_pop(t, tf) != 0)
        signal_fault(SIGSEGV, SI_KERNEL, 0);
    return 0; // and rax is what it was
}

// ---- waiting ----

static int wait_for_signal(void)
{
    while (!signal_pending())
        waitq_block(WAIT_INTR, WAIT_FOREVER);
    return ERESTART_NOHAND;
}

static int sys_pause(void)
{
    return wait_for_signal();
}

static int set_in(vaddr_t va, size_t size, sigset_t *set)
{
    return bad_size(size) ? EINVAL : copyin(set, va, sizeof(*set));
}

static int sys_rt_sigsuspend(vaddr_t set_va, size_t size)
{
    sigset_t set;
    int error = set_in(set_va, size, &set);

    if (error)
        return error;
    signal_set_mask_for_call(set);
    return wait_for_signal();
}

static int sys_rt_sigtimedwait(vaddr_t set_va, vaddr_t info_va, vaddr_t timeout_va, size_t size)
{
    uint64_t deadline;
    struct siginfo info;
    sigset_t set;
    int error = set_in(set_va, size, &set);

    if (!error)
        error = deadline_in(timeout_va, timespec_in, &deadline);
    if (!error)
        error = signal_timedwait(set, deadline, &info);
    if (error)
        return error;
    return info_va && copyout(info_va, &info, sizeof(info)) ? EFAULT : answer(info.signo);
}

static int sys_rt_sigqueueinfo(int pid, int sig, vaddr_t info_va)
{
    struct kill_arg k = {.sig = sig};

    if (copyin(&k.info, info_va, sizeof(k.info)) != 0)
        return EFAULT;
    // To others only the kernel may say that the kernel or kill sent it.
    if ((k.info.code >= 0 || k.info.code == SI_TKILL) && pid != thread_current()->tid)
        return EPERM;
    return kill_task(pid, &k);
}

// clang-format off
const struct call signal_calls[] = {
    CALL(13, rt_sigaction), CALL(14, rt_sigprocmask), CALL(15, rt_sigreturn), CALL(34, pause),
    CALL(62, kill), CALL(127, rt_sigpending), CALL(128, rt_sigtimedwait),
    CALL(129, rt_sigqueueinfo), CALL(130, rt_sigsuspend), CALL(131, sigaltstack), CALL(200, tkill),
    CALL(234, tgkill), {0},
};
// clang-format on
