// SPDX-License-Identifier: BSD-2-Clause
//
// The scheduler's figures, summed over the CPUs. Read without locks: a CPU that is just switching
// may be counted as it was.
#include "proc/sched.h"

#include "amd64/clock.h"
#include "proc/runq.h"

struct runq runqs[MAX_CPUS] = {
    [0 ... MAX_CPUS - 1] = {.lock = SPINLOCK_INIT("run queue", LOCK_SCHED, LOCK_NESTED)}};

unsigned sched_nready(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < ncpus; i++)
        n += runqs[i].nready + (runqs[i].current != &runqs[i].idle);
    return n;
}

uint64_t sched_switches(void)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < ncpus; i++)
        n += runqs[i].switches;
    return n;
}

uint64_t sched_idle_ns(void)
{
    uint64_t ns = 0;

    for (unsigned i = 0; i < ncpus; i++) {
        const struct thread *idle = &runqs[i].idle;
        ns += idle->run_ns;
        if (runqs[i].current == idle)
            ns += clock_ns() - idle->run_since_ns;
    }
    return ns;
}

// ---- load averages ----

#define LOAD_PERIOD_NS (5 * NS_PER_SEC)
#define MAX_PERIODS    2000 // of idleness: after them nothing is left of any load

static uint64_t load_next_ns = LOAD_PERIOD_NS; // (a) whoever moves it on computes
static uint64_t loads[3];                      // (a)

static void fold(uint64_t active)
{
    // exp(-5 s / 1, 5 and 15 min) in 1/LOAD_ONE.
    static const uint64_t decay[3] = {1884, 2014, 2037};

    for (unsigned i = 0; i < 3; i++) {
        uint64_t was = load_relaxed(&loads[i]), now = active * LOAD_ONE;
        uint64_t sum = was * decay[i] + now * (LOAD_ONE - decay[i]);
        if (now >= was)
            sum += LOAD_ONE - 1; // so that it comes up to what it nears
        store_relaxed(&loads[i], sum / LOAD_ONE);
    }
}

void sched_update_loads(void)
{
    uint64_t now = clock_ns(), next = load_relaxed(&load_next_ns);

    if (now < next)
        return;
    // Periods that passed without any tick: all CPUs were idle.
    uint64_t missed = (now - next) / LOAD_PERIOD_NS;
    if (!compare_swap(&load_next_ns, &next, next + (missed + 1) * LOAD_PERIOD_NS))
        return;
    for (uint64_t i = 0; i < min(missed, (uint64_t)MAX_PERIODS); i++)
        fold(0);
    fold(sched_nready());
}

void sched_loads(uint64_t out[3])
{
    sched_update_loads();
    for (unsigned i = 0; i < 3; i++)
        out[i] = load_relaxed(&loads[i]);
}
