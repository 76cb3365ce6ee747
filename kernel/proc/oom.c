// SPDX-License-Identifier: BSD-2-Clause
//
// The last resort when memory is gone: the largest process is killed, whoever asked, and all that
// share its address space with it. It dies without memory: each wait for memory ends at once in a
// process that is being killed, and thread_exit needs none. Not init; kernel threads have no
// process.
//
// The page daemon's thread does it, with no lock held, so that one victim is chosen for all who
// wait; they hold no lock that is taken here, but for maps and processes, which are only tried.
#include "amd64/clock.h"
#include "fs/file.h"
#include "lib/printf.h"
#include "mem/vm_page.h"
#include "proc/process.h"
#include "sync/scoped.h"
#include "vm/vm_space.h"

#define STEP_NS     10000000ul    // from one pass of the page daemon to the next, meanwhile
#define PATIENCE_NS 10000000000ul // for a process, of a thousand threads say, to end; then another
#define MAX_TRIES   100           // for a process's lock

struct candidate {
    struct process *p;
    struct vm_space *space;
    struct vm_space_usage use; // the kernel's memory for threads, files and signals included
};

static uint64_t total(const struct vm_space_usage *u)
{
    return u->resident + u->swapped + u->kernel;
}

static uint64_t thread_pages(struct process *p)
{
    size_t nbytes = p->nthreads * (KSTACK_SIZE + sizeof(struct thread));

    SCOPED_SPIN(&p->sig_lock);
    nbytes += sigpending_bytes(&p->pending);
    list_for_each (t, &p->threads, struct thread, link)
        nbytes += sigpending_bytes(&t->pending);
    return nbytes >> PAGE_SHIFT;
}

// What p costs; false: its lock is taken.
static bool measure(struct process *p, struct candidate *c)
{
    if (!mutex_trylock(&p->lock))
        return false;
    *c = (struct candidate){.p = p, .space = p->space};
    if (p->space) {
        vm_space_usage(p->space, &c->use);
        c->use.kernel += thread_pages(p);
    }
    if (p->files)
        c->use.kernel += fdtable_bytes(p->files, pipe_bytes) >> PAGE_SHIFT;
    mutex_unlock(&p->lock);
    return true;
}

// True if p is ending, and has not been for long: its memory is on the way.
static bool is_ending(struct process *p, uint64_t now)
{
    if (!load_relaxed(&p->exiting) || p->zombie)
        return false;
    if (!p->ending_since_ns)
        p->ending_since_ns = now;
    return now - p->ending_since_ns < PATIENCE_NS;
}

// Finds the largest process that may go; victim->space NULL: none. False: not now, because one is
// ending or (must: if that does not matter any more) cannot be measured. Tree lock held.
static bool choose(struct candidate *victim, bool must)
{
    struct vm_space *inits = init_process->space; // also if a child shares it
    uint64_t now = clock_ns();
    struct candidate c;

    victim->space = NULL;
    for (struct process *p = init_process; p; p = process_after(p)) {
        if (is_ending(p, now))
            return false;
        if (p == init_process || p->exiting)
            continue;
        if (!measure(p, &c)) {
            if (!must)
                return false;
            continue;
        }
        if (c.space && c.space != inits && (!victim->space || total(&c.use) > total(&victim->use)))
            *victim = c;
    }
    return true;
}

// Tree lock held.
static void kill_all_of(const struct candidate *victim)
{
    const struct vm_space_usage *u = &victim->use;
    unsigned kb = PAGE_SIZE >> 10;

    kprintf("out of memory: process %d (%s) is killed: %lu KiB resident, %lu KiB swapped, "
            "%lu KiB of the kernel's\n",
            victim->p->pid, victim->p->comm, u->resident * kb, u->swapped * kb, u->kernel * kb);
    for (struct process *p = init_process; p; p = process_after(p)) {
        if (load_relaxed(&p->space) == victim->space)
            signal_kill_group(p, W_SIGNALED(SIGKILL));
    }
}

static uint64_t free_pages(void)
{
    struct vm_page_stats st;

    vm_page_get_stats(&st);
    return st.nfree;
}

// For vm_page_set_last_resort.
static bool last_resort(void)
{
    static unsigned tries; // in a row that chose nobody
    struct candidate victim;
    uint64_t nfree = free_pages();

    thread_reap(true);
    if (free_pages() > nfree)
        return true;
    mutex_lock(&proc_tree_lock);
    bool chosen = init_process && choose(&victim, tries >= MAX_TRIES);
    bool coming = init_process && (!chosen || victim.space);
    if (chosen && victim.space)
        kill_all_of(&victim);
    mutex_unlock(&proc_tree_lock);
    tries = chosen ? 0 : tries + 1;
    if (coming)
        waitq_block(WAIT_NOINTR, clock_ns() + STEP_NS);
    return coming;
}

void oom_init(void)
{
    vm_page_set_last_resort(last_resort);
}
