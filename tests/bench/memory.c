// SPDX-License-Identifier: BSD-2-Clause
//
// The benchmark's memory half: faults by kind, and mapping calls on small and on crowded maps.
// Costs per page are the mean over a region that is touched page by page.
#define _GNU_SOURCE
#include "bench.h"
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE   4096ul
#define NPAGES 256ul
#define BIG    (16ul << 20)
#define CROWD  2000

static char *map_anon(size_t len)
{
    char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(p != MAP_FAILED, "mmap");
    return p;
}

static char *map_file(int fd, int prot, int flags)
{
    char *p = mmap(NULL, NPAGES * PAGE, prot, flags, fd, 0);
    need(p != MAP_FAILED, "mmap of a file");
    return p;
}

// Ticks per page of writing (or reading) one byte in each page.
static uint64_t touch(volatile char *p, int write)
{
    uint64_t start = ticks();
    for (size_t i = 0; i < NPAGES; i++) {
        if (write)
            p[i * PAGE] = 1;
        else
            (void)p[i * PAGE];
    }
    return (ticks() - start) / NPAGES;
}

static void measure_anonymous(void)
{
    char *p = map_anon(NPAGES * PAGE);
    report("anonymous write fault", touch(p, 1));
    uint64_t start = ticks();
    munmap(p, NPAGES * PAGE);
    report("munmap, per touched page", (ticks() - start) / NPAGES);
}

// In a child: the first writer of shared pages copies them, the last one keeps them.
static void measure_copy_on_write(void)
{
    int go[2];
    char *p = map_anon(NPAGES * PAGE);
    pid_t child;

    touch(p, 1);
    need(pipe(go) == 0, "pipe");
    child = fork();
    need(child >= 0, "fork");
    if (child == 0) {
        char byte;
        close(go[1]);
        while (read(go[0], &byte, 1) > 0)
            ;
        _exit(0);
    }
    report("copy-on-write fault, copy", touch(p, 1));
    close(go[0]), close(go[1]);
    waitpid(child, NULL, 0);

    child = fork();
    need(child >= 0, "fork");
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
    report("copy-on-write fault, reuse", touch(p, 1));
    munmap(p, NPAGES * PAGE);
}

static void measure_files(void)
{
    static char page[PAGE];
    int fd = open("/tmp/bench-map", O_RDWR | O_CREAT | O_TRUNC, 0644);

    need(fd >= 0, "open");
    memset(page, 1, sizeof page);
    for (size_t i = 0; i < NPAGES; i++)
        need(write(fd, page, PAGE) == (ssize_t)PAGE, "write");
    char *p = map_file(fd, PROT_READ, MAP_SHARED);
    madvise(p, NPAGES * PAGE, MADV_RANDOM);
    report("file fault, read", touch(p, 0));
    munmap(p, NPAGES * PAGE);
    p = map_file(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    report("file fault, private write", touch(p, 1));
    munmap(p, NPAGES * PAGE);
    p = map_file(fd, PROT_READ | PROT_WRITE, MAP_SHARED);
    report("file fault, shared write", touch(p, 1));
    munmap(p, NPAGES * PAGE);
    close(fd);
    unlink("/tmp/bench-map");
}

static void map_unmap_1(void)
{
    munmap(map_anon(PAGE), PAGE);
}

static void map_unmap_64(void)
{
    munmap(map_anon(64 * PAGE), 64 * PAGE);
}

static char *split_at;

static void split_and_merge(void)
{
    need(mprotect(split_at, PAGE, PROT_READ) == 0, "mprotect");
    need(mprotect(split_at, PAGE, PROT_READ | PROT_WRITE) == 0, "mprotect");
}

// Every other page read-only: as many entries as pages.
static void measure_crowded(void)
{
    char *p = map_anon(CROWD * PAGE);
    for (size_t i = 0; i < CROWD; i += 2)
        need(mprotect(p + i * PAGE, PAGE, PROT_READ) == 0, "mprotect");
    measure("mmap and munmap, 2000 entries", 100, map_unmap_1);
    munmap(p, CROWD * PAGE);
}

// The fork call alone, in the parent: once all it has was written since the fork before, and is
// its own again.
static void measure_fork_written(char *p)
{
    uint64_t spent = 0;

    for (int i = 0; i < 3; i++) {
        for (size_t at = 0; at < BIG; at += PAGE)
            p[at]++;
        uint64_t start = ticks();
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        spent += ticks() - start;
        need(child > 0 && waitpid(child, NULL, 0) == child, "fork");
    }
    report("fork() with 16 MiB, every page written since the last fork", spent / 3);
}

static char *seen_at;

static void see_64(void)
{
    unsigned char seen[64];

    need(mincore(seen_at, 64 * PAGE, seen) == 0, "mincore");
}

void measure_memory(void (*fork_exit)(void))
{
    measure_anonymous();
    measure_copy_on_write();
    measure_files();
    measure("mmap and munmap, 1 page", 200, map_unmap_1);
    measure("mmap and munmap, 64 pages", 200, map_unmap_64);
    measure_crowded();
    char *p = map_anon(16 * PAGE);
    split_at = p + 8 * PAGE;
    measure("mprotect, split and merge", 200, split_and_merge);
    munmap(p, 16 * PAGE);
    p = map_anon(BIG);
    memset(p, 1, BIG);
    measure("fork, exit, wait, 16 MiB touched", 5, fork_exit);
    measure_fork_written(p);
    seen_at = p;
    measure("mincore, 64 pages", 100, see_64);
    munmap(p, BIG);
}
