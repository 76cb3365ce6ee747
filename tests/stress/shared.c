// SPDX-License-Identifier: BSD-2-Clause
//
// shared SEED [MEGABYTES [PROCESSES]]: one file mapped shared in several processes that touch all
// of it; then it is truncated under them, they fork, unmap half, and take memory until there is
// no more. Whoever runs out is refused (ENOMEM) or killed (SIGKILL), and nothing else happens.
// Prints `ok`; the caller looks at the kernel's checks and at the memory afterwards.
#define _GNU_SOURCE
#include "stress.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#define FILE_NAME "/tmp/shared-file"

static size_t npages;
static sigjmp_buf beyond_end;

static void on_bus(int number)
{
    siglongjmp(beyond_end, number);
}

// Pages of the file, each process its own word in each page.
static void touch_all(volatile uint64_t *p, unsigned self)
{
    for (size_t i = 0; i < npages; i++)
        p[i * (PAGE / 8) + self] = i * 31 + self;
    for (size_t i = 0; i < npages; i++)
        EXPECT(p[i * (PAGE / 8) + self], i * 31 + self);
}

// Beyond the file's new end every access is SIGBUS; before it, what was written is still there.
static void touch_truncated(volatile uint64_t *p, unsigned self)
{
    size_t half = npages / 2;
    volatile size_t refused = 0;

    signal(SIGBUS, on_bus);
    for (volatile size_t i = half; i < npages; i += 1 + npages / 64) {
        if (sigsetjmp(beyond_end, 1) == 0)
            (void)p[i * (PAGE / 8)];
        else
            refused++;
    }
    EXPECT_TRUE(refused > 0);
    for (size_t i = 0; i < half; i++)
        EXPECT(p[i * (PAGE / 8) + self], i * 31 + self);
}

static void fork_and_unmap(char *p, unsigned self)
{
    pid_t child = fork();
    if (child < 0) {
        EXPECT(errno, ENOMEM);
        return;
    }
    EXPECT(munmap(p + (child == 0 ? npages / 2 * PAGE : 0), npages / 2 * PAGE), 0);
    if (child == 0) {
        for (size_t i = 0; i < npages / 2; i++)
            EXPECT(((uint64_t *)p)[i * (PAGE / 8) + self], i * 31 + self);
        _exit(0);
    }
    reap(child);
}

// Takes memory until it is refused. To be killed for it is an end as good.
static void exhaust(void)
{
    size_t step = 4ul << 20;

    for (;;) {
        char *p = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) {
            EXPECT(errno, ENOMEM);
            _exit(0);
        }
        for (size_t i = 0; i < step; i += PAGE)
            p[i] = 1;
    }
}

// The processes go step by step together: one says that it is done, and goes on when the parent
// has closed the step's pipe.
static int go[2][2], done[2];

static void next_step(int step)
{
    char byte = 0;

    EXPECT(write(done[1], &byte, 1), 1);
    EXPECT(read(go[step][0], &byte, 1), 0);
}

static void child_main(unsigned self)
{
    int fd = open(FILE_NAME, O_RDWR);
    EXPECT_TRUE(fd >= 0);
    close(go[0][1]), close(go[1][1]);
    char *p = mmap(NULL, npages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    EXPECT_TRUE(p != MAP_FAILED);
    touch_all((volatile uint64_t *)p, self);
    next_step(0);
    touch_truncated((volatile uint64_t *)p, self);
    fork_and_unmap(p, self);
    next_step(1);
    exhaust();
}

static void all_done(unsigned processes)
{
    char byte;
    for (unsigned i = 0; i < processes; i++)
        EXPECT(read(done[0], &byte, 1), 1);
}

// Either end of a process is good: memory was refused, or it was killed for it.
static void reap_exhausted(pid_t child)
{
    int status;
    EXPECT(waitpid(child, &status, 0), child);
    if (status != 0)
        EXPECT(WIFSIGNALED(status) ? WTERMSIG(status) : 0, SIGKILL);
}

int main(int argc, char **argv)
{
    rng_start(argc > 1 ? strtoull(argv[1], NULL, 10) : 1);
    npages = (argc > 2 ? (size_t)atoi(argv[2]) : 256) << 8;
    unsigned processes = argc > 3 ? (unsigned)atoi(argv[3]) : 8;
    pid_t child[64];
    int fd;

    EXPECT_TRUE(processes <= 64);
    lead_group();
    fd = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);
    EXPECT_TRUE(fd >= 0);
    EXPECT(ftruncate(fd, (off_t)(npages * PAGE)), 0);
    EXPECT(pipe(go[0]) + pipe(go[1]) + pipe(done), 0);
    for (unsigned i = 0; i < processes; i++) {
        child[i] = fork();
        EXPECT_TRUE(child[i] >= 0);
        if (child[i] == 0)
            child_main(i);
    }
    all_done(processes);
    EXPECT(ftruncate(fd, (off_t)(npages / 2 * PAGE)), 0);
    close(go[0][1]);
    all_done(processes);
    close(go[1][1]);
    for (unsigned i = 0; i < processes; i++)
        reap_exhausted(child[i]);
    EXPECT(close(fd), 0);
    EXPECT(unlink(FILE_NAME), 0);
    puts("ok");
    return 0;
}
