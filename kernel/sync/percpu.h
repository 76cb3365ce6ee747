// SPDX-License-Identifier: BSD-2-Clause
//
// What the low floors know of a CPU. %gs:0 points to the CPU's own struct percpu; the machine
// layer embeds it as the first member of its struct cpu. Written only by its own CPU, but for
// `need_resched', which others set.
#pragma once

#include "lib/types.h"

#define MAX_CPUS 8

struct kctx;

struct percpu {
    struct percpu *self;        // %gs:0
    struct kctx *kctx;          // context of the running thread
    unsigned id;                // 0 .. ncpus-1
    unsigned irq_off_depth;     // nesting of irq_push, also through spinlocks
    bool irq_was_on;            // interrupts were on before the outermost one
    bool in_interrupt;          // an interrupt handler runs
    volatile bool need_resched; // the running thread should give up the CPU when it may
};

extern unsigned ncpus;          // CPUs that run; constant after start-up
extern struct percpu *percpu_of[MAX_CPUS];

// One field of this CPU's percpu, in one instruction. The compiler does not see it as a read of
// memory: only for fields that no code but the scheduler's switch ever changes (self, kctx, id).
#define percpu_read(field)                                                                         \
    ({                                                                                             \
        __typeof__(((struct percpu *)0)->field) percpu_v_;                                         \
        __asm__ volatile("mov %%gs:%c1, %0"                                                        \
                         : "=r"(percpu_v_)                                                         \
                         : "i"(offsetof(struct percpu, field)));                                   \
        percpu_v_;                                                                                 \
    })

static inline struct percpu *this_cpu(void)
{
    return percpu_read(self);
}
