// SPDX-License-Identifier: BSD-2-Clause
//
// The end of a run: a value written to QEMU's isa-debug-exit device (port 0xf4) makes QEMU exit
// with 2 * value + 1. Where the device is missing, the CPU halts for good.
#pragma once

enum power_exit {
    POWER_OFF = 0,      // orderly
    POWER_PANIC = 1,
    POWER_CANNOT_START = 2, // there is nothing to run: no disk, or what is on it is of no use
};

// Waits for the console, then ends the machine.
_Noreturn void power_exit(enum power_exit why);

// Says why there is nothing to run, on the console (also when the kernel is to be quiet) and as a
// record "cannot-start <text>", and ends the machine.
_Noreturn void power_cannot_start(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// Emits the record "poweroff" and ends the machine.
_Noreturn void power_off(void);
