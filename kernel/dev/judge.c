// SPDX-License-Identifier: BSD-2-Clause
//
// Points for a judge outside, on two devices of the emulator. The limit is set once at start-up.
#include "dev/judge.h"

#include "dev/io.h"
#include "dev/record.h"
#include "lib/printf.h"
#include "lib/types.h"

#define JUDGE_PORT    0x505 // pvpanic: a byte with bit 0 set stops the machine
#define WATCHDOG_PORT 0x443 // IB700: started by n, it is due in 30 - 2n seconds
#define WATCHDOG_MAX  30

static unsigned limit; // seconds

static void start_watchdog(void)
{
    if (limit)
        outb(WATCHDOG_PORT, (uint8_t)((WATCHDOG_MAX - min(limit, (unsigned)WATCHDOG_MAX)) / 2));
}

void judge_deadline(unsigned seconds)
{
    limit = seconds;
    start_watchdog();
}

void judge_point(const char *fmt, ...)
{
    char text[256];

    format_args(text, fmt);
    if (judge_report)
        judge_report();
    record_printf("point %s", text);
    start_watchdog();
    outb(JUDGE_PORT, 1);
}
