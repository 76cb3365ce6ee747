// SPDX-License-Identifier: BSD-2-Clause
/*
 * stress_mix [seed [rounds [workers]]]: several processes at once fork, map, write files, send
 * signals and pipes, each checking its own work; meant for many CPUs and little memory. A call
 * that memory was too short for may fail with ENOMEM, but nothing may come out wrong.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include "stress.h"

#define RW (PROT_READ | PROT_WRITE)

static volatile int caught;

static void on_signal(int sig)
{
    (void)sig;
    caught++;
}

/* Whether a failure is of the kind that little memory excuses. */
static bool excused(void)
{
    return errno == ENOMEM || errno == EAGAIN || errno == ENOSPC;
}

static void anonymous(int round)
{
    size_t n = (1 + stress_random(64)) * PAGE;
    char *p = mmap(NULL, n, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        MUST("mmap", round, true, excused());
        return;
    }
    t_fill(p, n, (unsigned)round);
    pid_t pid = fork();
    if (pid == 0) {
        memset(p, 0xcc, n / 2);
        _exit(0);
    }
    MUST("memory", round, true, t_same(p, n, (unsigned)round));
    if (pid > 0)
        MUST("wait", round, pid, waitpid(pid, NULL, 0));
    MUST("memory after", round, true, t_same(p, n, (unsigned)round));
    MUST("munmap", round, 0, munmap(p, n));
}

static void file(int worker, int round)
{
    static char buf[20000];
    char path[32];
    size_t n = 1 + stress_random(sizeof buf);
    snprintf(path, sizeof path, "w%d", worker);
    int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0666);
    if (fd < 0) {
        MUST("open", round, true, excused());
        return;
    }
    t_fill(buf, n, (unsigned)round);
    ssize_t done = write(fd, buf, n);
    if (done == (ssize_t)n) {
        char *p = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);
        if (p != MAP_FAILED) {
            MUST("mapped file", round, true, t_same(p, n, (unsigned)round));
            MUST("munmap", round, 0, munmap(p, n));
        }
        memset(buf, 0, n);
        MUST("pread", round, n, pread(fd, buf, n, 0));
        MUST("file", round, true, t_same(buf, n, (unsigned)round));
    } else {
        MUST("write", round, true, done >= 0 || excused());
    }
    close(fd);
    MUST("unlink", round, 0, unlink(path));
}

/* One page that all workers share and count in. */
static void shared(volatile long *counter)
{
    for (int i = 0; i < 100; i++)
        __atomic_fetch_add(counter, 1, __ATOMIC_SEQ_CST);
}

static void signals(int round)
{
    int before = caught;
    MUST("kill", round, 0, kill(getpid(), SIGUSR1));
    MUST("caught", round, before + 1, caught);
    sched_yield();
}

static void tube(int round)
{
    int fds[2];
    long in = round, out = 0;
    if (pipe(fds) != 0) {
        MUST("pipe", round, true, excused());
        return;
    }
    MUST("write", round, sizeof in, write(fds[1], &in, sizeof in));
    MUST("read", round, sizeof out, read(fds[0], &out, sizeof out));
    MUST("pipe", round, in, out);
    close(fds[0]);
    close(fds[1]);
}

static _Noreturn void work(int worker, int rounds, volatile long *counter)
{
    stress_state += (uint64_t)worker * 1000003;
    for (int r = 1; r <= rounds; r++) {
        switch (stress_random(6)) {
        case 0:
        case 1:
            anonymous(r);
            break;
        case 2:
            file(worker, r);
            break;
        case 3:
            shared(counter);
            __atomic_fetch_add(counter + 1, 100, __ATOMIC_SEQ_CST);
            break;
        case 4:
            signals(r);
            break;
        default:
            tube(r);
        }
    }
    _exit(0);
}

int main(int argc, char **argv)
{
    int rounds = stress_begin(argc, argv, 200), workers = argc > 3 ? atoi(argv[3]) : 6, status;
    volatile long *counter = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    signal(SIGUSR1, on_signal);
    for (int w = 0; w < workers; w++) {
        pid_t pid = fork();
        MUST("fork", w, 0, pid < 0);
        if (pid == 0)
            work(w, rounds, counter);
    }
    for (int w = 0; w < workers; w++) {
        MUST("wait", w, 1, wait(&status) > 0);
        MUST("worker", w, 0, status);
    }
    MUST("shared counter", 0, counter[1], counter[0]);
    say("ok\n");
    return 0;
}
