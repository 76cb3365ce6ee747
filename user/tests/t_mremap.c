// SPDX-License-Identifier: BSD-2-Clause
/*
 * mremap: growing, shrinking, moving.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include "t.h"

#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* n pages with free address space behind them. */
static char *with_room(size_t n, size_t room)
{
    char *p = mmap(NULL, (n + room) * PAGE, RW, ANON, -1, 0);
    munmap(p + n * PAGE, room * PAGE);
    t_fill(p, n * PAGE, 6);
    return p;
}

static void resizing(void)
{
    char *p = with_room(4, 4);
    CHECK(mremap(p, 4 * PAGE, 6 * PAGE, 0) == p);
    CHECK(t_same(p, 4 * PAGE, 6) && t_zero(p + 4 * PAGE, 2 * PAGE));
    CHECK(mremap(p, 6 * PAGE, 2 * PAGE, 0) == p);
    CHECK(t_same(p, 2 * PAGE, 6));
    CHECK(mremap(p, 2 * PAGE, 2 * PAGE, 0) == p);
    CHECK(mremap(p, 2 * PAGE, 3 * PAGE - 5, 0) == p);
    CHECK(t_zero(p + 2 * PAGE, PAGE));
    T(munmap(p, 3 * PAGE));
}

static void blocked(void)
{
    char *p = with_room(8, 0);
    T_PTR(mremap(p, 4 * PAGE, 6 * PAGE, 0));
    char *q = mremap(p, 4 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED && q != p);
    CHECK(t_same(q, 4 * PAGE, 6) && t_zero(q + 4 * PAGE, 2 * PAGE));
    CHECK(mmap(p, 4 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == p);
    CHECK(t_zero(p, 4 * PAGE));
    CHECK(p[4 * PAGE] == (char)t_byte(6, 4 * PAGE));
    T(munmap(p, 8 * PAGE));
    T(munmap(q, 6 * PAGE));
}

static void fixed(void)
{
    char *p = with_room(4, 0), *to = with_room(8, 0);
    CHECK(mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + PAGE) == to + PAGE);
    CHECK(t_same(to, PAGE, 6) && t_same(to + PAGE, 2 * PAGE, 6));
    CHECK(to[3 * PAGE] == (char)t_byte(6, 3 * PAGE));
    T_PTR(mremap(p, PAGE, PAGE, 0));
    T_PTR(mremap(p + 2 * PAGE, PAGE, PAGE, MREMAP_FIXED, to));
    T_PTR(mremap(to, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + PAGE));
    T_PTR(mremap(to, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + 123));
    T(munmap(p, 4 * PAGE));
    T(munmap(to, 8 * PAGE));
}

static void errors(void)
{
    char *p = with_room(4, 0);
    T_PTR(mremap(p + 1, PAGE, PAGE, 0));
    T_PTR(mremap(p, PAGE, 0, 0));
    T_PTR(mremap(p, PAGE, PAGE, 0x80));
    T(munmap(p + 2 * PAGE, PAGE));
    T_PTR(mremap(p, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE));
    T_PTR(mremap(p + 2 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
    T(munmap(p, 4 * PAGE));
}

/* What is refused changes nothing; what shrinks needs its first page alone. */
static void holes(void)
{
    char *p = with_room(6, 0), *to = with_room(6, 0);
    T(munmap(p, PAGE));
    T_PTR(mremap(p, 3 * PAGE, PAGE, MREMAP_MAYMOVE));
    T_PTR(mremap(p, 3 * PAGE, 2 * PAGE, 0));
    CHECK(p[2 * PAGE] == (char)t_byte(6, 2 * PAGE));
    T(munmap(p + 3 * PAGE, PAGE));
    CHECK(mremap(p + PAGE, 5 * PAGE, 5 * PAGE, 0) == p + PAGE);
    CHECK(mremap(p + PAGE, 5 * PAGE, 4 * PAGE, MREMAP_MAYMOVE) == p + PAGE);
    CHECK(p[2 * PAGE] == (char)t_byte(6, 2 * PAGE) && p[4 * PAGE] == (char)t_byte(6, 4 * PAGE));
    T_PTR(mremap(p + 5 * PAGE, PAGE, PAGE, 0));
    T_PTR(mremap(p + PAGE, 4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE));
    CHECK(mremap(p + PAGE, 2 * PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    CHECK(to[0] == (char)t_byte(6, PAGE) && to[PAGE] == (char)t_byte(6, PAGE));
    T(munmap(p, 6 * PAGE));
    T(munmap(to, 6 * PAGE));
}

static void files(void)
{
    int fd = T(open("file", O_CREAT | O_RDWR, 0666));
    static char data[4 * PAGE];
    t_fill(data, sizeof data, 7);
    T(write(fd, data, sizeof data));
    char *p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, PAGE);
    char *wall = mmap(p + PAGE, PAGE, PROT_NONE, ANON, -1, 0);
    char *q = mremap(p, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED && memcmp(q, data + PAGE, 3 * PAGE) == 0);
    q[2 * PAGE] = 'm';
    char c = 0;
    T(pread(fd, &c, 1, 3 * PAGE));
    CHECK(c == 'm');
    T(munmap(q, 3 * PAGE));
    munmap(wall, PAGE);
    close(fd);
}

/* The contents and who shares them stay the same. */
static void shared(void)
{
    int status;
    char *p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *place = mmap(NULL, 2 * PAGE, PROT_NONE, ANON, -1, 0);
    p[0] = 'a';
    if (fork() == 0) {
        char *q = mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
        bool ok = q == place && q[0] == 'a';
        q[PAGE] = 'b';
        _exit(ok ? 0 : 1);
    }
    wait(&status);
    t_status("child", status);
    CHECK(p[PAGE] == 'b');
}

int main(void)
{
    t_begin();
    resizing();
    blocked();
    fixed();
    errors();
    holes();
    files();
    shared();
    return 0;
}
