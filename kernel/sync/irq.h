// SPDX-License-Identifier: BSD-2-Clause
//
// Interrupt masking for short sections, and the pause of a spin loop. irq_push and irq_pop nest.
#pragma once

#include "lib/types.h"

void irq_push(void);            // interrupts off; counts
void irq_pop(void);             // restores what the outermost irq_push found
bool irq_enabled(void);

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}

// Called in every loop that waits with interrupts off, so that requests from other CPUs (TLB
// shootdown) are served there. The machine layer registers the function; before, it does nothing.
void spin_poll(void);
void spin_poll_set(void (*poll)(void));
