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
    unsigned irq_off_depth;     // nesting of irq_push, also through spinlocks
    unsigned in_interrupt;      // 1: an interrupt handler runs
    unsigned id;                // 0 .. ncpus-1
    bool irq_was_on;            // interrupts were on before the outermost irq_push
    volatile bool need_resched; // the running thread should give up the CPU when it may
};

extern unsigned ncpus;          // CPUs that run; constant after start-up
extern struct percpu *percpu_of[MAX_CPUS];

static inline struct percpu *this_cpu(void)
{
    struct percpu *self;

    __asm__ volatile("mov %%gs:%c1, %0" : "=r"(self) : "i"(offsetof(struct percpu, self)));
    return self;
}

// The running thread's context. A thread has one and the same wherever it runs, so the compiler may
// keep what it read: only the scheduler, between two threads, must not.
static inline struct kctx *kctx_current(void)
{
    struct kctx *ctx;

    __asm__("mov %%gs:%c1, %0" : "=r"(ctx) : "i"(offsetof(struct percpu, kctx)));
    return ctx;
}

// True unless interrupts are off by irq_push, or a handler runs: both fields in one look.
static inline bool percpu_may_sleep(void)
{
    bool zero;

    _Static_assert(offsetof(struct percpu, irq_off_depth) % 8 == 0 &&
                       offsetof(struct percpu, in_interrupt) ==
                           offsetof(struct percpu, irq_off_depth) + sizeof(unsigned),
                   "side by side");
    __asm__ volatile("cmpq $0, %%gs:%c1"
                     : "=@cce"(zero)
                     : "i"(offsetof(struct percpu, irq_off_depth))
                     : "memory");
    return zero;
}
