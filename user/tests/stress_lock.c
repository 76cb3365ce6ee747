// SPDX-License-Identifier: BSD-2-Clause
/*
 * stress_lock [seed [rounds]]: processes that lock bytes of a file and count in shared memory who
 * is inside. Circles of waiters come and are refused, alarms end waits, allocations fail,
 * descriptors are closed and processes end with their locks held.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/time.h>
#include "stress.h"

#define WORKERS 5
#define BYTES   24
#define STEPS   60
#define APART   1000 /* the byte of OFD locks */

struct counts {
    int readers[BYTES], writers[BYTES];
    int whole, ofd;
};

static volatile struct counts *counts;
static int file, fail_nth;

static void on_alarm(int sig)
{
    (void)sig;
}

static int add(volatile int *n, int by)
{
    return __atomic_add_fetch(n, by, __ATOMIC_SEQ_CST);
}

/* Enters or leaves: nobody may be inside that the lock keeps out. */
static void count(int type, int first, int len, int by, long step)
{
    for (int i = first; i < first + len; i++) {
        int n = add(type == F_WRLCK ? &counts->writers[i] : &counts->readers[i], by);
        if (by > 0 && type == F_WRLCK)
            MUST("writers", step, 1, n);
        if (by > 0)
            MUST("the other kind", step, 0,
                 add(type == F_WRLCK ? &counts->readers[i] : &counts->writers[i], 0));
    }
}

/* Now and then with an allocation that fails. 0 or the errno, which can be EDEADLK or ENOLCK. */
static int lock(int cmd, int type, int first, int len)
{
    struct flock l = {.l_type = (short)type, .l_start = first, .l_len = len};
    bool failing = fail_nth >= 0 && stress_random(4) == 0;
    int err;
    do {
        if (failing)
            (void)!write(fail_nth, stress_random(2) ? "1" : "2", 1);
        err = fcntl(file, cmd, &l) == 0 ? 0 : errno;
    } while (err == EINTR);
    if (failing)
        (void)!write(fail_nth, "0", 1);
    return err;
}

static void inside(int type, int first, int len, long step)
{
    count(type, first, len, 1, step);
    if (stress_random(4) == 0)
        getppid();
    count(type, first, len, -1, step);
}

/* Locks that know no deadlock come last, when nothing else is waited for. */
static void innermost(long step)
{
    if (lock(F_OFD_SETLKW, F_WRLCK, APART, 1) == 0) {
        MUST("OFD", step, 1, add(&counts->ofd, 1));
        add(&counts->ofd, -1);
        MUST("OFD unlock", step, 0, lock(F_OFD_SETLK, F_UNLCK, 0, 0));
    }
    int whole = open("file", O_RDONLY);
    while (whole >= 0 && flock(whole, LOCK_EX) != 0)
        MUST("flock", step, EINTR, errno);
    if (whole >= 0) {
        MUST("flock", step, 1, add(&counts->whole, 1));
        add(&counts->whole, -1);
        close(whole); /* and with it go the record locks */
    }
}

static void step(long number)
{
    int a = (int)stress_random(BYTES - 8), b = (int)stress_random(BYTES - 8);
    int len = 1 + (int)stress_random(8), other_len = 1 + (int)stress_random(8);
    int type = stress_random(2) ? F_WRLCK : F_RDLCK, other = stress_random(2) ? F_WRLCK : F_RDLCK;
    int err = lock(F_SETLKW, type, a, len);
    if (!err) {
        inside(type, a, len, number);
        err = lock(F_SETLKW, other, b, other_len);
        if (!err)
            inside(other, b, other_len, number);
    }
    if (err)
        MUST("lock", number, true, err == EDEADLK || err == ENOLCK);
    if (stress_random(3) == 0)
        err = lock(F_SETLK, F_UNLCK, (int)stress_random(BYTES), 1); /* in the middle, maybe */
    if (stress_random(4) == 0)
        innermost(number);
    else if (stress_random(2))
        close(open("file", O_RDONLY));
    MUST("unlock", number, 0, lock(F_SETLK, F_UNLCK, 0, 0));
}

static void work(int worker)
{
    struct itimerval often = {{0, 2000}, {0, 2000}};
    stress_state += (uint64_t)worker * 7919;
    file = open("file", O_RDWR);
    fail_nth = worker % 2 ? open("/proc/self/fail-nth", O_WRONLY) : -1;
    MUST("open", worker, true, file >= 0);
    if (worker == 1)
        setitimer(ITIMER_REAL, &often, NULL);
    for (long n = 0; n < STEPS; n++)
        step(n);
    while (lock(F_SETLKW, F_WRLCK, 0, BYTES) != 0)
        ;
    count(F_WRLCK, 0, BYTES, 1, STEPS);
    count(F_WRLCK, 0, BYTES, -1, STEPS);
    _exit(0);
}

int main(int argc, char **argv)
{
    struct sigaction sa = {.sa_handler = on_alarm};
    int status, rounds = stress_begin(argc, argv, 5);
    sigaction(SIGALRM, &sa, NULL);
    close(open("file", O_CREAT | O_RDWR, 0600));
    counts = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST("mmap", 0, true, (void *)counts != MAP_FAILED);
    for (int r = 1; r <= rounds; r++) {
        stress_state += (uint64_t)r;
        for (int i = 0; i < WORKERS; i++) {
            pid_t pid = fork();
            MUST("fork", r, true, pid >= 0);
            if (pid == 0)
                work(i);
        }
        for (int i = 0; i < WORKERS; i++) {
            MUST("wait", r, true, wait(&status) > 0);
            MUST("worker", r, 0, status);
        }
    }
    say("ok\n");
    return 0;
}
