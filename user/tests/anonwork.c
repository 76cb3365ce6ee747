// SPDX-License-Identifier: BSD-2-Clause
//
// Work for private memory, for lab 4's grader: anonwork threads|sharers|paged|checks|costs. One
// task of an address space forks while three others write; or a parent and its child write the
// same pages at once, and give them up at once; or they do so while the pages go to swap; or the
// kernel checks itself while children come and go; or it says how many instructions a fork and a
// write take. At points, where everybody stands still, the grader looks at the pages from outside.

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "judged.h"

#define PAGE   4096ul
#define REGION 0x50000000ul // the grader knows it, and what is in it
#define NPAGES 96
#define STACK  65536

static volatile unsigned long *word(int page)
{
    return (volatile unsigned long *)(REGION + (unsigned long)page * PAGE);
}

static void map_pages(int first, int end)
{
    if (mmap((void *)word(first), (unsigned long)(end - first) * PAGE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != (void *)word(first))
        errx(1, "mmap");
}

static void map_region(void)
{
    map_pages(0, NPAGES);
}

static void unmap(int first, int end)
{
    if (munmap((void *)word(first), (unsigned long)(end - first) * PAGE) < 0)
        errx(1, "munmap");
}

// ---- one forks while three write ----

#define WRITERS 3
#define OWN     (NPAGES / WRITERS) // pages of each: it writes one after the other, round by round
#define FORKS   6                  // that the grader looks at
#define UNSEEN  10                 // and others

static volatile int stop;

static int writer(void *arg)
{
    int first = (int)(unsigned long)arg * OWN;

    for (unsigned long round = 2; !stop; round++) {
        for (int i = 0; i < OWN; i++)
            *word(first + i) = round;
        sched_yield(); // a turn is ten million instructions where they are counted
    }
    meet(0);
    _exit(0);
}

// What a child finds of a writer's pages is what one moment left there: some have this round, and
// all after them have the round before.
static void check_prefixes(void)
{
    for (int w = 0; w < WRITERS; w++) {
        unsigned long round = *word(w * OWN);
        for (int i = 0; i < OWN; i++) {
            unsigned long found = *word(w * OWN + i);
            if (found != round && (found != round - 1 || i == 0))
                errx(1, "page %d of writer %d has round %lu, the first one %lu", i, w, found,
                     round);
            round = found;
        }
        if (*word(w * OWN) - round > 1)
            errx(1, "writer %d's rounds %lu and %lu are in one copy", w, *word(w * OWN), round);
    }
}

static void child(int number, int seen)
{
    check_prefixes();
    for (int i = number; i < NPAGES; i += 7)
        *word(i) = *word(i); // a copy of its own, at once with the others
    check_prefixes();
    if (seen)
        meet(1);
    _exit(0);
}

static void fork_child(int number, int seen)
{
    int pid = fork();

    if (pid < 0)
        errx(1, "fork");
    if (pid == 0)
        child(number, seen);
}

static void work_threads(void)
{
    static char stacks[WRITERS][STACK];

    map_region();
    for (int i = 0; i < NPAGES; i++)
        *word(i) = 1;
    for (unsigned long i = 0; i < WRITERS; i++)
        if (clone(writer, stacks[i] + STACK, CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD,
                  (void *)i) < 0)
            errx(1, "clone");
    for (int i = 0; i < UNSEEN; i++) {
        fork_child(i, 0);
        reap(1);
    }
    for (int i = 0; i < FORKS; i++)
        fork_child(i, 1);
    await(FORKS);
    stop = 1;
    await(WRITERS);
    point("forked");
    release(FORKS, 1);
    release(WRITERS, 0);
    reap(FORKS + WRITERS);
    unmap(0, NPAGES);
    point("reaped");
}

// ---- two at once ----

#define ROUNDS 12

// Both write all pages, some first from one end and some from the other, and then unmap parts that
// overlap: at no time may one see what the other writes, and nothing may be left.
static void share(int me, unsigned long round)
{
    for (int i = 0; i < NPAGES; i++) {
        int page = me && round % 2 ? NPAGES - 1 - i : i;
        if (*word(page) != round)
            errx(1, "page %d has %lx in round %lu", page, *word(page), round);
        *word(page) = round << 8 | (unsigned long)(me + 1);
    }
    for (int page = 0; page < NPAGES; page++)
        if (*word(page) != (round << 8 | (unsigned long)(me + 1)))
            errx(1, "page %d has %lx after round %lu", page, *word(page), round);
}

// Both give up what they share, at once: all but a third each, so that nobody sees the middle.
static void give_up(int me, unsigned long round)
{
    unmap(me ? NPAGES / 3 : 0, me ? NPAGES : 2 * NPAGES / 3);
    for (int page = me ? 0 : 2 * NPAGES / 3; page < (me ? NPAGES / 3 : NPAGES); page++)
        if (*word(page) != round)
            errx(1, "page %d has %lx in round %lu", page, *word(page), round);
}

static void work_sharers(int looks)
{
    point("before");
    for (unsigned long round = 1; round <= ROUNDS; round++) {
        map_region();
        for (int i = 0; i < NPAGES; i++)
            *word(i) = round;
        int pid = fork();
        if (pid < 0)
            errx(1, "fork");
        if (round % 4 == 0)
            give_up(pid == 0, round);
        else
            share(pid == 0, round);
        if (pid == 0) {
            meet(0);
            _exit(0);
        }
        await(1);
        if (looks && (round % 4 == 0 || round == 1))
            point(round == 1 ? "written" : "halves");
        release(1, 0);
        if (round % 3 == 0)
            unmap(0, NPAGES); // while the child exits
        reap(1);
        unmap(0, NPAGES);
    }
    point("after");
}

// ---- and while memory is short ----

#define HOG (20ul << 20) // more than the machine has to spare

// Writes all of it, again and again, so that whatever is not used just now goes to swap.
static int start_hog(void)
{
    int pid = fork();

    if (pid < 0)
        errx(1, "fork");
    if (pid > 0)
        return pid;
    volatile char *hog =
        mmap(NULL, HOG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (hog == MAP_FAILED)
        errx(1, "mmap");
    for (unsigned long n = 0;; n++) {
        hog[n * PAGE % HOG] = (char)n;
        if (n == HOG / PAGE)
            meet(1);
        if (n % 64 == 0)
            sched_yield();
    }
}

static void work_paged(void)
{
    int status, hog = start_hog();

    await(1);
    release(1, 1);
    work_sharers(0);
    if (kill(hog, SIGKILL) < 0 || waitpid(hog, &status, 0) != hog)
        errx(1, "the hog");
}

// ---- while the kernel checks itself ----

#define CHECKS 150
#define LONE   1000 // a page apart from the region, again and again

static void come_and_go(void)
{
    for (;;) {
        int status, pid = fork();
        if (pid < 0)
            errx(1, "fork");
        if (pid == 0) {
            *word(1) = 1;
            unmap(2, NPAGES / 2);
            _exit(0);
        }
        for (int i = 0; i < 20; i++) {
            map_pages(LONE, LONE + 1);
            *word(LONE) = 2;
            unmap(LONE, LONE + 1);
        }
        waitpid(pid, &status, 0);
    }
}

static void check(void)
{
    char text[256] = "";
    int fd = open("/proc/vm/check", O_RDONLY);

    if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
        errx(1, "no /proc/vm/check");
    close(fd);
    if (strcmp(text, "ok\n") != 0)
        errx(1, "nothing is wrong, and the kernel's checks find: %s", text);
}

static void work_checks(void)
{
    int status;

    map_region();
    for (int i = 0; i < NPAGES; i++)
        *word(i) = 1;
    int pid = fork();
    if (pid < 0)
        errx(1, "fork");
    if (pid == 0)
        come_and_go();
    unmap(0, NPAGES);
    for (int i = 0; i < CHECKS; i++)
        check();
    if (kill(pid, SIGKILL) < 0 || waitpid(pid, &status, 0) != pid)
        errx(1, "the child");
    point("checked");
}

// ---- what it costs ----

#define LARGE 4096 // pages: 16 MiB
#define TIMES 4    // of which the last one counts

static unsigned long ticks(void)
{
    return __builtin_ia32_rdtsc();
}

// A child that waits until it is told, or is gone already when this returns.
static int start_child(int stays)
{
    int pid = fork();

    if (pid < 0)
        errx(1, "fork");
    if (pid == 0) {
        if (stays)
            meet(0);
        _exit(0);
    }
    if (stays)
        await(1);
    else
        reap(1);
    return pid;
}

static void tell(const char *what, unsigned long instructions)
{
    printf("cost %s %lu\n", what, instructions);
    fflush(stdout);
}

static unsigned long write_all(unsigned long value)
{
    unsigned long start = ticks();

    for (int i = 0; i < LARGE; i++)
        *word(i) = value;
    return ticks() - start;
}

static unsigned long fork_again(void)
{
    unsigned long start = 0;

    for (int i = 0; i < TIMES; i++) {
        start = ticks();
        start_child(0);
    }
    return ticks() - start;
}

static void work_costs(void)
{
    map_pages(0, LARGE);
    write_all(1);
    tell("fork", fork_again());
    write_all(2);
    start_child(1);
    tell("copy", write_all(3) / LARGE);
    release(1, 0);
    reap(1);
    start_child(0);
    tell("reuse", write_all(4) / LARGE);
    point("measured");
}

int main(int argc, char **argv)
{
    open_meetings();
    if (argc == 2 && strcmp(argv[1], "threads") == 0)
        work_threads();
    else if (argc == 2 && strcmp(argv[1], "sharers") == 0)
        work_sharers(1);
    else if (argc == 2 && strcmp(argv[1], "paged") == 0)
        work_paged();
    else if (argc == 2 && strcmp(argv[1], "checks") == 0)
        work_checks();
    else if (argc == 2 && strcmp(argv[1], "costs") == 0)
        work_costs();
    else
        errx(1, "threads, sharers, paged, checks or costs?");
    return 0;
}
