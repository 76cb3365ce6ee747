// SPDX-License-Identifier: BSD-2-Clause
//
// Threads: something that the scheduler runs, with a kernel stack of its own (guard page below).
// A user thread belongs to a process; kernel threads do not. A thread that ends is buried by
// another one, because it cannot free the stack it stands on; some stacks are kept for reuse.
//
// Locks: (s) the run queue's (see sched.h); (g) the process's sig_lock; (t) the thread's own:
// nobody else touches it; (a) atomic; (!) constant.
#pragma once

#include "amd64/context.h"
#include "amd64/trapframe.h"
#include "lib/list.h"
#include "lib/types.h"
#include "proc/sched.h"
#include "proc/signal.h"
#include "proc/timer.h"
#include "sync/kctx.h"

struct process;
struct vm_space;

#define KSTACK_SIZE (4 * PAGE_SIZE)
#define COMM_LEN    16          // bytes of a thread's name, with the terminator

enum thread_work {              // why a thread may not simply go on in user mode
    WORK_SIGNAL = 1,            // an unmasked signal is pending
    WORK_KILL = 2,              // the thread must end
    WORK_STOP = 4,              // the process is being stopped
    WORK_MASK = 8,              // saved_mask is to be restored
    WORK_CPU = 16,              // the process used as much CPU time as RLIMIT_CPU says
};

struct thread {
    struct kctx kctx;           // first: kctx_current() is the thread
    struct cpu_context context; // (s) the machine's part: where it goes on
    char *stack;                // (!) lowest usable byte
    void (*main)(void *);       // (!) what it runs first, or NULL
    void *main_arg;             // (!)
    struct thread *next_buried; // when dead
    struct process *proc;       // (!) NULL: kernel thread
    int tid;                    // (!) but for exec by a thread that is not the first
    char comm[COMM_LEN];        // (t) name; readers may see it half changed

    // Scheduling.
    struct list run_link;       // (s)
    enum thread_state state;    // (s)
    unsigned cpu;               // (s) whose queue it belongs to
    bool wake_pending;          // (s) a wake-up came while it was not blocked
    unsigned wait_flags;        // (s) of the wait under way
    int wait_result;            // (s)
    bool timed_out;             // (s) the deadline came while it was not blocked
    unsigned ticks_left;        // (s) of the time slice
    unsigned slice_ticks;       // (a) that it gets, by its
    int nice;                   // (a)
    struct timer sleep_timer;   // (t)
    uint64_t run_since_ns;      // (s)
    uint64_t run_ns;            // (s) time on a CPU
    uint64_t user_ticks, sys_ticks;     // (s) samples that split run_ns

    // Signals.
    uint32_t work;              // (a) enum thread_work
    struct list link;           // (g) in its process's threads, or with all kernel threads
    struct sigpending pending;  // (g) for this thread alone
    sigset_t blocked;           // (g) written by the thread itself only
    sigset_t saved_mask;        // (t) see WORK_MASK
    sigset_t waited;            // (g) sigtimedwait waits for these
    bool forking;               // (g) it makes a process, which
    sigset_t fork_signals;      // (g) has these pending: sent to the group meanwhile
    struct sigaltstack altstack;    // (t)
    unsigned trap_no, trap_error;   // (t) of the last fault, for signal frames
    vaddr_t trap_addr;          // (t)
    vaddr_t refault_va, refault_rip;    // (t) of the last page fault that found nothing to do
    uint64_t refault_ns;        // (t) when it was
    unsigned refaults;          // (t) such faults in a row
    uint64_t restart_deadline_ns;   // (t) 0, or when a restarted wait ends; see signal.h

    vaddr_t clear_tid_va;       // (t) user word to clear and wake at exit, or 0
    vaddr_t robust_list_va;     // (t) user's list of robust mutexes, or 0
};

static inline struct thread *thread_of(struct kctx *k)
{
    return container_of(k, struct thread, kctx);
}

// The running thread.
static inline struct thread *thread_current(void)
{
    return thread_of(kctx_current());
}

// The running thread's process, or NULL; no reference.
static inline struct process *process_current(void)
{
    return thread_current()->proc;
}

static inline void thread_set_id(struct thread *t, int id)
{
    t->tid = t->kctx.id = id;
}

// The running thread's frame of user registers; user threads only.
static inline struct trapframe *thread_frame(const struct thread *t)
{
    return context_frame(&t->context);
}

void thread_init(void);         // before any other
void thread_set_name(struct thread *t, const char *name);

// A thread that will run fn(arg) in the kernel; NULL: no memory. If it belongs to a process, it
// goes on to the program by its frame when fn returns, otherwise it ends then. fn NULL: it goes on
// as a copy of the running thread's program. Its id is the caller's to set. Not started.
struct thread *thread_create(struct process *proc, const char *name, void (*fn)(void *), void *arg);

// Undoes thread_create for a thread that was never started. Never needs memory.
void thread_discard(struct thread *t);

// Puts t on its process's list of threads; a stop that is under way is t's, too. sig_lock held: who
// is to end the group or stop it finds t there, or the caller that makes t sees that first.
void thread_join_process(struct thread *t);

// A started kernel thread; ENOMEM.
int kthread_create(const char *name, void (*fn)(void *), void *arg);

// Frees the buried threads but for a few stacks (all: every one). May sleep.
void thread_reap(bool all);

unsigned thread_count(void);    // threads that exist, buried ones included
