// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading and writing: positions, vectors, sizes, holes.
 */
#include <fcntl.h>
#include <sys/uio.h>
#include "t.h"

#define BIG (300 * 1024)

static char buf[BIG], back[BIG];

static void seeking(int fd)
{
    T(write(fd, "0123456789", 10));
    T(lseek(fd, 0, SEEK_CUR));
    T(lseek(fd, -3, SEEK_CUR));
    T(read(fd, back, 100));
    T(read(fd, back, 100));
    T(lseek(fd, -11, SEEK_END));
    T(lseek(fd, -1, SEEK_SET));
    T(lseek(fd, 0, 77));
    T(lseek(fd, 5, SEEK_END));
    T(read(fd, back, 1));
    T(lseek(fd, 0, SEEK_SET));
    T(lseek(99, 0, SEEK_SET));
    T(read(fd, back, 0));
    T(write(fd, back, 0));
}

static void positioned(int fd)
{
    T(pwrite(fd, "abc", 3, 4));
    T(lseek(fd, 0, SEEK_CUR));
    T(pread(fd, back, 10, 0));
    CHECK(memcmp(back, "0123abc789", 10) == 0);
    T(pread(fd, back, 10, 8));
    T(pread(fd, back, 10, 10));
    T(pread(fd, back, 10, -1));
    T(pwrite(fd, back, 1, -1));
}

static void vectors(int fd)
{
    char a[3], b[1], c[10];
    struct iovec out[] = {{"one", 3}, {"", 0}, {"three", 5}};
    struct iovec in[] = {{a, 3}, {b, 1}, {c, 10}};
    T(lseek(fd, 0, SEEK_SET));
    T(writev(fd, out, 3));
    T(ftruncate(fd, 8));
    T(lseek(fd, 0, SEEK_SET));
    T(readv(fd, in, 3));
    CHECK(memcmp(a, "one", 3) == 0 && b[0] == 't' && memcmp(c, "hree", 4) == 0);
    T(readv(fd, in, 3));
    T(writev(fd, out, 0));
    T(writev(fd, out, -1));
    T(readv(fd, in, 2000));
    out[1].iov_len = (size_t)-1;
    T(writev(fd, out, 3));
}

static void sizes(int fd)
{
    T(ftruncate(fd, 4));
    T(lseek(fd, 0, SEEK_END));
    T(ftruncate(fd, 10000));
    T(lseek(fd, 0, SEEK_END));
    T(pread(fd, back, 10000, 0));
    CHECK(memcmp(back, "onet", 4) == 0 && t_zero(back + 4, 9996));
    T(ftruncate(fd, -1));
    T(truncate("file", 3));
    T(lseek(fd, 0, SEEK_END));
    T(truncate("none", 3));
    T(truncate("dir", 3));
    T(truncate("file", -1));
    int ro = T(open("file", O_RDONLY));
    T(ftruncate(ro, 0));
    T(close(ro));
    T(ftruncate(99, 0));
}

static void holes(int fd)
{
    off_t far = (off_t)1 << 30; /* sparse to a gibibyte */
    struct stat st;
    T(ftruncate(fd, 0));
    T(pwrite(fd, "end", 3, far));
    T(fstat(fd, &st));
    CHECK(st.st_size == far + 3);
    CHECK(st.st_blocks < 2048);
    T(pread(fd, back, BIG, far - 1000));
    CHECK(t_zero(back, 1000) && memcmp(back + 1000, "end", 3) == 0);
    T(pread(fd, back, 5000, far / 2 + 123));
    CHECK(t_zero(back, 5000));
    T(ftruncate(fd, 0));
    T(fstat(fd, &st));
    CHECK(st.st_size == 0 && st.st_blocks == 0);
}

static void large(int fd)
{
    t_fill(buf, BIG, 1);
    T(lseek(fd, 0, SEEK_SET));
    T(write(fd, buf, BIG));
    T(pread(fd, back, BIG, 0));
    CHECK(t_same(back, BIG, 1));
    T(fsync(fd));
    T(fdatasync(fd));
    T(fsync(99));
    T(pwrite(fd, "X", 1, 4095));
    T(pwrite(fd, "YZ", 2, 8191));
    T(pread(fd, back, BIG, 0));
    CHECK(back[4095] == 'X' && back[8191] == 'Y' && back[8192] == 'Z');
    back[4095] = buf[4095];
    memcpy(back + 8191, buf + 8191, 2);
    CHECK(t_same(back, BIG, 1));
}

static void devices(void)
{
    int null = T(open("/dev/null", O_RDWR)), zero = T(open("/dev/zero", O_RDWR));
    memset(back, 1, 100);
    T(read(null, back, 100));
    T(write(null, back, 100));
    T(read(zero, back, 100));
    CHECK(t_zero(back, 100));
    T(write(zero, back, 100));
    T(close(null));
    T(close(zero));
}

int main(void)
{
    t_begin();
    T(mkdir("dir", 0777));
    int fd = T(open("file", O_CREAT | O_RDWR, 0666));
    seeking(fd);
    positioned(fd);
    vectors(fd);
    sizes(fd);
    holes(fd);
    large(fd);
    T(close(fd));
    int dir = T(open("dir", O_RDONLY));
    T(read(dir, back, 10));
    T(write(dir, back, 10));
    T(close(dir));
    T(read(99, back, 10));
    T(write(99, back, 10));
    devices();
    return 0;
}
