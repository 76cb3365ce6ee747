// SPDX-License-Identifier: BSD-2-Clause
//
// The way from the trap to a call: its row is found by Linux's number for amd64, what the row says
// of its first arguments is found, too, and the result is stored.
#include "sys/syscall.h"

#include "amd64/trap.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "proc/thread.h"

#define NCALLS 512u // numbers from here on are unknown

static const struct call *const tables[] = {
    copy_calls, dir_calls,  file_calls,   lock_calls, misc_calls,   mm_calls,
    poll_calls, proc_calls, signal_calls, stat_calls, thread_calls, time_calls,
};
static struct call calls[NCALLS]; // the rows by number; constant after start-up
// Counted without a lock: several CPUs may lose a count, which matters to nobody.
static uint64_t counts[NCALLS];

// ---- calls that are refused ----

// What Linux has and this kernel has not. /proc/refused shows the table. Numbers of neither table
// are counted, too, and answered by ENOSYS. Calls that are there refuse by their arguments what
// belongs here: mknod of a FIFO (EPERM), clone of namespaces, fcntl's leases, setitimer's other
// clocks (EINVAL), another user's id (EPERM).
static const struct refusal {
    uint16_t nr;
    uint8_t error; // 0: nothing to do, nothing found
    const char *name, *why;
} refusals[] = {
#define REFUSED(nr, name) {nr, ANSWER, #name, WHY},
#include "sys/refused.def"
};

#define MAX_UNKNOWN 64

static struct {
    uint64_t nr, count;
} unknown[MAX_UNKNOWN];
static unsigned nunknown;

// A number without a call: remembered, so that /proc/syscalls can tell what programs wanted.
static int no_call(uint64_t nr)
{
    unsigned i = 0;

    while (i < nunknown && unknown[i].nr != nr)
        i++;
    if (i < MAX_UNKNOWN) {
        unknown[i].nr = nr;
        unknown[i].count++;
        if (i == nunknown)
            nunknown = i + 1;
    }
    for (i = 0; i < array_len(refusals); i++)
        if (refusals[i].nr == nr)
            return refusals[i].error;
    return ENOSYS;
}

// ---- what calls work on ----

// Calls, seen as the register convention sees them: arguments that one does not have are ignored by
// it.
typedef int (*args_fn)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
typedef int (*found_fn)(void *, uint64_t, uint64_t, uint64_t, uint64_t);
typedef int (*names_fn)(struct at_path *, struct at_path *, uint64_t);

static int on_file(const struct call *c, const uint64_t *arg)
{
    int fd = (int)arg[0];
    struct file *f SCOPED_FILE = c->on == ON_ANY_FD_VNODE ? fd_path(fd) : fd_file(fd);

    if (!f)
        return EBADF;
    void *found = c->on == ON_FILE ? (void *)f : f->vnode;
    return ((found_fn)c->fn)(found, arg[1], arg[2], arg[3], arg[4]);
}

// arg starts at the path, which is relative to dirfd.
static int on_vnode(const struct call *c, int dirfd, const uint64_t *arg)
{
    unsigned flags = c->on == ON_VNODE_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0;
    struct vnode *v SCOPED_VNODE = NULL;

    if (c->may_flags)
        flags = (unsigned)arg[c->flags_at - 1];
    if (c->may_flags && flags & ~(unsigned)c->may_flags)
        return EINVAL;
    int error = at_vnode(dirfd, arg[0], flags, &v);
    return error ? error : ((found_fn)c->fn)(v, arg[1], arg[2], arg[3], arg[4]);
}

static int on_name(const struct call *c, int dirfd, const uint64_t *arg)
{
    struct at_path p SCOPED_AT_PATH;
    int error = at_path_get(&p, dirfd, arg[0]);

    return error ? error : ((found_fn)c->fn)(&p, arg[1], arg[2], arg[3], arg[4]);
}

static int on_names(const struct call *c, int from_fd, vaddr_t from_va, int to_fd, vaddr_t to_va,
                    uint64_t flags)
{
    struct at_path from SCOPED_AT_PATH;
    int error = at_path_get(&from, from_fd, from_va);

    if (error)
        return error;
    struct at_path to SCOPED_AT_PATH;
    error = at_path_get(&to, to_fd, to_va);
    return error ? error : ((names_fn)c->fn)(&from, &to, flags);
}

static __attribute__((noinline)) int call_on(const struct call *c, const struct trapframe *tf)
{
    const uint64_t arg[] = {tf->rdi, tf->rsi, tf->rdx, tf->r10, tf->r8};

    switch ((enum call_on)c->on) {
    case ON_FILE:
    case ON_FD_VNODE:
    case ON_ANY_FD_VNODE:
        return on_file(c, arg);
    case ON_VNODE:
    case ON_VNODE_NOFOLLOW:
        return on_vnode(c, AT_FDCWD, arg);
    case ON_VNODE_AT:
        return on_vnode(c, (int)arg[0], arg + 1);
    case ON_NAME:
        return on_name(c, AT_FDCWD, arg);
    case ON_NAME_AT:
        return on_name(c, (int)arg[0], arg + 1);
    case ON_NAMES:
        return on_names(c, AT_FDCWD, arg[0], AT_FDCWD, arg[1], 0);
    case ON_NAMES_AT:
        return on_names(c, (int)arg[0], arg[1], (int)arg[2], arg[3], arg[4]);
    default:
        return no_call(tf->error);
    }
}

// ---- the way of every call ----

static void handle(struct trapframe *tf)
{
    static const struct call none = {.on = ON_NOTHING};
    uint64_t nr = tf->error;
    const struct call *c = nr < NCALLS ? &calls[nr] : &none;

    if (nr < NCALLS)
        counts[nr]++;
    tf->rax = 0; // unless the call answers something else
    int error = c->on == ON_ARGS
                    ? ((args_fn)c->fn)(tf->rdi, tf->rsi, tf->rdx, tf->r10, tf->r8, tf->r9)
                    : call_on(c, tf);
    if (error)
        tf->rax = (uint64_t)-error;
}

int syscall_show(int pid UNUSED, struct strbuf *out)
{
    for (unsigned i = 0; i < NCALLS; i++) {
        if (counts[i] && calls[i].on)
            strbuf_printf(out, "%u %s %lu\n", i, calls[i].name, counts[i]);
    }
    for (unsigned i = 0; i < nunknown; i++)
        strbuf_printf(out, "%lu unknown %lu\n", unknown[i].nr, unknown[i].count);
    return 0;
}

int syscall_show_refused(int pid UNUSED, struct strbuf *out)
{
    for (const struct refusal *r = refusals; r < refusals + array_len(refusals); r++)
        strbuf_printf(out, "%u %s %u %s\n", r->nr, r->name, r->error, r->why);
    return 0;
}

void syscall_init(void)
{
    for (unsigned i = 0; i < array_len(tables); i++) {
        for (const struct call *c = tables[i]; c->on; c++) {
            KASSERT(c->nr < NCALLS && !calls[c->nr].on, "call %u %s", c->nr, c->name);
            calls[c->nr] = *c;
        }
    }
    trap_ops.syscall = handle;
}
