// SPDX-License-Identifier: BSD-2-Clause
//
// Processes and signals. There is no job control: all processes are one group, ^C reaches whoever
// is in the foreground, and ^Z nobody.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "shell.h"

static volatile sig_atomic_t interrupt;

static void on_interrupt(int sig)
{
    interrupt = sig;
}

// Calls are not restarted, so that the read at the prompt notices.
static void set_handler(int sig, void (*handler)(int))
{
    struct sigaction sa = {0};
    sa.sa_handler = handler;
    sigaction(sig, &sa, NULL);
}

void jobs_init(void)
{
    set_handler(SIGINT, on_interrupt);
    set_handler(SIGQUIT, SIG_IGN);
    set_handler(SIGTERM, SIG_IGN);
    set_handler(SIGTSTP, SIG_IGN);
}

void interrupted(void)
{
    if (!interrupt)
        return;
    interrupt = 0;
    sh.status = 128 + SIGINT;
    fputc('\n', stderr);
    siglongjmp(*sh.on_error, 1);
}

void make_pipe(int fds[2])
{
    if (pipe(fds) != 0)
        shell_error("cannot make a pipe: %s", strerror(errno));
}

pid_t fork_child(bool background)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        shell_error("cannot fork: %s", strerror(errno));
    if (pid != 0)
        return pid;
    if (background || sh.interactive) {
        set_handler(SIGINT, background ? SIG_IGN : SIG_DFL);
        set_handler(SIGQUIT, background ? SIG_IGN : SIG_DFL);
        set_handler(SIGTERM, SIG_DFL);
    }
    if (background) {
        close(0);
        open("/dev/null", O_RDONLY);
    }
    sh.interactive = false;
    return 0;
}

int wait_for(pid_t pid, bool report)
{
    int status;
    pid_t got;
    while ((got = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
        ;
    interrupt = 0;
    if (got < 0)
        return 127;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    int sig = WTERMSIG(status);
    if (report && sig == SIGINT && sh.interactive)
        fputc('\n', stderr);
    else if (report && sig != SIGINT && sig != SIGPIPE)
        fprintf(stderr, "%s%s\n", strsignal(sig), WCOREDUMP(status) ? " (core dumped)" : "");
    return 128 + sig;
}
