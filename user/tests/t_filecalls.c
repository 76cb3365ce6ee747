// SPDX-License-Identifier: BSD-2-Clause
/*
 * Limits on the length of files, names that change places, and the errors of calls that a file is
 * not made for.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "t.h"

#define NR_fadvise64 221
#define EXCHANGE     2

static char page[2 * PAGE];
static volatile int caught;

static void catch (int sig)
{
    caught = sig;
}

static long size_of(int fd)
{
    struct stat st;
    fstat(fd, &st);
    return st.st_size;
}

static void file_limit(void)
{
    struct rlimit limit = {PAGE + 10, 1 << 20};
    struct iovec v[2] = {{page, PAGE}, {page, PAGE}};
    int big = open("big", O_CREAT | O_RDWR, 0666), fd = open("f", O_CREAT | O_RDWR, 0666), log;
    for (int i = 0; i < 8; i++)
        write(big, page, PAGE);
    signal(SIGXFSZ, catch);
    T(setrlimit(RLIMIT_FSIZE, &limit));
    T(write(fd, page, PAGE));
    T(write(fd, page, PAGE));
    T(size_of(fd));
    CHECK(caught == 0);
    T(write(fd, page, 1));
    CHECK(caught == SIGXFSZ);
    caught = 0;
    T(write(fd, page, 0));
    T(syscall(SYS_pwrite64, fd, page, 1, PAGE + 9));
    T(syscall(SYS_pwrite64, fd, page, 2, PAGE + 9));
    CHECK(caught == 0);
    T(syscall(SYS_pwrite64, fd, page, 1, PAGE + 10));
    CHECK(caught == SIGXFSZ);
    caught = 0;
    T(ftruncate(fd, 0));
    T(writev(fd, v, 2));
    CHECK(caught == SIGXFSZ);
    caught = 0;
    T(lseek(fd, 0, SEEK_SET));
    T(writev(fd, v, 2));
    T(size_of(fd));
    T(ftruncate(fd, PAGE + 10));
    CHECK(caught == 0);
    T(ftruncate(fd, PAGE + 11));
    CHECK(caught == SIGXFSZ);
    caught = 0;
    T(truncate("f", 1 << 20));
    CHECK(caught == SIGXFSZ);
    T(ftruncate(big, 7 * PAGE)); /* it is longer than the limit, but becomes shorter */
    caught = 0;
    T(syscall(SYS_pwrite64, big, page, 1, 2 * PAGE));
    CHECK(caught == SIGXFSZ);
    log = open("log", O_CREAT | O_WRONLY | O_APPEND, 0666);
    T(write(log, page, PAGE));
    T(write(log, page, PAGE));
    T(write(log, page, PAGE));
    caught = 0;
    ftruncate(fd, 0);
    lseek(fd, 0, SEEK_SET);
    lseek(big, 0, SEEK_SET);
    T(syscall(SYS_sendfile, fd, big, NULL, 3 * PAGE));
    T(syscall(SYS_sendfile, fd, big, NULL, 3 * PAGE));
    CHECK(caught == SIGXFSZ);
}

static void dies_of_it(void)
{
    struct rlimit limit = {0, 0};
    setrlimit(RLIMIT_CORE, &limit);
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_DFL);
    write(open("g", O_CREAT | O_RDWR, 0666), page, 1);
}

static int change_places(const char *a, const char *b, int flags)
{
    return (int)syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, flags);
}

static void what_is(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        say("%s: %s\n", path, t_errname());
    else
        say("%s: mode %o, %d links\n", path, (unsigned)st.st_mode,
            S_ISDIR(st.st_mode) ? (int)st.st_nlink : 0);
}

static void exchange(void)
{
    static const char *const all[] = {".",      "a",      "a/f", "b",        "b/d",
                                      "b/d/in", "a/d/in", "a/d", "b/d/../f", "a/d/../d"};
    mkdir("ex", 0755);
    chdir("ex");
    mkdir("a", 0755);
    mkdir("b", 0755);
    mkdir("b/d", 0700);
    mkdir("b/d/in", 0755);
    close(open("a/f", O_CREAT | O_RDWR, 0640));
    symlink("f", "a/l");
    T(change_places("a/f", "b/d", EXCHANGE));
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        what_is(all[i]);
    what_is("a/f/in/../../l"); /* ".." of what moved */
    T(change_places("a/f", "b/d", EXCHANGE));
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        what_is(all[i]);
    T(change_places("a/f", "a/l", EXCHANGE));
    what_is("a/f");
    what_is("a/l");
    T(change_places("a", "b", EXCHANGE));
    what_is("b/l");
    T(change_places("b", "a", EXCHANGE));
    mkdir("a/d", 0711);
    T(change_places("a/d", "b/d", EXCHANGE)); /* two directories, other parents */
    what_is("a/d/in");
    what_is("a/d/../l");
    what_is("b/d");
    T(change_places("a", "a/d", EXCHANGE));
    T(change_places("a/d/in", "a", EXCHANGE));
    T(change_places("a/d", "a/d", EXCHANGE));
    T(change_places("a/none", "a/d", EXCHANGE));
    T(change_places("a/d", "a/none", EXCHANGE));
    T(change_places("a/l/", "a/d", EXCHANGE));
    T(change_places("a/d", "a/l/", EXCHANGE));
    T(change_places("a/d", "a/l", EXCHANGE | 1));
    T(change_places("a/d", "a/l", 1));
    T(change_places("a/d", "a/l", 8));
    T(change_places("a/d/.", "a/l", EXCHANGE));
    chdir("..");
}

static void mode_after(const char *what, mode_t mode, int uid, int gid)
{
    struct stat st;
    chmod("f", mode);
    T(syscall(92, "f", uid, gid));
    stat("f", &st);
    say("%s: %o\n", what, (unsigned)st.st_mode);
}

static void odd_ones(void)
{
    int fds[2];
    char text[16];
    pipe(fds);
    T(syscall(NR_fadvise64, fds[0], 0, 0, 0));
    T(syscall(NR_fadvise64, fds[0], 0, -1, 99));
    T(syscall(NR_fadvise64, 99, 0, 0, 0));
    T(syscall(SYS_pwrite64, fds[0], page, 1, 0));
    T(syscall(SYS_pwrite64, fds[1], page, 1, 0));
    T(syscall(SYS_pread64, fds[1], page, 1, 0));
    symlink("target", "link");
    int fd = open("link", O_PATH | O_NOFOLLOW);
    T(syscall(SYS_readlinkat, fd, "", text, sizeof text));
    CHECK(memcmp(text, "target", 6) == 0);
    T(syscall(SYS_readlinkat, AT_FDCWD, "", text, sizeof text));
    T(syscall(SYS_readlinkat, fd, "x", text, sizeof text));
    fd = open("f", O_RDONLY);
    T(syscall(SYS_readlinkat, fd, "", text, sizeof text));
    T(syscall(SYS_readlinkat, AT_FDCWD, "f", text, sizeof text));
    mode_after("both, the group may execute", 06770, 1, 1);
    mode_after("set-group-id, the group may not", 02760, 1, 1);
    mode_after("set-user-id alone", 04700, -1, 1);
    mode_after("to nobody else", 06777, -1, -1);
}

int main(void)
{
    t_begin();
    T(0);
    file_limit();
    t_child("without a handler", dies_of_it);
    struct rlimit none = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_FSIZE, &none);
    exchange();
    odd_ones();
    return 0;
}
