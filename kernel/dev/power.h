// SPDX-License-Identifier: BSD-2-Clause
//
// The end of a run: a value written to QEMU's isa-debug-exit device (port 0xf4) makes QEMU exit
// with 2 * value + 1. Where the device is missing, the CPU halts for good.
#pragma once

enum power_exit {
    POWER_OFF = 0,      // orderly
    POWER_PANIC = 1,
};

// Waits for the console, then ends the machine.
_Noreturn void power_exit(enum power_exit why);

// Emits the record "poweroff" and ends the machine.
_Noreturn void power_off(void);
