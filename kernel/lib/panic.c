// SPDX-License-Identifier: BSD-2-Clause
//
// Formats the message of a broken invariant and passes it to the registered handler, which ends
// the machine. The text is built on the stack, so that several CPUs may panic at once.
#include "lib/panic.h"
#include "lib/printf.h"

static void (*panic_handler)(const char *message);

void panic_set_handler(void (*handler)(const char *message))
{
    panic_handler = handler;
}

void panic(const char *fmt, ...)
{
    char message[KPRINTF_MAX];

    format_args(message, fmt);
    if (panic_handler)
        panic_handler(message);
    kprintf("panic: %s\n", message);
    for (;;)
        ;
}
