// SPDX-License-Identifier: BSD-2-Clause
//
// Work for the reverse map, for lab 1's grader: pvwork fork|truncate. Processes map and unmap, and
// at points, where everybody stands still, the grader looks at their page tables from outside.

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE     4096
#define NFILE    600
#define NPRIVATE 200
#define CHILDREN 4

static int ready[2], go[2][2]; // of each meeting, a pipe to go on

static void fail(const char *what)
{
    fprintf(stderr, "pvwork: %s\n", what);
    exit(1);
}

static void point(const char *name)
{
    int fd = open("/proc/judge", O_WRONLY);

    if (fd < 0 || write(fd, name, strlen(name)) < 0)
        fail("no /proc/judge");
    close(fd);
}

static unsigned char *map_file(int fd, int prot)
{
    unsigned char *p = mmap(NULL, NFILE * PAGE, prot, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED)
        fail("mmap");
    return p;
}

static int make_file(void)
{
    int fd = open("/tmp/pvwork", O_RDWR | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || ftruncate(fd, NFILE * PAGE) < 0)
        fail("cannot make a file");
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
            fail("a byte is wrong");
}

// Says that it is ready, and waits for the word to go on from this meeting.
static void meet(int meeting)
{
    char c = 0;

    if (write(ready[1], &c, 1) != 1 || read(go[meeting][0], &c, 1) != 1)
        fail("pipe");
}

static void await_children(void)
{
    char c;

    for (int i = 0; i < CHILDREN; i++)
        if (read(ready[0], &c, 1) != 1)
            fail("pipe");
}

static void release_children(int meeting)
{
    char c = 0;

    for (int i = 0; i < CHILDREN; i++)
        if (write(go[meeting][1], &c, 1) != 1)
            fail("pipe");
}

static void reap_children(void)
{
    int status;

    for (int i = 0; i < CHILDREN; i++)
        if (wait(&status) < 0 || status != 0)
            fail("a child failed");
}

static void start_children(void (*body)(int number, int fd, unsigned char *own), int fd,
                           unsigned char *own)
{
    if (pipe(ready) < 0 || pipe(go[0]) < 0 || pipe(go[1]) < 0)
        fail("pipe");
    for (int i = 0; i < CHILDREN; i++) {
        int pid = fork();
        if (pid < 0)
            fail("fork");
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
        fail("mmap");
    point("start");
    touch(map_file(fd, PROT_READ | PROT_WRITE), NFILE, 7);
    touch(own, NPRIVATE, 1);
    start_children(forked, fd, own);
    await_children();
    point("forked");
    release_children(0);
    await_children();
    point("unmapped");
    release_children(1);
    reap_children();
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
    await_children();
    point("mapped");
    if (ftruncate(fd, 20 * PAGE) < 0)
        fail("ftruncate");
    point("truncated");
    release_children(0);
    await_children();
    if (ftruncate(fd, NFILE * PAGE) < 0)
        fail("ftruncate");
    for (int i = 20; i < NFILE; i++)
        if (file[i * PAGE])
            fail("old bytes came back");
    point("extended");
    release_children(1);
    reap_children();
    point("reaped");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "fork") == 0)
        work_fork();
    else if (argc == 2 && strcmp(argv[1], "truncate") == 0)
        work_truncate();
    else
        fail("usage: pvwork fork|truncate");
    return 0;
}
