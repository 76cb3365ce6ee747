// SPDX-License-Identifier: BSD-2-Clause
//
// Turning the machine off.
#include "dev/power.h"

#include "dev/io.h"
#include "dev/record.h"
#include "dev/uart.h"

#define DEBUG_EXIT_PORT 0xf4

void power_exit(enum power_exit why)
{
    uart_drain();
    outb(DEBUG_EXIT_PORT, why);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void power_off(void)
{
    record_write("poweroff", 8);
    power_exit(POWER_OFF);
}
