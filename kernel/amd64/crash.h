// SPDX-License-Identifier: BSD-2-Clause
//
// The end of a kernel that found an invariant broken: stops the other CPUs, prints the registers,
// a backtrace with functions and lines, and the locks held, emits the record "panic <message>" and
// turns the machine off. A second failure on the way ends the machine at once.
#pragma once

#include "lib/types.h"

struct trapframe;

// Registers what panic() does. Once kprintf works.
void crash_init(void);

// A panic whose cause is the code in a trap frame.
_Noreturn void crash_frame(struct trapframe *tf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

// An NMI came: another CPU panics, so this one stops here.
void crash_nmi(struct trapframe *tf);
