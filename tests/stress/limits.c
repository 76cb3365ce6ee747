// SPDX-License-Identifier: BSD-2-Clause
//
// limits SEED: makes without end what a process may make, and expects the limit that
// doc/architecture.md names, an error then, and a system that still works. Prints `ok'.
#define _GNU_SOURCE
#include "thread.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <time.h>

#define STACK   4096
#define SIG     40
#define QUEUED  1024 // SIGPENDING_MAX
#define THREADS 1024 // THREADS_MAX

static int idle(void *arg)
{
    (void)arg;
    for (;;)
        syscall(SYS_pause);
    return 0;
}

static void set_limit(int which, rlim_t cur)
{
    struct rlimit r;
    EXPECT(getrlimit(which, &r), 0);
    r.rlim_cur = cur;
    EXPECT(setrlimit(which, &r), 0);
}

// ---- tasks: processes, zombies and threads of all users, who are one ----

static long tasks_left(int threads)
{
    static char stacks[64][STACK];
    pid_t pids[64];
    int n = 0;

    for (; n < 64; n++) {
        if (threads && n % 2) {
            if (start_thread(idle, stacks[n] + STACK, NULL) < 0)
                break;
            pids[n] = 0;
            continue;
        }
        pids[n] = fork();
        if (pids[n] == 0)
            _exit(0); // a zombie until it is waited for
        if (pids[n] < 0)
            break;
    }
    int err = errno;
    for (int i = 0; i < n; i++)
        if (pids[i])
            reap(pids[i]);
    errno = err;
    return n;
}

static void in_child(void (*fn)(void))
{
    pid_t pid = fork();
    EXPECT_TRUE(pid >= 0);
    if (pid == 0) {
        fn();
        _exit(0);
    }
    reap(pid);
}

static void tasks(void)
{
    // The tasks that there are: the first limit under which one more can be made, less one.
    int base = 1;
    for (;; base++) {
        set_limit(RLIMIT_NPROC, base);
        if (tasks_left(0) > 0)
            break;
        EXPECT(errno, EAGAIN);
        EXPECT_TRUE(base < 40);
    }
    set_limit(RLIMIT_NPROC, base + 20 - 1);
    EXPECT(tasks_left(0), 20);
    EXPECT(errno, EAGAIN);
    EXPECT(tasks_left(0), 20); // all were given back
    EXPECT(tasks_left(1), 20);
}

static void threads(void)
{
    struct rlimit r;
    int n = 1;

    EXPECT(getrlimit(RLIMIT_NPROC, &r), 0);
    set_limit(RLIMIT_NPROC, r.rlim_max);
    char *stacks =
        mmap(NULL, THREADS * STACK * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_TRUE(stacks != MAP_FAILED);
    while (n <= THREADS && start_thread(idle, stacks + (n + 1) * STACK, NULL) > 0)
        n++;
    EXPECT_TRUE(errno == EAGAIN || errno == ENOMEM);
    EXPECT_TRUE(n == THREADS || (unsigned long)n < r.rlim_max);
}

// ---- signals that wait ----

static long queue_many(long most)
{
    siginfo_t info = {.si_code = SI_QUEUE};
    long n = 0;
    while (n < most && syscall(SYS_rt_sigqueueinfo, getpid(), SIG, &info) == 0)
        n++;
    return n;
}

static void signals(void)
{
    struct timespec now = {0, 0};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIG);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    EXPECT(queue_many(QUEUED * 4), QUEUED);
    EXPECT(errno, EAGAIN);
    EXPECT(kill(getpid(), SIGUSR1), 0);
    EXPECT(sigtimedwait(&set, NULL, &now), SIGUSR1);
    EXPECT(sigtimedwait(&set, NULL, &now), SIG);
    EXPECT(queue_many(QUEUED), 1);
    // More is not to be had: the kernel's own bound stays.
    set_limit(RLIMIT_SIGPENDING, QUEUED);
    EXPECT(setrlimit(RLIMIT_SIGPENDING, &(struct rlimit){QUEUED * 2, QUEUED * 2}), 0);
    EXPECT(queue_many(QUEUED), 0);
}

// ---- open files of all processes ----

static void hold_files(int ready)
{
    while (open("/dev/null", O_RDONLY) >= 0)
        ;
    int err = errno;
    EXPECT(write(ready, &err, sizeof err), sizeof err);
    idle(NULL);
}

static void files(void)
{
    pid_t pids[40];
    int fds[2], err = EMFILE, n = 0;

    EXPECT(pipe(fds), 0);
    while (err == EMFILE) {
        EXPECT_TRUE(n < 40);
        pids[n] = fork();
        if (pids[n] == 0)
            hold_files(fds[1]);
        EXPECT_TRUE(pids[n] > 0);
        n++;
        EXPECT(read(fds[0], &err, sizeof err), sizeof err);
    }
    for (int i = 0; i < n; i++) {
        kill(pids[i], SIGKILL);
        EXPECT(waitpid(pids[i], NULL, 0), pids[i]);
    }
    EXPECT(err, ENFILE);
    int fd = open("/dev/null", O_RDONLY);
    EXPECT_TRUE(fd >= 0);
}

// ---- the load ----

static void load(void)
{
    struct sysinfo info;
    struct timespec start, now;

    clock_gettime(CLOCK_MONOTONIC, &start);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while (now.tv_sec < start.tv_sec + 7);
    EXPECT(sysinfo(&info), 0);
    EXPECT_TRUE(info.loads[0] > 0 && info.loads[0] >= info.loads[1]);
    EXPECT_TRUE(info.loads[1] >= info.loads[2]);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    rng_start(strtoull(argv[1], NULL, 0));
    in_child(tasks);
    in_child(threads);
    in_child(signals);
    in_child(files);
    in_child(load);
    printf("ok\n");
    return 0;
}
