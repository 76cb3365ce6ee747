// SPDX-License-Identifier: BSD-2-Clause
//
// For in-kernel tests that use all CPUs at once. The other CPUs run their part in an interrupt
// handler, so they need no scheduler.
#pragma once

#include "lib/rng.h"

// Runs body on every CPU, with interrupts off, and waits for all. Loops in it call spin_poll.
void on_all_cpus(void (*body)(unsigned cpu));

// Where jitter_turns is set, and so an emulator runs all CPUs in one thread: has it go on with
// another CPU every few thousand instructions, anywhere. For the rest of the boot.
void take_short_turns(struct rng *r);
