// SPDX-License-Identifier: BSD-2-Clause
/*
 * Clocks, sleeping, and the calendar. All times are UTC.
 */
#pragma once

#include <sys/types.h>

struct timespec {
    time_t tv_sec;
    long tv_nsec;
};

struct tm {
    int tm_sec, tm_min, tm_hour, tm_mday, tm_mon, tm_year, tm_wday, tm_yday, tm_isdst;
};

#define CLOCK_REALTIME           0
#define CLOCK_MONOTONIC          1
#define CLOCK_PROCESS_CPUTIME_ID 2
#define CLOCK_THREAD_CPUTIME_ID  3
#define CLOCK_MONOTONIC_RAW      4
#define CLOCK_BOOTTIME           7

time_t time(time_t *t);
int clock_gettime(clockid_t clock, struct timespec *ts);
int clock_getres(clockid_t clock, struct timespec *ts);
int nanosleep(const struct timespec *req, struct timespec *rem);
struct tm *gmtime(const time_t *t);
struct tm *gmtime_r(const time_t *restrict t, struct tm *restrict tm);
/* Knows %Y %m %d %H %M %S %j %a %A %b %B %e %y %n %t %s %F %T %D %Z %z %%. */
size_t strftime(char *restrict s, size_t max, const char *restrict fmt,
                const struct tm *restrict tm);
