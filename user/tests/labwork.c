// SPDX-License-Identifier: BSD-2-Clause
//
// What a grade of a lab ends with: an ordinary boot, at whose prompt this is typed under another
// name. Processes share a file and private pages; one maps while allocations fail; memory runs
// short; the file is cut. At points, where everybody stands still, the grader looks from outside.

#include <stdlib.h>
#include <sys/mman.h>

#include "judged.h"

#define PAGE     4096ul
#define PRIVATE  200ul
#define CHILDREN 6 // at most
#define LEFT     20ul
#define HOG      (12ul << 20)

static unsigned seed;
static unsigned long nfile; // pages of the file
static int fd;

static unsigned char *map(unsigned long npages, int prot, int flags, int file)
{
    unsigned char *p = mmap(NULL, npages * PAGE, prot, flags, file, 0);

    if (p == MAP_FAILED)
        errx(1, "mmap");
    return p;
}

static unsigned char byte_of(unsigned long page, unsigned who)
{
    return (unsigned char)(seed * 31 + page * 7 + who + 1);
}

static void fill(unsigned char *p, unsigned long npages, unsigned who)
{
    for (unsigned long i = 0; i < npages; i++)
        p[i * PAGE] = byte_of(i, who);
}

static void check(const unsigned char *p, unsigned long from, unsigned long to, unsigned who)
{
    for (unsigned long i = from; i < to; i++)
        if (p[i * PAGE] != byte_of(i, who))
            errx(1, "page %lu holds another byte", i);
}

static void child(unsigned who, unsigned char *own)
{
    unsigned char *file = map(nfile, PROT_READ, MAP_SHARED, fd);
    unsigned long third = PRIVATE / 3;

    check(file, 0, nfile, 0);
    check(own, 0, PRIVATE, 100);
    fill(own, PRIVATE / 2, who);
    if (mprotect(own + third * PAGE, third * PAGE, PROT_READ) < 0 ||
        mprotect(own + third * PAGE, third * PAGE, PROT_READ | PROT_WRITE) < 0)
        errx(1, "mprotect");
    meet(0);
    check(own, 0, PRIVATE / 2, who);
    check(own, PRIVATE / 2, PRIVATE, 100);
    check(file, 0, nfile, 0);
    munmap(file + nfile / 2 * PAGE, PAGE);
    meet(1);
    check(file, 0, LEFT, 0); // what is left of the file
    exit(0);
}

// Maps the file once more, and at each page the first allocation fails.
static void map_without_memory(void)
{
    unsigned char *again = map(nfile, PROT_READ, MAP_SHARED, fd);
    int nth = open("/proc/self/fail-nth", O_WRONLY);

    if (nth < 0)
        errx(1, "fail-nth");
    for (unsigned long i = 0; i < nfile; i++) {
        if (pwrite(nth, "1", 1, 0) != 1)
            errx(1, "fail-nth");
        if (again[i * PAGE] != byte_of(i, 0))
            errx(1, "page %lu holds another byte", i);
    }
    pwrite(nth, "0", 1, 0);
    close(nth);
}

int main(int argc, char **argv)
{
    unsigned nchildren;

    if (argc != 2)
        errx(1, "which seed?");
    seed = (unsigned)strtoul(argv[1], NULL, 10);
    nfile = 400 + seed % 200;
    nchildren = 3 + seed % (CHILDREN - 2);
    fd = open("/tmp/labwork", O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)(nfile * PAGE)) < 0)
        errx(1, "cannot make a file");
    unsigned char *file = map(nfile, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    unsigned char *own = map(PRIVATE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    fill(file, nfile, 0);
    fill(own, PRIVATE, 100);
    open_meetings();
    for (unsigned who = 1; who <= nchildren; who++) {
        int pid = fork();
        if (pid < 0)
            errx(1, "fork");
        if (pid == 0)
            child(who, own);
    }
    await((int)nchildren);
    point("forked");
    map_without_memory();
    point("stolen");
    unsigned char *hog = map(HOG / PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    fill(hog, HOG / PAGE, 7);
    release((int)nchildren, 0);
    await((int)nchildren);
    check(hog, 0, HOG / PAGE, 7);
    point("pressed");
    if (ftruncate(fd, (off_t)(LEFT * PAGE)) < 0)
        errx(1, "ftruncate");
    point("cut");
    release((int)nchildren, 1);
    reap((int)nchildren);
    check(own, 0, PRIVATE, 100);
    munmap(hog, HOG);
    point("reaped");
    return 0;
}
