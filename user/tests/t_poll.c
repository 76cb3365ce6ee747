// SPDX-License-Identifier: BSD-2-Clause
/*
 * poll and select on pipes and files.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/time.h>
#include "t.h"

static int fds[2];

static void show_poll(int fd, short events, int timeout)
{
    struct pollfd p = {.fd = fd, .events = events};
    errno = 0;
    int r = poll(&p, 1, timeout);
    say("poll fd %d for %x = %d%s%s, revents %x\n", fd, events, r, r < 0 ? " " : "",
        r < 0 ? t_errname() : "", p.revents);
}

static void polling(void)
{
    int file = T(open("file", O_CREAT | O_RDWR, 0666));
    T(pipe(fds));
    show_poll(fds[0], POLLIN, 0);
    show_poll(fds[1], POLLOUT, 0);
    show_poll(fds[1], POLLIN | POLLOUT, -1);
    show_poll(file, POLLIN | POLLOUT, -1);
    show_poll(99, POLLIN, -1);
    show_poll(-1, POLLIN, 0);
    show_poll(fds[0], POLLIN, 10);
    write(fds[1], "x", 1);
    show_poll(fds[0], POLLIN, -1);
    show_poll(fds[0], POLLOUT, 0);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    static char page[4096];
    while (write(fds[1], page, sizeof page) > 0)
        ;
    show_poll(fds[1], POLLOUT, 0);
    close(fds[1]);
    show_poll(fds[0], POLLIN, -1);
    while (read(fds[0], page, sizeof page) > 0)
        ;
    show_poll(fds[0], POLLIN, -1);
    close(fds[0]);
    T(pipe(fds));
    close(fds[0]);
    show_poll(fds[1], POLLOUT, -1);
    close(fds[1]);
    T(poll(NULL, 0, 5));
    close(file);
}

static void selecting(void)
{
    fd_set r, w;
    struct timeval tv = {0, 10000};
    T(pipe(fds));
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_SET(fds[0], &r);
    FD_SET(fds[1], &w);
    T(select(fds[1] + 1, &r, &w, NULL, NULL));
    CHECK(!FD_ISSET(fds[0], &r) && FD_ISSET(fds[1], &w));
    FD_SET(fds[0], &r);
    T(select(fds[1] + 1, &r, NULL, NULL, &tv));
    CHECK(!FD_ISSET(fds[0], &r));
    write(fds[1], "x", 1);
    FD_SET(fds[0], &r);
    T(select(fds[1] + 1, &r, NULL, NULL, NULL));
    CHECK(FD_ISSET(fds[0], &r));
    FD_SET(60, &r);
    T(select(61, &r, NULL, NULL, NULL));
    T(select(-1, &r, NULL, NULL, NULL));
    tv = (struct timeval){-1, 0};
    T(select(0, NULL, NULL, NULL, &tv));
    tv = (struct timeval){0, 1000};
    T(select(0, NULL, NULL, NULL, &tv));
    close(fds[0]);
    close(fds[1]);
}

/* A process that sleeps in poll is woken by another's write, and by a signal. */
static void waking(void)
{
    T(pipe(fds));
    if (fork() == 0) {
        usleep(20000);
        write(fds[1], "x", 1);
        _exit(0);
    }
    show_poll(fds[0], POLLIN, -1);
    char c;
    T(read(fds[0], &c, 1));
    wait(NULL);
    struct itimerval often = {{0, 20000}, {0, 20000}}, off = {0};
    T(setitimer(ITIMER_REAL, &often, NULL));
    show_poll(fds[0], POLLIN, -1);
    T(setitimer(ITIMER_REAL, &off, NULL));
    close(fds[0]);
    close(fds[1]);
}

static void on_alarm(int sig)
{
    (void)sig;
}

int main(void)
{
    t_begin();
    signal(SIGALRM, on_alarm);
    polling();
    selecting();
    waking();
    return 0;
}
