// SPDX-License-Identifier: BSD-2-Clause
/*
 * Limits and priorities that the kernel keeps: signals that wait, CPU time, nice values; and the
 * arguments of futex that have no meaning.
 */
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "t.h"

#define REAL_TIME 40
#define TRIES     64

#ifndef RLIMIT_SIGPENDING
#define RLIMIT_SIGPENDING 11
#endif

/* What rt_sigqueueinfo takes: numbers, and room for the rest. */
struct info {
    int signo, err, code, pad, pid, uid;
    long value;
    char rest[96];
};

static long queue(int sig, int code)
{
    struct info info = {.signo = sig, .code = code, .pid = getpid()};
    return syscall(SYS_rt_sigqueueinfo, getpid(), sig, &info);
}

static void pending_signals(void)
{
    struct rlimit some = {TRIES / 2, TRIES / 2}, none = {0, 0};
    unsigned long set = 1ul << (REAL_TIME - 1) | 1ul << (SIGUSR1 - 1), nothing = 0;
    struct timespec now = {0, 0};
    int n = 0;

    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 8);
    T(setrlimit(RLIMIT_SIGPENDING, &some));
    while (n < TRIES && queue(REAL_TIME, -1) == 0)
        n++;
    CHECK(n > 0 && n <= TRIES / 2 && errno == EAGAIN); /* others' may count, too */
    int taken = 0;
    while (syscall(SYS_rt_sigtimedwait, &set, NULL, &now, 8) == REAL_TIME)
        taken++;
    CHECK(taken == n);
    T(setrlimit(RLIMIT_SIGPENDING, &none));
    T(queue(REAL_TIME, -1));
    T(syscall(SYS_tgkill, getpid(), getpid(), REAL_TIME));
    T(kill(getpid(), REAL_TIME));
    T(kill(getpid(), SIGUSR1));
    T(syscall(SYS_rt_sigtimedwait, &set, NULL, &now, 8));
    T(queue(SIGUSR1, -1));
    T(syscall(SYS_rt_sigtimedwait, &set, NULL, &now, 8));
    T(syscall(SYS_rt_sigtimedwait, &set, NULL, &now, 8));
    T(syscall(SYS_rt_sigtimedwait, &set, NULL, &now, 8));
    T(queue(SIGUSR1, 0)); /* to itself a process may say what it likes */
    T(queue(99, -1));
    syscall(SYS_rt_sigtimedwait, &set, NULL, &now, 8);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &nothing, NULL, 8);
}

/* ---- CPU time ---- */

static void spin(void)
{
    for (;;)
        ;
}

static void soft(void)
{
    setrlimit(RLIMIT_CPU, &(struct rlimit){1, 10});
    spin();
}

static void on_cpu_limit(int sig)
{
    struct rlimit r;
    (void)sig;
    getrlimit(RLIMIT_CPU, &r);
    say("caught, the limits are %ld and %ld\n", (long)r.rlim_cur, (long)r.rlim_max);
}

static void hard(void)
{
    signal(SIGXCPU, on_cpu_limit);
    setrlimit(RLIMIT_CPU, &(struct rlimit){1, 2});
    spin();
}

/* ---- nice ---- */

static void nice_values(void)
{
    T(syscall(SYS_getpriority, PRIO_PROCESS, -1));
    T(syscall(SYS_getpriority, PRIO_PGRP, -1));
    T(syscall(SYS_getpriority, 3, 0));
    T(syscall(SYS_setpriority, PRIO_PROCESS, 999999, 0));
    T(syscall(SYS_setpriority, PRIO_USER, 77777, 0));
    T(syscall(SYS_setpriority, PRIO_PROCESS, 0, 7));
    T(syscall(SYS_getpriority, PRIO_PROCESS, 0));
    T(syscall(SYS_getpriority, PRIO_PROCESS, getpid()));
    T(syscall(SYS_setpriority, PRIO_PROCESS, getpid(), 100));
    T(syscall(SYS_getpriority, PRIO_PROCESS, 0));
    T(syscall(SYS_setpriority, PRIO_PROCESS, getpid(), -100));
    T(syscall(SYS_getpriority, PRIO_PROCESS, 0));
    setpgid(0, 0);
    T(syscall(SYS_setpriority, PRIO_PGRP, 0, 3));
    if (fork() == 0) {
        T(syscall(SYS_getpriority, PRIO_PROCESS, 0));
        T(syscall(SYS_setpriority, PRIO_PROCESS, 0, 9));
        T(syscall(SYS_getpriority, PRIO_PGRP, 0));
        _exit(0);
    }
    wait(NULL);
    T(syscall(SYS_getpriority, PRIO_PGRP, 0));
}

/* ---- futex ---- */

static void bad_futexes(void)
{
    int a = 1, b = 1;
    void *hole = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    T(syscall(SYS_futex, &a, FUTEX_CMP_REQUEUE, -1, 0, &b, 1));
    T(syscall(SYS_futex, &a, FUTEX_CMP_REQUEUE, 0, -1, &b, 1));
    T(syscall(SYS_futex, &a, FUTEX_REQUEUE, 0, -1, &b, 0));
    T(syscall(SYS_futex, &a, FUTEX_CMP_REQUEUE, 0, 0, &b, 2));
    T(syscall(SYS_futex, &a, FUTEX_CMP_REQUEUE, 1, 1, &b, 1));
    mprotect(hole, PAGE, PROT_NONE);
    T(syscall(SYS_futex, hole, FUTEX_WAKE, 1, NULL, NULL, 0));
    T(syscall(SYS_futex, &a, FUTEX_CMP_REQUEUE, 1, 1, hole, 1));
    munmap(hole, PAGE);
    T(syscall(SYS_futex, hole, FUTEX_WAKE, 1, NULL, NULL, 0));
    T(syscall(SYS_futex, hole, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0));
}

/* A robust mutex in shared memory, whose owner ends or executes: the others are told. */
static int *mutex_word;

static void die_owner(void)
{
    static struct {
        void *next;
        long offset;
        void *pending;
    } head;
    static struct {
        void *next;
    } * entry;

    entry = (void *)(mutex_word + 2);
    head.next = entry;
    head.offset = -8;
    entry->next = &head;
    *mutex_word = (int)syscall(SYS_gettid);
    T(syscall(SYS_set_robust_list, &head, 24));
}

static void die_executing(void)
{
    die_owner();
    execv("/proc/self/exe", (char *[]){"t_limits", "ends", NULL});
}

static void robust(void)
{
    mutex_word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    t_child("an owner that ends", die_owner);
    CHECK(*mutex_word == FUTEX_OWNER_DIED);
    *mutex_word = 0;
    t_child("an owner that executes", die_executing);
    CHECK(*mutex_word == FUTEX_OWNER_DIED);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return 0;
    t_begin();
    pending_signals();
    t_child("soft limit of CPU time", soft);
    t_child("hard limit of CPU time", hard);
    nice_values();
    bad_futexes();
    robust();
    return 0;
}
