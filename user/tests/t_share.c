// SPDX-License-Identifier: BSD-2-Clause
/*
 * Descriptors that processes share, while one of them sleeps in a call on them for as long as
 * another one likes: the others get on, and who waits, too, can be killed.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "t.h"

static int fds[2]; /* a pipe: `fill' says whether it is full or empty */
static int file;   /* more than fits into a pipe */
static char page[PAGE];

static void do_read(void)
{
    read(fds[0], page, PAGE);
}

static void do_readv(void)
{
    struct iovec v[2] = {{page, 8}, {page + 8, 8}};
    readv(fds[0], v, 2);
}

static void do_write(void)
{
    write(fds[1], page, PAGE);
}

static void do_writev(void)
{
    struct iovec v[2] = {{page, PAGE / 2}, {page, PAGE / 2}};
    writev(fds[1], v, 2);
}

static void do_sendfile(void)
{
    long pos = 0;
    syscall(SYS_sendfile, fds[1], file, &pos, 1 << 20);
}

static void do_sendfile_shared(void)
{
    syscall(SYS_sendfile, fds[1], file, NULL, 1 << 20);
}

/* Waits until a process sleeps: /proc says so. */
static void wait_asleep(pid_t pid)
{
    char path[32], text[64] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    const char *state;
    do {
        int fd = open(path, O_RDONLY);
        long n = read(fd, text, sizeof text - 1);
        text[n > 0 ? n : 0] = '\0';
        close(fd);
        state = strchr(text, ')');
    } while (!state || strncmp(state, ") S", 3) != 0);
}

static pid_t sleeper(void (*call)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        call();
        _exit(0);
    }
    wait_asleep(pid);
    return pid;
}

static void kill_one(const char *what, pid_t pid)
{
    int status = -1;
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    t_status(what, status);
}

/* What works on the same descriptors while somebody sleeps in a call on them. */
static void others_get_on(void)
{
    struct stat st;
    T(lseek(file, 100, SEEK_SET));
    T(read(file, page, 10));
    T(lseek(file, 0, SEEK_SET));
    T(lseek(fds[0], 0, SEEK_SET));
    T(lseek(fds[1], 0, SEEK_SET));
    T(fstat(fds[0], &st));
    T(fcntl(fds[1], F_GETFL));
    T(syscall(SYS_getdents64, fds[1], page, PAGE));
    T(syscall(SYS_sendfile, file, fds[0], NULL, 10));
    T(syscall(SYS_pread64, fds[0], page, 1, 0));
}

#define CASE(fill, first, second) run_case(#first " behind it " #second, fill, first, second)

/* The second one waits for what the first one waits for, and dies while the first one lives. */
static void run_case(const char *what, bool fill, void (*first)(void), void (*second)(void))
{
    say("-- %s\n", what);
    pipe(fds);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    while (fill && write(fds[1], page, PAGE) > 0)
        ;
    fcntl(fds[1], F_SETFL, 0);
    pid_t a = sleeper(first), b = sleeper(second);
    others_get_on();
    kill_one("second", b);
    kill_one("first", a);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    t_begin();
    file = open("file", O_CREAT | O_RDWR, 0666);
    for (int i = 0; i < 64; i++)
        write(file, page, PAGE);
    lseek(file, 0, SEEK_SET);
    CASE(false, do_read, do_read);
    CASE(false, do_read, do_readv);
    CASE(true, do_write, do_write);
    CASE(true, do_write, do_writev);
    CASE(true, do_write, do_sendfile);
    CASE(true, do_sendfile, do_write);
    CASE(true, do_sendfile, do_sendfile);
    CASE(true, do_sendfile_shared, do_sendfile_shared);
    return 0;
}
