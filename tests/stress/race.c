// SPDX-License-Identifier: BSD-2-Clause
//
// race SEED [ROUNDS [PARTS]]: what joins a group of threads or of processes while that group is
// ended, stopped, continued or told to execute something else. Each round waits for the event
// itself: a thread that escaped makes the program hang, a process that escaped is counted. Prints
// `ok'.
#define _GNU_SOURCE
#include "thread.h"
#include <sys/mman.h>

#define STACKS      16
#define STACK_BYTES 8192
#define CLONERS     3
#define FORKERS     3

// Shared by all processes.
struct shared {
    long forks; // counts while the bomb works
    long work;  // counts while the worker runs
};
static struct shared *shared;
static const char *self_path;

static void *map(size_t len, int flags)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    EXPECT_TRUE(p != MAP_FAILED);
    return p;
}

static void spin(uint64_t n)
{
    for (volatile uint64_t i = 0; i < n; i++)
        ;
}

// ---- threads ----

_Noreturn static int stay(void *arg)
{
    (void)arg;
    for (;;)
        syscall(SYS_pause);
}

static int go(void *arg)
{
    (void)arg;
    syscall(SYS_exit, 0);
    return 0;
}

// Makes threads without end; most of them end at once, so that the stacks can be used again.
_Noreturn static int clone_threads(void *arg)
{
    char *stacks = arg;
    for (unsigned i = 0;; i = (i + 1) % STACKS)
        start_thread(i == STACKS - 1 ? stay : go, stacks + (i + 1) * STACK_BYTES, NULL);
}

enum how { BY_EXIT, BY_EXEC, BY_KILL, BY_STOP, WAYS };

static void many_threads(enum how how, uint64_t delay)
{
    for (int i = 0; i < CLONERS; i++) {
        char *stacks = map((STACKS + 1) * STACK_BYTES, MAP_PRIVATE);
        EXPECT_TRUE(start_thread(clone_threads, stacks + (STACKS + 1) * STACK_BYTES, stacks) > 0);
    }
    spin(delay);
    if (how == BY_EXEC)
        execl(self_path, "race", "0", (char *)NULL);
    if (how == BY_EXIT || how == BY_EXEC)
        _exit(0);
    stay(NULL);
}

static void end_threads(enum how how)
{
    uint64_t delay = rng_below(60000);
    int status;
    pid_t pid = fork();

    if (pid == 0)
        many_threads(how, delay);
    EXPECT_TRUE(pid > 0);
    if (how >= BY_KILL)
        spin(delay * 2);
    for (int i = 0; how == BY_STOP && i < 3; i++) {
        EXPECT(kill(pid, SIGSTOP), 0);
        EXPECT(waitpid(pid, &status, WUNTRACED), pid);
        EXPECT_TRUE(WIFSTOPPED(status));
        EXPECT(kill(pid, SIGCONT), 0);
    }
    if (how >= BY_KILL)
        EXPECT(kill(pid, SIGKILL), 0);
    EXPECT(waitpid(pid, &status, 0), pid);
    EXPECT(status, how >= BY_KILL ? SIGKILL : 0);
}

// ---- processes ----

static void bomb(void)
{
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        __atomic_fetch_add(&shared->forks, 1, __ATOMIC_SEQ_CST);
        if (fork() == 0 && rng_below(2))
            _exit(0);
        rng();
        sched_yield();
    }
}

// A group of processes that fork is ended by one signal. Who is left comes to this process.
static void end_group(void)
{
    pid_t leader = fork();
    int status;

    if (leader == 0) {
        setpgid(0, 0);
        for (int i = 0; i < FORKERS; i++)
            if (fork() == 0)
                bomb();
        stay(NULL);
    }
    setpgid(leader, leader);
    long before = __atomic_load_n(&shared->forks, __ATOMIC_SEQ_CST);
    uint64_t n = 4 + rng_below(40);
    while ((uint64_t)(__atomic_load_n(&shared->forks, __ATOMIC_SEQ_CST) - before) < n)
        sched_yield();
    EXPECT(kill(-leader, SIGKILL), 0);
    EXPECT(waitpid(leader, &status, 0), leader);
    // Each that was killed counts once more at most, ends, and goes to whom does not wait.
    long at_end = __atomic_load_n(&shared->forks, __ATOMIC_SEQ_CST);
    long most = at_end + (at_end - before) + FORKERS;
    while (kill(-leader, 0) == 0) {
        if (__atomic_load_n(&shared->forks, __ATOMIC_SEQ_CST) > most)
            fail("forks of a killed group", shared->forks, most);
        sched_yield();
    }
}

// ---- stop and continue ----

_Noreturn static int work(void *arg)
{
    (void)arg;
    for (;;) {
        __atomic_fetch_add(&shared->work, 1, __ATOMIC_SEQ_CST);
        syscall(SYS_sched_yield);
    }
}

static pid_t start_workers(int nthreads)
{
    pid_t pid = fork();

    if (pid == 0) {
        setpgid(0, 0);
        for (int i = 1; i < nthreads; i++)
            EXPECT_TRUE(
                start_thread(work, (char *)map(STACK_BYTES, MAP_PRIVATE) + STACK_BYTES, NULL) > 0);
        work(NULL);
    }
    setpgid(pid, pid);
    return pid;
}

static void await_work(void)
{
    long was = __atomic_load_n(&shared->work, __ATOMIC_SEQ_CST);

    while (__atomic_load_n(&shared->work, __ATOMIC_SEQ_CST) == was)
        sched_yield();
}

static void await_stop(pid_t pid, int sig)
{
    int status;

    do
        EXPECT(waitpid(pid, &status, WUNTRACED), pid);
    while (!WIFSTOPPED(status) || WSTOPSIG(status) != sig);
}

static void end_workers(pid_t pid)
{
    int status;

    EXPECT(kill(pid, SIGKILL), 0);
    do
        EXPECT(waitpid(pid, &status, 0), pid);
    while (!WIFSIGNALED(status));
}

// A process that was continued after it was stopped runs, however close the two signals came.
static void continue_last(void)
{
    pid_t pid = start_workers(3);

    for (int i = 0; i < 16; i++) {
        EXPECT(kill(pid, i % 2 ? SIGTSTP : SIGSTOP), 0);
        spin(rng_below(2000));
        EXPECT(kill(pid, SIGCONT), 0);
        await_work();
        if (i % 4 < 2) // a stop right after: the threads are still on their way out of the last
            continue;
        EXPECT(kill(pid, SIGSTOP), 0);
        await_stop(pid, SIGSTOP);
        EXPECT(kill(pid, SIGCONT), 0);
    }
    end_workers(pid);
}

// The first of two stop signals is over with the SIGCONT between them, even if a thread has taken
// it and not yet begun to stop: the second one stops the process, and its parent hears of that.
static void stop_last(void)
{
    pid_t pid = start_workers(4);

    for (int i = 0; i < 200; i++) {
        EXPECT(kill(pid, SIGTSTP), 0);
        spin(rng_below(3000));
        EXPECT(kill(pid, SIGCONT), 0);
        EXPECT(kill(pid, SIGSTOP), 0);
        await_stop(pid, SIGSTOP);
        EXPECT(kill(pid, SIGCONT), 0);
        await_work();
    }
    end_workers(pid);
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "0") == 0)
        return 0; // what BY_EXEC executes
    self_path = argv[0];
    rng_start(strtoull(argv[1], NULL, 0));
    int rounds = argc > 2 ? atoi(argv[2]) : 20;
    const char *parts = argc > 3 ? argv[3] : "tgcs"; // threads, group, and so on
    shared = map(PAGE, MAP_SHARED);
    for (int i = 0; i < rounds; i++) {
        if (strchr(parts, 't'))
            end_threads(i % WAYS);
        if (strchr(parts, 'g'))
            end_group();
        if (strchr(parts, 'c'))
            continue_last();
        if (strchr(parts, 's'))
            stop_last();
    }
    printf("ok\n");
    return 0;
}
