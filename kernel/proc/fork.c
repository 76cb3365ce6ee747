// SPDX-License-Identifier: BSD-2-Clause
//
// fork, vfork and clone. A thread, or a process with one thread, is built completely before
// anybody can see it; every failure takes back what was built and leaves nothing.
#include "amd64/trapframe.h"
#include "amd64/usercopy.h"
#include "fs/file.h"
#include "fs/vnode.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mem/memlayout.h"
#include "proc/process.h"
#include "sync/scoped.h"
#include "vm/vm_space.h"

enum { CSIGNAL = 0xff };
enum { CLONE_VM = 0x100, CLONE_FS = 0x200, CLONE_FILES = 0x400, CLONE_SIGHAND = 0x800 };
enum { CLONE_PTRACE = 0x2000, CLONE_VFORK = 0x4000, CLONE_PARENT = 0x8000, CLONE_THREAD = 0x10000 };
enum { CLONE_SYSVSEM = 0x40000, CLONE_SETTLS = 0x80000, CLONE_PARENT_SETTID = 0x100000 };
enum { CLONE_CHILD_CLEARTID = 0x200000, CLONE_CHILD_SETTID = 0x1000000 };
enum { CLONE_DETACHED = 0x400000, CLONE_UNTRACED = 0x800000 };
#define THREAD_FLAGS                                                                               \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)
#define KNOWN_FLAGS                                                                                \
    (CSIGNAL | THREAD_FLAGS | CLONE_PTRACE | CLONE_PARENT | CLONE_VFORK | CLONE_SETTLS |           \
     CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_DETACHED | CLONE_UNTRACED |                \
     CLONE_CHILD_SETTID)

static int check_flags(const struct clone_args *args)
{
    uint64_t f = args->flags;

    if (f & ~(uint64_t)KNOWN_FLAGS)
        return EINVAL;
    if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
        return EINVAL;
    if ((f & CLONE_SIGHAND) && !(f & CLONE_VM))
        return EINVAL;
    if ((f & CLONE_PARENT) && process_current() == init_process)
        return EINVAL;
    // Threads share as one process what it has of these.
    if ((f & CLONE_THREAD) && (f & (CLONE_FS | CLONE_FILES)) != (CLONE_FS | CLONE_FILES))
        return EINVAL;
    if ((f & CLONE_SETTLS) && args->tls >= USER_MAX)
        return EPERM;
    return 0;
}

// Runs first in a child that asked for its id in its own memory. Linux ignores a bad address.
static void store_own_id(void *tid_va)
{
    const int tid = thread_current()->tid;

    (void)copyout((vaddr_t)tid_va, &tid, sizeof(tid));
}

// A new thread of proc as a copy of the running one, with what the arguments change.
static struct thread *new_thread(struct process *proc, const struct clone_args *args)
{
    struct thread *self = thread_current();
    struct thread *t = thread_create(proc, self->comm, NULL, NULL);

    if (!t)
        return NULL;
    struct trapframe *tf = thread_frame(t);
    tf->rax = 0;
    if (args->stack_va)
        tf->rsp = args->stack_va;
    if (args->flags & CLONE_SETTLS)
        t->context.fs_base = args->tls;
    if (args->flags & CLONE_CHILD_CLEARTID)
        t->clear_tid_va = args->child_tid_va;
    if (args->flags & CLONE_CHILD_SETTID) {
        t->main = store_own_id;
        t->main_arg = (void *)args->child_tid_va;
    }
    t->blocked = self->blocked;
    sched_set_nice(t, self->nice);
    if (!(args->flags & CLONE_VM) || (args->flags & CLONE_VFORK))
        t->altstack = self->altstack;
    return t;
}

static void store_parent_tid(const struct clone_args *args, int id)
{
    if (args->flags & CLONE_PARENT_SETTID)
        (void)copyout(args->parent_tid_va, &id, sizeof(id));
}

// Whoever ends the group, or executes a program, marks all its threads: this one too. It makes no
// more. sig_lock held.
static bool is_killed(void)
{
    struct thread *t = thread_current();

    KASSERT(spin_held(&t->proc->sig_lock), "thread %d is judged without the lock", t->tid);
    return load_relaxed(&t->work) & WORK_KILL;
}

static int clone_thread(const struct clone_args *args, int *child_id)
{
    struct process *p = process_current();
    int id = process_new_id();

    if (id == 0)
        return EAGAIN;
    struct thread *t = new_thread(p, args);
    if (!t)
        return ENOMEM;
    thread_set_id(t, id);
    spin_lock(&p->sig_lock);
    int error = is_killed() ? EINTR : p->nthreads >= THREADS_MAX ? EAGAIN : 0;
    if (!error)
        thread_join_process(t);
    spin_unlock(&p->sig_lock);
    if (error) {
        thread_discard(t);
        return error;
    }
    store_parent_tid(args, id);
    sched_start(t);
    *child_id = id;
    return 0;
}

// ---- processes ----

static int copy_or_share(struct process *child, struct process *p, uint64_t flags)
{
    int error = 0;

    if (flags & CLONE_VM) {
        vm_space_ref(p->space);
        child->space = p->space;
    } else {
        error = vm_space_fork(p->space, &child->space);
    }
    if (error)
        return error;
    if (flags & CLONE_FS) {
        dirs_ref(p->dirs);
        child->dirs = p->dirs;
    } else {
        child->dirs = dirs_create(dirs_cwd(p->dirs), p->dirs->umask);
        if (!child->dirs)
            return ENOMEM;
    }
    if (flags & CLONE_FILES) {
        fdtable_ref(p->files);
        child->files = p->files;
        return 0;
    }
    return fdtable_copy(p->files, &child->files);
}

static void copy_attributes(struct process *child, struct process *p)
{
    SCOPED_MUTEX(&p->lock);
    child->exe = p->exe;
    if (child->exe) {
        vnode_ref(child->exe);
        (void)vnode_begin_run(child->exe); // the parent's claim holds
    }
    memcpy(child->limits, p->limits, sizeof(child->limits));
    child->cpu_ticks_limit = p->cpu_ticks_limit;
    memcpy(child->comm, p->comm, sizeof(child->comm));
    child->grouped = p->grouped;
    child->arg_start = p->arg_start;
    child->arg_end = p->arg_end;
    child->env_start = p->env_start;
    child->env_end = p->env_end;
}

// A complete child but for its place in the table.
static int build_child(const struct clone_args *args, struct process **out, struct thread **thread)
{
    struct process *p = process_current();
    struct process *child = process_alloc();

    if (!child)
        return ENOMEM;
    int error = copy_or_share(child, p, args->flags);
    if (!error) {
        copy_attributes(child, p);
        *thread = new_thread(child, args);
        error = *thread ? 0 : ENOMEM;
    }
    if (error) {
        process_discard(child);
        return error == EINTR ? ERESTART : error;
    }
    *out = child;
    return 0;
}

// Sleeps until the child, which is referenced, has execed or ended.
static void wait_for_vfork_child(struct process *child)
{
    int error = 0;

    SCOPED_MUTEX(&proc_tree_lock);
    while (child->vforked && !error)
        error = waitq_wait_mutex(&child->child_wait, &proc_tree_lock, WAIT_KILLABLE, WAIT_FOREVER);
    child->vforked = false;
    process_unref(child);
}

// From here on the child takes part in what is sent to the group; see signal_group_member. It ends
// when the child enters, or here.
static void set_forking(bool forking)
{
    struct thread *t = thread_current();

    SCOPED_SPIN(&t->proc->sig_lock);
    t->forking = forking;
    t->fork_signals = 0;
}

// The child joins the family and the group, whose signals are sent under the tree lock.
static int enter_child(struct process *child, struct thread *t, const struct clone_args *args)
{
    struct thread *self = thread_current();
    struct process *p = self->proc;

    KASSERT(mutex_held(&proc_tree_lock), "a child of %d enters without the lock", p->pid);
    spin_lock(&p->sig_lock);
    bool killed = is_killed();
    child->pending.set = self->fork_signals;
    signal_inherit_actions(child, p);
    if ((args->flags & CLONE_SIGHAND) && !killed)
        list_push_back(&p->sharers, &child->sharers);
    self->forking = false;
    spin_unlock(&p->sig_lock);
    bool sibling = args->flags & CLONE_PARENT;
    int error = killed ? EINTR : process_enter(child, sibling ? p->parent : p);
    if (error) {
        signal_unshare_actions(child);
        return error;
    }
    child->pgid = p->pgid;
    child->sid = p->sid;
    child->exit_signal = sibling ? p->exit_signal : (int)(args->flags & CSIGNAL);
    thread_set_id(t, child->pid);
    SCOPED_SPIN(&child->sig_lock);
    thread_join_process(t);
    return 0;
}

static int make_child(const struct clone_args *args, int *child_id)
{
    struct process *child = NULL;
    struct thread *t;
    bool vfork = args->flags & CLONE_VFORK;
    int error = build_child(args, &child, &t);

    if (error)
        return error;
    mutex_lock(&proc_tree_lock);
    error = enter_child(child, t, args);
    if (error) {
        mutex_unlock(&proc_tree_lock);
        thread_discard(t);
        process_discard(child);
        return error;
    }
    child->vforked = vfork;
    if (vfork)
        process_ref(child);
    *child_id = child->pid;
    mutex_unlock(&proc_tree_lock);
    store_parent_tid(args, *child_id);
    sched_start(t);
    if (vfork)
        wait_for_vfork_child(child);
    return 0;
}

static int clone_process(const struct clone_args *args, int *child_id)
{
    set_forking(true);
    int error = signal_pending() ? ERESTART_NOINTR : make_child(args, child_id);
    if (error)
        set_forking(false);
    return error;
}

int process_clone(const struct clone_args *args, int *child_id)
{
    int error = check_flags(args);

    if (error)
        return error;
    if (!task_reserve())
        return EAGAIN;
    if (!(args->flags & CLONE_THREAD))
        error = clone_process(args, child_id);
    else
        error = signal_pending() ? ERESTART_NOINTR : clone_thread(args, child_id);
    if (error)
        task_release();
    return error;
}

void vfork_release(struct process *p)
{
    if (!p->vforked)
        return;
    SCOPED_MUTEX(&proc_tree_lock);
    p->vforked = false;
    waitq_wake_all(&p->child_wait);
}
