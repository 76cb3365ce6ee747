// SPDX-License-Identifier: BSD-2-Clause
//
// Tests that run inside the kernel. KTEST(name) { ... } defines one, in any part; booting with
// test=PATTERN runs those whose names match (`*' stands for anything; all: every one), in the
// order of their names, each reporting `test NAME ok' or `test NAME FAIL why' as a record and on
// the console, and then turns the machine off. They run in a thread, once all parts are up.
// A test called crash_... means to panic, and runs only if the pattern begins like that.
#pragma once

#include "lib/types.h"

struct ktest {
    const char *name;
    void (*run)(void);
};

#define KTEST(test_name)                                                                           \
    static void ktest_##test_name(void);                                                           \
    static const struct ktest ktest_entry_##test_name                                              \
        __attribute__((section(".ktest"), used)) = {#test_name, ktest_##test_name};                \
    static void ktest_##test_name(void)

// Notes a failure, with values; the test goes on. The first one is reported.
#define KTEST_CHECK(cond, fmt, ...)                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            ktest_fail("%s:%d: %s: " fmt, __FILE__, __LINE__, #cond, ##__VA_ARGS__);               \
    } while (0)

void ktest_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
// True once the running test has failed: what can only end in a panic then is better left out.
bool ktest_failed(void);

// Runs the tests that match and hands one line about each to report; the number of failures,
// which is 1 if nothing matches.
unsigned ktest_run(const char *pattern, void (*report)(const char *line));

// The running test's line, if something has failed in it: for who ends the machine before the test
// comes to its end.
void ktest_report_failure(void (*report)(const char *line));
