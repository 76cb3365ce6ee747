// SPDX-License-Identifier: BSD-2-Clause
/*
 * Threads made by clone as pthread libraries do, and futexes, without a library.
 */
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "t.h"

#define STACK   (16 * PAGE)
#define THREADS 4
#define FLAGS                                                                                      \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |            \
     CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

struct thread {
    struct thread *self; /* what %fs:0 reads */
    pid_t tid;           /* cleared and woken by the kernel at the end */
    char *stack;
    int number;
};

static long raw(long n, long a, long b, long c, long d)
{
    long r;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return r;
}

/* Negative errors as the kernel has them: errno is not shared out between threads. */
static long futex(volatile int *word, int op, int value, const struct timespec *timeout)
{
    return raw(SYS_futex, (long)word, op, value, (long)timeout);
}

static struct thread *start(int (*fn)(void *), int number)
{
    struct thread *t = calloc(1, sizeof *t);
    t->self = t;
    t->number = number;
    t->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (clone(fn, t->stack + STACK, FLAGS, t, &t->tid, t, &t->tid) < 0)
        say("clone: %s\n", t_errname());
    return t;
}

static void join(struct thread *t)
{
    for (pid_t tid; (tid = *(volatile pid_t *)&t->tid) != 0;)
        futex((volatile int *)&t->tid, FUTEX_WAIT, tid, NULL);
    munmap(t->stack, STACK);
    free(t);
}

static volatile int lock, unlocked_sum, sums[THREADS];
static long total;

static void acquire(void)
{
    int c = 0;
    if (__atomic_compare_exchange_n(&lock, &c, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    while (__atomic_exchange_n(&lock, 2, __ATOMIC_ACQUIRE) != 0)
        futex(&lock, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 2, NULL);
}

static void release(void)
{
    if (__atomic_exchange_n(&lock, 0, __ATOMIC_RELEASE) == 2)
        futex(&lock, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL);
}

static int add(void *arg)
{
    struct thread *t = arg, *by_tls;
    __asm__("mov %%fs:0, %0" : "=r"(by_tls));
    for (int i = 0; i < 2000; i++) {
        acquire();
        total++;
        release();
    }
    sums[t->number] = by_tls == t && raw(SYS_getpid, 0, 0, 0, 0) != raw(SYS_gettid, 0, 0, 0, 0);
    return 0;
}

static void counting(void)
{
    struct thread *t[THREADS];
    for (int i = 0; i < THREADS; i++)
        t[i] = start(add, i);
    for (int i = 0; i < THREADS; i++)
        join(t[i]);
    T(total);
    T(sums[0] + sums[1] + sums[2] + sums[3]);
}

static volatile int word;

static int waiter(void *arg)
{
    (void)arg;
    __atomic_fetch_add(&unlocked_sum, 1, __ATOMIC_SEQ_CST);
    while (word == 0)
        futex(&word, FUTEX_WAIT, 0, NULL);
    return 0;
}

static void futexes(void)
{
    struct timespec soon = {0, 10000000}, bad = {0, -1};
    struct thread *t[THREADS];
    T(-futex(&word, FUTEX_WAIT, 1, NULL) == EAGAIN);
    T(-futex(&word, FUTEX_WAIT, 0, &soon) == ETIMEDOUT);
    T(-futex(&word, FUTEX_WAIT, 0, &bad) == EINVAL);
    T(-futex((volatile int *)((char *)&word + 1), FUTEX_WAIT, 0, NULL) == EINVAL);
    T(-futex(&word, 99, 0, NULL) == ENOSYS);
    T(futex(&word, FUTEX_WAKE, 1, NULL));
    for (int i = 0; i < THREADS; i++)
        t[i] = start(waiter, i);
    while (unlocked_sum < THREADS)
        usleep(1000);
    usleep(20000);
    word = 1;
    long woken = 0;
    while (woken < THREADS) /* one that was not asleep yet sees the word instead */
        if (futex(&word, FUTEX_WAKE, 1, NULL) == 1)
            woken++;
        else
            break;
    for (int i = 0; i < THREADS; i++)
        join(t[i]);
    say("all waiters are back\n");
}

/* A futex in shared memory works between processes. */
static void between_processes(void)
{
    volatile int *w = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    if (fork() == 0) {
        while (*w == 0)
            futex(w, FUTEX_WAIT, 0, NULL);
        _exit(*w);
    }
    usleep(10000);
    *w = 9;
    futex(w, FUTEX_WAKE, 1, NULL);
    wait(&status);
    t_status("woken", status);
}

static int sleeper(void *arg)
{
    (void)arg;
    while (raw(SYS_pause, 0, 0, 0, 0) < 0)
        ;
    return 0;
}

static int leave(void *arg)
{
    (void)arg;
    raw(SYS_exit_group, 17, 0, 0, 0);
    return 0;
}

static void exit_all(void)
{
    start(sleeper, 0);
    start(sleeper, 1);
    start(leave, 2);
    sleeper(NULL);
}

static void main_leaves(void)
{
    start(sleeper, 0);
    exit(18);
}

/* The first thread goes alone; the process lives until the last. */
static int last(void *arg)
{
    (void)arg;
    usleep(20000);
    raw(SYS_exit, 19, 0, 0, 0);
    return 0;
}

static void first_goes(void)
{
    start(last, 0);
    raw(SYS_exit, 20, 0, 0, 0);
}

static int crash(void *arg)
{
    *(volatile int *volatile)arg = 1;
    return 0;
}

static void fault_in_thread(void)
{
    struct thread *t = start(sleeper, 0);
    clone(crash, t->stack + STACK / 2, FLAGS & ~CLONE_CHILD_CLEARTID, (void *)16, &t->number, t,
          NULL);
    sleeper(NULL);
}

static int exec_self(void *arg)
{
    char *const argv[] = {"executed", NULL};
    (void)arg;
    execve("/proc/self/exe", argv, environ);
    return 1;
}

static void exec_in_thread(void)
{
    start(sleeper, 0);
    start(exec_self, 1);
    sleeper(NULL);
}

static int fork_in_thread(void *arg)
{
    struct thread *t = arg;
    long pid = raw(SYS_fork, 0, 0, 0, 0);
    if (pid == 0)
        _exit(21);
    raw(SYS_wait4, pid, (long)&sums[t->number], 0, 0);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 1 && strcmp(argv[0], "executed") == 0) {
        CHECK(getpid() == gettid());
        return 22;
    }
    t_begin();
    counting();
    futexes();
    between_processes();
    t_child("exit_group in a thread", exit_all);
    t_child("exit with a thread left", main_leaves);
    t_child("the first thread goes first", first_goes);
    t_child("fault in a thread", fault_in_thread);
    t_child("exec in a thread", exec_in_thread);
    join(start(fork_in_thread, 0));
    t_status("fork in a thread", sums[0]);
    T(syscall(SYS_clone, CLONE_THREAD, 0L, 0L, 0L, 0L));
    T(syscall(SYS_clone, CLONE_SIGHAND, 0L, 0L, 0L, 0L));
    return 0;
}
