// SPDX-License-Identifier: BSD-2-Clause
//
// The benchmark's third part: pages that go through a pipe to another process, which says when it
// has them all; and whose writer goes on to write to them, or not. Where the kernel says how many
// pages it borrowed instead of copying them (/proc/vm/loan), that is reported, too.
#define _GNU_SOURCE
#include "bench.h"
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE   4096ul
#define MOST   256ul
#define ROUNDS 8

static int data[2], done[2];
static char *pages;

static unsigned long lent(void)
{
    char line[64];
    unsigned long n = 0;
    FILE *f = fopen("/proc/vm/loan", "r");

    while (f && fgets(line, sizeof line, f))
        sscanf(line, "lent %lu", &n);
    if (f)
        fclose(f);
    return n;
}

// Reads npages again and again, and says so each time.
static pid_t start_reader(size_t npages)
{
    pid_t child = fork();

    need(child >= 0, "fork");
    if (child > 0)
        return child;
    char *into = mmap(NULL, MOST * PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    close(data[1]);
    for (size_t have = 0;;) {
        ssize_t n = read(data[0], into + have, npages * PAGE - have);
        if (n <= 0)
            _exit(0);
        have += (size_t)n;
        if (have == npages * PAGE) {
            have = 0;
            need(write(done[1], "", 1) == 1, "done");
        }
    }
}

static void send(size_t npages)
{
    char c;

    need(write(data[1], pages, npages * PAGE) == (ssize_t)(npages * PAGE), "write");
    need(read(done[0], &c, 1) == 1, "done");
}

static void rewrite(size_t npages)
{
    for (size_t i = 0; i < npages; i++)
        pages[i * PAGE]++;
}

static void measure_size(size_t npages)
{
    char name[80];
    uint64_t sent = 0, both = 0;

    need(pipe(data) == 0 && pipe(done) == 0, "pipe");
    pid_t child = start_reader(npages);
    send(npages);
    unsigned long lent_before = lent();
    for (int i = 0; i < ROUNDS; i++) {
        rewrite(npages); // a page that is not the writer's alone is, after this
        uint64_t start = ticks();
        send(npages);
        sent += ticks() - start;
        rewrite(npages);
        both += ticks() - start;
    }
    unsigned long n = (lent() - lent_before) / ROUNDS;
    snprintf(name, sizeof name, "%zu pages, written and read", npages);
    report(name, sent / ROUNDS);
    snprintf(name, sizeof name, "%zu pages, and written to afterwards", npages);
    report(name, both / ROUNDS);
    snprintf(name, sizeof name, "%zu pages, bytes copied in", npages);
    report(name, (npages - n) * PAGE);
    close(data[0]), close(data[1]), close(done[0]), close(done[1]);
    waitpid(child, NULL, 0);
}

void measure_loans(void)
{
    pages = mmap(NULL, MOST * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(pages != MAP_FAILED, "mmap");
    memset(pages, 1, MOST * PAGE);
    measure_size(1);
    measure_size(16);
    measure_size(256);
}
