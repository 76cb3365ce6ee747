// SPDX-License-Identifier: BSD-2-Clause
/*
 * stat and kin, access, readlink, umask, chmod, times of files.
 */
#include <fcntl.h>
#include "t.h"

static void show(const char *path)
{
    struct stat st;
    if (T(stat(path, &st)) != 0)
        return;
    say("%s: type %o", path, st.st_mode & S_IFMT);
    if (!S_ISDIR(st.st_mode))
        say(" links %ld size %ld", (long)st.st_nlink, (long)st.st_size);
    say("\n");
}

static void permissions(void)
{
    struct stat st;
    umask(027);
    T(umask(077));
    T(close(open("private", O_CREAT | O_RDWR, 0666)));
    T(stat("private", &st));
    say("mode %o\n", st.st_mode);
    T(mkdir("closed", 0777));
    T(stat("closed", &st));
    say("mode %o\n", st.st_mode);
    T(umask(022));
    T(chmod("private", 0640));
    T(stat("private", &st));
    say("mode %o\n", st.st_mode);
    T(chmod("none", 0640));
}

static void checks(void)
{
    T(access("file", F_OK));
    T(access("file", R_OK | W_OK));
    T(access("file", X_OK));
    T(access("none", F_OK));
    T(access("file/none", F_OK));
    T(access("file", 8));
    T(access("", F_OK));
    T(access(".", X_OK));
    T(faccessat(AT_FDCWD, "file", R_OK, 0));
}

static void links(void)
{
    char buf[PATH_MAX];
    T(readlink("none", buf, sizeof buf));
    T(readlink("file", buf, sizeof buf));
    T(readlink(".", buf, sizeof buf));
    T(readlink("file", buf, 0));
    ssize_t n = readlink("/proc/self/exe", buf, sizeof buf - 1);
    CHECK(n > 0);
    buf[n > 0 ? n : 0] = '\0';
    CHECK(strrchr(buf, '/') && strcmp(strrchr(buf, '/'), "/t_stat") == 0);
}

static void same_file(int fd)
{
    struct stat a, b, c, d;
    T(stat("file", &a));
    T(fstat(fd, &b));
    T(lstat("file", &c));
    T(fstatat(AT_FDCWD, "file", &d, 0));
    CHECK(a.st_ino == b.st_ino && b.st_ino == c.st_ino && c.st_ino == d.st_ino);
    CHECK(a.st_dev == b.st_dev && b.st_dev == c.st_dev && c.st_dev == d.st_dev);
    T(fstatat(fd, "", &d, AT_EMPTY_PATH));
    CHECK(d.st_ino == a.st_ino);
    T(fstatat(fd, "", &d, 0));
    T(fstatat(fd, "x", &d, 0));
    T(fstatat(99, "x", &d, 0));
    T(fstatat(AT_FDCWD, "file", &d, 0x40000000));
    T(fstat(99, &a));
    T(stat("none", &a));
    T(stat("", &a));
    CHECK(b.st_blksize >= 512);
}

static void sizes(int fd)
{
    struct stat st;
    static char block[3 * 4096];
    memset(block, 1, sizeof block);
    T(write(fd, block, sizeof block));
    T(fsync(fd));
    T(fstat(fd, &st));
    CHECK(st.st_size == sizeof block);
    CHECK(st.st_blocks >= (long)(sizeof block / 512));
}

/* A change moves the times of the file and of the directory it is in. */
static void times(int fd)
{
    struct stat before, after;
    struct timespec past[2] = {{1000, 0}, {2000, 0}};
    T(utimensat(AT_FDCWD, "file", past, 0));
    T(stat("file", &before));
    T(before.st_atime);
    T(before.st_mtime);
    T(write(fd, "x", 1));
    T(stat("file", &after));
    CHECK(after.st_mtime > before.st_mtime);
    T(utimensat(AT_FDCWD, ".", past, 0));
    T(stat(".", &before));
    T(before.st_mtime);
    T(close(open("another", O_CREAT | O_RDWR, 0666)));
    T(stat(".", &after));
    CHECK(after.st_mtime > before.st_mtime);
    CHECK(labs(after.st_mtime - time(NULL)) < 100);
    T(utimensat(AT_FDCWD, "none", past, 0));
}

int main(void)
{
    t_begin();
    int fd = T(open("file", O_CREAT | O_RDWR, 0644));
    T(mkdir("dir", 0755));
    show("file");
    show("dir");
    show("/dev/null");
    show("/dev/zero");
    show("none");
    show("/");
    permissions();
    checks();
    links();
    same_file(fd);
    sizes(fd);
    times(fd);
    return 0;
}
