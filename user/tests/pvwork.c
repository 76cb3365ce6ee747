// SPDX-License-Identifier: BSD-2-Clause
//
// Work for the reverse map, for lab 1's grader: pvwork fork|truncate. Processes map and unmap, and
// at points, where everybody stands still, the grader looks at their page tables from outside.

#include <stdlib.h>
#include <sys/mman.h>

#include "judged.h"

#define PAGE     4096
#define NFILE    600
#define NPRIVATE 200
#define CHILDREN 4

static unsigned char *map_file(int fd, int prot)
{
    unsigned char *p = mmap(NULL, NFILE * PAGE, prot, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED)
        errx(1, "mmap");
    return p;
}

static int make_file(void)
{
    int fd = open("/tmp/pvwork", O_RDWR | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || ftruncate(fd, NFILE * PAGE) < 0)
        errx(1, "cannot make a file");
    return fd;
}

static void touch(unsigned char *p, int n, int value)
{
    for (int i = 0; i < n; i++)
        p[i * PAGE] = (unsigned char)(value + i);
}

static void check(const unsigned char *p, int n, int value)
{
    for (int i = 0; i < n; i++)
        if (p[i * PAGE] != (unsigned char)(value + i))
            errx(1, "a byte is wrong");
}

static void start_children(void (*body)(int number, int fd, unsigned char *own), int fd,
                           unsigned char *own)
{
    open_meetings();
    for (int i = 0; i < CHILDREN; i++) {
        int pid = fork();
        if (pid < 0)
            errx(1, "fork");
        if (pid == 0) {
            body(i, fd, own);
            exit(0);
        }
    }
}

// Reads what it shares with its parent, writes half of it, unmaps a third of the file.
static void forked(int number, int fd, unsigned char *own)
{
    unsigned char *file = map_file(fd, PROT_READ);

    check(own, NPRIVATE, 1);
    check(file, NFILE, 7);
    touch(own, NPRIVATE / 2, 100 + number);
    meet(0);
    munmap(file + NFILE / 3 * PAGE, NFILE / 3 * PAGE);
    meet(1);
    check(own, NPRIVATE / 2, 100 + number);
    check(file, NFILE / 3, 7);
}

static void work_fork(void)
{
    int fd = make_file();
    unsigned char *own =
        mmap(NULL, NPRIVATE * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (own == MAP_FAILED)
        errx(1, "mmap");
    point("start");
    touch(map_file(fd, PROT_READ | PROT_WRITE), NFILE, 7);
    touch(own, NPRIVATE, 1);
    start_children(forked, fd, own);
    await(CHILDREN);
    point("forked");
    release(CHILDREN, 0);
    await(CHILDREN);
    point("unmapped");
    release(CHILDREN, 1);
    reap(CHILDREN);
    check(own, NPRIVATE, 1);
    point("reaped");
}

static void mapper(int number, int fd, unsigned char *own)
{
    unsigned char *file = map_file(fd, PROT_READ);

    (void)own;
    check(file, NFILE, 7);
    meet(0);
    check(file, 10 + number, 7); // what is left of the file is still there
    meet(1);
}

static void work_truncate(void)
{
    int fd = make_file();
    unsigned char *file = map_file(fd, PROT_READ | PROT_WRITE);

    touch(file, NFILE, 7);
    start_children(mapper, fd, file);
    await(CHILDREN);
    point("mapped");
    if (ftruncate(fd, 20 * PAGE) < 0)
        errx(1, "ftruncate");
    point("truncated");
    release(CHILDREN, 0);
    await(CHILDREN);
    if (ftruncate(fd, NFILE * PAGE) < 0)
        errx(1, "ftruncate");
    for (int i = 20; i < NFILE; i++)
        if (file[i * PAGE])
            errx(1, "old bytes came back");
    point("extended");
    release(CHILDREN, 1);
    reap(CHILDREN);
    point("reaped");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "fork") == 0)
        work_fork();
    else if (argc == 2 && strcmp(argv[1], "truncate") == 0)
        work_truncate();
    else
        errx(1, "usage: pvwork fork|truncate");
    return 0;
}
