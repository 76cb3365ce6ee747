// SPDX-License-Identifier: BSD-2-Clause
//
// What a process may have: its resource limits, and the number of tasks. doc/architecture.md has
// the table of all limits.
#include "fs/file.h"
#include "fs/vnode.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "mem/vm_page.h"
#include "proc/process.h"
#include "sync/scoped.h"
#include "vm/vm_map.h"

#define STACK_SOFT (8ul << 20)
#define TASKS_MAX  (PID_MAX / 2)

static unsigned ntasks;    // (a) processes and further threads; init is there from the start
static unsigned max_tasks; // constant

void limits_init(void)
{
    struct vm_page_stats pages;

    vm_page_get_stats(&pages);
    // Half of the memory in kernel stacks at the very most.
    max_tasks = (unsigned)min(pages.npages * PAGE_SIZE / (2 * KSTACK_SIZE), (uint64_t)TASKS_MAX);
    ntasks = 1;
}

void limits_default(struct process *p)
{
    for (unsigned i = 0; i < RLIMITS; i++)
        p->limits[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
    p->limits[RLIMIT_STACK].cur = STACK_SOFT;
    p->limits[RLIMIT_CORE] = (struct rlimit){0, 0}; // there are no core files
    p->limits[RLIMIT_NOFILE] = (struct rlimit){OPEN_MAX, OPEN_MAX};
    // The other half is for who raises the own limit to repair things.
    p->limits[RLIMIT_NPROC] = (struct rlimit){max_tasks / 2, max_tasks};
    p->limits[RLIMIT_SIGPENDING] = (struct rlimit){SIGPENDING_MAX, SIGPENDING_MAX};
    p->cpu_ticks_limit = RLIM_INFINITY;
}

// ---- tasks ----

bool task_reserve(void)
{
    const struct rlimit *limit = &process_current()->limits[RLIMIT_NPROC];
    uint64_t most = min(load_relaxed(&limit->cur), (uint64_t)max_tasks);

    if (add_relaxed(&ntasks, 1) <= most)
        return true;
    task_release();
    return false;
}

void task_release(void)
{
    int left = (int)sub_relaxed(&ntasks, 1);

    KASSERT(left > 0, "%d tasks are left, and init is one", left);
}

// ---- CPU time ----

static uint64_t ticks_of(uint64_t seconds)
{
    return min(seconds, RLIM_INFINITY / NS_PER_SEC) * (NS_PER_SEC / TICK_NS);
}

// p's lock is held.
static void watch_cpu(struct process *p)
{
    const struct rlimit *limit = &p->limits[RLIMIT_CPU];

    store_relaxed(&p->cpu_ticks_limit, ticks_of(min(limit->cur, limit->max)));
}

void limits_cpu_used(void)
{
    struct process *p = process_current();
    struct rlimit *limit = &p->limits[RLIMIT_CPU];
    int sig = 0;

    mutex_lock(&p->lock);
    uint64_t ticks = load_relaxed(&p->cpu_ticks);
    if (ticks >= ticks_of(limit->max)) {
        sig = SIGKILL;
    } else if (ticks >= ticks_of(limit->cur)) {
        sig = SIGXCPU; // and once more each second, as on Linux
        limit->cur++;
    }
    watch_cpu(p);
    mutex_unlock(&p->lock);
    if (sig)
        signal_process(p, sig, NULL);
}

// ---- prlimit ----

// Files ask this, once some process has a limit on their size.
static uint64_t file_size_limit(uint64_t pos)
{
    uint64_t limit = process_current()->limits[RLIMIT_FSIZE].cur;

    if (pos >= limit)
        signal_thread(thread_current(), SIGXFSZ, NULL);
    return limit;
}

int limits_change(struct process *p, unsigned resource, const struct rlimit *wanted,
                  struct rlimit *old)
{
    if (resource >= RLIMITS || (wanted && wanted->cur > wanted->max))
        return EINVAL;
    if (wanted && resource == RLIMIT_NOFILE && wanted->max > OPEN_MAX)
        return EPERM;
    SCOPED_MUTEX(&p->lock);
    *old = p->limits[resource];
    if (wanted)
        p->limits[resource] = *wanted;
    if (wanted && resource == RLIMIT_FSIZE)
        vnode_size_limit = file_size_limit;
    if (wanted && (resource == RLIMIT_AS || resource == RLIMIT_DATA) && wanted->cur < RLIM_INFINITY)
        vm_limits_used = true;
    watch_cpu(p);
    return 0;
}
