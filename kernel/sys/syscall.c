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

// What Linux has and this kernel has not, each with what Linux says where the feature is
// configured out, or the file system lacks it, and why. /proc/refused shows the table. Numbers of
// neither table are counted, too, and answered by ENOSYS. Calls that are there refuse by their
// arguments what belongs here: mknod of a FIFO (EPERM), clone of namespaces, fcntl's leases,
// setitimer's other clocks (EINVAL), another user's id (EPERM).
struct refused {
    uint16_t nr;
    const char *name; // NULL behind the last one
};

struct refusal {
    uint8_t error; // 0: nothing to do, nothing found
    const char *why;
    const struct refused *calls;
};

#define CALLS(...) ((const struct refused[]){__VA_ARGS__, {0, NULL}})

static const struct refusal refusals[] = {
    {EAFNOSUPPORT, "no sockets", CALLS({41, "socket"}, {53, "socketpair"})},
    {ENOTSOCK, "no sockets",
     CALLS({42, "connect"}, {43, "accept"}, {44, "sendto"}, {45, "recvfrom"}, {46, "sendmsg"},
           {47, "recvmsg"}, {48, "shutdown"}, {49, "bind"}, {50, "listen"}, {51, "getsockname"},
           {52, "getpeername"}, {54, "setsockopt"}, {55, "getsockopt"}, {288, "accept4"},
           {299, "recvmmsg"}, {307, "sendmmsg"})},
    {ENOSYS, "no epoll nor its kin: poll and select wait for descriptors",
     CALLS({213, "epoll_create"}, {232, "epoll_wait"}, {233, "epoll_ctl"}, {281, "epoll_pwait"},
           {291, "epoll_create1"}, {441, "epoll_pwait2"}, {253, "inotify_init"},
           {254, "inotify_add_watch"}, {255, "inotify_rm_watch"}, {294, "inotify_init1"},
           {282, "signalfd"}, {289, "signalfd4"}, {283, "timerfd_create"}, {286, "timerfd_settime"},
           {287, "timerfd_gettime"}, {284, "eventfd"}, {290, "eventfd2"}, {300, "fanotify_init"},
           {301, "fanotify_mark"})},
    {ENOSYS, "no System V IPC, no message queues",
     CALLS({29, "shmget"}, {30, "shmat"}, {31, "shmctl"}, {67, "shmdt"}, {64, "semget"},
           {65, "semop"}, {66, "semctl"}, {220, "semtimedop"}, {68, "msgget"}, {69, "msgsnd"},
           {70, "msgrcv"}, {71, "msgctl"}, {240, "mq_open"}, {241, "mq_unlink"},
           {242, "mq_timedsend"}, {243, "mq_timedreceive"}, {244, "mq_notify"},
           {245, "mq_getsetattr"})},
    {EOPNOTSUPP, "blocks are allocated when they are written", CALLS({285, "fallocate"})},
    {EOPNOTSUPP, "no extended attributes: a file has none",
     CALLS({188, "setxattr"}, {189, "lsetxattr"}, {190, "fsetxattr"}, {191, "getxattr"},
           {192, "lgetxattr"}, {193, "fgetxattr"}, {197, "removexattr"}, {198, "lremovexattr"},
           {199, "fremovexattr"})},
    {0, "no extended attributes: a file has none",
     CALLS({194, "listxattr"}, {195, "llistxattr"}, {196, "flistxattr"})},
    {0, "one user, who is root and may do what is there to do",
     CALLS({122, "setfsuid"}, {123, "setfsgid"})},
    {ENOSYS, "one user, who is root and may do what is there to do",
     CALLS({125, "capget"}, {126, "capset"}, {179, "quotactl"}, {443, "quotactl_fd"},
           {248, "add_key"}, {249, "request_key"}, {250, "keyctl"}, {317, "seccomp"},
           {444, "landlock_create_ruleset"}, {445, "landlock_add_rule"},
           {446, "landlock_restrict_self"})},
    {EPERM, "no tracing: the debugger is outside", CALLS({101, "ptrace"})},
    {ENOSYS, "no tracing: the debugger is outside",
     CALLS({298, "perf_event_open"}, {310, "process_vm_readv"}, {311, "process_vm_writev"},
           {312, "kcmp"}, {321, "bpf"}, {323, "userfaultfd"}, {438, "pidfd_getfd"})},
    {EINVAL, "one of each namespace, and what is mounted stays",
     CALLS({272, "unshare"}, {308, "setns"})},
    {EPERM, "one of each namespace, and what is mounted stays",
     CALLS({155, "pivot_root"}, {161, "chroot"}, {165, "mount"}, {166, "umount2"},
           {428, "open_tree"}, {429, "move_mount"}, {430, "fsopen"}, {431, "fsconfig"},
           {432, "fsmount"}, {433, "fspick"}, {442, "mount_setattr"}, {170, "sethostname"},
           {171, "setdomainname"})},
    {EPERM, "the machine is as it was started",
     CALLS({153, "vhangup"}, {164, "settimeofday"}, {167, "swapon"}, {168, "swapoff"},
           {172, "iopl"}, {173, "ioperm"}, {175, "init_module"}, {176, "delete_module"},
           {313, "finit_module"})},
    {ENOSYS, "the machine is as it was started",
     CALLS({154, "modify_ldt"}, {163, "acct"}, {205, "set_thread_area"}, {211, "get_thread_area"},
           {246, "kexec_load"}, {320, "kexec_file_load"}, {237, "mbind"}, {238, "set_mempolicy"},
           {239, "get_mempolicy"}, {256, "migrate_pages"}, {279, "move_pages"},
           {450, "set_mempolicy_home_node"}, {329, "pkey_mprotect"}, {330, "pkey_alloc"},
           {331, "pkey_free"}, {447, "memfd_secret"})},
    {ENOSYS, "another call does the same",
     CALLS({78, "getdents"}, {132, "utime"}, {134, "uselib"}, {136, "ustat"}, {139, "sysfs"},
           {156, "_sysctl"}, {174, "create_module"}, {177, "get_kernel_syms"},
           {178, "query_module"}, {180, "nfsservctl"}, {212, "lookup_dcookie"},
           {214, "epoll_ctl_old"}, {215, "epoll_wait_old"}, {216, "remap_file_pages"},
           {235, "utimes"}, {236, "vserver"}, {261, "futimesat"}, {332, "statx"})},
    {ENOSYS, "not now",
     CALLS({103, "syslog"}, {135, "personality"}, {142, "sched_setparam"}, {143, "sched_getparam"},
           {144, "sched_setscheduler"}, {145, "sched_getscheduler"},
           {146, "sched_get_priority_max"}, {147, "sched_get_priority_min"},
           {148, "sched_rr_get_interval"}, {314, "sched_setattr"}, {315, "sched_getattr"},
           {151, "mlockall"}, {152, "munlockall"}, {325, "mlock2"}, {159, "adjtimex"},
           {305, "clock_adjtime"}, {187, "readahead"}, {206, "io_setup"}, {207, "io_destroy"},
           {208, "io_getevents"}, {209, "io_submit"}, {210, "io_cancel"}, {333, "io_pgetevents"},
           {425, "io_uring_setup"}, {426, "io_uring_enter"}, {427, "io_uring_register"},
           {222, "timer_create"}, {223, "timer_settime"}, {224, "timer_gettime"},
           {225, "timer_getoverrun"}, {226, "timer_delete"}, {251, "ioprio_set"},
           {252, "ioprio_get"}, {274, "get_robust_list"}, {275, "splice"}, {276, "tee"},
           {277, "sync_file_range"}, {278, "vmsplice"}, {297, "rt_tgsigqueueinfo"},
           {303, "name_to_handle_at"}, {304, "open_by_handle_at"}, {306, "syncfs"}, {309, "getcpu"},
           {319, "memfd_create"}, {324, "membarrier"}, {326, "copy_file_range"}, {327, "preadv2"},
           {328, "pwritev2"}, {334, "rseq"}, {424, "pidfd_send_signal"}, {434, "pidfd_open"},
           {435, "clone3"}, {436, "close_range"}, {437, "openat2"}, {440, "process_madvise"},
           {448, "process_mrelease"}, {449, "futex_waitv"})},
};

#define MAX_UNKNOWN 64

static struct {
    uint64_t nr, count;
} unknown[MAX_UNKNOWN];
static unsigned nunknown;

// A number without a call: remembered, so that /proc/syscalls can tell what programs wanted.
static long no_call(uint64_t nr)
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
        for (const struct refused *r = refusals[i].calls; r->name; r++)
            if (r->nr == nr)
                return -(long)refusals[i].error;
    return -ENOSYS;
}

// ---- what calls work on ----

// Calls, seen as the register convention sees them: arguments that one does not have are ignored by
// it.
typedef long (*args_fn)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
typedef long (*found_fn)(void *, uint64_t, uint64_t, uint64_t, uint64_t);
typedef long (*names_fn)(struct at_path *, struct at_path *, uint64_t);

static long on_file(const struct call *c, const uint64_t *arg)
{
    int fd = (int)arg[0];
    struct file *f SCOPED_FILE = c->on == ON_ANY_FD_VNODE ? fd_path(fd) : fd_file(fd);

    if (!f)
        return -EBADF;
    void *found = c->on == ON_FILE ? (void *)f : f->vnode;
    return ((found_fn)c->fn)(found, arg[1], arg[2], arg[3], arg[4]);
}

// arg starts at the path, which is relative to dirfd.
static long on_vnode(const struct call *c, int dirfd, const uint64_t *arg)
{
    unsigned flags = c->on == ON_VNODE_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0;
    struct vnode *v SCOPED_VNODE = NULL;

    if (c->may_flags)
        flags = (unsigned)arg[c->flags_at - 1];
    if (c->may_flags && flags & ~(unsigned)c->may_flags)
        return -EINVAL;
    int error = at_vnode(dirfd, arg[0], flags, &v);
    return error ? -error : ((found_fn)c->fn)(v, arg[1], arg[2], arg[3], arg[4]);
}

static long on_name(const struct call *c, int dirfd, const uint64_t *arg)
{
    struct at_path p SCOPED_AT_PATH;
    int error = at_path_get(&p, dirfd, arg[0]);

    return error ? -error : ((found_fn)c->fn)(&p, arg[1], arg[2], arg[3], arg[4]);
}

static long on_names(const struct call *c, int from_fd, vaddr_t from_va, int to_fd, vaddr_t to_va,
                     uint64_t flags)
{
    struct at_path from SCOPED_AT_PATH;
    int error = at_path_get(&from, from_fd, from_va);

    if (error)
        return -error;
    struct at_path to SCOPED_AT_PATH;
    error = at_path_get(&to, to_fd, to_va);
    return error ? -error : ((names_fn)c->fn)(&from, &to, flags);
}

static __attribute__((noinline)) long call_on(const struct call *c, const struct trapframe *tf)
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
    struct thread *t = thread_current();
    uint64_t nr = tf->error;
    const struct call *c = nr < NCALLS ? &calls[nr] : &none;

    t->in_syscall = true;
    if (nr < NCALLS)
        counts[nr]++;
    if (c->on == ON_ARGS)
        tf->rax = (uint64_t)((args_fn)c->fn)(tf->rdi, tf->rsi, tf->rdx, tf->r10, tf->r8, tf->r9);
    else
        tf->rax = (uint64_t)call_on(c, tf);
    t->in_syscall = false;
}

int syscall_show(int pid, struct strbuf *out)
{
    (void)pid;
    for (unsigned i = 0; i < NCALLS; i++) {
        if (counts[i] && calls[i].on)
            strbuf_printf(out, "%u %s %lu\n", i, calls[i].name, counts[i]);
    }
    for (unsigned i = 0; i < nunknown; i++)
        strbuf_printf(out, "%lu unknown %lu\n", unknown[i].nr, unknown[i].count);
    return 0;
}

int syscall_show_refused(int pid, struct strbuf *out)
{
    (void)pid;
    for (const struct refusal *r = refusals; r < refusals + array_len(refusals); r++)
        for (const struct refused *c = r->calls; c->name; c++)
            strbuf_printf(out, "%u %s %u %s\n", c->nr, c->name, r->error, r->why);
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
