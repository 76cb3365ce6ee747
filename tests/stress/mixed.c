// SPDX-License-Identifier: BSD-2-Clause
//
// mixed SEED [ROUNDS [WORKERS]]: several processes at once, each doing random things whose results
// it can check: copy on write across forks, shared memory, files, pipes, signals, threads. Prints
// `ok` at the end, or the first thing that was wrong.
#define _GNU_SOURCE
#include "stress.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

static unsigned worker;

static char *map_pages(size_t npages, int flags)
{
    char *p = mmap(NULL, npages * PAGE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    EXPECT_TRUE(p != MAP_FAILED);
    return p;
}

// A child rewrites half of its copy; the parent's pages must not change.
static void copy_on_write(void)
{
    size_t npages = 1 + rng_below(24);
    uint64_t tag = rng();
    char *p = map_pages(npages, MAP_PRIVATE);

    for (size_t i = 0; i < npages; i++)
        fill_page(p + i * PAGE, tag + i);
    pid_t child = fork();
    EXPECT_TRUE(child >= 0);
    for (size_t i = child == 0; i < npages; i += 2)
        fill_page(p + i * PAGE, tag + 100 + i + (child == 0));
    for (size_t i = 0; i < npages; i++) {
        int mine = (i & 1) == (child == 0);
        check_page(p + i * PAGE, mine ? tag + 100 + i + (child == 0) : tag + i);
    }
    if (child == 0)
        _exit(0);
    reap(child);
    EXPECT(munmap(p, npages * PAGE), 0);
}

// What a child writes to shared memory, the parent sees.
static void shared_memory(void)
{
    size_t npages = 1 + rng_below(16);
    uint64_t tag = rng();
    char *p = map_pages(npages, MAP_SHARED);
    pid_t child = fork();

    EXPECT_TRUE(child >= 0);
    if (child == 0) {
        for (size_t i = 0; i < npages; i++)
            fill_page(p + i * PAGE, tag + i);
        _exit(0);
    }
    reap(child);
    for (size_t i = 0; i < npages; i++)
        check_page(p + i * PAGE, tag + i);
    EXPECT(munmap(p, npages * PAGE), 0);
}

// write, mmap and read of one file agree; truncation zeroes what it cuts off.
static void file_pages(void)
{
    char name[64], page[PAGE];
    size_t npages = 1 + rng_below(16), victim = rng_below(npages);
    uint64_t tag = rng();

    snprintf(name, sizeof name, "/tmp/mixed-%u", worker);
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    EXPECT_TRUE(fd >= 0);
    for (size_t i = 0; i < npages; i++) {
        fill_page(page, tag + i);
        EXPECT(write(fd, page, PAGE), PAGE);
    }
    char *p = mmap(NULL, npages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    EXPECT_TRUE(p != MAP_FAILED);
    for (size_t i = 0; i < npages; i++)
        check_page(p + i * PAGE, tag + i);
    fill_page(p + victim * PAGE, tag + 999);
    EXPECT(pread(fd, page, PAGE, (off_t)(victim * PAGE)), PAGE);
    check_page(page, tag + 999);
    EXPECT(munmap(p, npages * PAGE), 0);
    EXPECT(ftruncate(fd, 10), 0);
    EXPECT(ftruncate(fd, PAGE), 0);
    EXPECT(pread(fd, page, PAGE, 0), PAGE);
    for (size_t i = 10; i < PAGE; i++)
        EXPECT(page[i], 0);
    EXPECT(close(fd), 0);
    EXPECT(unlink(name), 0);
}

// Bytes come out of a pipe as they went in, whatever the pieces.
static void pipe_stream(void)
{
    int fds[2];
    size_t total = 1 + rng_below(40000);
    uint64_t child_rng = rng();

    EXPECT(pipe(fds), 0);
    pid_t child = fork();
    EXPECT_TRUE(child >= 0);
    if (child == 0) {
        unsigned char piece[3000];
        rng_state = child_rng | 1;
        for (size_t done = 0, n; done < total; done += n) {
            n = 1 + rng_below(sizeof piece);
            n = n < total - done ? n : total - done;
            for (size_t i = 0; i < n; i++)
                piece[i] = (unsigned char)((done + i) * 7);
            EXPECT(write(fds[1], piece, n), n);
        }
        _exit(0);
    }
    close(fds[1]);
    unsigned char byte[777];
    size_t got = 0;
    for (ssize_t n; (n = read(fds[0], byte, sizeof byte)) > 0; got += (size_t)n)
        for (ssize_t i = 0; i < n; i++)
            EXPECT(byte[i], (unsigned char)((got + (size_t)i) * 7));
    EXPECT(got, total);
    close(fds[0]);
    reap(child);
}

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    (void)number;
    caught++;
}

// Signals sent one at a time all arrive; a killed child is seen as killed.
static void signals(void)
{
    int status;

    caught = 0;
    signal(SIGUSR1, on_signal);
    for (int i = 1; i <= 5; i++) {
        EXPECT(kill(getpid(), SIGUSR1), 0);
        EXPECT(caught, i);
    }
    pid_t child = fork();
    EXPECT_TRUE(child >= 0);
    if (child == 0)
        for (;;)
            pause();
    EXPECT(kill(child, SIGKILL), 0);
    EXPECT(waitpid(child, &status, 0), child);
    EXPECT(WIFSIGNALED(status) ? WTERMSIG(status) : 0, SIGKILL);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned long counter;

static void *count_up(void *turns)
{
    for (unsigned long i = 0; i < (unsigned long)turns; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

// Threads share memory, and their mutex excludes.
static void threads(void)
{
    pthread_t thread[4];
    unsigned long turns = 1 + rng_below(300);

    counter = 0;
    for (int i = 0; i < 4; i++)
        EXPECT(pthread_create(&thread[i], NULL, count_up, (void *)turns), 0);
    for (int i = 0; i < 4; i++)
        EXPECT(pthread_join(thread[i], NULL), 0);
    EXPECT(counter, 4 * turns);
}

// Holes cut and filled at random; what is left keeps its contents.
static void map_holes(void)
{
    enum { NPAGES = 32 };
    uint64_t tag[NPAGES];
    char *p = map_pages(NPAGES, MAP_PRIVATE);

    for (size_t i = 0; i < NPAGES; i++)
        fill_page(p + i * PAGE, tag[i] = rng());
    for (int turn = 0; turn < 20; turn++) {
        size_t i = rng_below(NPAGES);
        char *at = p + i * PAGE;
        EXPECT(munmap(at, PAGE), 0);
        char *again =
            mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        EXPECT_TRUE(again == at);
        EXPECT(at[rng_below(PAGE)], 0);
        fill_page(at, tag[i] = rng());
        size_t j = rng_below(NPAGES);
        EXPECT(mprotect(p + j * PAGE, PAGE, PROT_READ), 0);
        check_page(p + j * PAGE, tag[j]);
        EXPECT(mprotect(p + j * PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
    }
    for (size_t i = 0; i < NPAGES; i++)
        check_page(p + i * PAGE, tag[i]);
    EXPECT(munmap(p, NPAGES * PAGE), 0);
}

static void (*const acts[])(void) = {copy_on_write, shared_memory, file_pages, pipe_stream,
                                     signals,       threads,       map_holes};

static void work(unsigned rounds)
{
    rng_start(seed + worker * 1000003);
    for (unsigned i = 0; i < rounds; i++)
        acts[rng_below(sizeof acts / sizeof acts[0])]();
}

int main(int argc, char **argv)
{
    rng_start(argc > 1 ? strtoull(argv[1], NULL, 10) : 1);
    unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 20;
    unsigned workers = argc > 3 ? (unsigned)atoi(argv[3]) : 4;
    pid_t child[64];

    EXPECT_TRUE(workers <= 64);
    lead_group();
    for (worker = 0; worker < workers; worker++) {
        child[worker] = fork();
        EXPECT_TRUE(child[worker] >= 0);
        if (child[worker] == 0) {
            work(rounds);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < workers; i++)
        reap(child[i]);
    puts("ok");
    return 0;
}
