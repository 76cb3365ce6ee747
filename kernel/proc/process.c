// SPDX-License-Identifier: BSD-2-Clause
//
// The table of processes: ids, finding, references; making and taking apart.
#include "proc/process.h"

#include "amd64/clock.h"
#include "fs/file.h"
#include "fs/vnode.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "mem/pool.h"
#include "sync/scoped.h"
#include "vm/kmem.h"
#include "vm/vm_loan.h"
#include "vm/vm_space.h"

#define HASH_SIZE       256
#define FIRST_REUSED_ID 300 // after ids wrapped, as on Linux: the first ones stay daemons'

struct mutex proc_tree_lock;
struct process *init_process;

static struct pool process_pool;
static struct list all = LIST_INIT(all); // (T) by pid
static struct process *hash[HASH_SIZE];  // (T)
static unsigned count;                   // (T)
static int last_id;                      // (T)
static bool ids_wrapped;                 // (T)

static struct vm_map *current_map(void)
{
    struct process *p = process_current();

    return p && p->space ? &p->space->map : NULL;
}

void process_init(void)
{
    mutex_init(&proc_tree_lock, "process tree", LOCK_PROC_TREE, 0);
    pool_init(&process_pool, "process", sizeof(struct process), 0, &pool_allocator_kva);
    limits_init();
    dirs_init();
    vm_loan_map = current_map;
}

// ---- ids ----

static bool has_thread(struct process *p, int id)
{
    SCOPED_SPIN(&p->sig_lock);
    list_for_each (t, &p->threads, struct thread, link) {
        if (t->tid == id)
            return true;
    }
    return false;
}

static bool id_in_use(int id)
{
    list_for_each (p, &all, struct process, all_link) {
        if (p->pid == id || p->pgid == id || p->sid == id || has_thread(p, id))
            return true;
    }
    return false;
}

// Tree lock held. Ids go up; once they have wrapped, each is checked.
static int new_id(void)
{
    for (int tries = 0; tries < PID_MAX; tries++) {
        if (++last_id >= PID_MAX) {
            last_id = FIRST_REUSED_ID;
            ids_wrapped = true;
        }
        if (!ids_wrapped || !id_in_use(last_id))
            return last_id;
    }
    return 0;
}

int process_new_id(void)
{
    SCOPED_MUTEX(&proc_tree_lock);
    return new_id();
}

// ---- finding ----

struct process *process_find_locked(int pid)
{
    KASSERT(mutex_held(&proc_tree_lock), "looking for %d without the lock", pid);
    struct process *p = hash[(unsigned)pid % HASH_SIZE];

    while (p && p->pid != pid)
        p = p->hash_next;
    return p;
}

static struct process *referenced(struct process *p)
{
    if (p)
        process_ref(p);
    return p;
}

struct process *process_find(int pid)
{
    SCOPED_MUTEX(&proc_tree_lock);
    return referenced(process_find_locked(pid));
}

struct process *process_of_task(int id)
{
    SCOPED_MUTEX(&proc_tree_lock);
    struct process *p = process_find_locked(id);

    for (p = p ? p : init_process; p && p->pid != id && !has_thread(p, id);)
        p = process_after(p);
    return referenced(p);
}

struct process *process_next(int pid)
{
    SCOPED_MUTEX(&proc_tree_lock);
    struct process *p = init_process;

    while (p && p->pid <= pid)
        p = process_after(p);
    return referenced(p);
}

struct process *process_after(struct process *p)
{
    return list_next(p, &all, struct process, all_link);
}

int process_last_id(void)
{
    return last_id;
}

unsigned process_count(void)
{
    return count;
}

unsigned process_for_group(int pgid, void (*fn)(struct process *p, void *arg), void *arg)
{
    const struct process *self = process_current();
    unsigned n = 0;

    SCOPED_MUTEX(&proc_tree_lock);
    list_for_each (p, &all, struct process, all_link) {
        if (pgid == -1 ? p->pid == INIT_PID || p == self : p->pgid != pgid)
            continue;
        fn(p, arg);
        n++;
    }
    return n;
}

// ---- references ----

void process_ref(struct process *p)
{
    add_relaxed(&p->nrefs, 1);
}

void process_unref(struct process *p)
{
    if (sub_acq_rel(&p->nrefs, 1) > 0)
        return;
    KASSERT(list_empty(&p->threads) && !p->space && !p->files, "process %d freed in use", p->pid);
    sigpending_flush(&p->pending, ~0ul);
    pool_put(&process_pool, p);
}

void program_unref(struct vnode *exe)
{
    vnode_end_run(exe);
    vnode_unref(exe);
}

// ---- making ----

// However short the interval, the CPU has time for other things than alarms.
#define ALARM_PAUSE_NS 100000ul

static void alarm_rings(struct timer *t)
{
    struct process *p = container_of(t, struct process, alarm);
    uint64_t interval = load_relaxed(&p->alarm_interval_ns);

    signal_process(p, SIGALRM, NULL);
    if (interval)
        timer_set(t, max(t->deadline_ns + interval, clock_ns() + ALARM_PAUSE_NS));
}

struct process *process_alloc(void)
{
    struct process *p = pool_get(&process_pool, PR_WAITOK | PR_ZERO);

    if (!p)
        return NULL;
    p->nrefs = 1;
    p->start_ns = clock_ns();
    list_init(&p->all_link);
    list_init(&p->children);
    list_init(&p->sibling);
    list_init(&p->threads);
    mutex_init(&p->lock, "process", LOCK_PROC, 0);
    spin_init(&p->sig_lock, "signals", LOCK_SIGNAL, 0);
    waitq_init(&p->child_wait, "wait4");
    waitq_init(&p->thread_wait, "exec");
    waitq_init(&p->stop_wait, "stopped");
    sigpending_init(&p->pending, &p->nqueued);
    timer_init(&p->alarm, alarm_rings);
    list_init(&p->sharers);
    return p;
}

// Into the table, which is ordered by pid: nearly always at the end.
static void insert(struct process *p)
{
    struct list *after = all.prev;

    while (after != &all && list_entry(after, struct process, all_link)->pid > p->pid)
        after = after->prev;
    list_insert_between(&p->all_link, after, after->next);
    struct process **slot = &hash[(unsigned)p->pid % HASH_SIZE];
    p->hash_next = *slot;
    *slot = p;
    count++;
}

int process_enter(struct process *p, struct process *parent)
{
    KASSERT(mutex_held(&proc_tree_lock), "entering a process without the lock");
    p->pid = new_id();
    if (p->pid == 0)
        return EAGAIN;
    p->parent = parent;
    if (parent) {
        p->ppid = parent->pid;
        list_push_back(&parent->children, &p->sibling);
    }
    insert(p);
    return 0;
}

void process_remove(struct process *p)
{
    KASSERT(mutex_held(&proc_tree_lock), "removing process %d without the lock", p->pid);
    struct process **slot = &hash[(unsigned)p->pid % HASH_SIZE];

    while (*slot != p)
        slot = &(*slot)->hash_next;
    *slot = p->hash_next;
    list_remove(&p->all_link);
    list_remove(&p->sibling);
    count--;
    task_release();
}

// ---- resources ----

void process_release_resources(struct process *p)
{
    mutex_lock(&p->lock);
    struct vm_space *space = p->space;
    struct fdtable *files = p->files;
    struct process_dirs *dirs = p->dirs;
    struct vnode *exe = p->exe;
    p->space = NULL;
    p->files = NULL;
    p->dirs = NULL;
    p->exe = NULL;
    mutex_unlock(&p->lock);

    if (files)
        fdtable_unref(files);
    if (space)
        vm_space_unref(space);
    if (dirs)
        dirs_unref(dirs);
    if (exe)
        program_unref(exe);
}

void process_discard(struct process *p)
{
    process_release_resources(p);
    process_unref(p);
}
