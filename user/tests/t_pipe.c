// SPDX-License-Identifier: BSD-2-Clause
/*
 * Pipes: order, ends, blocking, broken ones.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include "t.h"

#define LOTS (1000 * 1000)

static int fds[2];

static void basics(void)
{
    char buf[16];
    struct stat st;
    T(pipe(fds));
    T(fds[0]);
    T(fds[1]);
    T(write(fds[1], "hello", 5));
    T(write(fds[1], "world", 5));
    T(read(fds[0], buf, 7));
    T(read(fds[0], buf, 16));
    T(write(fds[0], "x", 1));
    T(read(fds[1], buf, 1));
    T(lseek(fds[0], 0, SEEK_SET));
    T(pread(fds[0], buf, 1, 0));
    T(ftruncate(fds[1], 0));
    T(fsync(fds[0]));
    T(fstat(fds[0], &st));
    CHECK(S_ISFIFO(st.st_mode));
    T(write(fds[1], "last", 4));
    T(close(fds[1]));
    T(read(fds[0], buf, 16));
    T(read(fds[0], buf, 16));
    T(close(fds[0]));
    T(pipe2(fds, 0x7000000));
    T(pipe2(fds, O_CLOEXEC | O_NONBLOCK));
    T(fcntl(fds[0], F_GETFD));
    T(fcntl(fds[1], F_GETFL) & O_NONBLOCK);
}

#ifndef O_DIRECT
#define O_DIRECT 040000
#endif

/* Each write is a packet, or several; each read takes one, and the rest of it is lost. */
static void packets(void)
{
    static char buf[10000];
    T(pipe2(fds, O_DIRECT | O_NONBLOCK));
    CHECK(fcntl(fds[1], F_GETFL) & O_DIRECT);
    T(read(fds[0], buf, 16));
    T(write(fds[1], "abc", 3));
    T(write(fds[1], "", 0));
    T(write(fds[1], "defg", 4));
    T(write(fds[1], buf, 5000));
    T(read(fds[0], buf, 2));
    CHECK(memcmp(buf, "ab", 2) == 0);
    T(read(fds[0], buf, sizeof buf));
    CHECK(memcmp(buf, "defg", 4) == 0);
    T(read(fds[0], buf, sizeof buf));
    T(read(fds[0], buf, sizeof buf));
    T(read(fds[0], buf, sizeof buf));
    T(write(fds[1], (void *)8, 4));
    T(write(fds[1], "last", 4));
    T(close(fds[1]));
    T(read(fds[0], buf, sizeof buf));
    T(read(fds[0], buf, sizeof buf));
    T(close(fds[0]));
}

static void nonblocking(void)
{
    static char page[4096];
    char c;
    T(read(fds[0], &c, 1));
    long n = 0, r;
    while ((r = write(fds[1], page, sizeof page)) > 0)
        n += r;
    T(write(fds[1], page, sizeof page));
    CHECK(n >= 4096 && n % 4096 == 0);
    T(read(fds[0], page, 10));
    T(read(fds[0], page, 4096));
    CHECK(write(fds[1], page, 1) == 1);
    T(close(fds[1]));
    while ((r = read(fds[0], page, sizeof page)) > 0)
        n -= r;
    T(r);
    CHECK(n + 1 == 10 + 4096);
    T(close(fds[0]));
}

static void write_broken(void)
{
    write(fds[1], "x", 1);
    say("not reached\n");
}

static void broken(void)
{
    T(pipe(fds));
    T(close(fds[0]));
    t_child("write to a broken pipe", write_broken);
    signal(SIGPIPE, SIG_IGN);
    T(write(fds[1], "x", 1));
    T(write(fds[1], "x", 0));
    signal(SIGPIPE, SIG_DFL);
    T(close(fds[1]));
}

/* More than a pipe holds, in odd portions, between two processes. */
static void stream(void)
{
    static unsigned char buf[7001];
    T(pipe(fds));
    if (fork() == 0) {
        close(fds[0]);
        for (size_t at = 0, n; at < LOTS; at += n) {
            n = 1 + at % 6999;
            if (n > LOTS - at)
                n = LOTS - at;
            for (size_t i = 0; i < n; i++)
                buf[i] = t_byte(7, at + i);
            if (write(fds[1], buf, n) != (long)n)
                _exit(1);
        }
        _exit(0);
    }
    close(fds[1]);
    size_t total = 0, wrong = 0;
    for (long n; (n = read(fds[0], buf, sizeof buf)) > 0; total += (size_t)n)
        for (long i = 0; i < n; i++)
            wrong += buf[i] != t_byte(7, total + (size_t)i);
    int status;
    wait(&status);
    T(total);
    T(wrong);
    t_status("writer", status);
    T(close(fds[0]));
}

/* A reader that waits is woken by the last writer's end. */
static void wait_for_end(void)
{
    char c;
    T(pipe(fds));
    if (fork() == 0) {
        usleep(20000);
        _exit(0);
    }
    T(close(fds[1]));
    T(read(fds[0], &c, 1));
    wait(NULL);
    T(close(fds[0]));
}

/* Writes up to PIPE_BUF are never mixed. */
static void atomic(void)
{
    enum { WRITERS = 3, ROUNDS = 50, SIZE = 1000 };
    char buf[SIZE];
    int mixed = 0, count = 0;
    T(pipe(fds));
    for (int w = 0; w < WRITERS; w++) {
        if (fork() == 0) {
            memset(buf, 'a' + w, SIZE);
            for (int i = 0; i < ROUNDS; i++)
                write(fds[1], buf, SIZE);
            _exit(0);
        }
    }
    close(fds[1]);
    for (int have = 0;;) {
        long n = read(fds[0], buf + have, (size_t)(SIZE - have));
        if (n <= 0)
            break;
        have += (int)n;
        if (have < SIZE)
            continue;
        have = 0;
        count++;
        for (int i = 1; i < SIZE; i++)
            mixed += buf[i] != buf[0];
    }
    T(count);
    T(mixed);
    while (wait(NULL) > 0)
        ;
    T(close(fds[0]));
}

/* ---- large writes: whole pages, whose writer goes on with them ---- */

#define LARGE (16 * PAGE)

static void fill(unsigned char *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(i * 5 + (i >> 12) + seed);
}

static unsigned char *pages(size_t n, unsigned seed)
{
    unsigned char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fill(p, n, seed);
    return p;
}

/* Reads n bytes: whether they are what fill(seed) made, from `at' on. */
static int arrives(size_t at, size_t n, unsigned seed)
{
    static unsigned char got[LARGE], wanted[2 * LARGE];
    for (size_t have = 0; have < n;) {
        long r = read(fds[0], got + have, n - have);
        if (r <= 0)
            return 0;
        have += (size_t)r;
    }
    fill(wanted, at + n, seed);
    return memcmp(got, wanted + at, n) == 0;
}

/* What is read is what was written, whatever the writer does with its memory meanwhile. */
static void large_changes(void)
{
    unsigned char *p = pages(LARGE, 1);
    T(pipe2(fds, O_NONBLOCK));
    T(write(fds[1], p, LARGE));
    fill(p, LARGE, 2);
    CHECK(arrives(0, LARGE, 1));
    T(write(fds[1], p, LARGE));
    if (fork() == 0) {
        fill(p, LARGE, 3);
        _exit(0);
    }
    p[5] = 77;
    wait(NULL);
    CHECK(arrives(0, LARGE, 2));
    fill(p, LARGE, 4);
    T(write(fds[1], p, LARGE));
    T(madvise(p, 4 * PAGE, MADV_DONTNEED));
    p[0] = 9;
    T(mprotect(p + 4 * PAGE, 4 * PAGE, PROT_NONE));
    T(munmap(p + 8 * PAGE, 8 * PAGE));
    CHECK(arrives(0, LARGE, 4));
    T(mprotect(p + 4 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE));
    CHECK(p[PAGE] == 0 && p[4 * PAGE + 1] == (unsigned char)(5 + 4 + 4));
    T(munmap(p, 8 * PAGE));
    T(close(fds[0]));
    T(close(fds[1]));
}

/* In parts, with what else is in the pipe, and as much as it holds. */
static void large_parts(void)
{
    unsigned char *p = pages(2 * LARGE, 5);
    struct iovec vec[2] = {{p, 5 * PAGE}, {p + 5 * PAGE, 3 * PAGE + 100}};
    int n;
    T(pipe2(fds, O_NONBLOCK));
    T(write(fds[1], p, 2 * LARGE));
    T(write(fds[1], p, PAGE));
    CHECK(arrives(0, 5000, 5));
    T((ioctl(fds[0], FIONREAD, &n), n));
    T(write(fds[1], p, 3000));
    CHECK(arrives(5000, LARGE - 5000, 5));
    CHECK(arrives(0, 3000, 5));
    T(write(fds[1], p + 10, 10));
    T(write(fds[1], p, 4 * PAGE));
    T((ioctl(fds[0], FIONREAD, &n), n));
    CHECK(arrives(10, 10, 5));
    T(writev(fds[1], vec, 2));
    CHECK(arrives(0, 4 * PAGE, 5));
    CHECK(arrives(0, 8 * PAGE + 100, 5));
    T(write(fds[1], p + LARGE, 4 * PAGE + 1));
    T(munmap(p, 2 * LARGE));
    CHECK(arrives(LARGE, 4 * PAGE + 1, 5));
    T(read(fds[0], &n, 1));
    T(close(fds[0]));
    T(close(fds[1]));
}

/* The writer is gone before anything is read; the reader before all is. */
static void large_ends(void)
{
    unsigned char *p = pages(2 * LARGE, 6);
    T(pipe(fds));
    if (fork() == 0) {
        fill(p, LARGE, 7);
        _exit(write(fds[1], p, LARGE) != LARGE);
    }
    wait(NULL);
    CHECK(arrives(0, LARGE, 7));
    signal(SIGPIPE, SIG_IGN);
    pid_t reader = fork();
    if (reader == 0) {
        close(fds[1]);
        _exit(!arrives(0, PAGE, 6));
    }
    close(fds[0]);
    CHECK(write(fds[1], p, 2 * LARGE) >= (long)LARGE);
    waitpid(reader, NULL, 0);
    fill(p, LARGE, 8);
    CHECK(p[LARGE - 1] == (unsigned char)((LARGE - 1) * 5 + 15 + 8));
    T(write(fds[1], p, LARGE));
    signal(SIGPIPE, SIG_DFL);
    T(munmap(p, 2 * LARGE));
    T(close(fds[1]));
}

/* Memory of other kinds: of files, which are cut; never touched; shared; not readable. */
static void large_kinds(void)
{
    static unsigned char page[PAGE], got[LARGE];
    int fd = T(open("file", O_RDWR | O_CREAT, 0600));
    for (unsigned i = 0; i < 16; i++) {
        memset(page, (int)i, PAGE);
        write(fd, page, PAGE);
    }
    unsigned char *p = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    for (unsigned i = 0; i < 8; i++)
        p[i * PAGE] = 100;
    T(pipe2(fds, O_NONBLOCK));
    T(write(fds[1], p, LARGE));
    T(ftruncate(fd, 0));
    T(read(fds[0], got, LARGE));
    CHECK(got[0] == 100 && got[7 * PAGE] == 100 && got[7 * PAGE + 1] == 7 && got[15 * PAGE] == 15);
    T(munmap(p, LARGE));
    p = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    fill(p, 8 * PAGE, 9);
    T(write(fds[1], p, 8 * PAGE));
    T(write(fds[1], p + 8 * PAGE, 4 * PAGE));
    fill(p, 8 * PAGE, 10);
    CHECK(arrives(0, 8 * PAGE, 9));
    T(read(fds[0], got, LARGE));
    CHECK(got[0] == 0 && got[4 * PAGE - 1] == 0);
    T(mprotect(p + 8 * PAGE, 8 * PAGE, PROT_NONE));
    T(write(fds[1], p + 8 * PAGE, 8 * PAGE));
    T(write(fds[1], p + 2 * PAGE, 8 * PAGE));
    CHECK(arrives(2 * PAGE, 6 * PAGE, 10));
    T(munmap(p, LARGE));
    T(close(fds[0]));
    T(close(fds[1]));
    T(close(fd));
    T(unlink("file"));
}

int main(void)
{
    t_begin();
    basics();
    nonblocking();
    packets();
    broken();
    stream();
    wait_for_end();
    atomic();
    large_changes();
    large_parts();
    large_ends();
    large_kinds();
    return 0;
}
