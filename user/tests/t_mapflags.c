// SPDX-License-Identifier: BSD-2-Clause
/*
 * mmap's flags and what they are seen by: MAP_SHARED_VALIDATE, MAP_32BIT, locked memory; /dev/zero.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include "t.h"

#define RW           (PROT_READ | PROT_WRITE)
#define ANON         (MAP_PRIVATE | MAP_ANONYMOUS)
#define VALIDATE     0x03
#define LOW          0x40 /* MAP_32BIT */
#define UNKNOWN_FLAG 0x200

static void validate(void)
{
    int fd = open("file", O_CREAT | O_RDWR, 0666), ro = open("file", O_RDONLY);
    T(ftruncate(fd, 4 * PAGE));
    char *p = T_PTR(mmap(NULL, PAGE, RW, VALIDATE, fd, 0));
    char *q = T_PTR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
    p[5] = 'x';
    CHECK(q[5] == 'x');
    T_PTR(mmap(NULL, PAGE, RW, VALIDATE | UNKNOWN_FLAG, fd, 0));
    T_PTR(mmap(NULL, PAGE, RW, MAP_SHARED | UNKNOWN_FLAG, fd, 0));
    T_PTR(mmap(NULL, PAGE, RW, VALIDATE | MAP_FIXED_NOREPLACE, fd, 0));
    T_PTR(mmap(NULL, PAGE, RW, VALIDATE | MAP_POPULATE | MAP_NORESERVE | MAP_STACK, fd, 0));
    T_PTR(mmap(NULL, PAGE, RW, VALIDATE | MAP_ANONYMOUS, -1, 0));
    T_PTR(mmap(NULL, PAGE, RW, VALIDATE, ro, 0));
    T_PTR(mmap(NULL, PAGE, RW, MAP_SHARED, fd, (off_t)(-2 * PAGE)));
}

static bool is_low(void *p)
{
    return p != MAP_FAILED && (unsigned long)p < 1UL << 31;
}

static void low(void)
{
    char *p = mmap(NULL, 2 * PAGE, RW, ANON | LOW, -1, 0);
    CHECK(is_low(p));
    CHECK(is_low(mmap(NULL, 64 << 20, RW, ANON | LOW, -1, 0)));
    CHECK(is_low(mmap((void *)0x500000000000, PAGE, RW, ANON | LOW, -1, 0)));
    CHECK(is_low(mmap(p, PAGE, RW, ANON | LOW, -1, 0)));
    CHECK(!is_low(mmap(NULL, PAGE, RW, ANON, -1, 0)));
    T_PTR(mmap(NULL, 1UL << 31, RW, ANON | LOW, -1, 0));
}

static void zero(void)
{
    int fd = open("/dev/zero", O_RDWR), ro = open("/dev/zero", O_RDONLY), status;
    char *p = T_PTR(mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0));
    char *s = T_PTR(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0));
    char *t = T_PTR(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0));
    CHECK(t_zero(p, 2 * PAGE) && t_zero(s, 2 * PAGE));
    p[1] = s[1] = 'p';
    CHECK(t[1] == 0);
    if (fork() == 0) {
        p[1] = 'c';
        s[1] = 'c';
        _exit(0);
    }
    wait(&status);
    CHECK(p[1] == 'p' && s[1] == 'c');
    T_PTR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0));
    T_PTR(mmap(NULL, PAGE, RW, MAP_SHARED, ro, 0));
    T_PTR(mmap(NULL, PAGE, RW, MAP_PRIVATE, ro, 0));
    T_PTR(mmap(NULL, PAGE, RW, MAP_PRIVATE, open("/dev/zero", O_WRONLY), 0));
    T_PTR(mmap(NULL, PAGE, RW, 0, open("/dev/zero", O_WRONLY), 0)); /* no kind */
    T_PTR(mmap(NULL, PAGE, RW, MAP_PRIVATE, open("/dev/null", O_RDWR), 0));
    T(fcntl(fd, F_GETFD));
}

static long locked_kb(void)
{
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    char *at = strstr(text, "VmLck:");
    return at ? atol(at + strlen("VmLck:")) : -1;
}

static void locked(void)
{
    int fd = open("file", O_RDWR);
    char *p = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
    T(locked_kb());
    T(mlock(p + PAGE, PAGE));
    T(locked_kb());
    T(msync(p, 4 * PAGE, MS_SYNC));
    T(msync(p, 4 * PAGE, MS_SYNC | MS_INVALIDATE));
    T(msync(p, PAGE, MS_ASYNC | MS_INVALIDATE));
    T(msync(p + PAGE, PAGE, MS_INVALIDATE));
    T(munlock(p, 4 * PAGE));
    T(msync(p, 4 * PAGE, MS_SYNC | MS_INVALIDATE));
    T(locked_kb());
    T_PTR(mmap(NULL, 3 * PAGE, RW, ANON | MAP_LOCKED, -1, 0));
    T(locked_kb());
}

/* What is looked at first, and advice about what is not there. */
static void order(void)
{
    static const int advice[] = {MADV_NORMAL, MADV_WILLNEED, MADV_DONTNEED};
    char *p = T_PTR(mmap(NULL, 3 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

    T_PTR(mmap(NULL, 0, PROT_READ, MAP_PRIVATE, -1, 0));
    T_PTR(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    T_PTR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, 99, 0));
    T_PTR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, -1, 1));
    T(munmap(p + PAGE, PAGE));
    for (size_t i = 0; i < sizeof advice / sizeof advice[0]; i++)
        T(madvise(p, 3 * PAGE, advice[i]));
    T(munmap(p, 3 * PAGE));
}

int main(void)
{
    t_begin();
    order();
    validate();
    low();
    zero();
    locked();
    return 0;
}
