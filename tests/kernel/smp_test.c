// SPDX-License-Identifier: BSD-2-Clause

#include "tests/kernel/smp_test.h"

#include "amd64/cpu.h"
#include "amd64/intr.h"
#include "dev/io.h"
#include "sync/irq.h"
#include "sync/jitter.h"

#define PIT_CHANNEL 0x40 // the old timer: its counter, low byte and high byte
#define PIT_MODE    0x43
#define PIT_RATE    0x34 // again and again, both bytes

static void (*part)(unsigned cpu);
static unsigned running; // CPUs that have not finished; atomic

static void run_part(void)
{
    part(this_cpu()->id);
    __atomic_fetch_sub(&running, 1, __ATOMIC_SEQ_CST);
}

void on_all_cpus(void (*body)(unsigned cpu))
{
    irq_push();
    unsigned self = this_cpu()->id;
    part = body;
    ipi_register(IPI_TEST, run_part);
    __atomic_store_n(&running, ncpus, __ATOMIC_SEQ_CST);
    for (unsigned cpu = 0; cpu < ncpus; cpu++)
        if (cpu != self)
            ipi_send(cpu, IPI_TEST);
    run_part();
    while (__atomic_load_n(&running, __ATOMIC_SEQ_CST)) {
        cpu_relax();
        spin_poll();
    }
    irq_pop();
}

// QEMU leaves a CPU when a timer is due: a fast one, whose interrupt nobody takes, will do.
void take_short_turns(struct rng *r)
{
    if (!jitter_turns)
        return;
    outb(PIT_MODE, PIT_RATE);
    outb(PIT_CHANNEL, (uint8_t)(2 + rng_below(r, 6)));
    outb(PIT_CHANNEL, 0);
}
