// SPDX-License-Identifier: BSD-2-Clause
//
// For programs that a grader looks at from outside: points at which everybody stands still, and
// meetings to which a parent calls its tasks or children.
#pragma once

#include <err.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int ready[2], go[2][2]; // of each meeting, a pipe to go on

static inline void point(const char *name)
{
    int fd = open("/proc/judge", O_WRONLY);

    if (fd < 0 || write(fd, name, strlen(name)) < 0)
        errx(1, "no /proc/judge");
    close(fd);
}

static inline void open_meetings(void)
{
    if (pipe(ready) < 0 || pipe(go[0]) < 0 || pipe(go[1]) < 0)
        errx(1, "pipe");
}

// Says that it is ready, and waits for the word to go on from this meeting.
static inline void meet(int meeting)
{
    char c = 0;

    if (write(ready[1], &c, 1) != 1 || read(go[meeting][0], &c, 1) != 1)
        errx(1, "pipe");
}

static inline void await(int n)
{
    char c;

    for (int i = 0; i < n; i++)
        if (read(ready[0], &c, 1) != 1)
            errx(1, "pipe");
}

static inline void release(int n, int meeting)
{
    char c = 0;

    for (int i = 0; i < n; i++)
        if (write(go[meeting][1], &c, 1) != 1)
            errx(1, "pipe");
}

static inline void reap(int n)
{
    int status;

    for (int i = 0; i < n; i++)
        if (wait(&status) < 0 || status != 0)
            errx(1, "a child failed");
}
