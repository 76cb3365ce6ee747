// SPDX-License-Identifier: BSD-2-Clause
//
// calls SEED [CHILDREN [CALLS]]: children make random system calls, most of them nearly right, some
// with an allocation in them told to fail, until they are done, crash, or wait for too long. The
// kernel must survive them, and the memory that they fill must hold nothing that the kernel should
// have cleared, which a kernel built with POISON=1 shows. Prints `ok` and the number of calls at
// the end. Runs only on Strata.
#define _GNU_SOURCE
#include "leak.h"
#include "stress.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#define ARENA    64ul // pages that calls on memory play with
#define BUFFER   (16 * PAGE)
#define ANSWER   512ul // bytes that are looked at where a call's answer may be, or what it asks for
#define PATIENCE 50000 // microseconds for a child

// What each call takes. f: descriptor, p: path, b: buffer, n: size, o: offset, a: address in the
// arena, l: length in it, x: bits, k: small number, i: process, s: signal, t: short time, v: array
// of pointers and lengths. !: seldom, as a child often does not survive it.
// clang-format off
static const struct call {
    short nr;
    const char *args;
} calls[] = {
    {SYS_read, "fbn"}, {SYS_write, "fbn"}, {SYS_open, "pxx"}, {SYS_close, "f"}, {SYS_stat, "pb"},
    {SYS_fstat, "fb"}, {SYS_lstat, "pb"}, {SYS_poll, "bkk"}, {SYS_lseek, "fok"},
    {SYS_mmap, "alkxfo"}, {SYS_mmap, "alkxfo"}, {SYS_mprotect, "alk"}, {SYS_munmap, "al"},
    {SYS_brk, "a"}, {SYS_rt_sigaction, "sbbz!"}, {SYS_rt_sigprocmask, "kbbz"},
    {SYS_rt_sigreturn, "!"}, {SYS_ioctl, "fxb"}, {SYS_pread64, "fbno"}, {SYS_pwrite64, "fbno"},
    {SYS_readv, "fvk"}, {SYS_writev, "fvk"}, {SYS_access, "pk"}, {SYS_pipe, "b"},
    {SYS_select, "kbbbt"}, {SYS_sched_yield, ""}, {SYS_mremap, "allka"}, {SYS_msync, "alk"},
    {SYS_mincore, "alb"}, {SYS_madvise, "alk"}, {SYS_dup, "f"}, {SYS_dup2, "ff"},
    {SYS_pause, "!"}, {SYS_nanosleep, "tb"}, {SYS_getitimer, "kb"}, {SYS_alarm, "k"},
    {SYS_setitimer, "kbb!"}, {SYS_sendfile, "ffbn"}, {SYS_clone, "xabbb!"}, {SYS_fork, ""},
    {SYS_vfork, "!"}, {SYS_execve, "pvv!"}, {SYS_wait4, "ibkb"}, {SYS_kill, "is!"},
    {SYS_uname, "b"}, {SYS_fcntl, "fkx"}, {SYS_flock, "fk"}, {SYS_fsync, "f"},
    {SYS_truncate, "po"}, {SYS_ftruncate, "fo"}, {SYS_getcwd, "bn"}, {SYS_chdir, "p"},
    {SYS_fchdir, "f"}, {SYS_rename, "pp"}, {SYS_mkdir, "px"}, {SYS_rmdir, "p"},
    {SYS_creat, "px"}, {SYS_link, "pp"}, {SYS_unlink, "p"}, {SYS_symlink, "pp"},
    {SYS_readlink, "pbn"}, {SYS_chmod, "px"}, {SYS_fchmod, "fx"}, {SYS_umask, "k"},
    {SYS_getrlimit, "kb"}, {SYS_getrusage, "kb"}, {SYS_sysinfo, "b"}, {SYS_times, "b"},
    {SYS_getgroups, "kb"}, {SYS_rt_sigpending, "bk"}, {SYS_rt_sigtimedwait, "bbtk"},
    {SYS_rt_sigqueueinfo, "isb!"}, {SYS_rt_sigsuspend, "bk!"}, {SYS_sigaltstack, "bb!"},
    {SYS_mknod, "pxx"}, {SYS_statfs, "pb"}, {SYS_fstatfs, "fb"}, {SYS_mlock, "al!"},
    {SYS_munlock, "al"}, {SYS_prctl, "kbxxx!"}, {SYS_arch_prctl, "xb!"}, {SYS_setrlimit, "kb!"},
    {SYS_sync, ""}, {SYS_tkill, "is!"}, {SYS_futex, "akktak"}, {SYS_sched_getaffinity, "inb"},
    {SYS_getdents64, "fbn"}, {SYS_set_tid_address, "b"}, {SYS_clock_gettime, "kb"},
    {SYS_clock_nanosleep, "kktb"}, {SYS_tgkill, "iis!"}, {SYS_waitid, "kibkb"},
    {SYS_openat, "fpxx"}, {SYS_openat, "fpxx"}, {SYS_mkdirat, "fpx"}, {SYS_newfstatat, "fpbx"},
    {SYS_unlinkat, "fpx"}, {SYS_renameat2, "fpfpk"}, {SYS_linkat, "fpfpx"},
    {SYS_symlinkat, "pfp"}, {SYS_readlinkat, "fpbn"}, {SYS_faccessat, "fpk"},
    {SYS_pselect6, "kbbbtb"}, {SYS_ppoll, "bktbk"}, {SYS_utimensat, "fpbk"},
    {SYS_fallocate, "fkoo"}, {SYS_dup3, "ffx"}, {SYS_pipe2, "bx"}, {SYS_preadv, "fvkoz"},
    {SYS_pwritev, "fvkoz"}, {SYS_prlimit64, "ikbb!"}, {SYS_getrandom, "bnk"},
    {SYS_execveat, "fpvvx!"}, {SYS_statx, "fpxxb"},
};

static const char *const paths[] = {
    "a", "b", "c", "d", "d/a", "d/b", "d/d", "d/d/a", "l", "l/a", ".", "", "d/..", "a/", "d/",
    "/proc/self/maps", "/proc/self/fd/3", "/proc/self/exe", "/proc/self",
    "/proc/vm/pools", "/proc/meminfo", "/dev/zero", "/dev/null", "/dev/none",
};
// clang-format on

static char home[32];
static char *arena, *buffer;
static char long_path[PATH_MAX + 16];
static volatile pid_t child;
static int probe[2]; // a pipe

static long wild(void)
{
    switch (rng_below(6)) {
    case 0:
        return 0;
    case 1:
        return (long)rng();
    case 2:
        return -1 - (long)rng_below(300);
    case 3:
        return (long)(0x7fffffffffffu - rng_below(8192));
    case 4:
        return (long)(0xffff800000000000u + rng_below(1ul << 40));
    default:
        return (long)rng_below(1ul << rng_below(48));
    }
}

// In the buffer, now and then across its end.
static long some_buffer(void)
{
    return (long)(buffer + (rng_below(16) ? rng_below(BUFFER / 8) * 8 : BUFFER - rng_below(64)));
}

static long some_path(void)
{
    if (rng_below(32) == 0)
        return (long)long_path;
    if (rng_below(32) == 0) // not terminated
        return (long)memset(buffer + BUFFER - 8, 'x', 8);
    return (long)paths[rng_below(sizeof(paths) / sizeof(paths[0]))];
}

static long some_time(void)
{
    int64_t *t = (int64_t *)(buffer + rng_below(BUFFER / 16) * 16);

    t[0] = rng_below(16) ? 0 : wild();
    t[1] = rng_below(16) ? (int64_t)rng_below(100000) : wild();
    return (long)t;
}

static long some_vector(void)
{
    struct iovec *v = (struct iovec *)(buffer + rng_below(BUFFER / 32) * 16);

    for (unsigned i = 0; i < 8; i++)
        v[i] = (struct iovec){(void *)some_buffer(), rng_below(8) ? rng_below(512) : 0};
    return (long)v;
}

static long some_process(void)
{
    const pid_t found[] = {getpid(), 0, 12345, -12345, getpid()};
    return found[rng_below(5)];
}

static long argument(char kind)
{
    if (rng_below(24) == 0 && kind != 'i')
        return wild();
    switch (kind) {
    case 'f':
        return rng_below(8) ? (long)rng_below(12) : AT_FDCWD;
    case 'p':
        return some_path();
    case 'b':
        return rng_below(4) ? some_buffer() : 0;
    case 'n':
        return (long)rng_below(1ul << rng_below(18));
    case 'o':
        return (long)rng_below(1ul << rng_below(34));
    case 'a':
        return (long)(arena + rng_below(ARENA) * PAGE);
    case 'l':
        return (long)(1 + rng_below(ARENA / 2)) * (long)PAGE;
    case 'x':
        return rng_below(2) ? (long)(1ul << rng_below(32)) : (long)(rng() & rng() & 0xffffffff);
    case 'i':
        return some_process();
    case 's':
        return (long)rng_below(66);
    case 't':
        return some_time();
    case 'v':
        return some_vector();
    case 'k':
        return (long)rng_below(rng_below(8) ? 8 : 64);
    default:
        return 0;
    }
}

// The nth allocation from now on fails.
static void fail_nth(unsigned n)
{
    int fd = open("/proc/self/fail-nth", O_WRONLY);

    if (fd >= 0) {
        dprintf(fd, "%u", n);
        close(fd);
    }
}

// ---- what a call has filled ----

static void search_buffer(int nr, const void *at, size_t n)
{
    size_t left = (size_t)(buffer + BUFFER - (const char *)at);

    if ((const char *)at >= buffer && left <= BUFFER)
        leak_search(nr, at, n < left ? n : left, nr == SYS_getrandom ? LEAK_RANDOM : LEAK_RUN);
}

// Pages that may not be there, or are behind the end of their file.
static void search_page(int nr, long va)
{
    char page[PAGE];
    ssize_t n = write(probe[1], (const void *)va, PAGE);

    if (n > 0 && (n = read(probe[0], page, PAGE)) > 0)
        leak_search(nr, page, (size_t)n, LEAK_RUN);
}

static void search(const struct call *c, const long arg[6], long result)
{
    size_t n = ANSWER;

    for (unsigned i = 0; i < 6 && c->args[i]; i++) {
        if (c->args[i] == 'n' && (size_t)arg[i] > n)
            n = (size_t)arg[i];
    }
    for (unsigned i = 0; i < 6 && c->args[i]; i++) {
        search_buffer(c->nr, (const void *)arg[i], n);
        const struct iovec *v = (const struct iovec *)arg[i];
        for (unsigned j = 0; c->args[i] == 'v' && j < 8; j++) {
            if ((char *)(v + j) >= buffer && (char *)(v + j + 1) <= buffer + BUFFER)
                search_buffer(c->nr, v[j].iov_base, ANSWER);
        }
    }
    if ((c->nr == SYS_mmap || c->nr == SYS_mremap) && (result & (long)(PAGE - 1)) == 0) {
        long last = arg[c->nr == SYS_mmap ? 1 : 2] - (long)PAGE;
        search_page(c->nr, result);
        search_page(c->nr, result + last);
    }
}

static void call_once(void)
{
    const struct call *c;
    long arg[6] = {0};
    pid_t self = getpid();

    do
        c = &calls[rng_below(sizeof(calls) / sizeof(calls[0]))];
    while (strchr(c->args, '!') && rng_below(16));
    for (unsigned i = 0; c->args[i] && c->args[i] != '!'; i++)
        arg[i] = argument(c->args[i]);
    if (rng_below(4) == 0)
        fail_nth(1 + (unsigned)rng_below(12));
    long result = syscall(c->nr, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
    __atomic_fetch_add(&leak->ncalls, 1, __ATOMIC_RELAXED);
    search(c, arg, result);
    if (getpid() != self)
        _exit(0);
}

static void *make_calls(void *ncalls)
{
    for (unsigned n = 0; n < *(unsigned *)ncalls; n++)
        call_once();
    return NULL;
}

static void wake_up(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)info;
    leak_search_frame(context);
}

static void make_probe(void)
{
    int ends[2];

    if (pipe2(ends, O_NONBLOCK))
        _exit(1);
    for (unsigned i = 0; i < 2; i++)
        probe[i] = fcntl(ends[i], F_DUPFD, 200);
}

// What waits is interrupted every millisecond. Threads share memory, files and the generator.
static void run_child(unsigned ncalls)
{
    struct sigaction interrupt = {.sa_sigaction = wake_up, .sa_flags = SA_SIGINFO};
    struct itimerval tick = {{0, 1000}, {0, 1000}};

    setsid();
    sigaction(SIGALRM, &interrupt, NULL);
    setitimer(ITIMER_REAL, &tick, NULL);
    arena = mmap(NULL, ARENA * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    buffer = mmap(NULL, BUFFER + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arena == MAP_FAILED || buffer == MAP_FAILED || chdir(home) ||
        mprotect(buffer, BUFFER, PROT_READ | PROT_WRITE))
        _exit(1);
    for (size_t i = 0; i < BUFFER; i += 8)
        *(uint64_t *)(buffer + i) = rng_below(4) ? rng_below(16) : (uint64_t)wild();
    memset(long_path, 'y', sizeof(long_path) - 1);
    make_probe();
    for (int fd = 0; fd < 6; fd++)
        dup2(fd < 3 ? open("/dev/null", O_RDWR) : open(paths[fd], O_RDWR | O_CREAT, 0666), fd);
    if (rng_below(2) == 0) {
        pthread_t other[2];
        for (unsigned i = 0; i < 2; i++)
            pthread_create(&other[i], NULL, make_calls, &ncalls);
    }
    make_calls(&ncalls);
    _exit(0);
}

static void end_child(int sig)
{
    (void)sig;
    if (child > 0) {
        kill(child, SIGKILL);
        kill(-child, SIGKILL);
    }
}

static void empty(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *e;
    char name[PATH_MAX];

    EXPECT_TRUE(dir != NULL);
    while ((e = readdir(dir))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
        if (unlink(name) == 0)
            continue;
        empty(name);
        EXPECT(rmdir(name), 0);
    }
    closedir(dir);
}

int main(int argc, char **argv)
{
    unsigned nchildren = argc > 2 ? (unsigned)atoi(argv[2]) : 100;
    unsigned ncalls = argc > 3 ? (unsigned)atoi(argv[3]) : 300;
    struct itimerval tick = {{0, PATIENCE}, {0, PATIENCE}};
    struct utsname u;

    leak_start();
    leak_search_stack(argv);
    if (argc < 2 || uname(&u) || strcmp(u.sysname, "Strata")) {
        dprintf(2, "calls: usage: calls SEED [CHILDREN [CALLS]], on Strata alone\n");
        return 2;
    }
    rng_start(strtoul(argv[1], NULL, 0));
    snprintf(home, sizeof(home), "/tmp/calls-%lu", (unsigned long)seed);
    EXPECT(mkdir(home, 0777), 0);
    signal(SIGALRM, end_child);
    setitimer(ITIMER_REAL, &tick, NULL);
    for (unsigned n = 0; n < nchildren; n++) {
        uint64_t r = rng();
        int status = 0;
        pid_t pid = fork();
        EXPECT_TRUE(pid >= 0);
        if (pid == 0) {
            rng_start(r);
            run_child(ncalls);
        }
        child = pid;
        while (waitpid(pid, &status, 0) < 0)
            EXPECT(errno, EINTR);
        kill(-pid, SIGKILL);
        child = 0;
        leak_expect_none();
        EXPECT_TRUE(!WIFEXITED(status) || WEXITSTATUS(status) != LEAKED);
        empty(home);
    }
    EXPECT(rmdir(home), 0);
    printf("ok: %llu calls\n", (unsigned long long)leak->ncalls);
    return 0;
}
