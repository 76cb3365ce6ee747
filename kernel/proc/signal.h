// SPDX-License-Identifier: BSD-2-Clause
//
// Signals: sending, masks, waiting, and what is done before a return to user mode. Frames and
// numbers are Linux's. A signal for a process goes to one of its threads that does not block it;
// one whose default action ends the process ends it at once, also in the kernel's killable waits.
//
// A system call that a signal interrupts returns one of: EINTR; ERESTART (again, if there is no
// handler or it has SA_RESTART); ERESTART_NOHAND (again only if there is no handler);
// ERESTART_NOINTR (again, always: clone, whose child must not miss what the group gets).
// A call with a timeout takes its deadline from signal_deadline, so that a second run ends when
// the first would have.
//
// Locks: a process's sig_lock (a spinlock, LOCK_SIGNAL) guards actions, pending signals, masks and
// the list of threads.
#pragma once

#include "lib/list.h"
#include "lib/types.h"

struct process;
struct thread;
struct trapframe;

typedef uint64_t sigset_t; // bit sig - 1

#define NSIG 64
// signal details that wait in a process, whatever its RLIMIT_SIGPENDING
#define SIGPENDING_MAX 1024
#define sigbit(sig)    (1ul << ((sig)-1))
#define UNBLOCKABLE    (sigbit(SIGKILL) | sigbit(SIGSTOP))

enum {
    SIGHUP = 1,
    SIGINT,
    SIGQUIT,
    SIGILL,
    SIGTRAP,
    SIGABRT,
    SIGBUS,
    SIGFPE,
    SIGKILL,
    SIGUSR1,
    SIGSEGV,
    SIGUSR2,
    SIGPIPE,
    SIGALRM,
    SIGTERM,
    SIGSTKFLT,
    SIGCHLD,
    SIGCONT,
    SIGSTOP,
    SIGTSTP,
    SIGTTIN,
    SIGTTOU,
    SIGURG,
    SIGXCPU,
    SIGXFSZ,
    SIGVTALRM,
    SIGPROF,
    SIGWINCH,
    SIGIO,
    SIGPWR,
    SIGSYS,
    SIGRTMIN,
};

enum { SIG_DFL = 0, SIG_IGN = 1 }; // as a handler
enum { SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK };

#define SA_NOCLDSTOP 0x1u
#define SA_NOCLDWAIT 0x2u
#define SA_SIGINFO   0x4u
#define SA_RESTORER  0x04000000u
#define SA_ONSTACK   0x08000000u
#define SA_RESTART   0x10000000u
#define SA_NODEFER   0x40000000u
#define SA_RESETHAND 0x80000000u

enum { SS_ONSTACK = 1, SS_DISABLE = 2 };
#define MINSIGSTKSZ   2048

// si_code
enum {
    SI_USER = 0,
    SI_KERNEL = 0x80,
    SI_QUEUE = -1,
    SI_TIMER = -2,
    SI_TKILL = -6,
    ILL_ILLOPN = 2,
    FPE_INTDIV = 1,
    FPE_FLTDIV = 3,
    FPE_FLTOVF = 4,
    FPE_FLTUND = 5,
    FPE_FLTRES = 6,
    FPE_FLTINV = 7,
    SEGV_MAPERR = 1,
    SEGV_ACCERR = 2,
    BUS_ADRALN = 1,
    BUS_ADRERR = 2,
    TRAP_BRKPT = 1,
    TRAP_TRACE = 2,
    CLD_EXITED = 1,
    CLD_KILLED = 2,
    CLD_DUMPED = 3,
    CLD_STOPPED = 5,
    CLD_CONTINUED = 6,
};

enum { ERESTART_NOINTR = 513, ERESTART_NOHAND }; // beside ERESTART of lib/errno.h

// Linux's struct kernel_sigaction.
struct sigaction {
    vaddr_t handler;
    uint64_t flags;
    vaddr_t restorer;
    sigset_t mask;
};

struct sigaltstack {
    vaddr_t sp;
    int32_t flags;
    uint32_t pad;
    size_t size;
};

// Linux's siginfo, 128 bytes. Each form has all of them, so that an initializer of any clears all.
struct siginfo {
    int32_t signo, error, code, pad;
    union {
        struct {
            int32_t pid, uid;
            union {
                uint64_t value; // sigqueue
                struct {
                    int32_t status;
                    uint32_t pad1;
                    int64_t utime, stime;
                }; // SIGCHLD
            };
            uint8_t rest[80];
        };
        struct {
            vaddr_t addr;
            uint8_t addr_rest[104];
        }; // faults
    };
};
_Static_assert(sizeof(struct siginfo) == 128, "Linux's size");

struct sigpending {
    sigset_t set;
    // struct siginfo_item; a set bit without one: no memory, or the limit
    struct list infos;
    unsigned *count; // of items, of all lists of the process
};

void signal_init(void);
void sigpending_init(struct sigpending *p, unsigned *count);
void sigpending_flush(struct sigpending *p, sigset_t which);
size_t sigpending_bytes(const struct sigpending *p); // of memory; sig_lock held

// ---- sending; any context unless said otherwise ----

// info may be NULL: from the kernel. p exists (referenced by the caller). EAGAIN: a real-time
// signal of sigqueue or tgkill finds the queue full; all others are pending at least without their
// details.
int signal_process(struct process *p, int sig, const struct siginfo *info);
int signal_thread(struct thread *t, int sig, const struct siginfo *info);
// The signal is for p's whole group, or for all: a process that p is making gets it too. Tree lock
// held.
void signal_group_member(struct process *p, int sig, const struct siginfo *info);
// A fault of the running thread: cannot be ignored or blocked.
void signal_fault(int sig, int code, vaddr_t addr);
// All threads of p are to end with this wait status. First come, first served.
void signal_kill_group(struct process *p, int status);

// ---- the running thread ----

bool signal_pending(void); // an unmasked signal, or the thread must end
void signal_set_mask(sigset_t mask);
// Sets the mask until the call returns to user mode or its handler has run.
void signal_set_mask_for_call(sigset_t mask);
int signal_action(int sig, const struct sigaction *act, struct sigaction *old); // EINVAL
// Waits for one of `set'; takes it. EAGAIN when the deadline (monotonic) passes; EINTR.
int signal_timedwait(sigset_t set, uint64_t deadline_ns, struct siginfo *info);
// Sharers (CLONE_SIGHAND) have the same actions, whoever of them sets one, until exec or the end;
// what the kernel resets, by SA_RESETHAND or in a fault, it resets in one. Tree lock held.
void signal_unshare_actions(struct process *p);
// For fork: p's actions are also those of the child, which nobody knows yet. p's sig_lock held.
void signal_inherit_actions(struct process *child, const struct process *p);
// exec: handlers become default, the alternate stack goes.
void signal_exec(struct process *p);
// True if the running thread ignores or blocks sig.
bool signal_ignored_or_blocked(int sig);

// The deadline of a wait of this call: `computed', or that of the call's first run.
uint64_t signal_deadline(uint64_t computed_ns);
// What an interrupted call with such a deadline returns: ERESTART_NOHAND.
int signal_restart_at(uint64_t deadline_ns);

// Work before a return to user mode (work is not 0): may not return.
void signal_user_return(struct thread *t, struct trapframe *tf);

// ---- sigframe.c ----

// Makes tf enter the handler; EFAULT: the frame cannot be written.
int sigframe_push(struct thread *t, struct trapframe *tf, const struct sigaction *act,
                  const struct siginfo *info, sigset_t old_mask);
// sigreturn: takes the registers and the mask back from the frame. EFAULT.
int sigframe_pop(struct thread *t, struct trapframe *tf);

// The alternate stack: either may be NULL. EPERM (in use), EINVAL, ENOMEM (too small).
int signal_altstack(const struct sigaltstack *new, struct sigaltstack *old);

// ---- job control (jobs.c) ----

// A stop begins, if the process was not continued since the signal was taken, when that had
// happened so often. sig_lock held.
void signal_job_stop(struct process *p, int sig, uint64_t ncontinues);
void signal_job_wait(struct thread *t);           // the thread's part: sleeps until SIGCONT
void signal_job_thread_gone(struct process *p);   // one thread less may complete a stop
