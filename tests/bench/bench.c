// SPDX-License-Identifier: BSD-2-Clause
//
// Measures operations in ticks of the time-stamp counter and prints `name ticks` for each. Under
// QEMU's -icount one tick is one guest instruction. A plain Linux program: the same binary runs
// on Strata and on Linux. bench.h says what is measured; each operation is warmed up first.
#define _GNU_SOURCE
#include "bench.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int zero_fd, file_fd;
static int ping[2], pong[2];
static char buffer[4096];

static void null_call(void)
{
    getppid();
}

static void read_1(void)
{
    need(read(zero_fd, buffer, 1) == 1, "read /dev/zero");
}

static void read_4k(void)
{
    need(read(zero_fd, buffer, sizeof buffer) == sizeof buffer, "read /dev/zero");
}

static void do_stat(void)
{
    struct stat st;
    need(stat("/tmp/bench-file", &st) == 0, "stat");
}

static void open_close(void)
{
    int fd = open("/tmp/bench-file", O_RDONLY);
    need(fd >= 0, "open");
    close(fd);
}

static void on_signal(int number)
{
    (void)number;
}

static void catch_signal(void)
{
    kill(getpid(), SIGUSR1);
}

static void pipe_self(void)
{
    need(write(ping[1], buffer, 1) == 1 && read(ping[0], buffer, 1) == 1, "pipe");
}

static void ping_pong(void)
{
    need(write(ping[1], buffer, 1) == 1 && read(pong[0], buffer, 1) == 1, "ping-pong");
}

// Echoes bytes from ping to pong until ping's writers are gone.
static pid_t start_echo(void)
{
    pid_t child = fork();
    need(child >= 0, "fork");
    if (child > 0)
        return child;
    close(ping[1]);
    while (read(ping[0], buffer, 1) == 1)
        need(write(pong[1], buffer, 1) == 1, "echo");
    _exit(0);
}

static void pipe_4k(void)
{
    need(write(ping[1], buffer, sizeof buffer) == sizeof buffer, "write to a pipe");
}

static pid_t start_drain(void)
{
    pid_t child = fork();
    need(child >= 0, "fork");
    if (child > 0)
        return child;
    close(ping[1]);
    while (read(ping[0], buffer, sizeof buffer) > 0)
        ;
    _exit(0);
}

static void new_pipes(void)
{
    need(pipe(ping) == 0 && pipe(pong) == 0, "pipe");
}

static void close_pipes(pid_t child)
{
    close(ping[0]), close(ping[1]), close(pong[0]), close(pong[1]);
    if (child > 0)
        waitpid(child, NULL, 0);
}

static void fork_exit(void)
{
    pid_t child = fork();
    need(child >= 0, "fork");
    if (child == 0)
        _exit(0);
    need(waitpid(child, NULL, 0) == child, "wait");
}

static const char *self;

static void fork_exec(void)
{
    char *const argv[] = {"bench", "exit", NULL};
    char *const envp[] = {NULL};
    pid_t child = fork();
    int status;
    need(child >= 0, "fork");
    if (child == 0) {
        execve(self, argv, envp);
        _exit(127);
    }
    need(waitpid(child, &status, 0) == child && status == 0, "exec");
}

static void write_4k_new(void)
{
    need(write(file_fd, buffer, sizeof buffer) == sizeof buffer, "write");
}

static void write_4k_over(void)
{
    need(pwrite(file_fd, buffer, sizeof buffer, 0) == sizeof buffer, "pwrite");
}

static void read_4k_file(void)
{
    need(pread(file_fd, buffer, sizeof buffer, 0) == sizeof buffer, "pread");
}

static void measure_calls(void)
{
    zero_fd = open("/dev/zero", O_RDONLY);
    file_fd = open("/tmp/bench-file", O_RDWR | O_CREAT | O_TRUNC, 0644);
    need(zero_fd >= 0 && file_fd >= 0, "open");
    signal(SIGUSR1, on_signal);
    measure("null call", 1000, null_call);
    measure("read 1 B of /dev/zero", 1000, read_1);
    measure("read 4 KiB of /dev/zero", 1000, read_4k);
    measure("stat", 300, do_stat);
    measure("open and close", 300, open_close);
    measure("catch a signal", 300, catch_signal);
    measure("4 KiB write, new", 200, write_4k_new);
    measure("4 KiB write, again", 300, write_4k_over);
    measure("4 KiB read, cached", 300, read_4k_file);
}

static void measure_pipes(void)
{
    pid_t child;

    new_pipes();
    measure("pipe write and read", 500, pipe_self);
    child = start_echo();
    measure("pipe ping-pong", 200, ping_pong);
    close_pipes(child);
    new_pipes();
    child = start_drain();
    measure("pipe throughput, 4 KiB", 500, pipe_4k);
    close_pipes(child);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "exit") == 0)
        _exit(0);
    if (argc > 1 && strcmp(argv[1], "loans") == 0) {
        measure_loans();
        return 0;
    }
    if (argc > 2 && strcmp(argv[1], "together") == 0) {
        measure_together((unsigned)atoi(argv[2]));
        return 0;
    }
    report("start", ticks());
    self = argv[0];
    measure_calls();
    measure_pipes();
    measure("fork, exit, wait", 20, fork_exit);
    measure("fork, exec, exit, wait", 10, fork_exec);
    measure_memory(fork_exit);
    unlink("/tmp/bench-file");
    return 0;
}
