// SPDX-License-Identifier: BSD-2-Clause
//
// The processors: per-CPU structures, descriptor tables, the features that are turned on, and the
// instructions that C has no words for. Each struct cpu is written by its own CPU only, but where
// a field says otherwise.
#pragma once

#include "amd64/asm.h"
#include "lib/types.h"
#include "sync/kctx.h"
#include "sync/percpu.h"

struct trapframe;

struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];            // rsp[0]: stack for traps from user mode
    uint64_t reserved1;
    uint64_t ist[7];            // ist[0] (IST 1): double fault, NMI, machine check
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t iomap;
} __attribute__((packed));

struct cpu {
    struct percpu percpu;       // first: %gs points here
    uint64_t kstack_top;        // the running thread's kernel stack; see trap.S
    uint64_t user_rsp;          // scratch of the system-call entry
    struct kctx boot_kctx;      // context until the scheduler runs a thread
    uint32_t apic_id;
    bool online;                // set by the CPU itself, read by others; atomic
    uint64_t interrupts;        // taken so far, for statistics
    uint64_t gdt[9];
    struct tss tss;
};

extern struct cpu cpus[MAX_CPUS];

// What this machine has of the features that the kernel uses if they are there.
struct cpu_features {
    bool smep, smap, umip;
    char brand[49];
};
extern struct cpu_features cpu_features;

// Sets up the descriptor tables, control registers and struct cpu of the calling CPU, number id.
// The boot CPU comes first; then this_cpu(), locks and kprintf work.
void cpu_init(unsigned id);

// On the boot CPU, while text is still writable: looks at the features and puts stac and clac
// where the user copy and the trap entry need them.
void cpu_probe_features(void);

// Takes the guard pages below the static stacks out of the map. After bootmap_init.
void cpu_guard_stacks(void);

static inline struct cpu *cpu_self(void)
{
    return (struct cpu *)this_cpu();
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return low | (uint64_t)high << 32;
}

static inline uint64_t rdtsc(void)
{
    return __builtin_ia32_rdtsc();
}

static inline uint64_t read_cr2(void)
{
    uint64_t v;
    __asm__ volatile("mov %%cr2, %0" : "=r"(v));
    return v;
}

static inline uint64_t read_cr3(void)
{
    uint64_t v;
    __asm__ volatile("mov %%cr3, %0" : "=r"(v));
    return v;
}

static inline void intr_on(void)
{
    __asm__ volatile("sti" ::: "memory");
}

static inline void intr_off(void)
{
    __asm__ volatile("cli" ::: "memory");
}

// Waits for an interrupt. Called with interrupts off, so that nothing is lost between the
// caller's last look for work and the wait; returns with them off.
static inline void cpu_idle(void)
{
    __asm__ volatile("sti; hlt; cli" ::: "memory");
}
