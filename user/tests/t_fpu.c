// SPDX-License-Identifier: BSD-2-Clause
/*
 * Floating point and vector registers survive switches, signals and forks.
 */
#include <sched.h>
#include <signal.h>
#include <sys/time.h>
#include "t.h"

typedef unsigned long vec[2] __attribute__((aligned(16)));

static volatile int count;

static void load(unsigned long seed)
{
    vec v[16];
    for (unsigned long i = 0; i < 16; i++) {
        v[i][0] = seed * 1000 + i;
        v[i][1] = ~(seed * 77 + i);
    }
#define LOAD(n) __asm__ volatile("movdqa %0, %%xmm" #n : : "m"(v[n]) : "xmm" #n)
    LOAD(0);
    LOAD(1);
    LOAD(2);
    LOAD(3);
    LOAD(4);
    LOAD(5);
    LOAD(6);
    LOAD(7);
    LOAD(8);
    LOAD(9);
    LOAD(10);
    LOAD(11);
    LOAD(12);
    LOAD(13);
    LOAD(14);
    LOAD(15);
}

static bool kept(unsigned long seed)
{
    vec v[16];
#define STORE(n) __asm__ volatile("movdqa %%xmm" #n ", %0" : "=m"(v[n]))
    STORE(0);
    STORE(1);
    STORE(2);
    STORE(3);
    STORE(4);
    STORE(5);
    STORE(6);
    STORE(7);
    STORE(8);
    STORE(9);
    STORE(10);
    STORE(11);
    STORE(12);
    STORE(13);
    STORE(14);
    STORE(15);
    for (unsigned long i = 0; i < 16; i++)
        if (v[i][0] != seed * 1000 + i || v[i][1] != ~(seed * 77 + i))
            return false;
    return true;
}

static long raw(long number, long a, long b)
{
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(number), "D"(a), "S"(b) : "rcx", "r11", "memory");
    return r;
}

static void scramble(int sig)
{
    (void)sig;
    load(4711);
    count++;
}

static void compete(unsigned long seed)
{
    for (int i = 0; i < 300; i++) {
        load(seed);
        raw(24 /* sched_yield */, 0, 0);
        if (!kept(seed))
            _exit(1);
    }
}

static void switches(void)
{
    int bad = 0, status;
    for (unsigned long seed = 1; seed <= 4; seed++) {
        if (fork() == 0) {
            compete(seed);
            _exit(0);
        }
    }
    while (wait(&status) > 0)
        bad += status != 0;
    T(bad);
}

static void signals(void)
{
    signal(SIGUSR1, scramble);
    long pid = getpid();
    load(5);
    raw(62 /* kill */, pid, SIGUSR1);
    bool ok = kept(5);
    CHECK(ok);
    T(count);
}

/* Signals that come in the middle of a loop that makes no calls. */
static void timer(void)
{
    struct itimerval every = {{0, 2000}, {0, 2000}}, off = {0};
    bool ok = true;
    signal(SIGALRM, scramble);
    count = 0;
    setitimer(ITIMER_REAL, &every, NULL);
    while (count < 5 && ok) {
        load(6);
        for (volatile int i = 0; i < 1000; i++)
            ;
        ok = kept(6);
    }
    setitimer(ITIMER_REAL, &off, NULL);
    CHECK(ok);
}

static void forked(void)
{
    int status;
    load(8);
    long pid = raw(57 /* fork */, 0, 0);
    bool ok = kept(8);
    if (pid == 0)
        _exit(ok ? 0 : 1);
    CHECK(ok);
    wait(&status);
    t_status("child", status);
}

static void control(void)
{
    unsigned csr = 0x1f80 | 0x6000, back;
    __asm__ volatile("ldmxcsr %0" : : "m"(csr));
    for (int i = 0; i < 10; i++)
        sched_yield();
    usleep(1000);
    __asm__ volatile("stmxcsr %0" : "=m"(back));
    CHECK(back == csr);
    double x = 1.5;
    for (int i = 0; i < 20; i++)
        x = x * 1.25 - 0.125;
    T((long)x);
}

int main(void)
{
    t_begin();
    switches();
    signals();
    timer();
    forked();
    control();
    return 0;
}
