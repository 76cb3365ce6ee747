// SPDX-License-Identifier: BSD-2-Clause
//
// Calls on threads, on how they are scheduled, and on a process's limits.
#include "amd64/cpu.h"
#include "amd64/usercopy.h"
#include "fs/file.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/memlayout.h"
#include "proc/process.h"
#include "proc/thread.h"
#include "sys/syscall.h"

// ---- threads ----

static int sys_set_tid_address(vaddr_t va)
{
    thread_current()->clear_tid_va = va;
    return answer(thread_current()->tid);
}

static int sys_set_robust_list(vaddr_t list_va, size_t len)
{
    if (len != 3 * sizeof(uint64_t))
        return EINVAL;
    thread_current()->robust_list_va = list_va;
    return 0;
}

enum { ARCH_SET_GS = 0x1001, ARCH_SET_FS, ARCH_GET_FS, ARCH_GET_GS };

static int sys_arch_prctl(int code, vaddr_t addr)
{
    struct cpu_context *c = &thread_current()->context;

    switch (code) {
    case ARCH_SET_FS:
    case ARCH_SET_GS:
        if (addr >= USER_MAX)
            return EPERM;
        if (code == ARCH_SET_FS)
            context_set_fs_base(c, addr);
        else
            context_set_gs_base(c, addr);
        return 0;
    case ARCH_GET_FS:
        return copyout(addr, &c->fs_base, sizeof(c->fs_base));
    case ARCH_GET_GS:
        return copyout(addr, &c->gs_base, sizeof(c->gs_base));
    default:
        return EINVAL;
    }
}

enum { PR_GET_DUMPABLE = 3, PR_SET_DUMPABLE, PR_SET_NAME = 15, PR_GET_NAME };
enum { PR_SET_NO_NEW_PRIVS = 38, PR_GET_NO_NEW_PRIVS };

static int set_name(vaddr_t name_va)
{
    struct thread *t = thread_current();
    char name[COMM_LEN] = "";
    int error = copyinstr(name, name_va, sizeof(name), NULL);

    if (error == EFAULT)
        return EFAULT;
    name[sizeof(name) - 1] = '\0';
    thread_set_name(t, name);
    if (t->tid == t->proc->pid)
        memcpy(t->proc->comm, name, sizeof(name));
    return 0;
}

static int sys_prctl(int option, uint64_t arg)
{
    switch (option) {
    case PR_SET_NAME:
        return set_name(arg);
    case PR_GET_NAME:
        return copyout(arg, thread_current()->comm, COMM_LEN);
    case PR_GET_DUMPABLE:
        return answer(1);
    case PR_SET_DUMPABLE:
        return arg <= 1 ? 0 : EINVAL;
    case PR_SET_NO_NEW_PRIVS:
        return arg == 1 ? 0 : EINVAL;
    case PR_GET_NO_NEW_PRIVS:
        return 0;
    default:
        return EINVAL;
    }
}

// ---- scheduling: one policy, all CPUs ----

static int sys_sched_yield(void)
{
    sched_yield();
    return 0;
}

static int check_pid(int pid)
{
    if (pid == 0 || pid == thread_current()->tid)
        return 0;
    struct process *p = pid > 0 ? process_of_task(pid) : NULL;
    if (!p)
        return pid < 0 ? EINVAL : ESRCH;
    process_unref(p);
    return 0;
}

static int sys_sched_getaffinity(int pid, unsigned len, vaddr_t mask_va)
{
    const uint64_t mask = (1ul << ncpus) - 1;
    int error = check_pid(pid);

    if (error)
        return error;
    if (len < sizeof(mask) || len % sizeof(mask))
        return EINVAL;
    return copyout(mask_va, &mask, sizeof(mask)) ? EFAULT : answer(sizeof(mask));
}

static int sys_sched_setaffinity(int pid, unsigned len, vaddr_t mask_va)
{
    uint64_t mask = 0;
    int error = check_pid(pid);

    if (error)
        return error;
    if (copyin(&mask, mask_va, min(len, sizeof(mask))) != 0)
        return EFAULT;
    return mask & ((1ul << ncpus) - 1) ? 0 : EINVAL;
}

#define NICE_MIN (-20)
#define NICE_MAX 19

enum { PRIO_PROCESS, PRIO_PGRP, PRIO_USER };

struct nice_arg {
    int tid; // this thread alone; 0: all
    bool set;
    int nice; // to set, or the lowest found
    bool found;
};

static void nice_one(struct process *p, void *arg)
{
    struct nice_arg *a = arg;

    spin_lock(&p->sig_lock);
    list_for_each (t, &p->threads, struct thread, link) {
        if (a->tid && t->tid != a->tid)
            continue;
        if (a->set)
            sched_set_nice(t, a->nice);
        else
            a->nice = min(a->nice, t->nice);
        a->found = true;
    }
    spin_unlock(&p->sig_lock);
}

static int nice_some(int which, int who, struct nice_arg *a)
{
    struct process *self = process_current(), *p;

    switch (which) {
    case PRIO_PROCESS:
        a->tid = who ? who : thread_current()->tid;
        p = process_of_task(a->tid);
        if (p) {
            nice_one(p, a);
            process_unref(p);
        }
        break;
    case PRIO_PGRP:
        if (who >= 0)
            process_for_group(who ? who : self->pgid, nice_one, a);
        break;
    case PRIO_USER:
        if (who == 0) {
            process_for_group(-1, nice_one, a);
            nice_one(init_process, a);
            nice_one(self, a);
        }
        break;
    default:
        return EINVAL;
    }
    return a->found ? 0 : ESRCH;
}

static int sys_getpriority(int which, int who)
{
    struct nice_arg a = {.nice = NICE_MAX};
    int error = nice_some(which, who, &a);

    return error ? error : answer(20 - a.nice);
}

static int sys_setpriority(int which, int who, int nice)
{
    struct nice_arg a = {.set = true, .nice = max(min(nice, NICE_MAX), NICE_MIN)};

    return nice_some(which, who, &a);
}

// ---- limits ----

static int sys_prlimit64(int pid, unsigned resource, vaddr_t new_va, vaddr_t old_va)
{
    struct process *p = process_of_task(pid ? pid : process_current()->pid);
    struct rlimit new, old;
    int error = 0;

    if (!p)
        return ESRCH;
    if (new_va)
        error = copyin(&new, new_va, sizeof(new));
    if (!error)
        error = limits_change(p, resource, new_va ? &new : NULL, &old);
    if (!error && old_va)
        error = copyout(old_va, &old, sizeof(old));
    process_unref(p);
    return error;
}

static int sys_getrlimit(unsigned resource, vaddr_t va)
{
    return sys_prlimit64(0, resource, 0, va);
}

static int sys_setrlimit(unsigned resource, vaddr_t va)
{
    return va ? sys_prlimit64(0, resource, va, 0) : EFAULT;
}

// clang-format off
const struct call thread_calls[] = {
    CALL(24, sched_yield), CALL(97, getrlimit), CALL(140, getpriority), CALL(141, setpriority),
    CALL(157, prctl), CALL(158, arch_prctl), CALL(160, setrlimit), CALL(203, sched_setaffinity),
    CALL(204, sched_getaffinity), CALL(218, set_tid_address), CALL(273, set_robust_list),
    CALL(302, prlimit64), {0},
};
// clang-format on
