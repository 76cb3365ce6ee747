// SPDX-License-Identifier: BSD-2-Clause
/*
 * System calls on processes, sessions and limits.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t fork(void)
{
    return (pid_t)syscall(SYS_fork);
}

int execve(const char *path, char *const argv[], char *const envp[])
{
    return (int)syscall(SYS_execve, path, argv, envp);
}

pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
    return (pid_t)syscall(SYS_wait4, pid, status, options, usage);
}

pid_t waitpid(pid_t pid, int *status, int options)
{
    return wait4(pid, status, options, NULL);
}

pid_t wait(int *status)
{
    return wait4(-1, status, 0, NULL);
}

pid_t getpid(void)
{
    return (pid_t)syscall(SYS_getpid);
}

pid_t getppid(void)
{
    return (pid_t)syscall(SYS_getppid);
}

pid_t gettid(void)
{
    return (pid_t)syscall(SYS_gettid);
}

pid_t getpgid(pid_t pid)
{
    return (pid_t)syscall(SYS_getpgid, pid);
}

pid_t getpgrp(void)
{
    return getpgid(0);
}

int setpgid(pid_t pid, pid_t pgid)
{
    return (int)syscall(SYS_setpgid, pid, pgid);
}

pid_t getsid(pid_t pid)
{
    return (pid_t)syscall(SYS_getsid, pid);
}

pid_t setsid(void)
{
    return (pid_t)syscall(SYS_setsid);
}

pid_t tcgetpgrp(int fd)
{
    pid_t pgid;
    return ioctl(fd, TIOCGPGRP, &pgid) == 0 ? pgid : -1;
}

int tcsetpgrp(int fd, pid_t pgid)
{
    return ioctl(fd, TIOCSPGRP, &pgid);
}

uid_t getuid(void)
{
    return (uid_t)syscall(SYS_getuid);
}

uid_t geteuid(void)
{
    return (uid_t)syscall(SYS_geteuid);
}

gid_t getgid(void)
{
    return (gid_t)syscall(SYS_getgid);
}

gid_t getegid(void)
{
    return (gid_t)syscall(SYS_getegid);
}

int sched_yield(void)
{
    return (int)syscall(SYS_sched_yield);
}

int sched_getaffinity(pid_t pid, size_t size, void *mask)
{
    return (int)syscall(SYS_sched_getaffinity, pid, size, mask);
}

int prlimit(pid_t pid, int resource, const struct rlimit *new, struct rlimit *old)
{
    return (int)syscall(SYS_prlimit64, pid, resource, new, old);
}

int getrlimit(int resource, struct rlimit *limit)
{
    return prlimit(0, resource, NULL, limit);
}

int setrlimit(int resource, const struct rlimit *limit)
{
    return prlimit(0, resource, limit, NULL);
}

int getrusage(int who, struct rusage *usage)
{
    return (int)syscall(SYS_getrusage, who, usage);
}

int sysinfo(struct sysinfo *info)
{
    return (int)syscall(SYS_sysinfo, info);
}

clock_t times(struct tms *t)
{
    return syscall(SYS_times, t);
}

int uname(struct utsname *u)
{
    return (int)syscall(SYS_uname, u);
}

int gethostname(char *name, size_t n)
{
    struct utsname u;
    if (uname(&u) != 0)
        return -1;
    strncpy(name, u.nodename, n);
    return 0;
}

ssize_t getrandom(void *buf, size_t n, unsigned flags)
{
    return syscall(SYS_getrandom, buf, n, flags);
}

/* The two magic numbers are the call's guard against accidents. */
int reboot(int cmd)
{
    return (int)syscall(SYS_reboot, 0xfee1deadL, 672274793L, cmd, 0L);
}
