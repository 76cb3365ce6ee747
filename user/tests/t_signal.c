// SPDX-License-Identifier: BSD-2-Clause
/*
 * Signals: handlers, masks, pending ones, flags, restarted and interrupted calls.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include "t.h"

static volatile int count, last, depth, max_depth;

static void on_signal(int sig)
{
    count++;
    last = sig;
}

static void handle(int sig, void (*handler)(int), int flags)
{
    struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};
    sigaction(sig, &sa, NULL);
}

static void actions(void)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
    T(sigaction(SIGUSR1, &sa, &old));
    CHECK(old.sa_handler == SIG_DFL);
    T(sigaction(SIGUSR1, NULL, &old));
    CHECK(old.sa_handler == on_signal && old.sa_flags == SA_RESTART);
    T(sigaction(SIGKILL, &sa, NULL));
    T(sigaction(SIGSTOP, &sa, NULL));
    T(sigaction(0, &sa, NULL));
    T(sigaction(65, &sa, NULL));
    T(sigaction(SIGKILL, NULL, &old));
    T(syscall(SYS_rt_sigaction, SIGUSR1, 0L, 0L, 4L));
    T(raise(SIGUSR1));
    T(count);
    T(kill(getpid(), SIGUSR1));
    T(count);
    T(kill(getpid(), 0));
    T(kill(getpid(), 65));
    T(kill(getpid(), -1));
    T(kill(1 << 22, SIGUSR1));
    T(tgkill(getpid(), gettid(), SIGUSR1));
    T(tgkill(getpid(), 1 << 22, SIGUSR1));
    T(tgkill(-1, gettid(), SIGUSR1));
    T(count);
    signal(SIGUSR1, SIG_IGN);
    T(raise(SIGUSR1));
    T(count);
}

static void masks(void)
{
    sigset_t set = 0, old, pending;
    handle(SIGUSR1, on_signal, 0);
    handle(SIGUSR2, on_signal, 0);
    count = 0;
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGKILL);
    T(sigprocmask(SIG_BLOCK, &set, NULL));
    T(sigprocmask(SIG_BLOCK, NULL, &old));
    CHECK(sigismember(&old, SIGUSR1) && !sigismember(&old, SIGKILL));
    raise(SIGUSR1);
    raise(SIGUSR1);
    raise(SIGUSR2);
    T(count);
    T(sigpending(&pending));
    CHECK(sigismember(&pending, SIGUSR1) && sigismember(&pending, SIGUSR2));
    if (fork() == 0) {
        sigpending(&pending);
        _exit(pending == 0 ? 0 : 1);
    }
    int status;
    wait(&status);
    t_status("nothing is pending in a child", status);
    sigdelset(&set, SIGUSR2);
    T(sigprocmask(SIG_UNBLOCK, &set, NULL));
    T(count);
    T(last == SIGUSR1);
    T(sigprocmask(SIG_SETMASK, &(sigset_t){0}, NULL));
    T(count);
    T(sigprocmask(77, &set, NULL));
    T(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, 0L, 4L));
    T(sigprocmask(77, NULL, NULL));
}

static void nested(int sig)
{
    depth++;
    if (depth > max_depth)
        max_depth = depth;
    if (++count < 3)
        raise(sig);
    depth--;
}

static void flags(void)
{
    struct sigaction sa;
    handle(SIGUSR1, nested, 0);
    count = 0;
    raise(SIGUSR1);
    T(count);
    T(max_depth);
    handle(SIGUSR1, nested, SA_NODEFER);
    count = 0;
    raise(SIGUSR1);
    T(count);
    T(max_depth);
    handle(SIGUSR1, on_signal, SA_RESETHAND);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &sa);
    CHECK(sa.sa_handler == SIG_DFL);
}

static volatile sigset_t mask_in_handler;

static void show_mask(int sig)
{
    sigset_t now;
    (void)sig;
    sigprocmask(SIG_BLOCK, NULL, &now);
    mask_in_handler = now;
}

static void handler_mask(void)
{
    struct sigaction sa = {.sa_handler = show_mask};
    sigset_t after;
    sigaddset(&sa.sa_mask, SIGUSR2);
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);
    sigset_t in = mask_in_handler;
    CHECK(sigismember(&in, SIGUSR1) && sigismember(&in, SIGUSR2) && !sigismember(&in, SIGTERM));
    sigprocmask(SIG_BLOCK, NULL, &after);
    CHECK(after == 0);
}

/* An alarm that comes too early, before the call that it shall interrupt, comes again. */
static const struct itimerval often = {{0, 20000}, {0, 20000}}, off;

static int go[2];

static void let_go(int sig)
{
    on_signal(sig);
    write(go[1], "g", 1);
}

/* A read that an alarm interrupts. The data comes only after that: once the read has failed; or,
 * where it starts over, once there was an alarm. */
static void interrupted(int sa_flags)
{
    int fds[2];
    char c;
    pipe(fds);
    pipe(go);
    handle(SIGALRM, sa_flags & SA_RESTART ? let_go : on_signal, sa_flags);
    count = 0;
    pid_t pid = fork();
    if (pid == 0) {
        read(go[0], &c, 1);
        write(fds[1], "x", 1);
        _exit(0);
    }
    T(setitimer(ITIMER_REAL, &often, NULL));
    T(read(fds[0], &c, 1));
    T(setitimer(ITIMER_REAL, &off, NULL));
    CHECK(count > 0);
    write(go[1], "g", 1);
    waitpid(pid, NULL, 0);
    close(fds[0]);
    close(fds[1]);
    close(go[0]);
    close(go[1]);
}

static void interrupted_calls(void)
{
    struct timespec long_time = {10, 0}, left = {0, 0};
    handle(SIGALRM, on_signal, SA_RESTART);
    T(setitimer(ITIMER_REAL, &often, NULL));
    T(nanosleep(&long_time, &left));
    CHECK(left.tv_sec > 0 && left.tv_sec < 10);
    T(pause());
    T(sigsuspend(&(sigset_t){0}));
    pid_t pid = fork();
    if (pid == 0) {
        usleep(60000);
        _exit(3);
    }
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    t_status("restarted wait", status);
    T(setitimer(ITIMER_REAL, &off, NULL));
}

static void suspend(void)
{
    sigset_t block = 0, none = 0, now;
    handle(SIGUSR1, on_signal, 0);
    count = 0;
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, NULL);
    raise(SIGUSR1);
    T(count);
    T(sigsuspend(&none));
    T(count);
    sigprocmask(SIG_BLOCK, NULL, &now);
    CHECK(now == block);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void timers(void)
{
    struct itimerval every = {{0, 5000}, {0, 5000}}, now;
    handle(SIGALRM, on_signal, SA_RESTART);
    count = 0;
    T(setitimer(ITIMER_REAL, &every, NULL));
    while (count < 3)
        pause();
    T(getitimer(ITIMER_REAL, &now));
    CHECK(now.it_interval.tv_usec == 5000 && now.it_value.tv_usec <= 5000);
    T(setitimer(ITIMER_REAL, &off, &now));
    T(getitimer(ITIMER_REAL, &now));
    CHECK(now.it_value.tv_usec == 0 && now.it_value.tv_sec == 0);
    T(setitimer(99, &every, NULL));
    every.it_value.tv_usec = 1000000;
    T(setitimer(ITIMER_REAL, &every, NULL));
    every.it_value = (struct timeval){1000, 0};
    setitimer(ITIMER_REAL, &every, NULL);
    unsigned left = alarm(500);
    CHECK(left > 500 && left <= 1000);
    left = alarm(0);
    CHECK(left > 0 && left <= 500);
    T(alarm(0));
}

int main(void)
{
    t_begin();
    actions();
    masks();
    flags();
    handler_mask();
    interrupted(SA_RESTART);
    interrupted(0);
    interrupted_calls();
    suspend();
    timers();
    return 0;
}
