// SPDX-License-Identifier: BSD-2-Clause
//
// Seeded preemption: at a jitter point where sleeping is allowed, the running thread gives up the
// CPU about once in `one_in' visits, by a seeded generator per CPU. Off (one_in 0) by default.
// It widens the windows of races so that tests find them, and a seed replays them on one CPU.
#pragma once

#include "lib/types.h"

void jitter_init(uint64_t seed, unsigned one_in);

// Where the running thread may not sleep, the CPU pauses as often: an emulator that runs all CPUs
// in one thread goes on with another CPU then, so that races on locks replay as well. Off by
// default.
extern bool jitter_turns;

extern unsigned jitter_one_in;  // constant after jitter_init
extern void (*jitter_yield)(void);      // how; NULL before there is a scheduler
OFF_THE_WAY void jitter_draw(void);     // for jitter_point

static inline void jitter_point(void)
{
    if (__builtin_expect(jitter_one_in != 0, 0))
        jitter_draw();
}
