// SPDX-License-Identifier: BSD-2-Clause
/*
 * Clocks, identities, names, limits, random bytes, and calls that do not exist.
 */
#include <sched.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include "t.h"

static long long ns(const struct timespec *ts)
{
    return ts->tv_sec * 1000000000LL + ts->tv_nsec;
}

static void clocks(void)
{
    struct timespec a, b, real;
    struct timeval tv;
    T(clock_gettime(CLOCK_MONOTONIC, &a));
    T(clock_gettime(CLOCK_MONOTONIC, &b));
    CHECK(ns(&b) >= ns(&a));
    CHECK(a.tv_nsec >= 0 && a.tv_nsec < 1000000000);
    T(clock_gettime(CLOCK_REALTIME, &real));
    T(gettimeofday(&tv, NULL));
    CHECK(labs(tv.tv_sec - real.tv_sec) <= 1);
    CHECK(real.tv_sec > 1600000000);
    T(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a));
    T(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a));
    T(clock_gettime(CLOCK_BOOTTIME, &a));
    T(clock_gettime(99, &a));
    T(clock_getres(CLOCK_MONOTONIC, &a));
    CHECK(a.tv_sec == 0 && a.tv_nsec > 0);
    struct tms t;
    CHECK(times(&t) != -1);
}

static void sleeping(void)
{
    struct timespec a, b, req = {0, 10000000};
    T(clock_gettime(CLOCK_MONOTONIC, &a));
    T(nanosleep(&req, NULL));
    T(clock_gettime(CLOCK_MONOTONIC, &b));
    CHECK(ns(&b) - ns(&a) >= 10000000);
    req = (struct timespec){0, 1000000000};
    T(nanosleep(&req, NULL));
    req = (struct timespec){-1, 0};
    T(nanosleep(&req, NULL));
    req = (struct timespec){0, 0};
    T(nanosleep(&req, NULL));
    T(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 1L, &b, 0L)); /* until a time gone by */
    T(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0L, &req, 0L)); /* not to sleep by */
    T(sched_yield());
}

/* CPU time is counted against the process that uses it. */
static void cpu_time(void)
{
    struct timespec a, b;
    struct rusage usage;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    do {
        for (volatile int i = 0; i < 10000; i++)
            ;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    } while (ns(&b) - ns(&a) < 20000000);
    say("20 ms of CPU time were used\n");
    T(getrusage(RUSAGE_SELF, &usage));
    T(getrusage(RUSAGE_CHILDREN, &usage));
    T(getrusage(77, &usage));
}

static void identities(void)
{
    CHECK(getpid() > 0 && getppid() >= 0);
    CHECK(getpid() == gettid());
    CHECK(getuid() == geteuid() && getgid() == getegid());
    T(getpgid(-1));
    T(getpgid(1 << 22));
    T(getsid(1 << 22));
}

static void names(void)
{
    struct utsname u;
    T(uname(&u));
    CHECK(u.sysname[0] && u.nodename[0] && u.release[0] && u.version[0]);
    say("machine %s\n", u.machine);
}

static void limits(void)
{
    struct rlimit l, set;
    T(getrlimit(RLIMIT_NOFILE, &l));
    CHECK(l.rlim_cur >= 64 && l.rlim_cur <= l.rlim_max);
    T(getrlimit(RLIMIT_STACK, &l));
    CHECK(l.rlim_cur >= 1 << 20);
    T(getrlimit(RLIMIT_AS, &l));
    T(getrlimit(RLIMIT_CORE, &l));
    T(getrlimit(99, &l));
    T(prlimit(1 << 22, RLIMIT_NOFILE, NULL, &l));
    getrlimit(RLIMIT_NOFILE, &set);
    set.rlim_cur = set.rlim_max;
    set.rlim_cur--;
    T(prlimit(0, RLIMIT_NOFILE, &set, &l));
    T(prlimit(getpid(), RLIMIT_NOFILE, NULL, &l));
    CHECK(l.rlim_cur == set.rlim_cur);
    set.rlim_cur = set.rlim_max;
    set.rlim_max--;
    T(setrlimit(RLIMIT_NOFILE, &set));
}

static void system_figures(void)
{
    struct sysinfo info;
    T(sysinfo(&info));
    CHECK(info.mem_unit > 0 && info.totalram * info.mem_unit > 8 << 20);
    CHECK(info.freeram <= info.totalram);
    CHECK(info.uptime >= 0);
    CHECK(info.procs > 0);
}

static void random_bytes(void)
{
    unsigned char a[32] = {0}, b[32] = {0};
    T(getrandom(a, 32, 0));
    T(getrandom(b, 32, GRND_NONBLOCK));
    CHECK(memcmp(a, b, 32) != 0);
    T(getrandom(a, 0, 0));
    T(getrandom(a, 32, 0x80));
}

static void affinity(void)
{
    unsigned long mask[16] = {0};
    CHECK(sched_getaffinity(0, sizeof mask, mask) > 0);
    CHECK(mask[0] != 0);
    T(sched_getaffinity(0, 1, mask));
}

static void unknown(void)
{
    T(syscall(1000));
    T(syscall(-1));
    T(syscall(511));
    T(syscall(0x7fffffff));
    T(syscall(180)); /* nfsservctl: long gone */
    T(syscall(SYS_reboot, 1L, 2L, 3L, 4L));
}

int main(void)
{
    t_begin();
    clocks();
    sleeping();
    cpu_time();
    identities();
    names();
    limits();
    system_figures();
    random_bytes();
    affinity();
    unknown();
    return 0;
}
