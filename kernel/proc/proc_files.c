// SPDX-License-Identifier: BSD-2-Clause
//
// /proc/<pid>: stat, status, statm, cmdline, comm, maps, fail-nth and the links. Each show function
// finds the process anew, so that one that is gone says ESRCH.
#include "proc/proc_files.h"

#include "fs/file.h"
#include "fs/procfs.h"
#include "fs/tty.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/memlayout.h"
#include "pmap/pmap.h"
#include "proc/process.h"
#include "sync/scoped.h"
#include "vm/vm_space.h"

// ---- what several files show ----

struct facts {
    const char *state; // its first letter stands in stat
    unsigned nthreads, cpu;
    int nice;
    sigset_t pending, blocked, ignored, caught;
    struct usage usage;
    uint64_t virtual_bytes, locked_bytes, resident_pages;
};

static const char *state_of(const struct process *p, const struct thread *t)
{
    if (p->stop == STOP_DONE)
        return "T (stopped)";
    if (t->state != THREAD_BLOCKED)
        return "R (running)";
    return t->wait_flags & WAIT_INTR ? "S (sleeping)" : "D (disk sleep)";
}

static void gather_signals(struct process *p, struct facts *f)
{
    f->pending = p->pending.set;
    for (int sig = 1; sig <= NSIG; sig++) {
        vaddr_t handler = p->actions[sig - 1].handler;
        if (handler == SIG_IGN)
            f->ignored |= sigbit(sig);
        else if (handler != SIG_DFL)
            f->caught |= sigbit(sig);
    }
}

static void add_locked(const struct vm_map_entry *e, void *bytes)
{
    *(uint64_t *)bytes += e->wired ? e->end_va - e->start_va : 0;
}

static void gather_threads(struct process *p, struct facts *f)
{
    SCOPED_SPIN(&p->sig_lock);
    gather_signals(p, f);
    f->nthreads = p->nthreads;
    struct thread *first = list_first(&p->threads, struct thread, link);
    if (first) {
        f->blocked = first->blocked;
        f->cpu = first->cpu;
        f->nice = first->nice;
        f->state = state_of(p, first);
    }
}

static void gather(struct process *p, struct facts *f)
{
    *f = (struct facts){.state = p->zombie ? "Z (zombie)" : "S (sleeping)"};
    process_usage(p, &f->usage);
    gather_threads(p, f);
    struct vm_space *vs = proc_space(p);
    if (vs) {
        f->virtual_bytes = vs->map.size;
        f->resident_pages = vm_space_resident(vs);
        vm_space_for_each(vs, add_locked, &f->locked_bytes);
        vm_space_unref(vs);
    }
}

static int show_stat_of(struct process *p, struct strbuf *out)
{
    struct facts f;

    gather(p, &f);
    strbuf_printf(out, "%d (%s) %c %d %d %d %d -1 0 0 0 0 0 ", p->pid, p->comm, f.state[0], p->ppid,
                  p->pgid, p->sid, tty_controlling_dev(p->sid));
    strbuf_printf(out, "%lu %lu %lu %lu %d %d %u 0 %lu %lu %lu 18446744073709551615 ",
                  f.usage.user_ns / TICK_NS, f.usage.sys_ns / TICK_NS,
                  p->children_usage.user_ns / TICK_NS, p->children_usage.sys_ns / TICK_NS,
                  20 + f.nice, f.nice, f.nthreads, p->start_ns / TICK_NS, f.virtual_bytes,
                  f.resident_pages);
    strbuf_printf(out, "0 0 0 0 0 %lu %lu %lu %lu 0 0 0 %d %u 0 0 0 0 0 0 0 0 %lu %lu %lu %lu %d\n",
                  f.pending, f.blocked, f.ignored, f.caught, p->exit_signal, f.cpu, p->arg_start,
                  p->arg_end, p->env_start, p->env_end, p->exit_status);
    return 0;
}

static int show_status_of(struct process *p, struct strbuf *out)
{
    struct facts f;

    gather(p, &f);
    mutex_lock(&p->lock);
    uint32_t umask = p->dirs ? p->dirs->umask : 0;
    mutex_unlock(&p->lock);
    strbuf_printf(out, "Name:\t%s\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nPid:\t%d\nPPid:\t%d\n",
                  p->comm, umask, f.state, p->pid, p->pid, p->ppid);
    strbuf_printf(out, "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t%u\n", OPEN_MAX);
    strbuf_printf(out, "VmSize:\t%8lu kB\nVmLck:\t%8lu kB\nVmRSS:\t%8lu kB\nThreads:\t%u\n",
                  f.virtual_bytes / 1024, f.locked_bytes / 1024,
                  f.resident_pages * PAGE_SIZE / 1024, f.nthreads);
    strbuf_printf(out, "SigPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n",
                  f.pending, f.blocked, f.ignored, f.caught);
    return 0;
}

static int show_statm_of(struct process *p, struct strbuf *out)
{
    struct facts f;

    gather(p, &f);
    strbuf_printf(out, "%lu %lu 0 0 0 %lu 0\n", f.virtual_bytes / PAGE_SIZE, f.resident_pages,
                  f.virtual_bytes / PAGE_SIZE);
    return 0;
}

static int show_comm_of(struct process *p, struct strbuf *out)
{
    strbuf_printf(out, "%s\n", p->comm);
    return 0;
}

// Another process's memory is read by the direct map, as far as it is resident.
static int show_cmdline_of(struct process *p, struct strbuf *out)
{
    struct vm_space *vs = proc_space(p);

    if (!vs)
        return 0;
    for (vaddr_t va = p->arg_start; va < p->arg_end; va++) {
        paddr_t pa;
        vm_prot_t prot;
        if (!pmap_extract(vs->pmap, va, &pa, &prot))
            break;
        strbuf_printf(out, "%c", *(const char *)phys_to_dmap(pa));
    }
    vm_space_unref(vs);
    return 0;
}

// ---- fail-nth: of the process's first thread, for /proc/self nearly always the caller ----

static struct thread *fail_thread(struct process *p)
{
    struct thread *self = thread_current();

    return self->proc == p ? self : list_first(&p->threads, struct thread, link);
}

static int show_fail_nth_of(struct process *p, struct strbuf *out)
{
    SCOPED_SPIN(&p->sig_lock);
    struct thread *t = fail_thread(p);
    strbuf_printf(out, "%lu\n", t ? t->kctx.fail_nth : 0);
    return 0;
}

static int store_fail_nth(int pid, const char *text)
{
    const char *end;
    uint64_t n = strtou64(text, &end, 0);
    SCOPED_PROCESS(p, process_find(pid));

    if (!p)
        return ESRCH;
    if (end == text || (*end && *end != '\n'))
        return EINVAL;
    SCOPED_SPIN(&p->sig_lock);
    struct thread *t = fail_thread(p);
    if (t)
        t->kctx.fail_nth = n;
    return 0;
}

// ---- the registered functions ----

static int with_process(int pid, struct strbuf *out, int (*show)(struct process *, struct strbuf *))
{
    SCOPED_PROCESS(p, process_find(pid));

    return p ? show(p, out) : ESRCH;
}

#define SHOW(name)                                                                                 \
    static int show_##name(int pid, struct strbuf *out)                                            \
    {                                                                                              \
        return with_process(pid, out, show_##name##_of);                                           \
    }
SHOW(stat)
SHOW(status)
SHOW(statm)
SHOW(comm)
SHOW(cmdline)
SHOW(maps)
SHOW(fail_nth)

// ---- processes and links, for procfs ----

static int pid_self(void)
{
    struct process *p = process_current();

    return p ? p->pid : 0;
}

static int pid_next(int pid)
{
    SCOPED_PROCESS(p, process_next(pid));

    return p ? p->pid : 0;
}

static bool pid_exists(int pid)
{
    SCOPED_PROCESS(p, process_find(pid));

    return p;
}

// The descriptor table, referenced, or NULL.
static struct fdtable *files_of(struct process *p)
{
    SCOPED_MUTEX(&p->lock);
    if (p->files)
        fdtable_ref(p->files);
    return p->files;
}

static struct vnode *fd_target(struct process *p, int fd)
{
    struct fdtable *files = files_of(p);
    struct vnode *v = NULL;

    if (!files)
        return NULL;
    struct file *f = fdtable_get(files, fd);
    if (f) {
        v = f->vnode;
        vnode_ref(v);
        file_unref(f);
    }
    fdtable_unref(files);
    return v;
}

static struct vnode *link_target(struct process *p, const char *name)
{
    struct vnode *v = NULL;

    if (strncmp(name, "fd/", 3) == 0)
        return fd_target(p, (int)strtou64(name + 3, NULL, 10));
    SCOPED_MUTEX(&p->lock);
    if (strcmp(name, "cwd") == 0)
        return p->dirs ? dirs_cwd(p->dirs) : NULL;
    if (strcmp(name, "exe") == 0)
        v = p->exe;
    else if (strcmp(name, "root") == 0)
        v = root_vnode;
    if (v)
        vnode_ref(v);
    return v;
}

static int pid_link(int pid, const char *name, struct vnode **v, char *text, size_t size)
{
    SCOPED_PROCESS(p, process_find(pid));

    *v = p ? link_target(p, name) : NULL;
    if (!*v)
        return ENOENT;
    if (vnode_path(*v, text, size) != 0)
        ksnprintf(text, size, "%s:[%lu]", (*v)->type == VFIFO ? "pipe" : "(deleted)", (*v)->ino);
    return 0;
}

static int pid_next_fd(int pid, int fd)
{
    SCOPED_PROCESS(p, process_find(pid));
    struct fdtable *files = p ? files_of(p) : NULL;

    if (!files)
        return -1;
    int next = fdtable_next(files, fd);
    fdtable_unref(files);
    return next;
}

void proc_files_init(void)
{
    static const struct procfs_pids pids = {.self = pid_self,
                                            .next = pid_next,
                                            .exists = pid_exists,
                                            .link = pid_link,
                                            .next_fd = pid_next_fd};

    procfs_set_pids(&pids);
    procfs_register_pid("stat", show_stat, NULL);
    procfs_register_pid("status", show_status, NULL);
    procfs_register_pid("statm", show_statm, NULL);
    procfs_register_pid("cmdline", show_cmdline, NULL);
    procfs_register_pid("comm", show_comm, NULL);
    procfs_register_pid("maps", show_maps, NULL);
    procfs_register_pid("fail-nth", show_fail_nth, store_fail_nth);
}
