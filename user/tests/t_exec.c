// SPDX-License-Identifier: BSD-2-Clause
/*
 * execve: arguments, environment, auxiliary vector, what is inherited, errors.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "t.h"

static char self[PATH_MAX];

/* What the program sees that the tests below execute. */
static int inner(int argc, char **argv)
{
    sigset_t mask;
    struct sigaction sa;
    say("inner: %d arguments:", argc);
    for (int i = 0; i < argc; i++)
        say(" [%s]", argv[i]);
    say("\ninner: environment:");
    for (char **e = environ; *e; e++)
        say(" [%s]", *e);
    say("\n");
    CHECK(argv[argc] == NULL);
    T(fcntl(20, F_GETFD));
    T(fcntl(21, F_GETFD));
    sigprocmask(SIG_BLOCK, NULL, &mask);
    T(sigismember(&mask, SIGUSR1));
    T(sigismember(&mask, SIGUSR2));
    sigaction(SIGUSR2, NULL, &sa);
    CHECK(sa.sa_handler == SIG_DFL);
    sigaction(SIGTERM, NULL, &sa);
    T(sa.sa_handler == SIG_IGN);
    sigpending(&mask);
    T(sigismember(&mask, SIGUSR1));
    return 5;
}

static void vector(void)
{
    extern char _start[];
    unsigned char *random = (unsigned char *)getauxval(AT_RANDOM);
    T(getauxval(AT_PAGESZ));
    CHECK(getauxval(AT_ENTRY) == (unsigned long)_start);
    T(getauxval(AT_PHENT));
    CHECK(getauxval(AT_PHNUM) > 0);
    CHECK(*(unsigned *)getauxval(AT_PHDR) > 0);
    CHECK(random && !t_zero(random, 16));
    CHECK(getauxval(AT_EXECFN) && strstr((char *)getauxval(AT_EXECFN), "t_exec"));
    CHECK(getauxval(AT_UID) == getuid() && getauxval(AT_GID) == getgid());
    T(getauxval(AT_SECURE));
    CHECK(((unsigned long)__builtin_frame_address(0) & 15) == 0);
}

static void on_signal(int sig)
{
    (void)sig;
}

static void run_inner(void)
{
    char *const argv[] = {"inner", "", "two words", "x", NULL};
    char *const envp[] = {"A=1", "B=", NULL};
    sigset_t mask = 0;
    dup2(1, 20);
    dup3(1, 21, O_CLOEXEC);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    raise(SIGUSR1);
    signal(SIGUSR2, on_signal);
    signal(SIGTERM, SIG_IGN);
    execve(self, argv, envp);
    say("not reached: %s\n", t_errname());
}

static void no_arguments(void)
{
    char *const argv[] = {"inner", NULL};
    char *const envp[] = {NULL};
    execve("/proc/self/exe", argv, envp);
    say("not reached: %s\n", t_errname());
}

static void make(const char *path, const void *text, size_t n, mode_t mode)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
    write(fd, text, n);
    close(fd);
}

static void errors(void)
{
    char *const argv[] = {"x", NULL};
    static char big[200 * 1024];
    char *const long_argv[] = {"x", big, NULL};
    char header[64] = "\177ELF\2\1\1";
    memset(big, 'b', sizeof big - 1);
    make("text", "hello\n", 6, 0755);
    make("data", "hello\n", 6, 0644);
    make("empty", "", 0, 0755);
    make("header", header, sizeof header, 0755);
    make("short", header, 20, 0755);
    T(execve("none", argv, environ));
    T(execve("", argv, environ));
    T(execve("data/x", argv, environ));
    T(execve(".", argv, environ));
    T(execve("data", argv, environ));
    T(execve("text", argv, environ));
    T(execve("empty", argv, environ));
    T(execve("header", argv, environ));
    T(execve("short", argv, environ));
    T(execve("/dev/null", argv, environ));
    T(execve(self, long_argv, environ));
}

/* A child that no wait of ours was to find becomes an ordinary one when it executes a program. */
static void odd_child(void)
{
    char *const argv[] = {"count", "count", NULL};
    int until_exec[2], status = 0;
    char byte;

    T(pipe(until_exec));
    fcntl(until_exec[1], F_SETFD, FD_CLOEXEC);
    pid_t child = (pid_t)syscall(SYS_clone, 0L, 0L, 0L, 0L, 0L);
    if (child == 0) {
        execve(self, argv, environ);
        _exit(1);
    }
    close(until_exec[1]);
    read(until_exec[0], &byte, 1);
    CHECK(waitpid(child, &status, 0) == child);
    t_status("child", status);
    close(until_exec[0]);
}

static void copy_self(const char *to)
{
    static char text[4096];
    int in = open(self, O_RDONLY), out = open(to, O_CREAT | O_WRONLY, 0755);
    ssize_t n;
    while ((n = read(in, text, sizeof text)) > 0)
        write(out, text, n);
    close(in);
    close(out);
}

static void try_to_write(const char *path)
{
    int fd;
    T(open(path, O_WRONLY));
    T(open(path, O_RDWR));
    T(open(path, O_RDONLY | O_TRUNC));
    T(truncate(path, 1000));
    T(fd = open(path, O_RDONLY));
    T(ftruncate(fd, 1000));
    close(fd);
}

/* A program is not written while it runs, in any process, nor run while it is written. */
static void busy(void)
{
    char *const inner_argv[] = {"inner", NULL}, *const copy_argv[] = {"copy", "wait", NULL};
    int ready[2], hold[2], fd;
    char byte;

    copy_self("copy");
    T(fd = open("copy", O_WRONLY));
    T(execve("copy", inner_argv, environ));
    close(fd);
    T(pipe(ready));
    T(pipe(hold));
    pid_t child = fork();
    if (child == 0) {
        dup2(ready[1], 30);
        dup2(hold[0], 31);
        close(hold[1]);
        execve("copy", copy_argv, environ);
        _exit(1);
    }
    read(ready[0], &byte, 1);
    try_to_write("copy");
    T(unlink("copy"));
    close(hold[1]);
    waitpid(child, NULL, 0);
    try_to_write(self);
    copy_self("copy");
    T(fd = open("copy", O_WRONLY));
    close(fd);
}

/* Says that it runs, in a child of its own alone, until nobody holds the pipe any more. */
static int wait_held(void)
{
    char byte = 0;
    if (fork() > 0)
        return 0;
    write(30, &byte, 1);
    read(31, &byte, 1);
    return 0;
}

/* Memory, stack and mappings of the old program are gone; a large argument list arrives whole. */
static void large(void)
{
    enum { N = 1000 };
    static char text[N][64];
    static char *argv[N + 3];
    mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    argv[0] = "count";
    argv[1] = "count";
    for (int i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i], "argument number %d of a long list of them", i);
        argv[i + 2] = text[i];
    }
    execve(self, argv, environ);
    say("not reached: %s\n", t_errname());
}

static int count(int argc, char **argv)
{
    size_t n = 0;
    for (int i = 0; i < argc; i++)
        n += strlen(argv[i]);
    say("count: %d arguments of %zu bytes, the last [%s]\n", argc, n, argv[argc - 1]);
    return 0;
}

/* A child with that stack limit passes n strings of len bytes, terminators not counted. */
static void limited(const char *what, rlim_t stack, size_t n, size_t len)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {stack, RLIM_INFINITY};
        char *string = malloc(len + 1), **args = calloc(n + 3, sizeof *args);
        memset(string, 'x', len);
        string[len] = '\0';
        args[0] = "t_exec";
        args[1] = "few";
        for (size_t i = 0; i < n; i++)
            args[2 + i] = string;
        setrlimit(RLIMIT_STACK, &limit);
        execve(self, args, (char *[]){NULL});
        say("%s: %s\n", what, t_errname());
        _exit(1);
    }
    waitpid(pid, &status, 0);
    t_status(what, status);
}

/* A quarter of the stack's limit, but 128 KiB at least; 128 KiB each; never more than the stack. */
static void limits(void)
{
    limited("one string of the longest", 8 << 20, 1, 131071);
    limited("one string too long", 8 << 20, 1, 131072);
    limited("many strings that fit", 8 << 20, 20, 100000);
    limited("many strings that do not", 8 << 20, 21, 100000);
    limited("a small stack, a string that fits", 64 << 10, 1, 30000);
    limited("a small stack, a string that does not", 64 << 10, 1, 120000);
    limited("a middling stack, strings that fit", 256 << 10, 3, 40000);
    limited("a middling stack, strings that do not", 256 << 10, 4, 40000);
    limited("many short strings that fit", 8 << 20, 100000, 1);
    limited("many short strings that do not", 8 << 20, 250000, 1);
}

int main(int argc, char **argv)
{
    if (strcmp(argv[0], "inner") == 0)
        return inner(argc, argv);
    if (argc > 1 && strcmp(argv[1], "count") == 0)
        return count(argc, argv);
    if (argc > 1 && strcmp(argv[1], "wait") == 0)
        return wait_held();
    if (argc > 1 && strcmp(argv[1], "few") == 0)
        return argc % 100;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    CHECK(n > 0);
    t_begin();
    vector();
    t_child("run", run_inner);
    t_child("through /proc/self/exe", no_arguments);
    errors();
    t_child("large", large);
    limits();
    odd_child();
    busy();
    return 0;
}
