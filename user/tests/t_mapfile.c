// SPDX-License-Identifier: BSD-2-Clause
/*
 * Mapped files: one page cache under read, write and mmap; private copies; the end of the file.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include "t.h"

#define RW (PROT_READ | PROT_WRITE)
#define N  8 /* pages */

static unsigned char data[N * PAGE];
static sigjmp_buf out;
static char *base;

static int make(size_t size)
{
    int fd = open("file", O_CREAT | O_RDWR | O_TRUNC, 0666);
    t_fill(data, sizeof data, 9);
    if (write(fd, data, size) != (long)size)
        say("cannot fill the file\n");
    return fd;
}

static char *map(int fd, int flags)
{
    return mmap(NULL, N * PAGE, RW, flags, fd, 0);
}

static void on_fault(int sig, siginfo_t *si, void *context)
{
    (void)context;
    say("signal %d code %d at +%ld\n", sig, si->si_code, (char *)si->si_addr - base);
    siglongjmp(out, 1);
}

static void touch(const char *what, char *p, bool write)
{
    say("%s: ", what);
    if (sigsetjmp(out, 1))
        return;
    if (write)
        *(volatile char *)p = 'w';
    char c = *(volatile char *)p;
    say("%d\n", c);
}

static void coherence(void)
{
    char buf[8] = "";
    int fd = make(N * PAGE);
    char *a = map(fd, MAP_SHARED), *b = map(fd, MAP_SHARED);
    CHECK(t_same(a, N * PAGE, 9));
    memcpy(a + 2 * PAGE - 3, "shared", 6);
    CHECK(memcmp(b + 2 * PAGE - 3, "shared", 6) == 0);
    T(pread(fd, buf, 6, 2 * PAGE - 3));
    CHECK(strcmp(buf, "shared") == 0);
    T(pwrite(fd, "writes", 6, 5 * PAGE - 3));
    CHECK(memcmp(b + 5 * PAGE - 3, "writes", 6) == 0);
    T(msync(a, N * PAGE, MS_SYNC));
    T(munmap(a, N * PAGE));
    T(close(fd));
    CHECK(memcmp(b + 2 * PAGE - 3, "shared", 6) == 0);
    b[0] = 'Z';
    T(munmap(b, N * PAGE));
    fd = T(open("file", O_RDONLY));
    T(pread(fd, buf, 1, 0));
    CHECK(buf[0] == 'Z');
    T(close(fd));
}

static void private(void)
{
    char buf[8] = "";
    int fd = make(N * PAGE), status;
    char *p = map(fd, MAP_PRIVATE), *s = map(fd, MAP_SHARED);
    CHECK(t_same(p, N * PAGE, 9));
    p[10] = 'P';
    CHECK(s[10] == (char)t_byte(9, 10));
    T(pread(fd, buf, 1, 10));
    CHECK(buf[0] == (char)t_byte(9, 10));
    s[11] = 'S';
    CHECK(p[11] == (char)t_byte(9, 11)); /* that page is a copy already */
    if (fork() == 0) {
        bool ok = p[10] == 'P';
        p[10] = 'C';
        p[3 * PAGE] = 'C';
        s[4 * PAGE] = 'C';
        _exit(ok ? 0 : 1);
    }
    wait(&status);
    t_status("child", status);
    CHECK(p[10] == 'P' && p[3 * PAGE] == (char)t_byte(9, 3 * PAGE) && s[4 * PAGE] == 'C');
    T(madvise(p, PAGE, MADV_DONTNEED));
    CHECK(p[10] == (char)t_byte(9, 10) && p[11] == 'S');
    T(munmap(p, N * PAGE));
    T(munmap(s, N * PAGE));
    T(close(fd));
}

/* Read system calls into a mapping of the same file, and writes from it. */
static void own_file(void)
{
    int fd = make(N * PAGE);
    char *s = map(fd, MAP_SHARED), *p = map(fd, MAP_PRIVATE);
    T(pread(fd, s + PAGE, PAGE, 0));
    CHECK(memcmp(s, s + PAGE, PAGE) == 0);
    T(pwrite(fd, s + 2 * PAGE, 2 * PAGE, 4 * PAGE));
    CHECK(memcmp(s + 2 * PAGE, s + 4 * PAGE, 2 * PAGE) == 0);
    T(pread(fd, p + 3 * PAGE, PAGE, 0));
    CHECK(memcmp(p + 3 * PAGE, s, PAGE) == 0);
    T(munmap(s, N * PAGE));
    T(munmap(p, N * PAGE));
    T(close(fd));
}

static void end_of_file(void)
{
    int fd = make(2 * PAGE + 100);
    base = map(fd, MAP_SHARED);
    CHECK(t_same(base, 2 * PAGE + 100, 9));
    CHECK(t_zero(base + 2 * PAGE + 100, PAGE - 100));
    touch("read beyond the end", base + 3 * PAGE, false);
    touch("write beyond the end", base + 7 * PAGE + 9, true);
    base[2 * PAGE + 100] = 'x'; /* behind the end, on its page: not part of the file */
    T(lseek(fd, 0, SEEK_END));
    T(ftruncate(fd, 5 * PAGE));
    touch("after growing", base + 4 * PAGE, false);
    touch("still beyond", base + 5 * PAGE, false);
    touch("write where it grew", base + 4 * PAGE + 1, true);
    T(ftruncate(fd, PAGE + 10));
    CHECK(t_same(base, PAGE + 10, 9));
    CHECK(t_zero(base + PAGE + 10, PAGE - 10));
    touch("truncated away", base + 2 * PAGE, false);
    touch("truncated away", base + 4 * PAGE + 1, false);
    T(ftruncate(fd, 5 * PAGE));
    CHECK(t_zero(base + PAGE + 10, 4 * PAGE - 10));
    T(munmap(base, N * PAGE));
    base = map(fd, MAP_PRIVATE);
    T(ftruncate(fd, PAGE));
    touch("private page beyond the new end", base + 3 * PAGE, false);
    T(munmap(base, N * PAGE));
    T(close(fd));
}

/* The system call meets a page beyond the end: an error, not a signal. */
static void calls_beyond(void)
{
    int fd = make(PAGE), other = T(open("other", O_CREAT | O_RDWR, 0666));
    char *p = map(fd, MAP_SHARED);
    T(write(other, p + PAGE, 10));
    T(pread(other, p + PAGE, 10, 0));
    T(write(other, p + PAGE - 10, 20));
    T(pread(other, p + PAGE - 5, 10, 0));
    T(munmap(p, N * PAGE));
    T(close(fd));
    T(close(other));
}

static void nameless(void)
{
    int fd = make(N * PAGE);
    char *p = map(fd, MAP_SHARED);
    T(unlink("file"));
    T(close(fd));
    p[5] = 'u';
    CHECK(p[5] == 'u' && p[N * PAGE - 1] == (char)t_byte(9, N * PAGE - 1));
    T(munmap(p, N * PAGE));
    T(access("file", F_OK));
}

static void offsets(void)
{
    int fd = make(N * PAGE);
    char *p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 3 * PAGE);
    CHECK(memcmp(p, data + 3 * PAGE, 2 * PAGE) == 0);
    T(pwrite(fd, "off", 3, 4 * PAGE));
    CHECK(memcmp(p + PAGE, "off", 3) == 0);
    T(munmap(p, PAGE));
    CHECK(memcmp(p + PAGE, "off", 3) == 0);
    T(munmap(p + PAGE, PAGE));
    T(close(fd));
}

int main(void)
{
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    t_begin();
    sigaction(SIGBUS, &sa, NULL);
    sigaction(SIGSEGV, &sa, NULL);
    coherence();
    private();
    own_file();
    end_of_file();
    calls_beyond();
    offsets();
    nameless();
    return 0;
}
