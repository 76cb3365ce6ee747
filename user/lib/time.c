// SPDX-License-Identifier: BSD-2-Clause
/*
 * Clocks, timers and sleeping.
 */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *ts)
{
    return (int)syscall(SYS_clock_gettime, clock, ts);
}

int clock_getres(clockid_t clock, struct timespec *ts)
{
    return (int)syscall(SYS_clock_getres, clock, ts);
}

int nanosleep(const struct timespec *req, struct timespec *rem)
{
    return (int)syscall(SYS_nanosleep, req, rem);
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    return (int)syscall(SYS_gettimeofday, tv, zone);
}

int setitimer(int which, const struct itimerval *restrict new, struct itimerval *restrict old)
{
    return (int)syscall(SYS_setitimer, which, new, old);
}

int getitimer(int which, struct itimerval *value)
{
    return (int)syscall(SYS_getitimer, which, value);
}

time_t time(time_t *t)
{
    struct timespec ts = {0};
    clock_gettime(CLOCK_REALTIME, &ts);
    if (t)
        *t = ts.tv_sec;
    return ts.tv_sec;
}

unsigned alarm(unsigned seconds)
{
    struct itimerval new = {.it_value.tv_sec = seconds}, old = {0};
    setitimer(ITIMER_REAL, &new, &old);
    return (unsigned)old.it_value.tv_sec + (old.it_value.tv_usec != 0);
}

unsigned sleep(unsigned seconds)
{
    struct timespec ts = {.tv_sec = seconds};
    return nanosleep(&ts, &ts) == 0 ? 0 : (unsigned)ts.tv_sec;
}

int usleep(unsigned usec)
{
    struct timespec ts = {.tv_sec = usec / 1000000, .tv_nsec = usec % 1000000 * 1000L};
    return nanosleep(&ts, NULL);
}

int pause(void)
{
    return (int)syscall(SYS_pause);
}
