// SPDX-License-Identifier: BSD-2-Clause
//
// Turning the machine off.
#include "dev/power.h"

#include "dev/io.h"
#include "dev/record.h"
#include "dev/uart.h"
#include "lib/printf.h"

#define DEBUG_EXIT_PORT 0xf4

void power_exit(enum power_exit why)
{
    uart_drain();
    outb(DEBUG_EXIT_PORT, why);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void power_cannot_start(const char *fmt, ...)
{
    char text[256];

    format_args(text, fmt);
    record_printf("cannot-start %s", text);
    kprintf_set_sink(uart_write_text);
    kprintf("Strata cannot start: %s.\n"
            "The disk image is built by `make image'; fsck IMAGE names what is wrong with one.\n",
            text);
    power_exit(POWER_CANNOT_START);
}

void power_off(void)
{
    record_write("poweroff", 8);
    power_exit(POWER_OFF);
}
