// SPDX-License-Identifier: BSD-2-Clause
//
// For lab 0: one page is touched, and then its mapping goes. Which page, how, and by which system
// call is drawn by the boot's seed. At points the grader looks from outside, and GDB stops.

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "judged.h"

#define PAGE   4096ul
#define NPAGES 512ul // what one page table maps
#define BASE   0x40000000ul
#define MAGIC  0x72756f742030626cul

// On the first page of the region: for the grader.
struct note {
    unsigned long magic, va, call, write;
};

static unsigned long state;

// SplitMix64, as kernel/lib/rng.h has it.
static unsigned long draw(unsigned long bound)
{
    unsigned long z = state += 0x9e3779b97f4a7c15ul;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ul;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebul;
    return (z ^ (z >> 31)) % bound;
}

static unsigned long boot_seed(void)
{
    static char words[512];
    int fd = open("/proc/cmdline", O_RDONLY);

    if (fd < 0 || read(fd, words, sizeof(words) - 1) < 0)
        errx(1, "/proc/cmdline");
    close(fd);
    const char *seed = strstr(words, "seed=");
    return seed ? strtoul(seed + strlen("seed="), NULL, 10) : 1;
}

static char *map(unsigned long va, unsigned long npages, int flags, int fd)
{
    char *p = mmap((void *)va, npages * PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_FIXED | flags, fd, 0);

    if (p == MAP_FAILED)
        errx(1, "mmap");
    return p;
}

// What the page is before it is touched: nothing, a page of a file, or private memory whose mapping
// went.
static void prepare(char *page, unsigned long kind)
{
    if (kind == 1) {
        int fd = open("/tests/tourwork", O_RDONLY);
        if (fd < 0)
            errx(1, "/tests/tourwork");
        map((unsigned long)page, 1, 0, fd);
        close(fd);
    } else if (kind == 2) {
        *page = 1;
        if (mprotect(page, PAGE, PROT_NONE) < 0 || mprotect(page, PAGE, PROT_READ | PROT_WRITE) < 0)
            errx(1, "mprotect");
    }
}

static void touch(volatile char *byte, unsigned long write)
{
    if (write)
        *byte = 2;
    else
        (void)*byte;
}

static int unmap(char *page, unsigned long call)
{
    if (call == SYS_mprotect)
        return mprotect(page, PAGE, PROT_NONE);
    return call == SYS_madvise ? madvise(page, PAGE, MADV_DONTNEED) : munmap(page, PAGE);
}

int main(void)
{
    static const unsigned long calls[] = {SYS_mprotect, SYS_madvise, SYS_munmap};

    state = boot_seed();
    char *region = map(BASE + draw(512) * NPAGES * PAGE, NPAGES, MAP_ANONYMOUS, -1);
    struct note *note = (struct note *)region;
    char *page = region + (2 + draw(NPAGES - 2)) * PAGE;
    char *byte = page + 1 + draw(PAGE - 1);
    unsigned long kind = draw(3), write = draw(2);

    *note = (struct note){MAGIC, (unsigned long)byte, calls[draw(3)], write};
    // Once on another page: no code of the program's own faults below.
    for (unsigned i = 0; i < 3; i++) {
        touch(region + PAGE, write);
        if (unmap(region + PAGE, calls[i]) < 0)
            errx(1, "cannot unmap");
        map((unsigned long)region + PAGE, 1, MAP_ANONYMOUS, -1);
    }
    prepare(page, kind);
    point("mapped");
    touch(byte, write);
    point("touched");
    if (unmap(page, note->call) < 0)
        errx(1, "cannot unmap");
    point("end");
    return 0;
}
