// SPDX-License-Identifier: BSD-2-Clause
/*
 * select() and its sets.
 */
#pragma once

#include <sys/types.h>
#include <time.h>

#define FD_SETSIZE 1024

struct timeval {
    time_t tv_sec;
    suseconds_t tv_usec;
};

typedef struct {
    unsigned long fds_bits[FD_SETSIZE / 64];
} fd_set;

#define FD_ZERO(s)      ((void)(*(s) = (fd_set){0}))
#define FD_SET(fd, s)   ((void)((s)->fds_bits[(fd) / 64] |= 1UL << ((fd) % 64)))
#define FD_CLR(fd, s)   ((void)((s)->fds_bits[(fd) / 64] &= ~(1UL << ((fd) % 64))))
#define FD_ISSET(fd, s) (((s)->fds_bits[(fd) / 64] >> ((fd) % 64)) & 1)

int select(int n, fd_set *restrict r, fd_set *restrict w, fd_set *restrict e,
           struct timeval *restrict timeout);
