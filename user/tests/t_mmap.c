// SPDX-License-Identifier: BSD-2-Clause
/*
 * mmap, munmap: errors, placement, holes, anonymous memory, inheritance.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include "t.h"

#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static char *anon(size_t n)
{
    return mmap(NULL, n, RW, ANON, -1, 0);
}

static void errors(void)
{
    int file = T(open("file", O_CREAT | O_RDWR, 0666));
    int wo = T(open("file", O_WRONLY)), ro = T(open("file", O_RDONLY)),
        dir = T(open(".", O_RDONLY));
    int fds[2];
    T(pipe(fds));
    T(ftruncate(file, 3 * PAGE));
    T_PTR(mmap(NULL, 0, RW, ANON, -1, 0));
    T_PTR(mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0));
    T_PTR(mmap(NULL, PAGE, RW, MAP_PRIVATE, -1, 0));
    T_PTR(mmap(NULL, PAGE, RW, MAP_PRIVATE, 99, 0));
    T_PTR(mmap(NULL, PAGE, RW, MAP_PRIVATE, file, 100));
    T_PTR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, wo, 0));
    T_PTR(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, wo, 0));
    T_PTR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0));
    T_PTR(mmap(NULL, PAGE, RW, MAP_SHARED, ro, 0));
    T_PTR(mmap(NULL, PAGE, RW, MAP_PRIVATE, ro, 0));
    T_PTR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0));
    T_PTR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fds[0], 0));
    T_PTR(mmap(NULL, 1UL << 47, RW, ANON, -1, 0));
    T_PTR(mmap(NULL, -PAGE, RW, ANON, -1, 0));
    T_PTR(mmap(NULL, -1UL, RW, ANON, -1, 0));
    T_PTR(mmap((void *)123, PAGE, RW, ANON | MAP_FIXED, -1, 0));
    T_PTR(mmap((void *)(1UL << 47), PAGE, RW, ANON | MAP_FIXED, -1, 0));
    T_PTR(mmap((void *)-PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0));
    T_PTR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, (off_t)1 << 40));
    T(munmap((void *)123, PAGE));
    T(munmap((void *)PAGE, 0));
    T(munmap((void *)(1UL << 47), PAGE));
    T(munmap((void *)(64 * PAGE), -PAGE));
    for (int fd = 3; fd < 10; fd++)
        close(fd);
}

static void placement(void)
{
    char *a = anon(8 * PAGE);
    CHECK(((unsigned long)a & (PAGE - 1)) == 0);
    CHECK(t_zero(a, 8 * PAGE));
    t_fill(a, 8 * PAGE, 1);
    T(munmap(a + 2 * PAGE, PAGE));
    T(munmap(a + 4 * PAGE, 2 * PAGE));
    CHECK(t_same(a, 2 * PAGE, 1));
    char *b = mmap(a + 2 * PAGE, PAGE, RW, ANON, -1, 0);
    CHECK(b == a + 2 * PAGE);
    CHECK(t_zero(b, PAGE));
    char *c = mmap(a, PAGE, RW, ANON, -1, 0);
    CHECK(c != a && c != MAP_FAILED);
    T(munmap(c, 1));
    T_PTR(mmap(c, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    T(munmap(c, PAGE));
    char *d = mmap(a + PAGE, 3 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
    CHECK(d == a + PAGE && t_zero(d, 3 * PAGE));
    CHECK(t_same(a, PAGE, 1));
    T_PTR(mmap(a, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    T_PTR(mmap(a + 3 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    CHECK(mmap(a + 4 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == a + 4 * PAGE);
    T(munmap(a, 8 * PAGE));
    T(munmap(a, 8 * PAGE));
}

/* A checkerboard of mappings, taken down in one call. */
static void checkerboard(void)
{
    enum { N = 200 };
    int bad = 0;
    char *p = anon(N * PAGE);
    for (size_t i = 0; i < N; i++)
        p[i * PAGE] = (char)i;
    for (size_t i = 0; i < N; i += 2)
        bad += munmap(p + i * PAGE, PAGE) != 0;
    for (size_t i = 1; i < N; i += 2)
        bad += p[i * PAGE] != (char)i;
    T(bad);
    for (size_t i = 0; i < N; i += 4)
        bad += mmap(p + i * PAGE, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0) != p + i * PAGE;
    for (size_t i = 0; i < N; i += 4)
        bad += p[i * PAGE] != 0;
    T(bad);
    T(munmap(p, N * PAGE));
}

static void inheritance(void)
{
    char *private = anon(4 * PAGE);
    char *shared = mmap(NULL, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    memset(private, 'p', 4 * PAGE);
    shared[0] = 's';
    if (fork() == 0) {
        bool ok = private[0] == 'p' && shared[0] == 's' && shared[PAGE] == 0;
        memset(private, 'c', 4 * PAGE);
        shared[PAGE] = 'c'; /* a page that nobody had touched */
        if (fork() == 0) {
            ok = private[3 * PAGE] == 'c' && shared[PAGE] == 'c';
            shared[2 * PAGE] = 'g';
            _exit(ok ? 0 : 1);
        }
        wait(&status);
        munmap(shared, 4 * PAGE);
        _exit(ok && status == 0 ? 0 : 1);
    }
    private[PAGE] = 'q';
    wait(&status);
    t_status("child", status);
    CHECK(private[0] == 'p' && private[PAGE] == 'q' && private[3 * PAGE] == 'p');
    CHECK(shared[0] == 's' && shared[PAGE] == 'c' && shared[2 * PAGE] == 'g');
    T(munmap(private, 4 * PAGE));
    T(munmap(shared, 4 * PAGE));
}

/* Pages shared after a fork, written alternately by both over several generations. */
static void generations(void)
{
    enum { N = 16 };
    unsigned char *p = (unsigned char *)anon(N * PAGE);
    int status, bad = 0;
    t_fill(p, N * PAGE, 100);
    for (int g = 0; g < 5; g++) {
        pid_t pid = fork();
        if (pid == 0) {
            bool ok = true;
            for (size_t i = 0; i < N; i++)
                ok &= p[i * PAGE] == (i < (size_t)g ? 200 : t_byte(100, i * PAGE));
            t_fill(p, N * PAGE, 101);
            _exit(ok && t_same(p, N * PAGE, 101) ? 0 : 1);
        }
        p[(size_t)g * PAGE] = 200;
        waitpid(pid, &status, 0);
        bad += status != 0;
    }
    T(bad);
    CHECK(p[0] == 200 && p[5 * PAGE] == t_byte(100, 5 * PAGE));
}

static void large(void)
{
    size_t n = 1UL << 32; /* address space is not memory */
    char *p = mmap(NULL, n, RW, ANON | MAP_NORESERVE, -1, 0);
    CHECK(p != MAP_FAILED);
    p[0] = 1;
    p[n / 2] = 2;
    p[n - 1] = 3;
    CHECK(p[0] == 1 && p[n / 2] == 2 && p[n - 1] == 3 && p[n / 3] == 0);
    T(munmap(p + PAGE, n - 2 * PAGE));
    CHECK(p[0] == 1 && p[n - 1] == 3);
    T(munmap(p, n));
}

int main(void)
{
    t_begin();
    errors();
    placement();
    checkerboard();
    inheritance();
    generations();
    large();
    return 0;
}
