// SPDX-License-Identifier: BSD-2-Clause
//
// Work for address maps, for lab 2's grader: mapwork tasks|forks. Tasks that share one address
// space map, protect and unmap pages that lie between each other's; or processes come and go, whose
// stacks and pipes are kernel memory. At points, where everybody stands still, the grader looks at
// all maps from outside.

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "judged.h"

#define PAGE     4096ul
#define REGION   0x50000000ul // the grader knows it
#define TASKS    4
#define NPAGES   128 // of the region; page i is task i % TASKS's
#define ROUNDS   250
#define STACK    65536
#define CHILDREN 12

// ---- tasks in one address space ----

static unsigned char *map_page(unsigned char *at)
{
    unsigned char *p =
        mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    if (p != at)
        errx(1, "mmap");
    return p;
}

// One after another: new, written, read-only, writable again, gone.
static int task(void *arg)
{
    unsigned number = (unsigned)(unsigned long)arg, draw = 12345 + number * 777;
    unsigned char value[NPAGES] = {0};

    for (int round = 0; round < ROUNDS; round++) {
        draw = draw * 1103515245 + 12345;
        unsigned i = (draw >> 16) % (NPAGES / TASKS) * TASKS + number;
        unsigned char *p = (unsigned char *)(REGION + i * PAGE);
        if (!value[i]) {
            map_page(p);
            value[i] = (unsigned char)(1 + draw % 200);
            *p = value[i];
            continue;
        }
        if (*p != value[i])
            errx(1, "a byte is wrong");
        if (draw >> 20 & 1) {
            if (munmap(p, PAGE) < 0)
                errx(1, "munmap");
            value[i] = 0;
        } else if (mprotect(p, PAGE, PROT_READ) < 0 || *p != value[i] ||
                   mprotect(p, PAGE, PROT_READ | PROT_WRITE) < 0) {
            errx(1, "mprotect");
        }
    }
    for (unsigned i = number; i < NPAGES; i += TASKS) {
        unsigned char *p = (unsigned char *)(REGION + i * PAGE);
        if (value[i] && *p != value[i])
            errx(1, "a byte is wrong at the end");
        if (!value[i])
            map_page(p);
    }
    meet(0);
    for (unsigned i = number; i < NPAGES; i += TASKS)
        if (number % 2 && munmap((unsigned char *)(REGION + i * PAGE), PAGE) < 0)
            errx(1, "munmap");
    meet(1);
    _exit(0);
}

static void work_tasks(void)
{
    static char stacks[TASKS][STACK];

    for (unsigned long i = 0; i < TASKS; i++)
        if (clone(task, stacks[i] + STACK, CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD, (void *)i) <
            0)
            errx(1, "clone");
    await(TASKS);
    point("mapped");
    release(TASKS, 0);
    await(TASKS);
    point("thinned");
    release(TASKS, 1);
    reap(TASKS);
    if (munmap((void *)REGION, NPAGES * PAGE) < 0)
        errx(1, "munmap of the region");
    point("reaped");
}

// ---- processes that come and go ----

static void child(int number)
{
    int pipes[8][2];

    for (int i = 0; i < 8; i++)
        if (pipe(pipes[i]) < 0 || write(pipes[i][1], &number, sizeof(number)) < 0)
            errx(1, "pipe");
    meet(0);
    _exit(0);
}

static void start_children(int n)
{
    for (int i = 0; i < n; i++) {
        int pid = fork();
        if (pid < 0)
            errx(1, "fork");
        if (pid == 0)
            child(i);
    }
    await(n);
}

static void work_forks(void)
{
    point("before");
    start_children(CHILDREN);
    point("alive");
    release(CHILDREN, 0);
    reap(CHILDREN);
    for (int round = 0; round < 3; round++) {
        start_children(CHILDREN);
        release(CHILDREN, 0);
        reap(CHILDREN);
    }
    point("reaped");
}

// ---- mappings while memory is short ----

#define HOG   (30ul << 20) // more than the machine has
#define MAPS  6000
#define APART 0x60000000ul

// Each mapping needs an entry of its own, as every other one is read-only; meanwhile private pages
// are written that only swap has room for. What the page daemon can free is waited for.
static void work_short(void)
{
    unsigned char *hog =
        mmap(NULL, HOG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned long at = 0, refused = 0;

    if (hog == MAP_FAILED)
        errx(1, "mmap");
    for (; at < HOG / 2; at += PAGE)
        hog[at] = (unsigned char)(at / PAGE);
    point("full");
    for (unsigned long i = 0; i < MAPS; i++) {
        void *p = mmap((void *)(APART + i * PAGE), PAGE, i % 2 ? PROT_READ : PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        refused += p == MAP_FAILED;
        for (int n = 0; n < 4; n++, at = (at + PAGE) % HOG)
            hog[at] = (unsigned char)(at / PAGE);
    }
    if (refused)
        errx(1, "%lu of %d mmaps were refused, although the page daemon can free memory", refused,
             MAPS);
    point("mapped");
    for (at = 0; at < HOG; at += PAGE)
        if (hog[at] != (unsigned char)(at / PAGE))
            errx(1, "a byte is wrong");
    if (munmap((void *)APART, MAPS * PAGE) < 0)
        errx(1, "munmap");
    point("freed");
}

int main(int argc, char **argv)
{
    open_meetings();
    if (argc == 2 && strcmp(argv[1], "tasks") == 0)
        work_tasks();
    else if (argc == 2 && strcmp(argv[1], "forks") == 0)
        work_forks();
    else if (argc == 2 && strcmp(argv[1], "short") == 0)
        work_short();
    else
        errx(1, "tasks, forks or short?");
    return 0;
}
