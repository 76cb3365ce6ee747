// SPDX-License-Identifier: BSD-2-Clause
/*
 * memout [MiB]: a child takes memory until it is refused or killed; then the rest must work as
 * before. Of each way to take memory one line: ENOMEM and SIGKILL both count as "ended". MiB
 * bounds the attempt, so that it ends on a machine with more memory too ("had enough").
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include "t.h"

#define RW (PROT_READ | PROT_WRITE)

enum { HAD_ENOUGH = 1, REFUSED = 2 };

static size_t bound;

static void touch_anonymous(int flags)
{
    size_t step = 1 << 20;
    for (size_t n = 0; n < bound; n += step) {
        char *p = mmap(NULL, step, RW, flags | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            _exit(REFUSED);
        for (size_t i = 0; i < step; i += PAGE)
            p[i] = 1;
    }
    _exit(HAD_ENOUGH);
}

static void private_memory(void)
{
    touch_anonymous(MAP_PRIVATE);
}

static void shared_memory(void)
{
    touch_anonymous(MAP_SHARED);
}

static void heap(void)
{
    for (size_t n = 0; n < bound; n += 10000) {
        char *p = malloc(10000);
        if (!p)
            _exit(REFUSED);
        memset(p, 1, 10000);
    }
    _exit(HAD_ENOUGH);
}

/* Each child is as large as its parent. */
static void forks(void)
{
    size_t n = bound / 16;
    char *p = mmap(NULL, n, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        _exit(REFUSED);
    memset(p, 1, n);
    for (int i = 0; i < 16; i++) {
        pid_t pid = fork();
        if (pid < 0)
            _exit(REFUSED);
        if (pid > 0) {
            int status;
            waitpid(pid, &status, 0);
            _exit(WIFSIGNALED(status) ? REFUSED : WEXITSTATUS(status));
        }
        memset(p, i, n);
    }
    _exit(HAD_ENOUGH);
}

/* Many mappings need many map entries. */
static void entries(void)
{
    for (size_t n = 0; n < bound / 64; n++) {
        char *p = mmap(NULL, 2 * PAGE, n % 2 ? RW : PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            _exit(REFUSED);
        if (n % 16 == 1)
            p[0] = 1;
    }
    _exit(HAD_ENOUGH);
}

/* Page tables: one page touched in each 2 MiB. */
static void tables(void)
{
    size_t n = (bound / PAGE) << 21;
    char *p = mmap(NULL, n, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        _exit(REFUSED);
    for (size_t i = 0; i < n; i += 1 << 21)
        p[i] = 1;
    _exit(HAD_ENOUGH);
}

static void pipes(void)
{
    struct rlimit l;
    static char page[PAGE];
    getrlimit(RLIMIT_NOFILE, &l);
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
    for (size_t n = 0; n < bound; n += 65536) {
        int fds[2];
        if (pipe2(fds, O_NONBLOCK) != 0)
            _exit(REFUSED);
        while (write(fds[1], page, PAGE) > 0)
            ;
    }
    _exit(HAD_ENOUGH);
}

static void attempt(const char *what, void (*fn)(void))
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        fn();
    waitpid(pid, &status, 0);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == 9;
    bool ended =
        WIFEXITED(status) && (WEXITSTATUS(status) == REFUSED || WEXITSTATUS(status) == HAD_ENOUGH);
    if (killed || ended)
        say("%s: ended\n", what);
    else
        t_status(what, status);
}

/* The machine is as good as before. */
static void afterwards(void)
{
    char *p = malloc(1 << 20);
    CHECK(p != NULL);
    t_fill(p, 1 << 20, 3);
    CHECK(t_same(p, 1 << 20, 3));
    int fd = T(open("file", O_CREAT | O_RDWR, 0666)), fds[2];
    T(write(fd, p, 1 << 20));
    T(pipe(fds));
    free(p);
    close(fd);
    close(fds[0]);
    close(fds[1]);
}

int main(int argc, char **argv)
{
    t_begin();
    bound = (argc > 1 ? strtoul(argv[1], NULL, 10) : 64) << 20;
    attempt("private memory", private_memory);
    attempt("shared memory", shared_memory);
    attempt("heap", heap);
    attempt("forks", forks);
    attempt("map entries", entries);
    attempt("page tables", tables);
    attempt("pipes", pipes);
    afterwards();
    return 0;
}
