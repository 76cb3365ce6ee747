// SPDX-License-Identifier: BSD-2-Clause
/*
 * Stopping and continuing processes.
 */
#include <poll.h>
#include <signal.h>
#include "t.h"

static int to[2], from[2];

/* A child that answers; in a group of its own, which is not an orphaned one. */
static pid_t start(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        while (read(to[0], &c, 1) == 1)
            write(from[1], &c, 1);
        _exit(4);
    }
    setpgid(pid, pid);
    return pid;
}

int main(void)
{
    int status;
    t_begin();
    char c;
    T(pipe(to));
    T(pipe(from));
    pid_t pid = start();
    T(kill(pid, SIGSTOP));
    CHECK(waitpid(pid, &status, WUNTRACED) == pid);
    t_status("child", status);
    T(waitpid(pid, &status, WUNTRACED | WNOHANG));
    T(write(to[1], "x", 1));
    struct pollfd p = {.fd = from[0], .events = POLLIN};
    T(poll(&p, 1, 20));
    T(kill(pid, SIGCONT));
    CHECK(waitpid(pid, &status, WCONTINUED) == pid);
    CHECK(WIFCONTINUED(status));
    T(read(from[0], &c, 1));
    T(kill(pid, SIGTSTP));
    CHECK(waitpid(pid, &status, WUNTRACED) == pid);
    t_status("child", status);
    T(kill(pid, SIGTERM)); /* waits until it is continued */
    usleep(20000);
    T(waitpid(pid, &status, WNOHANG));
    T(kill(pid, SIGCONT));
    CHECK(waitpid(pid, &status, 0) == pid);
    t_status("child", status);
    pid = start();
    T(kill(pid, SIGSTOP));
    CHECK(waitpid(pid, &status, WUNTRACED) == pid);
    T(kill(pid, SIGKILL)); /* does not wait */
    CHECK(waitpid(pid, &status, 0) == pid);
    t_status("child", status);
    return 0;
}
