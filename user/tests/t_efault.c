// SPDX-License-Identifier: BSD-2-Clause
/*
 * Bad pointers: every call that takes one answers EFAULT, and the kernel lives on.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "t.h"

static int in, out, dir, file;

/* The result of a call with one bad pointer; a good one counts as a failure of the kernel. */
#define BAD(number, ...) (errno = 0, bad(#number, syscall(number, __VA_ARGS__)))

static const char *kind;

static void bad(const char *call, long result)
{
    if (result == -1)
        say("%s, %s = -1 %s\n", call + 4, kind, t_errname());
    else
        say("%s, %s = %ld\n", call + 4, kind, result);
}

static void files(void *p)
{
    char path[] = "x";
    BAD(SYS_read, in, p, 8L);
    BAD(SYS_write, out, p, 8L);
    BAD(SYS_pread64, file, p, 8L, 0L);
    BAD(SYS_pwrite64, file, p, 8L, 0L);
    BAD(SYS_readv, in, p, 1L);
    BAD(SYS_writev, out, p, 1L);
    BAD(SYS_open, p, O_RDONLY);
    BAD(SYS_openat, AT_FDCWD, p, O_RDONLY);
    BAD(SYS_stat, p, path);
    BAD(SYS_stat, ".", p);
    BAD(SYS_lstat, ".", p);
    BAD(SYS_fstat, 0L, p);
    BAD(SYS_newfstatat, AT_FDCWD, ".", p, 0L);
    BAD(SYS_access, p, 0L);
    BAD(SYS_mkdir, p, 0777L);
    BAD(SYS_rmdir, p);
    BAD(SYS_unlink, p);
    BAD(SYS_link, p, path);
    BAD(SYS_link, "file", p);
    BAD(SYS_rename, p, path);
    BAD(SYS_rename, "file", p);
    BAD(SYS_chdir, p);
    BAD(SYS_getcwd, p, 4096L);
    BAD(SYS_truncate, p, 0L);
    BAD(SYS_readlink, p, path, 1L);
    BAD(SYS_readlink, "/proc/self/exe", p, 100L);
    BAD(SYS_getdents64, dir, p, 1024L);
    BAD(SYS_pipe, p);
    BAD(SYS_pipe2, p, 0L);
    BAD(SYS_poll, p, 1L, 0L);
    BAD(SYS_select, 1L, p, 0L, 0L, 0L);
    BAD(SYS_select, 0L, 0L, 0L, 0L, p);
}

static unsigned long code_page(void)
{
    return (unsigned long)(void *)code_page & ~(PAGE - 1);
}

static void processes(void *p)
{
    char *argv[] = {"x", NULL};
    BAD(SYS_execve, p, argv, argv);
    BAD(SYS_execve, "/proc/self/exe", p, argv);
    BAD(SYS_execve, "/proc/self/exe", argv, p);
    BAD(SYS_uname, p);
    BAD(SYS_sysinfo, p);
    BAD(SYS_getrandom, p, 8L, 0L);
    BAD(SYS_prlimit64, 0L, 7L, p, 0L);
    BAD(SYS_prlimit64, 0L, 7L, 0L, p);
    BAD(SYS_getrusage, 0L, p);
    if (fork() == 0)
        _exit(0);
    BAD(SYS_wait4, -1L, p, 0L, 0L);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    BAD(SYS_rt_sigaction, 10L, p, 0L, 8L);
    BAD(SYS_rt_sigaction, 10L, 0L, p, 8L);
    BAD(SYS_rt_sigprocmask, 0L, p, 0L, 8L);
    BAD(SYS_rt_sigprocmask, 0L, 0L, p, 8L);
    BAD(SYS_rt_sigpending, p, 8L);
    BAD(SYS_rt_sigsuspend, p, 8L);
    BAD(SYS_sigaltstack, p, 0L);
    BAD(SYS_sigaltstack, 0L, p);
    BAD(SYS_clock_gettime, 0L, p);
    BAD(SYS_clock_gettime, 1L, p);
    BAD(SYS_gettimeofday, p, 0L);
    BAD(SYS_nanosleep, p, 0L);
    BAD(SYS_setitimer, 0L, p, 0L);
    BAD(SYS_getitimer, 0L, p);
    BAD(SYS_times, p);
    BAD(SYS_futex, p, FUTEX_WAIT, 0L, 0L);
    BAD(SYS_mincore, (long)code_page(), 4096L, p);
}

/* Ranges that begin well, or wrap around: nothing that is beyond user space can be waited for. */
static void ranges(void)
{
    const unsigned long user_end = 0x7ffffffff000;
    struct {
        unsigned long base, len;
    } vector[2] = {{(unsigned long)code_page(), 8}, {user_end - 8, 4096}};
    void *last = (void *)(user_end - PAGE), *wrapping = (void *)-60L;

    /* Unless the stack is there, which does as well. */
    mmap(last, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
         0);
    for (int pipe = 0; pipe < 2; pipe++) {
        long to = pipe ? out : file, from = pipe ? in : file;
        kind = pipe ? "a pipe" : "a file";
        BAD(SYS_write, to, wrapping, 400L);
        BAD(SYS_read, from, wrapping, 400L);
        BAD(SYS_write, to, (char *)last + 100, 4096L);
        BAD(SYS_read, from, (char *)last + 100, 4096L);
        BAD(SYS_writev, to, vector, 2L);
        BAD(SYS_readv, from, vector, 2L);
    }
}

static void all(const char *name, void *p)
{
    kind = name;
    files(p);
    processes(p);
}

int main(void)
{
    int fds[2];
    t_begin();
    T(pipe(fds));
    in = fds[0];
    out = fds[1];
    write(out, "0123456789abcdef", 16);
    dir = T(open(".", O_RDONLY));
    file = T(open("file", O_CREAT | O_RDWR, 0666));
    write(file, "0123456789abcdef", 16);
    char *none = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *gone = none + 2 * PAGE;
    T(munmap(gone, PAGE));
    all("low", (void *)8);
    all("unmapped", gone);
    all("protected", none + PAGE);
    all("kernel", (void *)0xffffffff80000000);
    all("non-canonical", (void *)0x8000000000000000);
    ranges();
    char got[32];
    T(read(in, got, sizeof got));
    T(pread(file, got, sizeof got, 0));
    return 0;
}
