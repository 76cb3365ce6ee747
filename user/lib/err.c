// SPDX-License-Identifier: BSD-2-Clause
/*
 * Messages with the program's name, and assert's.
 */
#include <assert.h>
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "libc.h"

static void report(int error, const char *fmt, va_list ap)
{
    char text[512];
    vsnprintf(text, sizeof text, fmt, ap);
    if (error >= 0)
        fprintf(stderr, "%s: %s: %s\n", __progname, text, strerror(error));
    else
        fprintf(stderr, "%s: %s\n", __progname, text);
}

#define REPORT(error)                                                                              \
    va_list ap;                                                                                    \
    va_start(ap, fmt);                                                                             \
    report(error, fmt, ap);                                                                        \
    va_end(ap)

void warn(const char *fmt, ...)
{
    REPORT(errno);
}

void warnx(const char *fmt, ...)
{
    REPORT(-1);
}

void err(int status, const char *fmt, ...)
{
    REPORT(errno);
    exit(status);
}

void errx(int status, const char *fmt, ...)
{
    REPORT(-1);
    exit(status);
}

void __assert_fail(const char *expr, const char *file, unsigned line, const char *func)
{
    fprintf(stderr, "%s: %s:%u: %s: assertion failed: %s\n", __progname, file, line, func, expr);
    abort();
}
