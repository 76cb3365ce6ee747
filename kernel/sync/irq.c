// SPDX-License-Identifier: BSD-2-Clause
//
// The interrupt flag of the CPU, and the hook that serves other CPUs' requests while this one
// spins. All that the locks need from the machine; tests on a host replace this file.
#include "sync/irq.h"

#define RFLAGS_IF (1ul << 9)

static void (*poll_hook)(void);

bool irq_enabled(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq; popq %0" : "=r"(flags) : : "memory");
    return flags & RFLAGS_IF;
}

bool irq_disable(void)
{
    bool on = irq_enabled();

    __asm__ volatile("cli" ::: "memory");
    return on;
}

void irq_enable(void)
{
    __asm__ volatile("sti" ::: "memory");
}

void spin_poll_set(void (*poll)(void))
{
    poll_hook = poll;
}

void spin_poll(void)
{
    if (poll_hook)
        poll_hook();
}
