// SPDX-License-Identifier: BSD-2-Clause
/*
 * mprotect, madvise, msync, mincore, mlock, brk.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include "t.h"

#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define N    10 /* pages */

static sigjmp_buf out;

static void on_fault(int sig)
{
    (void)sig;
    siglongjmp(out, 1);
}

static bool readable(char *p)
{
    if (sigsetjmp(out, 1))
        return false;
    (void)*(volatile char *)p;
    return true;
}

static bool writable(char *p)
{
    if (sigsetjmp(out, 1))
        return false;
    *(volatile char *)p = *(volatile char *)p;
    return true;
}

/* A letter a page: - none, r readable, w writable too. */
static void show(const char *what, char *p, int n)
{
    char text[64] = "";
    for (int i = 0; i < n; i++)
        text[i] = !readable(p + (size_t)i * PAGE)  ? '-'
                  : writable(p + (size_t)i * PAGE) ? 'w'
                                                   : 'r';
    say("%s: %s\n", what, text);
}

static void protection(void)
{
    char *p = mmap(NULL, N * PAGE, RW, ANON, -1, 0);
    t_fill(p, N * PAGE, 3);
    show("at first", p, N);
    T(mprotect(p + 2 * PAGE, 3 * PAGE, PROT_READ));
    show("middle read-only", p, N);
    T(mprotect(p + 3 * PAGE, PAGE, PROT_NONE));
    show("one without access", p, N);
    T(mprotect(p + 7 * PAGE, PAGE + 1, PROT_NONE));
    show("two more", p, N);
    CHECK(t_same(p, 3 * PAGE, 3));
    T(mprotect(p, N * PAGE, RW));
    show("all again", p, N);
    CHECK(t_same(p, N * PAGE, 3));
    T(munmap(p + 5 * PAGE, PAGE));
    T(mprotect(p, N * PAGE, PROT_READ));
    show("up to the hole", p, N);
    T(mprotect(p + 1, PAGE, RW));
    T(mprotect(p, 0, RW));
    T(mprotect(p, PAGE, 0x40));
    T(mprotect((void *)(1UL << 47), PAGE, RW));
    T(mprotect(p + 5 * PAGE, PAGE, RW));
    T(munmap(p, N * PAGE));
}

static void files(void)
{
    int fd = T(open("file", O_CREAT | O_RDWR, 0666)), ro = T(open("file", O_RDONLY));
    T(ftruncate(fd, 2 * PAGE));
    char *shared = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, ro, 0);
    char *private = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, ro, 0);
    T(mprotect(shared, PAGE, RW));
    T(mprotect(private, PAGE, RW));
    show("shared", shared, 2);
    show("private", private, 2);
    T(munmap(shared, 2 * PAGE));
    T(munmap(private, 2 * PAGE));
    char *both = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_SHARED, fd, 0);
    T(mprotect(both, 2 * PAGE, RW));
    both[0] = 'x';
    T(msync(both, 2 * PAGE, MS_ASYNC));
    T(msync(both, 2 * PAGE, MS_SYNC | MS_ASYNC));
    T(msync(both, 2 * PAGE, 64));
    T(msync(both + 1, PAGE, MS_SYNC));
    T(msync(both, 0, MS_SYNC));
    T(munmap(both + PAGE, PAGE));
    T(msync(both, 2 * PAGE, MS_SYNC));
    T(munmap(both, PAGE));
    close(fd);
    close(ro);
}

/* After a fork the protection of one does not touch the other. */
static void forked(void)
{
    char *p = mmap(NULL, PAGE, RW, ANON, -1, 0);
    int status;
    p[0] = 1;
    if (fork() == 0) {
        mprotect(p, PAGE, PROT_READ);
        _exit(readable(p) && !writable(p) ? 0 : 1);
    }
    wait(&status);
    t_status("child", status);
    CHECK(writable(p));
    T(munmap(p, PAGE));
}

static void advice(void)
{
    char *p = mmap(NULL, N * PAGE, RW, ANON, -1, 0);
    char *s = mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    t_fill(p, N * PAGE, 4);
    T(madvise(p + 2 * PAGE, 2 * PAGE, MADV_DONTNEED));
    CHECK(t_same(p, 2 * PAGE, 4) && t_zero(p + 2 * PAGE, 2 * PAGE));
    CHECK(p[4 * PAGE] == (char)t_byte(4, 4 * PAGE));
    p[2 * PAGE] = 1;
    s[0] = 's';
    T(madvise(s, 2 * PAGE, MADV_DONTNEED));
    CHECK(s[0] == 's');
    T(madvise(p, N * PAGE, MADV_NORMAL));
    T(madvise(p, N * PAGE, MADV_WILLNEED));
    T(madvise(p, N * PAGE, MADV_SEQUENTIAL));
    T(madvise(p + 1, PAGE, MADV_DONTNEED));
    T(madvise(p, PAGE, 9999));
    T(madvise(p, 0, MADV_DONTNEED));
    T(munmap(p + 5 * PAGE, PAGE));
    T(madvise(p, N * PAGE, MADV_DONTNEED));
    CHECK(t_zero(p, 5 * PAGE) && t_zero(p + 6 * PAGE, 4 * PAGE));
    T(munmap(p, N * PAGE));
    T(munmap(s, 2 * PAGE));
}

static void show_residence(char *p)
{
    unsigned char vec[N];

    T(mincore(p, N * PAGE, vec));
    for (int i = 0; i < N; i++)
        say("%d", vec[i] & 1);
    say("\n");
}

/* A file between anonymous pages, one page of it private; and rights that differ. */
static void residence_of_parts(void)
{
    int fd = T(open("parts", O_CREAT | O_RDWR, 0666));
    char *p = mmap(NULL, N * PAGE, RW, ANON, -1, 0);

    T(ftruncate(fd, 3 * PAGE));
    CHECK(pwrite(fd, "a", 1, 0) == 1 && pwrite(fd, "b", 1, PAGE) == 1);
    CHECK(pwrite(fd, "c", 1, 2 * PAGE) == 1);
    CHECK(mmap(p + 2 * PAGE, 3 * PAGE, RW, MAP_PRIVATE | MAP_FIXED, fd, 0) == p + 2 * PAGE);
    p[0] = p[3 * PAGE] = p[7 * PAGE] = 1;
    T(mprotect(p + 6 * PAGE, 2 * PAGE, PROT_READ));
    show_residence(p);
    T(madvise(p + 3 * PAGE, 5 * PAGE, MADV_DONTNEED));
    show_residence(p);
    T(munmap(p, N * PAGE));
    T(close(fd));
}

static void residence(void)
{
    unsigned char vec[N];
    char *p = mmap(NULL, N * PAGE, RW, ANON, -1, 0);
    p[PAGE] = p[4 * PAGE] = 1;
    show_residence(p);
    T(mincore(p + 1, PAGE, vec));
    T(mincore(p, 0, vec));
    T(munmap(p + 3 * PAGE, PAGE));
    T(mincore(p, N * PAGE, vec));
    T(mlock(p, 2 * PAGE));
    T(mincore(p, 2 * PAGE, vec));
    CHECK((vec[0] & 1) && (vec[1] & 1));
    T(munlock(p, 2 * PAGE));
    T(mlock(p, N * PAGE));
    T(munmap(p, N * PAGE));
}

static void the_break(void)
{
    char *old = sbrk(0);
    CHECK(sbrk(10 * PAGE) == old);
    CHECK(sbrk(0) == old + 10 * PAGE);
    CHECK(t_zero(old, 10 * PAGE));
    t_fill(old, 10 * PAGE, 5);
    CHECK(sbrk(-5 * (long)PAGE) == old + 10 * PAGE);
    CHECK(t_same(old, 5 * PAGE, 5));
    CHECK(sbrk(5 * PAGE) == old + 5 * PAGE);
    CHECK(t_zero(old + 5 * PAGE + PAGE, 4 * PAGE));
    T(brk((void *)(1UL << 47)));
    CHECK(sbrk(0) == old + 10 * PAGE);
    T(brk((void *)1));
    CHECK(sbrk(0) == old + 10 * PAGE);
    T(brk(old));
    CHECK(!readable(old + 2 * PAGE));
}

int main(void)
{
    t_begin();
    signal(SIGSEGV, on_fault);
    signal(SIGBUS, on_fault);
    protection();
    files();
    forked();
    advice();
    residence();
    residence_of_parts();
    the_break();
    return 0;
}
