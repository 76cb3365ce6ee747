// SPDX-License-Identifier: BSD-2-Clause
/*
 * stress_fork [seed [rounds]]: trees of processes that share and change memory, exec and die.
 */
#include <signal.h>
#include <sys/mman.h>
#include "stress.h"

#define PAGES 32

static unsigned char *memory;

static int generation(int depth, unsigned seed);

/* A child checks what it inherited, has children of its own, and then changes everything. */
static _Noreturn void child(int depth, unsigned seed, unsigned new_seed)
{
    int bad = generation(depth, seed);
    if (bad != 0)
        _exit(bad);
    t_fill(memory, PAGES * PAGE, new_seed);
    _exit(t_same(memory, PAGES * PAGE, new_seed) ? 0 : 4);
}

/* What the children do is not seen here, and a page is written while they run. */
static int generation(int depth, unsigned seed)
{
    int children = depth > 0 ? 1 + (int)stress_random(3) : 0, bad = 0;
    if (!t_same(memory, PAGES * PAGE, seed))
        return 1;
    for (int i = 0; i < children; i++) {
        pid_t pid = fork();
        if (pid < 0)
            return 2;
        stress_state += (uint64_t)i;
        if (pid == 0)
            child(depth - 1, seed, seed * 4 + (unsigned)i + 1);
    }
    size_t at = stress_random(PAGES) * PAGE;
    memory[at]++;
    for (int status; wait(&status) > 0;)
        bad |= status;
    memory[at]--;
    return bad != 0 || !t_same(memory, PAGES * PAGE, seed) ? 3 : 0;
}

static int run_self(void)
{
    char *const argv[] = {"executed", "77", NULL};
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        execve("/proc/self/exe", argv, environ);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    return status;
}

static int kill_some(void)
{
    enum { N = 8 };
    pid_t pid[N];
    int bad = 0, status;
    for (int i = 0; i < N; i++) {
        pid[i] = fork();
        if (pid[i] == 0)
            for (;;)
                t_fill(memory, PAGES * PAGE, (unsigned)i);
    }
    for (int i = 0; i < N; i++)
        bad |= kill(pid[i], SIGKILL);
    for (int i = 0; i < N; i++)
        bad |= waitpid(pid[i], &status, 0) != pid[i] || status != SIGKILL;
    return bad;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[0], "executed") == 0)
        return atoi(argv[1]);
    int rounds = stress_begin(argc, argv, 10);
    memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST("mmap", 0, 0, memory == MAP_FAILED);
    for (int r = 0; r < rounds; r++) {
        unsigned seed = stress_random(1000);
        t_fill(memory, PAGES * PAGE, seed);
        MUST("generations", r, 0, generation(3, seed));
        MUST("exec", r, 77 << 8, run_self());
        MUST("kill", r, 0, kill_some());
    }
    say("ok\n");
    return 0;
}
