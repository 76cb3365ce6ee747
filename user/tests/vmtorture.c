// SPDX-License-Identifier: BSD-2-Clause
/*
 * vmtorture [MiB [processes [memory MiB]]]: the VM's worst day. A file is mapped shared in several
 * processes that touch all of it; it is truncated under them; they fork; half of it is unmapped;
 * then memory is taken until they have it, are refused or are killed. A line for each stage, the
 * same on Linux.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include "t.h"

#define MAX_PROCESSES 64

static size_t size;
static int nprocesses = 8;
static size_t greed;
static char *map;
static int file;
static int start[MAX_PROCESSES]; /* a byte to each process for each stage, */
static int done[MAX_PROCESSES];  /* and a byte from it: none once it is dead */
static sigjmp_buf out;

static void on_bus(int sig)
{
    (void)sig;
    siglongjmp(out, 1);
}

/* What a page of the file holds in its first eight bytes, once process i has written it. */
static unsigned long mark(size_t page, int i)
{
    return page * 1000003 + (unsigned long)i;
}

static volatile unsigned long *word(size_t page, int i)
{
    return (volatile unsigned long *)(map + page * PAGE) + i;
}

/* Touches every page: all processes write to each page, each to a word of its own. */
static size_t touch_all(int i)
{
    size_t wrong = 0;
    for (size_t p = 0; p < size / PAGE; p++)
        *word(p, i) = mark(p, i);
    for (size_t p = 0; p < size / PAGE; p++)
        wrong += *word(p, i) != mark(p, i);
    return wrong;
}

/* After the truncation the first half is there and the second is not. */
static size_t check_truncated(int i)
{
    volatile size_t wrong = 0, p = 0;
    for (p = 0; p < size / PAGE; p++) {
        if (sigsetjmp(out, 1))
            wrong += p < size / PAGE / 2;
        else
            wrong += *word(p, i) != mark(p, i) || p >= size / PAGE / 2;
        if (p >= size / PAGE / 2)
            p += 63; /* a signal for each would take its time */
    }
    return wrong;
}

/* A child shares the mapping; what it writes is seen here. */
static size_t fork_and_unmap(int i)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        for (size_t p = 0; p < size / PAGE / 2; p++)
            *word(p, i) = mark(p, i) + 1;
        munmap(map, size / 4);
        _exit(*word(size / PAGE / 4, i) == mark(size / PAGE / 4, i) + 1 ? 0 : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return 1;
    size_t wrong = 0;
    for (size_t p = 0; p < size / PAGE / 2; p++)
        wrong += *word(p, i) != mark(p, i) + 1;
    wrong += munmap(map + size / 4, size / 2) != 0;
    for (size_t p = 0; p < size / PAGE / 4; p++)
        wrong += *word(p, i) != mark(p, i) + 1;
    return wrong;
}

/* Takes private memory until it is refused, killed or has the share that was asked for. */
static size_t take_memory(void)
{
    size_t share = greed / (size_t)nprocesses;
    char *p = mmap(NULL, share, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (p == MAP_FAILED)
        return 0;
    for (size_t i = 0; i < share; i += PAGE)
        *(size_t *)(p + i) = i;
    size_t wrong = 0;
    for (size_t i = 0; i < share; i += PAGE)
        wrong += *(size_t *)(p + i) != i;
    return wrong;
}

static size_t run_stage(int stage, int i)
{
    switch (stage) {
    case 0:
        return touch_all(i);
    case 1:
        return check_truncated(i);
    case 2:
        return fork_and_unmap(i);
    default:
        return take_memory();
    }
}

enum { STAGES = 4 };

static _Noreturn void process(int i, int begin, int answer)
{
    char c;
    signal(SIGBUS, on_bus);
    for (int stage = 0; stage < STAGES; stage++) {
        if (read(begin, &c, 1) != 1)
            _exit(2);
        c = run_stage(stage, i) == 0 ? 'y' : 'n';
        write(answer, &c, 1);
    }
    _exit(0);
}

/* No other process has the ends of its pipes: when it dies, or we do, the other side sees it. */
static void begin_process(int i)
{
    int begin[2], answer[2];
    if (pipe(begin) != 0 || pipe(answer) != 0)
        say("cannot start a process: %s\n", t_errname());
    if (fork() == 0) {
        for (int other = 0; other < i; other++) {
            close(start[other]);
            close(done[other]);
        }
        close(begin[1]);
        close(answer[0]);
        process(i, begin[0], answer[1]);
    }
    close(begin[0]);
    close(answer[1]);
    start[i] = begin[1];
    done[i] = answer[0];
}

/* Lets every process do a stage; the answers of those that were killed for memory are missing. */
static void stage(const char *what, bool may_die)
{
    char c;
    int good = 0, answers = 0;
    for (int i = 0; i < nprocesses; i++)
        write(start[i], "g", 1);
    for (int i = 0; i < nprocesses; i++) {
        if (read(done[i], &c, 1) == 1) {
            answers++;
            good += c == 'y';
        }
    }
    if (may_die)
        say("%s: %s\n", what, good == answers ? "ok" : "WRONG");
    else
        say("%s: %d of %d ok\n", what, good, nprocesses);
}

int main(int argc, char **argv)
{
    t_begin();
    size = (argc > 1 ? strtoul(argv[1], NULL, 10) : 256) << 20;
    if (argc > 2)
        nprocesses = atoi(argv[2]) < MAX_PROCESSES ? atoi(argv[2]) : MAX_PROCESSES;
    greed = (argc > 3 ? strtoul(argv[3], NULL, 10) : 256) << 20;
    file = open("torture", O_CREAT | O_RDWR, 0666);
    T(ftruncate(file, (off_t)size));
    map = T_PTR(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < nprocesses; i++)
        begin_process(i);
    stage("touch all", false);
    T(ftruncate(file, (off_t)size / 2));
    stage("truncated under them", false);
    stage("fork and unmap half", false);
    T(unlink("torture"));
    T(munmap(map, size));
    T(close(file));
    stage("take memory", true);
    int status, ended = 0;
    while (wait(&status) > 0)
        ended += (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
                 (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    say("%d of %d processes ended in order\n", ended, nprocesses);
    char *p = malloc(1 << 20);
    CHECK(p != NULL);
    return 0;
}
