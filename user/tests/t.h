// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the conformance tests share. A test prints one line per check, the same on Linux and on
 * Strata: the text of the call and its result, and never an address, a process id or a time. It
 * works in a fresh directory below $TESTDIR or /tmp, and removes it.
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL

/* A line at once and unbuffered, so that forks and deaths neither repeat nor lose one. */
#define say(...) dprintf(1, __VA_ARGS__)

/* A call that gives a number, or -1 and errno. */
#define T(call) (errno = 0, t_number(#call, (long)(call)))
/* A call that gives an address, or MAP_FAILED or NULL and errno. */
#define T_PTR(call) (errno = 0, t_pointer(#call, (call)))
/* Something that must hold, under Linux, too. */
#define CHECK(what) t_check(#what, (what))

static inline const char *t_errname(void)
{
    const char *name = strerrorname_np(errno);
    return name ? name : "unknown errno";
}

static inline long t_number(const char *call, long result)
{
    if (result == -1)
        say("%s = -1 %s\n", call, t_errname());
    else
        say("%s = %ld\n", call, result);
    return result;
}

static inline void *t_pointer(const char *call, void *result)
{
    bool failed = result == (void *)-1 || !result;
    say("%s = %s\n", call, failed ? t_errname() : "ok");
    return result;
}

static inline bool t_check(const char *what, bool holds)
{
    say("%s: %s\n", what, holds ? "yes" : "NO");
    return holds;
}

/* How a child ended, in words. */
static inline void t_status(const char *what, int status)
{
    if (WIFEXITED(status))
        say("%s: exit %d\n", what, WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        say("%s: signal %d\n", what, WTERMSIG(status));
    else if (WIFSTOPPED(status))
        say("%s: stopped by %d\n", what, WSTOPSIG(status));
    else
        say("%s: status %#x\n", what, status);
}

/* Runs fn in a child and tells how that ended. */
static inline int t_child(const char *what, void (*fn)(void))
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        fn();
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        say("%s: cannot run a child: %s\n", what, t_errname());
    else
        t_status(what, status);
    return status;
}

/* Takes 32 KiB of stack a level, for n levels. */
static inline int t_recurse(int n)
{
    volatile char frame[32 * 1024];
    frame[0] = (char)n;
    return n > 0 ? t_recurse(n - 1) + frame[0] : 0;
}

#define T_FOREVER (1 << 20) /* levels: 32 GiB of stack */

static char t_dir[PATH_MAX];
static pid_t t_owner;

static inline void t_remove(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[PATH_MAX];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (unlink(path) != 0)
            t_remove(path);
    }
    if (d)
        closedir(d);
    rmdir(dir);
}

static inline void t_end(void)
{
    if (getpid() == t_owner)
        t_remove(t_dir);
}

/* Goes to a fresh directory and closes inherited descriptors, so that the numbers are known. */
static inline void t_begin(void)
{
    const char *base = getenv("TESTDIR");
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    t_owner = getpid();
    snprintf(t_dir, sizeof t_dir, "%s/t.%d", base ? base : "/tmp", (int)t_owner);
    mkdir(base ? base : "/tmp", 0777);
    if (mkdir(t_dir, 0777) != 0 || chdir(t_dir) != 0) {
        say("cannot use %s: %s\n", t_dir, t_errname());
        exit(1);
    }
    atexit(t_end);
}

/* Byte i of the pattern of a seed, for filling and comparing. */
static inline unsigned char t_byte(unsigned seed, size_t i)
{
    return (unsigned char)((seed * 2654435761u + i * 40503u + (i >> 12)) >> 3);
}

static inline void t_fill(void *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        ((unsigned char *)p)[i] = t_byte(seed, i);
}

static inline bool t_same(const void *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        if (((const unsigned char *)p)[i] != t_byte(seed, i))
            return false;
    return true;
}

static inline bool t_zero(const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((const unsigned char *)p)[i] != 0)
            return false;
    return true;
}
