// SPDX-License-Identifier: BSD-2-Clause
//
// The benchmark's part on several processors: one worker, two workers, and one and two that only
// compute, round by round in turn, so that whatever else the host does meets all of them alike. Two
// that compute say what a second processor is worth here; two workers, beside that, what they cost
// each other. Prints medians in ns; and for two workers how many acquisitions of locks found them
// taken and how many TLB shootdowns there were, where /proc/vm says so.
#define _GNU_SOURCE
#include "bench.h"
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE   4096ul
#define ROUNDS 15
#define FORKS  40 // operations of a worker in a round
#define FAULTS 2048
#define SPIN   4000000u

static int go[2];

static void fork_and_exit(void)
{
    for (int i = 0; i < FORKS; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        need(child > 0 && waitpid(child, NULL, 0) == child, "fork");
    }
}

static void fault(void)
{
    char *p = mmap(NULL, FAULTS * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    need(p != MAP_FAILED, "mmap");
    for (size_t i = 0; i < FAULTS; i++)
        p[i * PAGE] = 1;
    munmap(p, FAULTS * PAGE);
}

static void compute(void)
{
    for (volatile unsigned i = 0; i < SPIN; i++)
        ;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// From the word to begin until the last of the workers is done.
static uint64_t run(unsigned workers, void (*work)(void))
{
    need(pipe(go) == 0, "pipe");
    for (unsigned i = 0; i < workers; i++) {
        pid_t child = fork();
        need(child >= 0, "fork");
        if (child == 0) {
            char c;
            close(go[1]);
            need(read(go[0], &c, 1) == 0, "go"); // all begin at once
            work();
            _exit(0);
        }
    }
    uint64_t start = now_ns();
    close(go[1]);
    for (unsigned i = 0; i < workers; i++)
        need(wait(NULL) > 0, "wait");
    close(go[0]);
    return now_ns() - start;
}

static unsigned long figure(const char *path, const char *name)
{
    char line[80];
    unsigned long value = 0;
    size_t len = strlen(name);
    FILE *f = fopen(path, "r");

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, len) == 0 && line[len] == ' ')
            value = strtoul(line + len, NULL, 10);
    if (f)
        fclose(f);
    return value;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

// All four in turn, `rounds' times.
static void measure_work(const char *what, void (*work)(void), unsigned nops, unsigned rounds)
{
    static const char *const names[] = {"one worker", "two workers", "one computes", "two compute"};
    uint64_t took[4][ROUNDS];
    unsigned long contended = 0, shootdowns = 0;
    char name[80];

    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < 4; i++) {
            contended -= i == 1 ? figure("/proc/vm/locks", "contended") : 0;
            shootdowns -= i == 1 ? figure("/proc/vm/pmap", "shootdowns") : 0;
            took[i][round] = run(1 + i % 2, i < 2 ? work : compute);
            contended += i == 1 ? figure("/proc/vm/locks", "contended") : 0;
            shootdowns += i == 1 ? figure("/proc/vm/pmap", "shootdowns") : 0;
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        qsort(took[i], rounds, sizeof took[i][0], by_value);
        snprintf(name, sizeof name, "%s, %s", what, names[i]);
        report(name, took[i][rounds / 2] / (i < 2 ? nops : 1));
    }
    snprintf(name, sizeof name, "%s, contended per 1000", what);
    report(name, contended * 1000 / (2 * nops * rounds));
    snprintf(name, sizeof name, "%s, shootdowns per 1000", what);
    report(name, shootdowns * 1000 / (2 * nops * rounds));
}

void measure_together(unsigned rounds)
{
    rounds = rounds < ROUNDS ? rounds : ROUNDS;
    measure_work("fork and exit", fork_and_exit, FORKS, rounds);
    measure_work("anonymous fault", fault, FAULTS, rounds);
}
