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
    CALL(162, sync), ALIAS(165, mount, refuse), ALIAS(166, umount2, refuse), CALL(169, reboot),
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

void syscall_init(void)
{
    trap_ops.syscall = handle;
}
