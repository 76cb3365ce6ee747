// SPDX-License-Identifier: BSD-2-Clause
/*
 * Times in microseconds, and interval timers.
 */
#pragma once

#include <sys/types.h>
#include <sys/select.h>

#define ITIMER_REAL    0
#define ITIMER_VIRTUAL 1
#define ITIMER_PROF    2

struct itimerval {
    struct timeval it_interval, it_value;
};

int gettimeofday(struct timeval *restrict tv, void *restrict zone);
int setitimer(int which, const struct itimerval *restrict new, struct itimerval *restrict old);
int getitimer(int which, struct itimerval *value);
