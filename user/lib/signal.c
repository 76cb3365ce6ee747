// SPDX-License-Identifier: BSD-2-Clause
/*
 * Signals. The kernel's sigaction has the address that a handler returns to; ours fills it in.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "libc.h"

#define SA_RESTORER 0x04000000

struct ksigaction {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    sigset_t mask;
};

int sigaction(int sig, const struct sigaction *restrict new, struct sigaction *restrict old)
{
    struct ksigaction knew, kold;
    if (new)
        knew = (struct ksigaction){
            .handler = new->sa_handler,
            .flags = (unsigned)new->sa_flags | SA_RESTORER,
            .restorer = __restore_rt,
            .mask = new->sa_mask,
        };
    long r =
        syscall(SYS_rt_sigaction, sig, new ? &knew : NULL, old ? &kold : NULL, sizeof(sigset_t));
    if (r == 0 && old) {
        memset(old, 0, sizeof *old);
        old->sa_handler = kold.handler;
        old->sa_mask = kold.mask;
        old->sa_flags = (int)(kold.flags & ~(unsigned long)SA_RESTORER);
    }
    return (int)r;
}

void (*signal(int sig, void (*handler)(int)))(int)
{
    struct sigaction new = {.sa_handler = handler, .sa_flags = SA_RESTART}, old;
    return sigaction(sig, &new, &old) == 0 ? old.sa_handler : SIG_ERR;
}

int sigprocmask(int how, const sigset_t *restrict set, sigset_t *restrict old)
{
    return (int)syscall(SYS_rt_sigprocmask, how, set, old, sizeof(sigset_t));
}

int sigpending(sigset_t *set)
{
    return (int)syscall(SYS_rt_sigpending, set, sizeof(sigset_t));
}

int sigsuspend(const sigset_t *mask)
{
    return (int)syscall(SYS_rt_sigsuspend, mask, sizeof(sigset_t));
}

int sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict info,
                 const struct timespec *restrict timeout)
{
    return (int)syscall(SYS_rt_sigtimedwait, set, info, timeout, sizeof(sigset_t));
}

int sigaltstack(const stack_t *restrict new, stack_t *restrict old)
{
    return (int)syscall(SYS_sigaltstack, new, old);
}

int kill(pid_t pid, int sig)
{
    return (int)syscall(SYS_kill, pid, sig);
}

int tgkill(pid_t tgid, pid_t tid, int sig)
{
    return (int)syscall(SYS_tgkill, tgid, tid, sig);
}

int raise(int sig)
{
    return tgkill(getpid(), gettid(), sig);
}

void abort(void)
{
    raise(SIGABRT);
    signal(SIGABRT, SIG_DFL);
    raise(SIGABRT);
    _exit(127);
}
