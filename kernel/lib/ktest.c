// SPDX-License-Identifier: BSD-2-Clause
//
// The registry of in-kernel tests: the linker gathers them in the section .ktest.
#include "lib/ktest.h"

#include "lib/printf.h"
#include "lib/string.h"

#define MAX_REASON 256

extern const struct ktest ktest_start[], ktest_end[]; // kernel.ld

static char reason[MAX_REASON]; // of the running test's first failure
static const char *running;     // that test's name; NULL: none

void ktest_fail(const char *fmt, ...)
{
    if (!reason[0])
        format_args(reason, fmt);
}

bool ktest_failed(void)
{
    return reason[0] != '\0';
}

static bool matches(const char *name, const char *pattern)
{
    for (; *pattern; name++, pattern++) {
        if (*pattern == '*') {
            do {
                if (matches(name, pattern + 1))
                    return true;
            } while (*name++);
            return false;
        }
        if (*name != *pattern)
            return false;
    }
    return *name == '\0';
}

// The first test by name that comes after `previous' (NULL: the first of all).
static const struct ktest *next_test(const struct ktest *previous)
{
    const struct ktest *best = NULL;
    for (const struct ktest *t = ktest_start; t < ktest_end; t++) {
        if (previous && strcmp(t->name, previous->name) <= 0)
            continue;
        if (!best || strcmp(t->name, best->name) < 0)
            best = t;
    }
    return best;
}

static void report_test(const char *name, void (*report)(const char *line))
{
    char line[MAX_REASON + 64];
    ksnprintf(line, sizeof(line), "test %s %s%s", name, reason[0] ? "FAIL " : "ok", reason);
    report(line);
}

void ktest_report_failure(void (*report)(const char *line))
{
    if (running && reason[0])
        report_test(running, report);
}

static bool is_crash(const char *name)
{
    return strncmp(name, "crash_", 6) == 0;
}

unsigned ktest_run(const char *pattern, void (*report)(const char *line))
{
    unsigned run = 0, failed = 0;
    if (strcmp(pattern, "all") == 0)
        pattern = "*";
    for (const struct ktest *t = next_test(NULL); t; t = next_test(t)) {
        if (!matches(t->name, pattern) || (is_crash(t->name) && !is_crash(pattern)))
            continue;
        reason[0] = '\0';
        running = t->name;
        t->run();
        running = NULL;
        run++;
        failed += ktest_failed();
        report_test(t->name, report);
    }
    if (run > 0)
        return failed;
    ksnprintf(reason, sizeof(reason), "no such test");
    report_test(pattern, report);
    return 1;
}
