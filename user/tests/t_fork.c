// SPDX-License-Identifier: BSD-2-Clause
/*
 * fork, vfork, wait, exit statuses, process groups, orphans.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "t.h"

static int counter = 1;

static void memory(void)
{
    int local = 10, status;
    char *heap = malloc(100000);
    int *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(heap, 'p', 100000);
    if (fork() == 0) {
        bool same = counter == 1 && local == 10 && heap[99999] == 'p';
        counter = local = 2;
        memset(heap, 'c', 100000);
        *shared = 5;
        _exit(same ? 3 : 4);
    }
    T(wait(&status) > 0);
    t_status("child", status);
    CHECK(counter == 1 && local == 10 && heap[0] == 'p' && heap[99999] == 'p');
    T(*shared);
    free(heap);
    T(munmap(shared, PAGE));
}

#define BESIDE 8

static bool holds(const char *p, char letter)
{
    for (size_t i = 0; i < BESIDE * PAGE; i += PAGE)
        if (p[i] != letter + (char)(i / PAGE))
            return false;
    return true;
}

/* What parent or child throws away or moves of the memory of before the fork, the other keeps. */
static void beside_child(void)
{
    int status, go[2];
    char byte,
        *p = mmap(NULL, BESIDE * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < BESIDE * PAGE; i += PAGE)
        p[i] = 'a' + (char)(i / PAGE);
    T(pipe(go));
    if (fork() == 0) {
        madvise(p + 6 * PAGE, 2 * PAGE, MADV_DONTNEED);
        bool mine = p[6 * PAGE] == 0 && p[7 * PAGE] == 0;
        p[6 * PAGE] = 'g';
        p[7 * PAGE] = 'h';
        mine = mine && read(go[0], &byte, 1) == 1 && holds(p, 'a');
        _exit(mine ? 3 : 4);
    }
    for (size_t i = 0; i < 2 * PAGE; i += PAGE)
        p[i]++;
    T(madvise(p + 2 * PAGE, 2 * PAGE, MADV_DONTNEED));
    CHECK(p[2 * PAGE] == 0 && p[6 * PAGE] == 'g');
    char *moved = mremap(p, BESIDE * PAGE, 2 * BESIDE * PAGE, MREMAP_MAYMOVE);
    CHECK(moved != MAP_FAILED);
    CHECK(moved[0] == 'b' && moved[3 * PAGE] == 0 && moved[7 * PAGE] == 'h');
    T(write(go[1], "!", 1));
    T(wait(&status) > 0);
    t_status("child", status);
    T(munmap(moved, 2 * BESIDE * PAGE));
    close(go[0]);
    close(go[1]);
}

static void exit_0(void)
{
}

static void exit_259(void)
{
    exit(259);
}

static void exit_minus_1(void)
{
    exit(-1);
}

static void die_by_kill(void)
{
    raise(SIGKILL);
}

static void die_by_term(void)
{
    raise(SIGTERM);
}

static void divide(void)
{
    __asm__ volatile("xor %%edx, %%edx; mov $1, %%eax; xor %%ecx, %%ecx; div %%ecx"
                     :
                     :
                     : "eax", "ecx", "edx");
}

static void illegal(void)
{
    __asm__ volatile("ud2");
}

static void privileged(void)
{
    __asm__ volatile("cli");
}

static void breakpoint(void)
{
    __asm__ volatile("int3");
}

static void null_pointer(void)
{
    volatile int *volatile p = (volatile int *)8;
    *p = 1;
}

static void kernel_pointer(void)
{
    volatile int *volatile p = (volatile int *)0xffffffff80000000;
    *p = 1;
}

static void jump_nowhere(void)
{
    ((void (*)(void))(unsigned long)0x123456)();
}

static void deep_recursion(void)
{
    t_recurse(T_FOREVER);
}

static void statuses(void)
{
    t_child("exit 0", exit_0);
    t_child("exit 259", exit_259);
    t_child("exit -1", exit_minus_1);
    t_child("SIGKILL", die_by_kill);
    t_child("SIGTERM", die_by_term);
    t_child("division by zero", divide);
    t_child("illegal instruction", illegal);
    t_child("privileged instruction", privileged);
    t_child("breakpoint", breakpoint);
    t_child("null pointer", null_pointer);
    t_child("kernel pointer", kernel_pointer);
    t_child("jump nowhere", jump_nowhere);
    t_child("endless recursion", deep_recursion);
}

static void waiting(void)
{
    int status, fds[2];
    T(wait(&status));
    T(waitpid(1 << 22, &status, 0));
    T(waitpid(-1, &status, WNOHANG));
    T(waitpid(-1, &status, 0x40));
    T(pipe(fds));
    pid_t a = fork();
    if (a == 0) {
        char c;
        close(fds[1]);
        read(fds[0], &c, 1);
        _exit(1);
    }
    T(waitpid(a, &status, WNOHANG));
    T(waitpid(-1, &status, WNOHANG));
    pid_t b = fork();
    if (b == 0)
        _exit(2);
    CHECK(waitpid(-1, &status, 0) == b);
    t_status("second", status);
    T(close(fds[1]));
    CHECK(waitpid(a, &status, 0) == a);
    t_status("first", status);
    T(waitpid(a, &status, 0));
    T(close(fds[0]));
    T(kill(a, 0));
    T(waitpid(a, NULL, 0));
}

static void groups(void)
{
    int status, fds[2];
    char c;
    CHECK(getpgid(0) == getpgrp());
    CHECK(getsid(0) == getsid(getpid()));
    T(pipe(fds));
    pid_t a = fork();
    if (a == 0) {
        setpgid(0, 0);
        write(fds[1], "x", 1);
        pause();
    }
    T(read(fds[0], &c, 1));
    CHECK(getpgid(a) == a);
    pid_t b = fork();
    if (b == 0) {
        pause();
        _exit(0);
    }
    T(setpgid(b, a));
    CHECK(getpgid(b) == a);
    T(waitpid(-a, &status, WNOHANG));
    T(kill(-a, SIGUSR1));
    CHECK(waitpid(-a, &status, 0) > 0);
    t_status("member", status);
    CHECK(waitpid(-a, &status, 0) > 0);
    t_status("member", status);
    T(waitpid(-a, &status, 0));
    T(kill(-a, SIGUSR1));
    T(getpgid(a));
    T(setpgid(0, -5));
    pid_t s = fork();
    if (s == 0) {
        bool ok = setsid() == getpid() && getsid(0) == getpid() && getpgrp() == getpid();
        _exit(ok && setsid() == -1 && errno == EPERM ? 0 : 1);
    }
    CHECK(waitpid(s, &status, 0) == s);
    t_status("new session", status);
    close(fds[0]);
    close(fds[1]);
}

/* An orphan gets another parent, and its end is nobody's worry here. */
static void orphans(void)
{
    int fds[2], status;
    char same;
    T(pipe(fds));
    if (fork() == 0) {
        pid_t middle = getpid();
        if (fork() == 0) {
            while (getppid() == middle)
                usleep(1000);
            same = getppid() == middle ? 'y' : 'n';
            write(fds[1], &same, 1);
            _exit(0);
        }
        _exit(0);
    }
    wait(&status);
    T(read(fds[0], &same, 1));
    CHECK(same == 'n');
    T(wait(&status));
    close(fds[0]);
    close(fds[1]);
}

static volatile int from_child;

static void vforking(void)
{
    int status;
    pid_t pid = vfork();
    if (pid == 0) {
        from_child = 42;
        _exit(7);
    }
    T(from_child);
    CHECK(waitpid(pid, &status, 0) == pid);
    t_status("vfork child", status);
    pid = vfork();
    if (pid == 0) {
        char *const argv[] = {"nothing", NULL};
        execve("/none", argv, environ);
        from_child = errno;
        _exit(8);
    }
    CHECK(from_child == ENOENT);
    CHECK(waitpid(pid, &status, 0) == pid);
    t_status("vfork child", status);
}

static void many(void)
{
    int n = 0, sum = 0, status;
    for (int i = 0; i < 100; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(i);
        n += pid > 0;
    }
    T(n);
    while (wait(&status) > 0)
        sum += WEXITSTATUS(status);
    T(sum);
}

/* Children that end with another signal than SIGCHLD, or with what is no signal. */
static void odd_signals(void)
{
    enum { WALL = 0x40000000 };
    static const long signals[] = {0, SIGWINCH, 65, 100, 127, 255};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        int status = 0;
        say("signal %ld\n", signals[i]);
        pid_t pid = (pid_t)syscall(SYS_clone, signals[i], 0L, 0L, 0L, 0L);
        if (pid == 0)
            _exit(3);
        CHECK(waitpid(pid, &status, 0) == -1 && errno == ECHILD);
        CHECK(waitpid(pid, &status, WALL) == pid);
        t_status("child", status);
    }
}

int main(void)
{
    t_begin();
    memory();
    beside_child();
    statuses();
    waiting();
    groups();
    orphans();
    vforking();
    many();
    odd_signals();
    return 0;
}
