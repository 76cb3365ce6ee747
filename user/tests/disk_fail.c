// SPDX-License-Identifier: BSD-2-Clause
/*
 * disk_fail data|commit: makes requests to the disk fail (/proc/vm/inject) and tells who hears of
 * it. data: reads and writes of files, which work when they are tried again; commit: a write or
 * flush of the journal (`commit fail_write' or `commit fail_flush'), after which the file system is
 * read-only.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include "t.h"

#define SIZE (4 * PAGE)

static char data[SIZE], back[SIZE];

/* The next request of this kind fails. */
static void fail_next(const char *kind)
{
    int fd = open("/proc/vm/inject", O_WRONLY);
    if (fd < 0 || dprintf(fd, "0 %s 1", kind) < 0)
        say("inject: %s\n", t_errname());
    close(fd);
}

/* A file that nobody has read since the boot. */
static void fail_read(void)
{
    int fd = T(open("/tests/memout", O_RDONLY));
    fail_next("fail_read");
    T(read(fd, back, SIZE));
    T(read(fd, back, SIZE));
    char *map = T_PTR(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0));
    CHECK(memcmp(map, back, SIZE) == 0);
    T(close(fd));
}

static void fail_write(void)
{
    int fd = T(open("written", O_CREAT | O_RDWR, 0666));
    t_fill(data, SIZE, 1);
    T(write(fd, data, SIZE));
    fail_next("fail_write");
    T(fsync(fd));
    T(pread(fd, back, SIZE, 0));
    CHECK(t_same(back, SIZE, 1));
    T(fsync(fd));
    char *map = T_PTR(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    t_fill(map, SIZE, 2);
    fail_next("fail_write");
    T(msync(map, SIZE, MS_SYNC));
    T(msync(map, SIZE, MS_SYNC));
    CHECK(t_same(map, SIZE, 2));
}

static void fail_commit(const char *kind)
{
    int fd = T(open("before", O_CREAT | O_RDWR, 0666));
    t_fill(data, SIZE, 1);
    T(write(fd, data, SIZE));
    T(fsync(fd));
    T(mkdir("lost", 0777));
    fail_next(kind);
    T(fsync(fd));
    T(mkdir("refused", 0777));
    T(unlink("before"));
    T(open("new", O_CREAT | O_RDWR, 0666));
    T(pread(fd, back, SIZE, 0));
    CHECK(t_same(back, SIZE, 1));
    T(close(fd));
    fd = T(open("before", O_RDONLY));
}

int main(int argc, char **argv)
{
    t_begin();
    if (argc > 2) {
        fail_commit(argv[2]);
    } else {
        fail_read();
        fail_write();
    }
    return 0;
}
