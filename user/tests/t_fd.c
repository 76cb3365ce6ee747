// SPDX-License-Identifier: BSD-2-Clause
/*
 * Descriptors: dup, dup2, dup3, fcntl, close-on-exec, the limit on their number.
 */
#include <fcntl.h>
#include <sys/resource.h>
#include "t.h"

static void dups(int fd)
{
    T(dup(fd));
    T(dup2(fd, 10));
    T(dup2(fd, fd));
    T(dup2(10, 4));
    T(dup3(fd, 11, O_CLOEXEC));
    T(fcntl(11, F_GETFD));
    T(dup3(fd, fd, 0));
    T(dup3(fd, 12, 0x40));
    T(dup(99));
    T(dup(-1));
    T(dup2(99, 5));
    T(dup2(99, 99));
    T(dup2(fd, -1));
    T(dup2(fd, 1 << 30));
    T(write(fd, "abcdef", 6));
    T(lseek(10, 0, SEEK_CUR));
    T(lseek(10, 2, SEEK_SET));
    T(lseek(fd, 0, SEEK_CUR));
    T(close(4));
    T(close(10));
    T(close(11));
    T(lseek(fd, 0, SEEK_CUR));
}

static void controls(int fd)
{
    T(fcntl(fd, F_GETFD));
    T(fcntl(fd, F_SETFD, FD_CLOEXEC));
    T(fcntl(fd, F_GETFD));
    T(fcntl(dup(fd), F_GETFD));
    T(close(4));
    T(fcntl(fd, F_SETFD, 0));
    T(fcntl(fd, F_DUPFD, 20));
    T(fcntl(fd, F_DUPFD_CLOEXEC, 20));
    T(fcntl(21, F_GETFD));
    T(close(20));
    T(close(21));
    T(fcntl(fd, F_DUPFD, -1));
    T(fcntl(fd, F_DUPFD, 1 << 30));
    T(fcntl(99, F_GETFD));
    T(fcntl(fd, 9999, 0));
    T(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
    T(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
    T(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
    T(lseek(fd, 0, SEEK_SET));
    T(write(fd, "end", 3));
    T(lseek(fd, 0, SEEK_CUR));
    T(fcntl(fd, F_SETFL, 0));
    int cloexec = T(open("file", O_RDONLY | O_CLOEXEC));
    T(fcntl(cloexec, F_GETFD));
    T(close(cloexec));
}

static void shared_position(int fd)
{
    T(lseek(fd, 1, SEEK_SET));
    if (fork() == 0) {
        lseek(fd, 3, SEEK_CUR);
        close(fd);
        _exit(0);
    }
    wait(NULL);
    T(lseek(fd, 0, SEEK_CUR));
}

static void limit(void)
{
    struct rlimit old, few;
    int n = 0;
    T(getrlimit(RLIMIT_NOFILE, &old));
    few = old;
    few.rlim_cur = 16;
    T(setrlimit(RLIMIT_NOFILE, &few));
    while (open("/dev/null", O_RDONLY) >= 0)
        n++;
    say("%d more could be opened: %s\n", n, t_errname());
    int fds[2];
    T(pipe(fds));
    T(dup(0));
    T(dup2(0, 16));
    T(fcntl(0, F_DUPFD, 16));
    T(close(15));
    T(pipe(fds));
    for (int fd = 4; fd < 16; fd++)
        close(fd);
    T(setrlimit(RLIMIT_NOFILE, &old));
    T(close(dup2(0, 16)));
}

int main(void)
{
    t_begin();
    int fd = T(open("file", O_CREAT | O_RDWR, 0666));
    dups(fd);
    controls(fd);
    shared_position(fd);
    limit();
    T(isatty(fd));
    return 0;
}
