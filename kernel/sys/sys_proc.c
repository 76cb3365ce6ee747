// SPDX-License-Identifier: BSD-2-Clause
//
// Calls on processes: identity, groups, making, ending and waiting.
#include "amd64/cpu.h"
#include "amd64/usercopy.h"
#include "fs/file.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/memlayout.h"
#include "proc/exec.h"
#include "proc/process.h"
#include "proc/thread.h"
#include "sys/syscall.h"

#define CLONE_VM    0x100u
#define CLONE_VFORK 0x4000u

// ---- identity ----

static int sys_getpid(void)
{
    return answer(process_current()->pid);
}

static int sys_getppid(void)
{
    return answer(load_relaxed(&process_current()->ppid));
}

static int sys_gettid(void)
{
    return answer(thread_current()->tid);
}

static int sys_getuid(void)
{
    return 0;
}

static int sys_getresuid(vaddr_t real_va, vaddr_t effective_va, vaddr_t saved_va)
{
    const uint32_t root = 0;

    if (copyout(real_va, &root, sizeof(root)) || copyout(effective_va, &root, sizeof(root)) ||
        copyout(saved_va, &root, sizeof(root)))
        return EFAULT;
    return 0;
}

// There is one user: others cannot be become.
static int sys_setuid(uint32_t id)
{
    return id == 0 ? 0 : EPERM;
}

static int sys_setreuid(uint32_t real, uint32_t effective)
{
    return (real == 0 || real == ~0u) && (effective == 0 || effective == ~0u) ? 0 : EPERM;
}

static int sys_setresuid(uint32_t real, uint32_t effective, uint32_t saved)
{
    return sys_setreuid(real, effective) == 0 && (saved == 0 || saved == ~0u) ? 0 : EPERM;
}

static int sys_getgroups(int size, vaddr_t list_va)
{
    const uint32_t root = 0;
    int n = process_current()->grouped;

    if (size < 0 || (size > 0 && size < n))
        return EINVAL;
    return size && n && copyout(list_va, &root, sizeof(root)) ? EFAULT : answer(n);
}

static int sys_setgroups(int size, vaddr_t list_va)
{
    uint32_t id;

    if (size < 0 || size > 65536)
        return EINVAL;
    for (int i = 0; i < size; i++) {
        if (copyin(&id, list_va + (vaddr_t)i * sizeof(id), sizeof(id)) != 0)
            return EFAULT;
        if (id != 0)
            return EPERM;
    }
    process_current()->grouped = size > 0;
    return 0;
}

// ---- groups and sessions ----

static int sys_setpgid(int pid, int pgid)
{
    return process_setpgid(pid, pgid);
}

static int group_or_session(int pid, bool session)
{
    if (pid == 0)
        pid = process_current()->pid;
    struct process *p = process_of_task(pid);
    if (!p)
        return ESRCH;
    int id = session ? p->sid : p->pgid;
    process_unref(p);
    return answer(id);
}

static int sys_getpgid(int pid)
{
    return group_or_session(pid, false);
}

static int sys_getpgrp(void)
{
    return answer(process_current()->pgid);
}

static int sys_getsid(int pid)
{
    return group_or_session(pid, true);
}

static int sys_setsid(void)
{
    int sid;
    int error = process_setsid(&sid);

    return error ? error : answer(sid);
}

// ---- making and ending ----

static int clone(const struct clone_args *args)
{
    int id;
    int error = process_clone(args, &id);

    return error ? error : answer(id);
}

static int sys_fork(void)
{
    return clone(&(struct clone_args){.flags = SIGCHLD});
}

static int sys_vfork(void)
{
    return clone(&(struct clone_args){.flags = CLONE_VM | CLONE_VFORK | SIGCHLD});
}

static int sys_clone(uint64_t flags, vaddr_t stack_va, vaddr_t parent_tid_va, vaddr_t child_tid_va,
                     vaddr_t tls)
{
    struct clone_args args = {.flags = flags, .stack_va = stack_va, .tls = tls};

    args.parent_tid_va = parent_tid_va;
    args.child_tid_va = child_tid_va;
    return clone(&args);
}

static int sys_execve(const struct at_path *p, vaddr_t argv_va, vaddr_t envp_va)
{
    return exec_user(p->at, p->path.str, argv_va, envp_va);
}

static int sys_execveat(const struct at_path *p, vaddr_t argv_va, vaddr_t envp_va, unsigned flags)
{
    return flags ? EINVAL : sys_execve(p, argv_va, envp_va);
}

static int sys_exit(int code)
{
    thread_exit(W_EXITED(code));
}

static int sys_exit_group(int code)
{
    process_exit(W_EXITED(code));
}

// ---- waiting ----

struct rusage {
    uint64_t utime[2], stime[2];
    uint64_t rest[14];
};

static void to_timeval(uint64_t ns, uint64_t tv[2])
{
    tv[0] = ns / NS_PER_SEC;
    tv[1] = ns % NS_PER_SEC / 1000;
}

static int rusage_out(vaddr_t va, const struct usage *u)
{
    struct rusage r = {0};

    to_timeval(u->user_ns, r.utime);
    to_timeval(u->sys_ns, r.stime);
    return copyout(va, &r, sizeof(r));
}

static int sys_wait4(int pid, vaddr_t status_va, int options, vaddr_t rusage_va)
{
    struct wait_result r;

    if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WALL | WCLONE))
        return EINVAL;
    if (pid == INT32_MIN)
        return ESRCH;
    int type = pid == -1 ? P_ALL : pid > 0 ? P_PID : P_PGID;
    int error = process_wait(type, pid > 0 ? pid : -pid, options | WEXITED, &r);
    if (error)
        return error;
    if (r.pid && status_va && copyout(status_va, &r.status, sizeof(r.status)) != 0)
        return EFAULT;
    if (r.pid && rusage_va && rusage_out(rusage_va, &r.usage) != 0)
        return EFAULT;
    return answer(r.pid);
}

static void wait_siginfo(const struct wait_result *r, struct siginfo *info)
{
    *info = (struct siginfo){0};
    if (!r->pid)
        return;
    info->signo = SIGCHLD;
    info->pid = r->pid;
    if (r->status == W_CONTINUED) {
        info->code = CLD_CONTINUED;
        info->status = SIGCONT;
    } else if ((r->status & 0xff) == 0x7f) {
        info->code = CLD_STOPPED;
        info->status = r->status >> 8;
    } else if (r->status & 0x7f) {
        info->code = CLD_KILLED;
        info->status = r->status & 0x7f;
    } else {
        info->code = CLD_EXITED;
        info->status = r->status >> 8;
    }
}

static int sys_waitid(int type, int id, vaddr_t info_va, int options, vaddr_t rusage_va)
{
    const int what = WEXITED | WUNTRACED | WCONTINUED;
    struct wait_result r;
    struct siginfo info;

    if ((options & ~(what | WNOHANG | WNOWAIT | WNOTHREAD | WALL | WCLONE)) || !(options & what))
        return EINVAL;
    if (type < P_ALL || type > P_PGID || (type == P_PID && id <= 0) || (type == P_PGID && id < 0))
        return EINVAL;
    int error = process_wait(type, id, options, &r);
    if (error)
        return error;
    wait_siginfo(&r, &info);
    if (info_va && copyout(info_va, &info, sizeof(info)) != 0)
        return EFAULT;
    if (r.pid && rusage_va && rusage_out(rusage_va, &r.usage) != 0)
        return EFAULT;
    return 0;
}

enum { RUSAGE_SELF = 0, RUSAGE_CHILDREN = -1, RUSAGE_THREAD = 1 };

static int get_usage(int who, struct usage *u)
{
    struct process *p = process_current();

    switch (who) {
    case RUSAGE_SELF:
        process_usage(p, u);
        return 0;
    case RUSAGE_CHILDREN:
        mutex_lock(&proc_tree_lock);
        *u = p->children_usage;
        mutex_unlock(&proc_tree_lock);
        return 0;
    case RUSAGE_THREAD:
        thread_usage(thread_current(), u);
        return 0;
    default:
        return EINVAL;
    }
}

static int sys_getrusage(int who, vaddr_t rusage_va)
{
    struct usage u;
    int error = get_usage(who, &u);

    return error ? error : rusage_out(rusage_va, &u);
}

static int sys_times(vaddr_t times_va)
{
    struct usage self, children;

    get_usage(RUSAGE_SELF, &self);
    get_usage(RUSAGE_CHILDREN, &children);
    const uint64_t t[4] = {self.user_ns / TICK_NS, self.sys_ns / TICK_NS,
                           children.user_ns / TICK_NS, children.sys_ns / TICK_NS};
    if (times_va && copyout(times_va, t, sizeof(t)) != 0)
        return EFAULT;
    return answer((long)(clock_ns() / TICK_NS));
}

// clang-format off
const struct call proc_calls[] = {
    CALL(39, getpid), CALL(56, clone), CALL(57, fork), CALL(58, vfork),
    CALL_ON(59, execve, NAME, sys_execve), CALL(60, exit), CALL(61, wait4), CALL(98, getrusage),
    CALL(100, times), CALL(102, getuid), ALIAS(104, getgid, getuid), CALL(105, setuid),
    ALIAS(106, setgid, setuid), ALIAS(107, geteuid, getuid), ALIAS(108, getegid, getuid),
    CALL(109, setpgid), CALL(110, getppid), CALL(111, getpgrp), CALL(112, setsid),
    CALL(113, setreuid), ALIAS(114, setregid, setreuid), CALL(115, getgroups), CALL(116, setgroups),
    CALL(117, setresuid), CALL(118, getresuid), ALIAS(119, setresgid, setresuid),
    ALIAS(120, getresgid, getresuid), CALL(121, getpgid), CALL(124, getsid), CALL(186, gettid),
    CALL(231, exit_group), CALL(247, waitid), CALL_ON(322, execveat, NAME_AT, sys_execveat), {0},
};
// clang-format on
