// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a child sees of its parent's memory: what it was at one moment, whoever goes on to write,
 * and however large it is; over generations, and through changes of rights.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include "t.h"

static char *map(size_t npages)
{
    char *p = mmap(NULL, npages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        _exit(99);
    return p;
}

static bool child_says_yes(pid_t pid)
{
    int status;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Tasks write words one after the other, each once, from page to page. */
#define WRITERS 3
#define PAGES   24UL
#define ROUNDS  400UL

static unsigned *words[WRITERS];
static volatile int going = WRITERS;

static unsigned *word(int writer, size_t n)
{
    return words[writer] + n % PAGES * (PAGE / sizeof(unsigned)) + n / PAGES;
}

static int writer(void *arg)
{
    int self = (int)(long)arg;
    for (size_t n = 0; n < PAGES * ROUNDS; n++)
        *(volatile unsigned *)word(self, n) = 1;
    __atomic_fetch_sub(&going, 1, __ATOMIC_SEQ_CST);
    _exit(0);
}

/* What was written later than something that is missing is missing, too. */
static bool is_prefix(int self)
{
    size_t n = 0;
    while (n < PAGES * ROUNDS && *word(self, n))
        n++;
    while (n < PAGES * ROUNDS && !*word(self, n))
        n++;
    return n == PAGES * ROUNDS;
}

static void one_moment(void)
{
    bool all = true;
    for (long i = 0; i < WRITERS; i++) {
        words[i] = (unsigned *)map(PAGES);
        char *stack = map(4);
        if (clone(writer, stack + 4 * PAGE, CLONE_VM | SIGCHLD, (void *)i) < 0)
            all = false;
    }
    for (int forks = 0; forks < 5 || (going && forks < 60); forks++) {
        pid_t pid = fork();
        if (pid == 0) {
            bool right = true;
            for (int i = 0; i < WRITERS; i++)
                right &= is_prefix(i);
            _exit(!right);
        }
        all &= child_says_yes(pid);
    }
    CHECK(all);
    int ended = 0, status;
    while (wait(&status) > 0)
        ended += status == 0;
    CHECK(ended == WRITERS);
    for (int i = 0; i < WRITERS; i++)
        all &= *word(i, PAGES * ROUNDS - 1) == 1 && is_prefix(i);
    CHECK(all);
}

static bool holds(const char *p, size_t from, size_t to, int value)
{
    for (size_t i = from; i < to; i++)
        if (p[i * PAGE] != (char)(value + (int)(i % 50)))
            return false;
    return true;
}

static void fill(char *p, size_t from, size_t to, size_t step, int value)
{
    for (size_t i = from; i < to; i += step)
        p[i * PAGE] = (char)(value + (int)(i % 50));
}

/* Several windows, written here and there, unmapped in part, and the child keeps what there was. */
static void large(void)
{
    enum { N = 1000 };
    int go[2];
    char byte, *p = map(N);
    fill(p, 0, N, 1, 1);
    T(pipe(go));
    pid_t pid = fork();
    if (pid == 0) {
        close(go[1]);
        bool right = read(go[0], &byte, 1) == 0 && holds(p, 0, N, 1);
        fill(p, 0, N, 3, 1);
        _exit(!right || !holds(p, 0, N, 1));
    }
    fill(p, 5, N, 37, 60);
    T(munmap(p + 300 * PAGE, 200 * PAGE));
    T(mprotect(p + 700 * PAGE, 100 * PAGE, PROT_READ));
    fill(p, 0, 300, 1, 60);
    close(go[1]);
    CHECK(child_says_yes(pid));
    close(go[0]);
    CHECK(holds(p, 0, 300, 60));
    T(mprotect(p + 700 * PAGE, 100 * PAGE, PROT_READ | PROT_WRITE));
    fill(p, 500, N, 1, 60);
    CHECK(holds(p, 500, N, 60));
    T(munmap(p, N * PAGE));
}

/* Each generation writes its page and forks the next one; then all look at all. */
static void generations(char *p, int depth)
{
    if (depth == 8)
        _exit(!holds(p, 0, 8, 60) || !holds(p, 8, 30, 1));
    fill(p, (size_t)depth, (size_t)depth + 1, 1, 60);
    pid_t pid = fork();
    if (pid == 0)
        generations(p, depth + 1);
    bool right = child_says_yes(pid);
    right &= holds(p, 0, (size_t)depth + 1, 60) && holds(p, (size_t)depth + 1, 30, 1);
    if (depth)
        _exit(!right);
    CHECK(right);
}

static void rights(void)
{
    char *p = map(30);
    fill(p, 0, 30, 1, 1);
    T(mprotect(p, 10 * PAGE, PROT_READ));
    pid_t pid = fork();
    if (pid == 0) {
        bool right = mprotect(p, 10 * PAGE, PROT_READ | PROT_WRITE) == 0;
        fill(p, 0, 20, 1, 60);
        _exit(!right || !holds(p, 0, 20, 60));
    }
    CHECK(child_says_yes(pid));
    T(mprotect(p, 10 * PAGE, PROT_READ | PROT_WRITE));
    CHECK(holds(p, 0, 30, 1));
    fill(p, 0, 30, 1, 60);
    CHECK(holds(p, 0, 30, 60));
}

/* One amap in so many entries that its references and the child's are more than 16 bits count. */
static void many_entries(void)
{
    size_t npages = 33000, failed = 0;
    char *p = map(npages);
    fill(p, 0, 30, 1, 1);
    for (size_t i = 1; i < npages; i += 2)
        failed += mprotect(p + i * PAGE, PAGE, PROT_READ) != 0;
    CHECK(failed == 0);
    pid_t pid = fork();
    if (pid == 0) {
        fill(p, 0, 30, 2, 61);
        _exit(p[0] != 61 || p[PAGE] != 1 + 1 || p[28 * PAGE] != 61 + 28);
    }
    CHECK(child_says_yes(pid));
    CHECK(holds(p, 0, 30, 1));
    T(munmap(p, npages * PAGE));
}

int main(void)
{
    char *p = map(30);
    one_moment();
    large();
    fill(p, 0, 30, 1, 1);
    generations(p, 0);
    rights();
    many_entries();
    return 0;
}
