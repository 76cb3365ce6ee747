// SPDX-License-Identifier: BSD-2-Clause
/*
 * stress_pipe [seed [rounds]]: chains of processes that pass a stream on in random portions, some
 * of them interrupted by signals; what comes out must be what went in.
 */
#include <signal.h>
#include <sys/time.h>
#include "stress.h"

#define BYTES  700000 /* more than the pipes of all stages hold */
#define STAGES 4

static void on_alarm(int sig)
{
    (void)sig;
}

static void produce(int out, unsigned seed)
{
    static unsigned char buf[8192];
    for (size_t at = 0, n; at < BYTES; at += n) {
        n = 1 + stress_random(sizeof buf);
        if (n > BYTES - at)
            n = BYTES - at;
        for (size_t i = 0; i < n; i++)
            buf[i] = t_byte(seed, at + i);
        size_t sent = 0;
        while (sent < n) {
            ssize_t w = write(out, buf + sent, n - sent);
            if (w < 0 && errno != EINTR)
                _exit(1);
            sent += w > 0 ? (size_t)w : 0;
        }
    }
}

static void pass_on(int in, int out)
{
    static unsigned char buf[8192];
    for (;;) {
        ssize_t n = read(in, buf, 1 + stress_random(sizeof buf));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(n < 0);
        for (ssize_t sent = 0; sent < n;) {
            ssize_t w = write(out, buf + sent, (size_t)(n - sent));
            if (w < 0 && errno != EINTR)
                _exit(2);
            sent += w > 0 ? w : 0;
        }
    }
}

/* Starts a process between two pipes; returns the descriptor to read its output from. */
static int stage(int number, int in, unsigned seed, int round)
{
    struct itimerval often = {{0, 1000}, {0, 1000}};
    int fds[2];
    MUST("pipe", round, 0, pipe(fds));
    pid_t pid = fork();
    MUST("fork", round, 0, pid < 0);
    if (pid == 0) {
        close(fds[0]);
        stress_state += (uint64_t)number;
        if (number % 2)
            setitimer(ITIMER_REAL, &often, NULL);
        if (number == 0)
            produce(fds[1], seed);
        else
            pass_on(in, fds[1]);
        _exit(0);
    }
    close(fds[1]);
    if (in >= 0)
        close(in);
    return fds[0];
}

static void run(int round)
{
    static unsigned char buf[5000];
    unsigned seed = stress_random(1000);
    int in = -1, status;
    size_t total = 0;
    for (int i = 0; i < STAGES; i++)
        in = stage(i, in, seed, round);
    for (ssize_t n; (n = read(in, buf, sizeof buf)) > 0; total += (size_t)n)
        for (ssize_t i = 0; i < n; i++)
            MUST("byte", (long)total + i, t_byte(seed, total + (size_t)i), buf[i]);
    MUST("bytes", round, BYTES, total);
    close(in);
    for (int i = 0; i < STAGES; i++) {
        MUST("wait", round, 1, wait(&status) > 0);
        MUST("stage", round, 0, status);
    }
}

/* A reader that goes away kills the chain before it by SIGPIPE. */
static void abandon(int round)
{
    char c;
    int in = -1, status;
    for (int i = 0; i < STAGES; i++)
        in = stage(i, in, 1, round);
    MUST("first byte", round, 1, read(in, &c, 1));
    close(in);
    for (int i = 0; i < STAGES; i++) {
        MUST("wait", round, 1, wait(&status) > 0);
        MUST("stage", round, SIGPIPE, status);
    }
}

int main(int argc, char **argv)
{
    struct sigaction sa = {.sa_handler = on_alarm};
    int rounds = stress_begin(argc, argv, 5);
    sigaction(SIGALRM, &sa, NULL);
    for (int r = 1; r <= rounds; r++) {
        run(r);
        abandon(r);
    }
    say("ok\n");
    return 0;
}
