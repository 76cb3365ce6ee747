// SPDX-License-Identifier: BSD-2-Clause
/*
 * Signals with Linux's numbers, codes and context layout.
 */
#pragma once

#include <sys/types.h>
#include <time.h>

#define SIGHUP    1
#define SIGINT    2
#define SIGQUIT   3
#define SIGILL    4
#define SIGTRAP   5
#define SIGABRT   6
#define SIGBUS    7
#define SIGFPE    8
#define SIGKILL   9
#define SIGUSR1   10
#define SIGSEGV   11
#define SIGUSR2   12
#define SIGPIPE   13
#define SIGALRM   14
#define SIGTERM   15
#define SIGCHLD   17
#define SIGCONT   18
#define SIGSTOP   19
#define SIGTSTP   20
#define SIGTTIN   21
#define SIGTTOU   22
#define SIGURG    23
#define SIGXCPU   24
#define SIGXFSZ   25
#define SIGVTALRM 26
#define SIGPROF   27
#define SIGWINCH  28
#define SIGIO     29
#define SIGPWR    30
#define SIGSYS    31
#define NSIG      65

#define SIG_DFL ((void (*)(int))0)
#define SIG_IGN ((void (*)(int))1)
#define SIG_ERR ((void (*)(int))-1)

#define SIG_BLOCK   0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2

#define SA_NOCLDSTOP 1
#define SA_NOCLDWAIT 2
#define SA_SIGINFO   4
#define SA_ONSTACK   0x08000000
#define SA_RESTART   0x10000000
#define SA_NODEFER   0x40000000
#define SA_RESETHAND 0x80000000

#define SS_ONSTACK  1
#define SS_DISABLE  2
#define MINSIGSTKSZ 2048
#define SIGSTKSZ    8192

#define SI_USER     0
#define SI_KERNEL   0x80
#define SI_TKILL    (-6)
#define SEGV_MAPERR 1
#define SEGV_ACCERR 2
#define BUS_ADRALN  1
#define BUS_ADRERR  2
#define FPE_INTDIV  1
#define CLD_EXITED  1
#define CLD_KILLED  2
#define CLD_DUMPED  3
#define CLD_STOPPED 5

typedef unsigned long sigset_t; /* bit n-1: signal n */
typedef int sig_atomic_t;

typedef struct {
    int si_signo, si_errno, si_code;
    int __pad;
    union {
        struct {
            pid_t si_pid;
            uid_t si_uid;
            union {
                int si_status;
                void *si_ptr;
            };
        };
        void *si_addr;
        char __size[112];
    };
} siginfo_t;

_Static_assert(sizeof(siginfo_t) == 128, "Linux's siginfo");

typedef struct {
    void *ss_sp;
    int ss_flags;
    size_t ss_size;
} stack_t;

enum { REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RDI, REG_RSI,
       REG_RBP, REG_RBX, REG_RDX, REG_RAX, REG_RCX, REG_RSP, REG_RIP, REG_EFL, REG_CSGSFS,
       REG_ERR, REG_TRAPNO, REG_OLDMASK, REG_CR2, NGREG };

typedef struct {
    long gregs[NGREG];
    void *fpregs;
    unsigned long __reserved[8];
} mcontext_t;

typedef struct ucontext {
    unsigned long uc_flags;
    struct ucontext *uc_link;
    stack_t uc_stack;
    mcontext_t uc_mcontext;
    sigset_t uc_sigmask;
} ucontext_t;

struct sigaction {
    union {
        void (*sa_handler)(int);
        void (*sa_sigaction)(int, siginfo_t *, void *);
    };
    sigset_t sa_mask;
    int sa_flags;
};

int sigaction(int sig, const struct sigaction *restrict new, struct sigaction *restrict old);
void (*signal(int sig, void (*handler)(int)))(int); /* restarts calls, stays installed */
int sigprocmask(int how, const sigset_t *restrict set, sigset_t *restrict old);
int sigpending(sigset_t *set);
int sigsuspend(const sigset_t *mask);
int sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict info,
                 const struct timespec *restrict timeout);
int sigaltstack(const stack_t *restrict new, stack_t *restrict old);
int kill(pid_t pid, int sig);
int tgkill(pid_t tgid, pid_t tid, int sig);
int raise(int sig);

static inline int sigemptyset(sigset_t *set)
{
    *set = 0;
    return 0;
}

static inline int sigfillset(sigset_t *set)
{
    *set = ~0UL;
    return 0;
}

static inline int sigaddset(sigset_t *set, int sig)
{
    *set |= 1UL << (sig - 1);
    return 0;
}

static inline int sigdelset(sigset_t *set, int sig)
{
    *set &= ~(1UL << (sig - 1));
    return 0;
}

static inline int sigismember(const sigset_t *set, int sig)
{
    return (*set >> (sig - 1)) & 1;
}
