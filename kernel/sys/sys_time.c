// SPDX-License-Identifier: BSD-2-Clause
//
// Calls on time: clocks, sleeping, interval timers, and futexes, whose waits have timeouts.
#include "amd64/clock.h"
#include "amd64/usercopy.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "proc/futex.h"
#include "proc/process.h"
#include "proc/thread.h"
#include "sync/waitq.h"
#include "sys/syscall.h"

enum { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID };
enum { CLOCK_MONOTONIC_RAW = 4, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME };
#define TIMER_ABSTIME 1

// ---- clocks ----

static int read_clock(int id, uint64_t *ns)
{
    struct usage u;

    switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        *ns = clock_realtime_ns();
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        *ns = clock_ns();
        return 0;
    case CLOCK_PROCESS_CPUTIME_ID:
        process_usage(process_current(), &u);
        *ns = u.user_ns + u.sys_ns;
        return 0;
    case CLOCK_THREAD_CPUTIME_ID:
        thread_usage(thread_current(), &u);
        *ns = u.user_ns + u.sys_ns;
        return 0;
    default:
        return EINVAL;
    }
}

static int sys_clock_gettime(int id, vaddr_t ts_va)
{
    uint64_t ns;
    int error = read_clock(id, &ns);

    return error ? error : timespec_out(ts_va, ns);
}

static int sys_clock_getres(int id, vaddr_t ts_va)
{
    uint64_t ns;
    int error = read_clock(id, &ns);

    if (error)
        return error;
    bool coarse = id == CLOCK_REALTIME_COARSE || id == CLOCK_MONOTONIC_COARSE;
    return ts_va ? timespec_out(ts_va, coarse ? TICK_NS : 1) : 0;
}

static int sys_clock_settime(int id, vaddr_t ts_va)
{
    uint64_t ns;

    if (id != CLOCK_REALTIME)
        return EINVAL;
    int error = timespec_in(ts_va, &ns);
    return error ? error : EPERM;
}

static int sys_gettimeofday(vaddr_t tv_va, vaddr_t tz_va)
{
    const uint64_t zone = 0;

    if (tv_va && timeval_out(tv_va, clock_realtime_ns()) != 0)
        return EFAULT;
    return tz_va ? copyout(tz_va, &zone, sizeof(zone)) : 0;
}

static int sys_time(vaddr_t va)
{
    const uint64_t sec = clock_realtime_ns() / NS_PER_SEC;

    if (va && copyout(va, &sec, sizeof(sec)) != 0)
        return EFAULT;
    return answer((long)sec);
}

// ---- sleeping ----

static int sleep_until(uint64_t deadline_ns)
{
    while (clock_ns() < deadline_ns) {
        int error = waitq_block(WAIT_INTR, deadline_ns);
        if (error == EINTR)
            return EINTR;
    }
    return 0;
}

static int sleep_relative(uint64_t ns, vaddr_t rest_va)
{
    uint64_t deadline = signal_deadline(deadline_after(ns));

    if (sleep_until(deadline) == 0)
        return 0;
    uint64_t now = clock_ns();
    if (rest_va && timespec_out(rest_va, deadline > now ? deadline - now : 0) != 0)
        return EFAULT;
    return signal_restart_at(deadline);
}

static int sys_nanosleep(vaddr_t ts_va, vaddr_t rest_va)
{
    uint64_t ns;
    int error = timespec_in(ts_va, &ns);

    return error ? error : sleep_relative(ns, rest_va);
}

// An absolute time of the clock as one of the monotonic clock.
static uint64_t to_monotonic(int id, uint64_t ns)
{
    if (id != CLOCK_REALTIME)
        return max(ns, 1ul);
    uint64_t offset = clock_realtime_ns() - clock_ns();
    return ns > offset ? ns - offset : 1;
}

static int sys_clock_nanosleep(int id, int flags, vaddr_t ts_va, vaddr_t rest_va)
{
    uint64_t ns;

    if (id < 0 || id > CLOCK_BOOTTIME)
        return EINVAL;
    if (id != CLOCK_REALTIME && id != CLOCK_MONOTONIC && id != CLOCK_BOOTTIME)
        return EOPNOTSUPP;
    int error = timespec_in(ts_va, &ns);
    if (error)
        return error;
    if (!(flags & TIMER_ABSTIME))
        return sleep_relative(ns, rest_va);
    return sleep_until(to_monotonic(id, ns)) ? ERESTART_NOHAND : 0;
}

// ---- the interval timer ----

// Sets the alarm of the process; what was left before in *old_ns and *old_interval_ns.
static void set_alarm(uint64_t ns, uint64_t interval_ns, uint64_t *old_ns,
                      uint64_t *old_interval_ns)
{
    struct process *p = process_current();

    mutex_lock(&p->lock);
    *old_interval_ns = p->alarm_interval_ns;
    store_relaxed(&p->alarm_interval_ns, 0);
    bool ran = timer_cancel(&p->alarm);
    uint64_t now = clock_ns(); // not before: it may have been set anew meanwhile
    *old_ns = ran ? max(p->alarm.deadline_ns, now + 1) - now : 0;
    store_relaxed(&p->alarm_interval_ns, interval_ns);
    if (ns)
        timer_set(&p->alarm, now + ns);
    mutex_unlock(&p->lock);
}

static int sys_alarm(unsigned seconds)
{
    uint64_t old, old_interval;

    set_alarm(seconds * NS_PER_SEC, 0, &old, &old_interval);
    return answer((long)((old + NS_PER_SEC - 1) / NS_PER_SEC));
}

static int sys_setitimer(int which, vaddr_t new_va, vaddr_t old_va)
{
    uint64_t interval = 0, value = 0, old, old_interval;

    if (which != 0)
        return EINVAL; // only ITIMER_REAL
    if (new_va) {
        int error = timeval_in(new_va, &interval);
        if (!error)
            error = timeval_in(new_va + 16, &value);
        if (error)
            return error;
    }
    set_alarm(value, interval, &old, &old_interval);
    if (!old_va)
        return 0;
    return timeval_out(old_va, old_interval) || timeval_out(old_va + 16, old) ? EFAULT : 0;
}

static int sys_getitimer(int which, vaddr_t va)
{
    struct process *p = process_current();

    if (which != 0)
        return EINVAL;
    mutex_lock(&p->lock);
    uint64_t interval = p->alarm_interval_ns, due = timer_deadline(&p->alarm);
    uint64_t now = clock_ns(), left = due ? max(due, now + 1) - now : 0; // as in set_alarm
    mutex_unlock(&p->lock);
    return timeval_out(va, interval) || timeval_out(va + 16, left) ? EFAULT : 0;
}

// ---- futex ----

enum { FUTEX_WAIT, FUTEX_WAKE, FUTEX_REQUEUE = 3, FUTEX_CMP_REQUEUE };
enum { FUTEX_WAIT_BITSET = 9, FUTEX_WAKE_BITSET, FUTEX_OPERATIONS = 127 };
enum { FUTEX_PRIVATE_FLAG = 128, FUTEX_CLOCK_REALTIME = 256 };

// timeout_va: relative for FUTEX_WAIT, absolute for FUTEX_WAIT_BITSET.
static int wait_op(vaddr_t va, int op, uint32_t value, vaddr_t timeout_va, uint32_t bits,
                   bool shared)
{
    bool absolute = (op & FUTEX_OPERATIONS) == FUTEX_WAIT_BITSET;
    uint64_t ns, deadline = WAIT_FOREVER;

    if (timeout_va) {
        int error = timespec_in(timeout_va, &ns);
        if (error)
            return error;
        int clock = op & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
        deadline = absolute ? to_monotonic(clock, ns) : signal_deadline(deadline_after(ns));
    }
    int error = futex_wait(va, value, bits, deadline, shared);
    if (error != EINTR)
        return error;
    if (deadline == WAIT_FOREVER)
        return ERESTART;
    return absolute ? ERESTART_NOHAND : signal_restart_at(deadline);
}

static int sys_futex(vaddr_t va, int op, uint32_t value, uint64_t timeout, vaddr_t va2,
                     uint32_t value3)
{
    bool shared = !(op & FUTEX_PRIVATE_FLAG);
    unsigned n;
    int error;

    switch (op & FUTEX_OPERATIONS) {
    case FUTEX_WAIT:
        return wait_op(va, op, value, timeout, FUTEX_MATCH_ANY, shared);
    case FUTEX_WAIT_BITSET:
        return wait_op(va, op, value, timeout, value3, shared);
    case FUTEX_WAKE:
        error = futex_wake(va, value, FUTEX_MATCH_ANY, shared, &n);
        break;
    case FUTEX_WAKE_BITSET:
        error = futex_wake(va, value, value3, shared, &n);
        break;
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
        if ((int)value < 0 || (int)timeout < 0)
            return EINVAL;
        error = futex_requeue(va, va2, value, (unsigned)timeout,
                              (op & FUTEX_OPERATIONS) == FUTEX_CMP_REQUEUE ? &value3 : NULL, shared,
                              &n);
        break;
    default:
        return ENOSYS;
    }
    return error ? error : answer(n);
}

// clang-format off
const struct call time_calls[] = {
    CALL(35, nanosleep), CALL(36, getitimer), CALL(37, alarm), CALL(38, setitimer),
    CALL(96, gettimeofday), CALL(201, time), CALL(202, futex), CALL(227, clock_settime),
    CALL(228, clock_gettime), CALL(229, clock_getres), CALL(230, clock_nanosleep), {0},
};
// clang-format on
