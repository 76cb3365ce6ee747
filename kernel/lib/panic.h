// SPDX-License-Identifier: BSD-2-Clause
//
// Broken invariants. panic never returns; the machine layer registers what it does (registers,
// backtrace, locks, power off). KASSERT takes a format and the values that explain the failure.
#pragma once

#include "lib/types.h"

_Noreturn void panic(const char *fmt, ...) __attribute__((cold, format(printf, 1, 2)));

// Installs the function that ends the machine; it gets the formatted message (cut at
// KPRINTF_MAX). Without one, or if it returns, the message is printed and the CPU spins.
void panic_set_handler(void (*handler)(const char *message));

#define KASSERT(cond, fmt, ...)                                                                    \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0))                                                          \
            panic("%s:%d: %s: assertion `%s' failed: " fmt, __FILE__, __LINE__, __func__, #cond,   \
                  ##__VA_ARGS__);                                                                  \
    } while (0)
