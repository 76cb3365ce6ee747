// SPDX-License-Identifier: BSD-2-Clause
//
// Starting the other CPUs. Also read by boot.S.
#pragma once

// Where the other CPUs begin, in real mode: copied there by smp_start, kept out of use.
#define AP_TRAMPOLINE_PA 0x8000

#define AP_MAX_CPUS      8      // MAX_CPUS

#ifndef __ASSEMBLER__
#include "lib/types.h"
#include "sync/percpu.h"

_Static_assert(AP_MAX_CPUS == MAX_CPUS, "boot.S knows how many stacks there are");

// Starts the other CPUs that QEMU's fw_cfg device tells of, but no more than MAX_CPUS in all, and
// waits for them; sets ncpus. Each one calls entry(its number) on its own static stack, with
// interrupts off, and never returns.
void smp_start(void (*entry)(unsigned id));

// Calls fn(arg) while all other CPUs stand still, each where it takes interrupts: so none of them
// holds a spinlock, and what spinlocks guard does not change. The caller holds no spinlock; fn may
// not sleep. Sleeping locks may be held by anybody: fn only tries them.
void smp_alone(void (*fn)(void *arg), void *arg);
#endif
