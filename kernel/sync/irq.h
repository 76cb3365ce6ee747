// SPDX-License-Identifier: BSD-2-Clause
//
// Interrupt masking for short sections, and the pause of a spin loop. irq_push and irq_pop nest.
// Only irq_disable, irq_enable and irq_enabled touch the machine.
#pragma once

#include "lib/types.h"
#include "sync/percpu.h"

#ifdef IRQ_SIMULATED            // by tests on a host
bool irq_enabled(void);
bool irq_disable(void);         // returns whether they were on
void irq_enable(void);
#else
static inline bool irq_enabled(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq; popq %0" : "=r"(flags) : : "memory");
    return flags >> 9 & 1; // RFLAGS.IF
}

static inline bool irq_disable(void)
{
    bool on = irq_enabled();

    __asm__ volatile("cli" ::: "memory");
    return on;
}

static inline void irq_enable(void)
{
    __asm__ volatile("sti" ::: "memory");
}
#endif

// Interrupts off; counts. With depth 0 an interrupt may come between any two lines here, but it
// leaves the depth as it found it, and the kernel does not change CPUs at interrupts.
static inline void irq_push(void)
{
    struct percpu *cpu = this_cpu();

    if (cpu->irq_off_depth == 0)
        cpu->irq_was_on = irq_disable();
    cpu->irq_off_depth++;
}

// Undoes one irq_push; the outermost restores what it found.
static inline void irq_pop(void)
{
    struct percpu *cpu = this_cpu();

    if (--cpu->irq_off_depth == 0 && cpu->irq_was_on)
        irq_enable();
}

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}

// Called in every loop that waits with interrupts off, so that requests from other CPUs (TLB
// shootdown) are served there. The machine layer registers the function; before, it does nothing.
void spin_poll(void);
void spin_poll_set(void (*poll)(void));
