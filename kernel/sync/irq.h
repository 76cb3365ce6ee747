// SPDX-License-Identifier: BSD-2-Clause
//
// Interrupt masking for short sections, and the pause of a spin loop. irq_push and irq_pop nest.
// Only irq_disable, irq_enable and irq_enabled touch the machine.
#pragma once

#include "lib/types.h"
#include "sync/percpu.h"

bool irq_disable(void);         // returns whether they were on
void irq_enable(void);
bool irq_enabled(void);

// Interrupts off; counts. With depth 0 an interrupt may come between any two lines here, but it
// leaves the depth as it found it, and the kernel does not change CPUs at interrupts.
static inline void irq_push(void)
{
    struct percpu *cpu = this_cpu();

    if (cpu->irq_off_depth == 0) {
        cpu->irq_was_on = irq_disable();
        cpu->irq_off_depth = 1;
    } else {
        cpu->irq_off_depth++;
    }
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
