// SPDX-License-Identifier: BSD-2-Clause
//
// The system-call table: Linux's numbers for amd64. The way through here is the same for every
// call and therefore short: count, call, store the result.
#include "sys/syscall.h"

#include "amd64/trap.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "proc/thread.h"
#include "sys/calls.h"

// Any call, seen as the register convention sees it: arguments that a call does not have are
// ignored by it.
typedef long (*call_fn)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

struct call {
    void (*fn)(void);
    const char *name;
};

#define CALL(nr, name)     [nr] = {(void (*)(void))sys_##name, #name}
#define ALIAS(nr, name, f) [nr] = {(void (*)(void))sys_##f, #name}

static const struct call calls[] = {
    CALL(0, read), CALL(1, write), CALL(2, open), CALL(3, close), CALL(4, stat), CALL(5, fstat),
    CALL(6, lstat), CALL(7, poll), CALL(8, lseek), CALL(9, mmap), CALL(10, mprotect),
    CALL(11, munmap), CALL(12, brk), CALL(13, rt_sigaction), CALL(14, rt_sigprocmask),
    CALL(15, rt_sigreturn), CALL(16, ioctl), CALL(17, pread64), CALL(18, pwrite64), CALL(19, readv),
    CALL(20, writev), CALL(21, access), CALL(22, pipe), CALL(23, select), CALL(24, sched_yield),
    CALL(25, mremap), CALL(26, msync), CALL(27, mincore), CALL(28, madvise), CALL(32, dup),
    CALL(33, dup2), CALL(34, pause), CALL(35, nanosleep), CALL(36, getitimer), CALL(37, alarm),
    CALL(38, setitimer), CALL(39, getpid), CALL(40, sendfile), CALL(56, clone), CALL(57, fork),
    CALL(58, vfork), CALL(59, execve), CALL(60, exit), CALL(61, wait4), CALL(62, kill),
    CALL(63, uname), CALL(72, fcntl), CALL(73, flock), CALL(74, fsync), CALL(75, fdatasync),
    CALL(76, truncate), CALL(77, ftruncate), CALL(79, getcwd), CALL(80, chdir), CALL(81, fchdir),
    CALL(82, rename), CALL(83, mkdir), CALL(84, rmdir), CALL(85, creat), CALL(86, link),
    CALL(87, unlink), CALL(88, symlink), CALL(89, readlink), CALL(90, chmod), CALL(91, fchmod),
    CALL(92, chown), CALL(93, fchown), CALL(94, lchown), CALL(95, umask), CALL(96, gettimeofday),
    CALL(97, getrlimit), CALL(98, getrusage), CALL(99, sysinfo), CALL(100, times),
    CALL(102, getuid), ALIAS(104, getgid, getuid), CALL(105, setuid), ALIAS(106, setgid, setuid),
    ALIAS(107, geteuid, getuid), ALIAS(108, getegid, getuid), CALL(109, setpgid),
    CALL(110, getppid), CALL(111, getpgrp), CALL(112, setsid), CALL(113, setreuid),
    ALIAS(114, setregid, setreuid), CALL(115, getgroups), CALL(116, setgroups),
    CALL(117, setresuid), CALL(118, getresuid), ALIAS(119, setresgid, setresuid),
    ALIAS(120, getresgid, getresuid), CALL(121, getpgid), CALL(124, getsid),
    CALL(127, rt_sigpending), CALL(128, rt_sigtimedwait), CALL(129, rt_sigqueueinfo),
    CALL(130, rt_sigsuspend), CALL(131, sigaltstack), CALL(133, mknod), CALL(137, statfs),
    CALL(138, fstatfs), CALL(140, getpriority), CALL(141, setpriority), CALL(149, mlock),
    CALL(150, munlock), CALL(157, prctl), CALL(158, arch_prctl), CALL(160, setrlimit),
    CALL(162, sync), CALL(169, reboot),
    CALL(186, gettid), CALL(200, tkill), CALL(201, time), CALL(202, futex),
    CALL(203, sched_setaffinity), CALL(204, sched_getaffinity), CALL(217, getdents64),
    CALL(218, set_tid_address), CALL(221, fadvise64), CALL(227, clock_settime),
    CALL(228, clock_gettime), CALL(229, clock_getres), CALL(230, clock_nanosleep),
    CALL(231, exit_group), CALL(234, tgkill), CALL(247, waitid), CALL(257, openat),
    CALL(258, mkdirat), CALL(259, mknodat), CALL(260, fchownat), CALL(262, newfstatat),
    CALL(263, unlinkat), CALL(264, renameat), CALL(265, linkat), CALL(266, symlinkat),
    CALL(267, readlinkat), CALL(268, fchmodat), CALL(269, faccessat), CALL(270, pselect6),
    CALL(271, ppoll), CALL(273, set_robust_list), CALL(280, utimensat), CALL(285, fallocate),
    CALL(292, dup3), CALL(293, pipe2), CALL(295, preadv), CALL(296, pwritev), CALL(302, prlimit64),
    CALL(316, renameat2), CALL(318, getrandom), CALL(322, execveat), CALL(332, statx),
    CALL(439, faccessat2),
};

// ---- calls that are refused ----

// What Linux has and this kernel has not, each with what Linux says where the feature is
// configured out, or the file system lacks it, and why. /proc/refused shows the table. Numbers of
// neither table are counted, too, and answered by ENOSYS. Calls that are there refuse by their
// arguments what belongs here: mknod of a FIFO (EPERM), clone of namespaces, fcntl's leases,
// setitimer's other clocks (EINVAL), another user's id (EPERM).
enum reason { SOCKETS, EVENTS, IPC, XATTRS, USERS, TRACING, SPACES, MACHINE, OLD, LATER };

static const char *const reasons[] = {
    [SOCKETS] = "no sockets",
    [EVENTS] = "no epoll nor its kin: poll and select wait for descriptors",
    [IPC] = "no System V IPC, no message queues",
    [XATTRS] = "no extended attributes: a file has none",
    [USERS] = "one user, who is root and may do what is there to do",
    [TRACING] = "no tracing: the debugger is outside",
    [SPACES] = "one of each namespace, and what is mounted stays",
    [MACHINE] = "the machine is as it was started",
    [OLD] = "another call does the same",
    [LATER] = "not now",
};

struct refusal {
    uint16_t nr;
    uint8_t err, why;       // errno, or 0: nothing to do, nothing found; enum reason
    const char *name;
};

#define REFUSE(nr, name, err, why) {nr, err, why, #name}

static const struct refusal refusals[] = {
    REFUSE(41, socket, EAFNOSUPPORT, SOCKETS), REFUSE(53, socketpair, EAFNOSUPPORT, SOCKETS),
    REFUSE(42, connect, ENOTSOCK, SOCKETS), REFUSE(43, accept, ENOTSOCK, SOCKETS),
    REFUSE(44, sendto, ENOTSOCK, SOCKETS), REFUSE(45, recvfrom, ENOTSOCK, SOCKETS),
    REFUSE(46, sendmsg, ENOTSOCK, SOCKETS), REFUSE(47, recvmsg, ENOTSOCK, SOCKETS),
    REFUSE(48, shutdown, ENOTSOCK, SOCKETS), REFUSE(49, bind, ENOTSOCK, SOCKETS),
    REFUSE(50, listen, ENOTSOCK, SOCKETS), REFUSE(51, getsockname, ENOTSOCK, SOCKETS),
    REFUSE(52, getpeername, ENOTSOCK, SOCKETS), REFUSE(54, setsockopt, ENOTSOCK, SOCKETS),
    REFUSE(55, getsockopt, ENOTSOCK, SOCKETS), REFUSE(288, accept4, ENOTSOCK, SOCKETS),
    REFUSE(299, recvmmsg, ENOTSOCK, SOCKETS), REFUSE(307, sendmmsg, ENOTSOCK, SOCKETS),
    REFUSE(213, epoll_create, ENOSYS, EVENTS), REFUSE(232, epoll_wait, ENOSYS, EVENTS),
    REFUSE(233, epoll_ctl, ENOSYS, EVENTS), REFUSE(281, epoll_pwait, ENOSYS, EVENTS),
    REFUSE(291, epoll_create1, ENOSYS, EVENTS), REFUSE(441, epoll_pwait2, ENOSYS, EVENTS),
    REFUSE(253, inotify_init, ENOSYS, EVENTS), REFUSE(254, inotify_add_watch, ENOSYS, EVENTS),
    REFUSE(255, inotify_rm_watch, ENOSYS, EVENTS), REFUSE(294, inotify_init1, ENOSYS, EVENTS),
    REFUSE(282, signalfd, ENOSYS, EVENTS), REFUSE(289, signalfd4, ENOSYS, EVENTS),
    REFUSE(283, timerfd_create, ENOSYS, EVENTS), REFUSE(286, timerfd_settime, ENOSYS, EVENTS),
    REFUSE(287, timerfd_gettime, ENOSYS, EVENTS), REFUSE(284, eventfd, ENOSYS, EVENTS),
    REFUSE(290, eventfd2, ENOSYS, EVENTS), REFUSE(300, fanotify_init, ENOSYS, EVENTS),
    REFUSE(301, fanotify_mark, ENOSYS, EVENTS),
    REFUSE(29, shmget, ENOSYS, IPC), REFUSE(30, shmat, ENOSYS, IPC),
    REFUSE(31, shmctl, ENOSYS, IPC), REFUSE(67, shmdt, ENOSYS, IPC),
    REFUSE(64, semget, ENOSYS, IPC), REFUSE(65, semop, ENOSYS, IPC),
    REFUSE(66, semctl, ENOSYS, IPC), REFUSE(220, semtimedop, ENOSYS, IPC),
    REFUSE(68, msgget, ENOSYS, IPC), REFUSE(69, msgsnd, ENOSYS, IPC),
    REFUSE(70, msgrcv, ENOSYS, IPC), REFUSE(71, msgctl, ENOSYS, IPC),
    REFUSE(240, mq_open, ENOSYS, IPC), REFUSE(241, mq_unlink, ENOSYS, IPC),
    REFUSE(242, mq_timedsend, ENOSYS, IPC), REFUSE(243, mq_timedreceive, ENOSYS, IPC),
    REFUSE(244, mq_notify, ENOSYS, IPC), REFUSE(245, mq_getsetattr, ENOSYS, IPC),
    REFUSE(188, setxattr, EOPNOTSUPP, XATTRS), REFUSE(189, lsetxattr, EOPNOTSUPP, XATTRS),
    REFUSE(190, fsetxattr, EOPNOTSUPP, XATTRS), REFUSE(191, getxattr, EOPNOTSUPP, XATTRS),
    REFUSE(192, lgetxattr, EOPNOTSUPP, XATTRS), REFUSE(193, fgetxattr, EOPNOTSUPP, XATTRS),
    REFUSE(197, removexattr, EOPNOTSUPP, XATTRS), REFUSE(198, lremovexattr, EOPNOTSUPP, XATTRS),
    REFUSE(199, fremovexattr, EOPNOTSUPP, XATTRS),
    REFUSE(194, listxattr, 0, XATTRS), REFUSE(195, llistxattr, 0, XATTRS),
    REFUSE(196, flistxattr, 0, XATTRS),
    REFUSE(122, setfsuid, 0, USERS), REFUSE(123, setfsgid, 0, USERS),
    REFUSE(125, capget, ENOSYS, USERS), REFUSE(126, capset, ENOSYS, USERS),
    REFUSE(179, quotactl, ENOSYS, USERS), REFUSE(443, quotactl_fd, ENOSYS, USERS),
    REFUSE(248, add_key, ENOSYS, USERS), REFUSE(249, request_key, ENOSYS, USERS),
    REFUSE(250, keyctl, ENOSYS, USERS), REFUSE(317, seccomp, ENOSYS, USERS),
    REFUSE(444, landlock_create_ruleset, ENOSYS, USERS),
    REFUSE(445, landlock_add_rule, ENOSYS, USERS),
    REFUSE(446, landlock_restrict_self, ENOSYS, USERS),
    REFUSE(101, ptrace, EPERM, TRACING),
    REFUSE(298, perf_event_open, ENOSYS, TRACING), REFUSE(310, process_vm_readv, ENOSYS, TRACING),
    REFUSE(311, process_vm_writev, ENOSYS, TRACING), REFUSE(312, kcmp, ENOSYS, TRACING),
    REFUSE(321, bpf, ENOSYS, TRACING), REFUSE(323, userfaultfd, ENOSYS, TRACING),
    REFUSE(438, pidfd_getfd, ENOSYS, TRACING),
    REFUSE(272, unshare, EINVAL, SPACES), REFUSE(308, setns, EINVAL, SPACES),
    REFUSE(155, pivot_root, EPERM, SPACES), REFUSE(161, chroot, EPERM, SPACES),
    REFUSE(165, mount, EPERM, SPACES), REFUSE(166, umount2, EPERM, SPACES),
    REFUSE(428, open_tree, EPERM, SPACES), REFUSE(429, move_mount, EPERM, SPACES),
    REFUSE(430, fsopen, EPERM, SPACES), REFUSE(431, fsconfig, EPERM, SPACES),
    REFUSE(432, fsmount, EPERM, SPACES), REFUSE(433, fspick, EPERM, SPACES),
    REFUSE(442, mount_setattr, EPERM, SPACES), REFUSE(170, sethostname, EPERM, SPACES),
    REFUSE(171, setdomainname, EPERM, SPACES),
    REFUSE(153, vhangup, EPERM, MACHINE), REFUSE(164, settimeofday, EPERM, MACHINE),
    REFUSE(167, swapon, EPERM, MACHINE), REFUSE(168, swapoff, EPERM, MACHINE),
    REFUSE(172, iopl, EPERM, MACHINE), REFUSE(173, ioperm, EPERM, MACHINE),
    REFUSE(175, init_module, EPERM, MACHINE), REFUSE(176, delete_module, EPERM, MACHINE),
    REFUSE(313, finit_module, EPERM, MACHINE),
    REFUSE(154, modify_ldt, ENOSYS, MACHINE), REFUSE(163, acct, ENOSYS, MACHINE),
    REFUSE(205, set_thread_area, ENOSYS, MACHINE), REFUSE(211, get_thread_area, ENOSYS, MACHINE),
    REFUSE(246, kexec_load, ENOSYS, MACHINE), REFUSE(320, kexec_file_load, ENOSYS, MACHINE),
    REFUSE(237, mbind, ENOSYS, MACHINE), REFUSE(238, set_mempolicy, ENOSYS, MACHINE),
    REFUSE(239, get_mempolicy, ENOSYS, MACHINE), REFUSE(256, migrate_pages, ENOSYS, MACHINE),
    REFUSE(279, move_pages, ENOSYS, MACHINE), REFUSE(450, set_mempolicy_home_node, ENOSYS, MACHINE),
    REFUSE(329, pkey_mprotect, ENOSYS, MACHINE), REFUSE(330, pkey_alloc, ENOSYS, MACHINE),
    REFUSE(331, pkey_free, ENOSYS, MACHINE), REFUSE(447, memfd_secret, ENOSYS, MACHINE),
    REFUSE(78, getdents, ENOSYS, OLD), REFUSE(132, utime, ENOSYS, OLD),
    REFUSE(134, uselib, ENOSYS, OLD), REFUSE(136, ustat, ENOSYS, OLD),
    REFUSE(139, sysfs, ENOSYS, OLD), REFUSE(156, _sysctl, ENOSYS, OLD),
    REFUSE(174, create_module, ENOSYS, OLD), REFUSE(177, get_kernel_syms, ENOSYS, OLD),
    REFUSE(178, query_module, ENOSYS, OLD), REFUSE(180, nfsservctl, ENOSYS, OLD),
    REFUSE(212, lookup_dcookie, ENOSYS, OLD), REFUSE(214, epoll_ctl_old, ENOSYS, OLD),
    REFUSE(215, epoll_wait_old, ENOSYS, OLD), REFUSE(216, remap_file_pages, ENOSYS, OLD),
    REFUSE(235, utimes, ENOSYS, OLD), REFUSE(236, vserver, ENOSYS, OLD),
    REFUSE(261, futimesat, ENOSYS, OLD),
    REFUSE(103, syslog, ENOSYS, LATER), REFUSE(135, personality, ENOSYS, LATER),
    REFUSE(142, sched_setparam, ENOSYS, LATER), REFUSE(143, sched_getparam, ENOSYS, LATER),
    REFUSE(144, sched_setscheduler, ENOSYS, LATER), REFUSE(145, sched_getscheduler, ENOSYS, LATER),
    REFUSE(146, sched_get_priority_max, ENOSYS, LATER),
    REFUSE(147, sched_get_priority_min, ENOSYS, LATER),
    REFUSE(148, sched_rr_get_interval, ENOSYS, LATER), REFUSE(314, sched_setattr, ENOSYS, LATER),
    REFUSE(315, sched_getattr, ENOSYS, LATER), REFUSE(151, mlockall, ENOSYS, LATER),
    REFUSE(152, munlockall, ENOSYS, LATER), REFUSE(325, mlock2, ENOSYS, LATER),
    REFUSE(159, adjtimex, ENOSYS, LATER), REFUSE(305, clock_adjtime, ENOSYS, LATER),
    REFUSE(187, readahead, ENOSYS, LATER), REFUSE(206, io_setup, ENOSYS, LATER),
    REFUSE(207, io_destroy, ENOSYS, LATER), REFUSE(208, io_getevents, ENOSYS, LATER),
    REFUSE(209, io_submit, ENOSYS, LATER), REFUSE(210, io_cancel, ENOSYS, LATER),
    REFUSE(333, io_pgetevents, ENOSYS, LATER), REFUSE(425, io_uring_setup, ENOSYS, LATER),
    REFUSE(426, io_uring_enter, ENOSYS, LATER), REFUSE(427, io_uring_register, ENOSYS, LATER),
    REFUSE(222, timer_create, ENOSYS, LATER), REFUSE(223, timer_settime, ENOSYS, LATER),
    REFUSE(224, timer_gettime, ENOSYS, LATER), REFUSE(225, timer_getoverrun, ENOSYS, LATER),
    REFUSE(226, timer_delete, ENOSYS, LATER), REFUSE(251, ioprio_set, ENOSYS, LATER),
    REFUSE(252, ioprio_get, ENOSYS, LATER), REFUSE(274, get_robust_list, ENOSYS, LATER),
    REFUSE(275, splice, ENOSYS, LATER), REFUSE(276, tee, ENOSYS, LATER),
    REFUSE(277, sync_file_range, ENOSYS, LATER), REFUSE(278, vmsplice, ENOSYS, LATER),
    REFUSE(297, rt_tgsigqueueinfo, ENOSYS, LATER), REFUSE(303, name_to_handle_at, ENOSYS, LATER),
    REFUSE(304, open_by_handle_at, ENOSYS, LATER), REFUSE(306, syncfs, ENOSYS, LATER),
    REFUSE(309, getcpu, ENOSYS, LATER), REFUSE(319, memfd_create, ENOSYS, LATER),
    REFUSE(324, membarrier, ENOSYS, LATER), REFUSE(326, copy_file_range, ENOSYS, LATER),
    REFUSE(327, preadv2, ENOSYS, LATER), REFUSE(328, pwritev2, ENOSYS, LATER),
    REFUSE(334, rseq, ENOSYS, LATER), REFUSE(424, pidfd_send_signal, ENOSYS, LATER),
    REFUSE(434, pidfd_open, ENOSYS, LATER), REFUSE(435, clone3, ENOSYS, LATER),
    REFUSE(436, close_range, ENOSYS, LATER), REFUSE(437, openat2, ENOSYS, LATER),
    REFUSE(440, process_madvise, ENOSYS, LATER), REFUSE(448, process_mrelease, ENOSYS, LATER),
    REFUSE(449, futex_waitv, ENOSYS, LATER),
};

#define MAX_UNKNOWN 64

// Counted without a lock: several CPUs may lose a count, which matters to nobody.
static uint64_t counts[array_len(calls)];
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
        if (refusals[i].nr == nr)
            return -(long)refusals[i].err;
    return -ENOSYS;
}

static void handle(struct trapframe *tf)
{
    struct thread *t = thread_current();
    uint64_t nr = tf->error;

    t->in_syscall = true;
    if (nr < array_len(calls) && calls[nr].fn) {
        counts[nr]++;
        call_fn fn = (call_fn)calls[nr].fn;
        tf->rax = (uint64_t)fn(tf->rdi, tf->rsi, tf->rdx, tf->r10, tf->r8, tf->r9);
    } else {
        tf->rax = (uint64_t)no_call(nr);
    }
    t->in_syscall = false;
}

int syscall_show(int pid, struct strbuf *out)
{
    (void)pid;
    for (unsigned i = 0; i < array_len(calls); i++) {
        if (counts[i])
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
        strbuf_printf(out, "%u %s %u %s\n", r->nr, r->name, r->err, reasons[r->why]);
    return 0;
}

void syscall_init(void)
{
    trap_ops.syscall = handle;
}
