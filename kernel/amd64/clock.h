// SPDX-License-Identifier: BSD-2-Clause
//
// Time: a monotonic clock from the time-stamp counter, calibrated against the APIC timer, the
// date from the CMOS clock at start-up, and one timer event per CPU. Under QEMU's -icount all
// three count instructions, so that they are the same in every run.
#pragma once

#include "lib/types.h"

#define NS_PER_SEC 1000000000ul

void clock_init(void);              // boot CPU; takes about 2 ms

uint64_t clock_ns(void);            // since start-up; never goes back; any context
uint64_t clock_realtime_ns(void);   // since 1970; clock_ns plus a constant
uint64_t clock_tsc_hz(void);

// Asks for one tick (intr_tick) on this CPU at deadline_ns of clock_ns, at once if that is
// past. Replaces the previous request; CLOCK_NEVER withdraws it. The tick may come early if the
// deadline is more than 4 s away: set it again then. Interrupts off.
#define CLOCK_NEVER (~0ul)
void clock_set_event(uint64_t deadline_ns);

// TSC ticks per second, counted over 2 ms of a timer that counts nanoseconds down and stops at 0;
// 0 if it ran out meanwhile. A pause of any length between any two reads, as a busy host makes
// them, does not change the answer.
struct clock_source {
    uint64_t (*tsc)(void);
    uint32_t (*timer)(void); // ns left
};
uint64_t clock_measure_hz(const struct clock_source *s);

// Waits by spinning; at start-up only.
void clock_spin(uint64_t ns);
