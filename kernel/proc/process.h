// SPDX-License-Identifier: BSD-2-Clause
//
// Processes: an address space, descriptors, directories, signal actions, and threads; their
// family tree, process groups and sessions. A process lives until its parent has waited for it;
// other uses hold a reference.
//
// Locks: (T) proc_tree_lock, a mutex, guards the table of processes and the family relations; (p)
// the process's mutex guards what its threads change and others read; (g) its sig_lock, a spinlock,
// signals and the list of threads; (a) atomic; (!) constant. Order: proc lock, tree lock, sig_lock.
#pragma once

#include "lib/list.h"
#include "lib/types.h"
#include "proc/signal.h"
#include "proc/thread.h"
#include "proc/timer.h"
#include "sync/mutex.h"
#include "sync/spinlock.h"
#include "sync/waitq.h"

struct fdtable;
struct vm_space;
struct vnode;

#define PID_MAX 32768           // ids are below this, as on Linux
#define INIT_PID 1
#define THREADS_MAX 1024        // of a process: they are walked with interrupts off

struct rlimit {
    uint64_t cur, max;
};
enum { RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_CORE, RLIMIT_RSS, RLIMIT_NPROC,
       RLIMIT_NOFILE, RLIMIT_MEMLOCK, RLIMIT_AS, RLIMIT_SIGPENDING = 11, RLIMITS = 16 };
#define RLIM_INFINITY (~0ul)

// Times and counts that wait4 and getrusage report.
struct usage {
    uint64_t user_ns, sys_ns;
};

static inline void usage_add(struct usage *sum, const struct usage *u)
{
    sum->user_ns += u->user_ns;
    sum->sys_ns += u->sys_ns;
}

struct process_dirs {           // dirs.c
    uint32_t nrefs;             // (a)
    struct spinlock lock;
    struct vnode *cwd;          // (lock)
    uint32_t umask;             // (a)
};

enum stop_state { STOP_NONE, STOP_UNDER_WAY, STOP_DONE };

struct process {
    int pid;                    // (!)
    uint32_t nrefs;             // (a) the table's, each thread's, and passing ones
    struct list all_link;       // (T) in the table, by pid
    struct process *hash_next;  // (T)

    // The family.
    struct process *parent;     // (T)
    int ppid;                   // (T) written; read anywhere
    struct list children;       // (T)
    struct list sibling;        // (T)
    int pgid, sid;              // (T) written; read anywhere
    int exit_signal;            // (T) what the parent gets at the end, or 0
    bool zombie;                // (T)
    bool execed;                // (T) for setpgid
    int exit_status;            // (T) wait4's, when zombie
    uint64_t ending_since_ns;   // (T) when somebody first waited for the memory that its end gives
    bool wait_stopped;          // (T) a stop that the parent has not yet been told by wait4
    bool wait_continued;        // (T)
    struct usage children_usage;    // (T) of those waited for
    struct waitq child_wait;    // its own wait4 calls
    bool vforked;               // (T) the parent that made it waits for its exec or end, on its
                                // child_wait

    // Resources. Read without the lock by the process's own threads where only a lone thread
    // changes them (space, files).
    struct mutex lock;
    struct vm_space *space;     // (p) NULL: gone
    struct fdtable *files;      // (p) NULL: gone
    struct process_dirs *dirs;  // (p) NULL: gone
    struct vnode *exe;          // (p)
    bool grouped;               // (a) group 0 is in the list of supplementary groups
    struct rlimit limits[RLIMITS];  // (p) written; read anywhere
    uint64_t cpu_ticks;         // (a) in which one of its threads ran
    uint64_t cpu_ticks_limit;   // (p) written; the first of RLIMIT_CPU's two
    char comm[16];              // (p) written; read anywhere
    uint64_t start_ns;          // (!)
    vaddr_t arg_start, arg_end; // (p) for /proc/<pid>/cmdline
    vaddr_t env_start, env_end; // (p)
    uint64_t alarm_interval_ns; // (a)
    struct timer alarm;         // (p)

    // Signals and threads.
    struct spinlock sig_lock;
    struct list threads;        // (g) struct thread.link, oldest first
    unsigned nthreads;          // (g) written; read anywhere
    struct waitq thread_wait;   // exec waits for the other threads' end
    struct thread *execing;     // (g) the only one to survive, or NULL
    struct sigaction actions[NSIG]; // (g)
    sigset_t acted;             // (g) whose action was set; the others are all zero
    struct list sharers;        // (T), (g) ring of the processes whose actions are the same
    struct sigpending pending;  // (g)
    unsigned nqueued;           // (a) signal details, of the process and of its threads
    bool exiting;               // (g) all threads are to end, or have
    int group_status;           // (g) with this wait status; the last thread's if they just end
    enum stop_state stop;       // (g)
    int stop_signal;            // (g)
    uint64_t ncontinues;        // (g) SIGCONTs that came
    unsigned nstopped;          // (g) threads in signal_job_wait
    bool continued;             // (g) a complete stop ended, and the parent does not know
    struct waitq stop_wait;
    struct usage dead_usage;    // (g) of its threads that ended
};

extern struct mutex proc_tree_lock;
extern struct process *init_process;    // (T) pid 1; constant once it runs

void process_init(void);

// ---- finding; the references are the caller's to drop ----

struct process *process_find(int pid);          // NULL: none; zombies included
struct process *process_of_task(int id);        // the id may be any of its threads'
struct process *process_find_locked(int pid);   // tree lock held; no reference
struct process *process_next(int pid);          // the lowest pid above
// next in the table; tree lock held; no reference
struct process *process_after(struct process *p);
void process_ref(struct process *p);
void process_unref(struct process *p);
static inline void process_scope_ends(struct process **p)
{
    if (*p)
        process_unref(*p);
}
// Declares p with what finds it, or NULL; the reference is dropped at the end of the block.
#define SCOPED_PROCESS(p, found)                                                                   \
    __attribute__((cleanup(process_scope_ends))) struct process *p = (found)
// Gives up what a process runs (struct process's exe): the claim on the file, and the reference.
void program_unref(struct vnode *exe);
unsigned process_count(void);
int process_last_id(void);                      // handed out most recently

// Calls fn for each process of the group (pgid), or each that the caller may signal but init and
// itself (pgid -1); returns how many. The tree lock is taken.
unsigned process_for_group(int pgid, void (*fn)(struct process *p, void *arg), void *arg);

// ---- making ----

// An empty process, not yet in the table; NULL: no memory.
struct process *process_alloc(void);
// Gives it an id and puts it into the table and the family (parent NULL: init); its group and
// session are the caller's to set. EAGAIN: no ids left. Tree lock held.
int process_enter(struct process *p, struct process *parent);
void process_remove(struct process *p);         // out of both; tree lock held
// Undoes process_alloc of a process that was never entered, with whatever resources it got.
void process_discard(struct process *p);
// Gives back space, files, directories; nobody else uses them any more.
void process_release_resources(struct process *p);
int process_new_id(void);                       // for a further thread; 0: none left

// ---- dirs.c ----

void dirs_init(void);
// takes cwd's reference over; or NULL
struct process_dirs *dirs_create(struct vnode *cwd, uint32_t umask);
void dirs_ref(struct process_dirs *d);
void dirs_unref(struct process_dirs *d);
struct vnode *dirs_cwd(struct process_dirs *d);                 // referenced
void dirs_set_cwd(struct process_dirs *d, struct vnode *v);     // takes the reference over

// ---- init.c ----

// Starts init: a process that runs path. Called once, from a kernel thread.
int process_start_init(const char *path);

// ---- limits.c ----

void limits_init(void);
void limits_default(struct process *p);         // init's, from whom all inherit
// wanted may be NULL. EINVAL, EPERM.
int limits_change(struct process *p, unsigned resource, const struct rlimit *wanted,
                  struct rlimit *old);
// Processes, zombies too, and further threads are tasks. False: the caller's RLIMIT_NPROC, which
// holds for all tasks as there is one user, or what the memory allows, is reached.
bool task_reserve(void);
void task_release(void);
// The running thread's process has used the CPU for as long as RLIMIT_CPU says.
void limits_cpu_used(void);

// ---- fork.c ----

struct clone_args {
    uint64_t flags;             // Linux's CLONE_* and the exit signal in the low byte
    vaddr_t stack_va;           // 0: as the parent's
    vaddr_t parent_tid_va, child_tid_va, tls;
};
// 0 with the child's id; Linux's errors.
int process_clone(const struct clone_args *args, int *child_id);

// ---- exit.c ----

// Ends the running thread; the last one ends the process. No locks held. Never needs memory.
_Noreturn void thread_exit(int status);
// Ends the process with this wait status.
_Noreturn void process_exit(int status);
// exec: makes the running thread the only one and lets go of what others may wait for in its
// memory; EINTR if the process is being killed.
int process_single_thread(void);
void vfork_release(struct process *p);          // exec and exit: the parent may go on

// Wait status words.
#define W_EXITED(code)  (((code)&0xff) << 8)
#define W_SIGNALED(sig) ((sig)&0x7f)
#define W_STOPPED(sig)  ((sig) << 8 | 0x7f)
#define W_CONTINUED     0xffff

// ---- wait.c ----

enum { WNOHANG = 1, WUNTRACED = 2, WEXITED = 4, WCONTINUED = 8, WNOWAIT = 0x01000000,
       WNOTHREAD = 0x20000000, WALL = 0x40000000, WCLONE = (int)0x80000000 };
enum { P_ALL, P_PID, P_PGID, P_PIDFD };

struct wait_result {
    int pid;                    // 0: WNOHANG and nothing to report
    int status;
    struct usage usage;
};
// Waits for a child: which by type and id; options WEXITED, WUNTRACED, WCONTINUED, WNOHANG,
// WNOWAIT.
int process_wait(int type, int id, int options, struct wait_result *result);

// p, a zombie, has ended: tells the parent; goes at once if that does not care. Tree lock held.
void process_report_end(struct process *p);
// Tells p's parent that p stopped, continued or ended; tree lock held.
void process_notify_parent(struct process *p, int code, int status);

void process_usage(struct process *p, struct usage *u);     // of all its threads so far
void thread_usage(const struct thread *t, struct usage *u);

void faults_init(void);                         // faults.c: registers the traps' hooks
void oom_init(void);                            // oom.c: registers what is done when memory is gone

// ---- session.c ----

int process_setpgid(int pid, int pgid);
int process_setsid(int *sid);
void session_init(void);                        // registers the terminal's hooks
// Nobody in the group has a parent outside of it in its session: nobody can continue it. `but_for'
// does not count. Tree lock held.
bool process_group_orphaned(int pgid, const struct process *but_for);
// p is ending: groups that this orphans and that have stopped processes get SIGHUP and SIGCONT.
// Tree lock held.
void session_process_ends(struct process *p);
