// SPDX-License-Identifier: BSD-2-Clause
//
// The scheduler's figures, summed over the CPUs. Read without locks: a CPU that is just switching
// may be counted as it was.
#include "proc/sched.h"

#include "amd64/clock.h"
#include "proc/runq.h"

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
