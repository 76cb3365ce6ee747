// SPDX-License-Identifier: BSD-2-Clause
/*
 * Messages of the form "program: what: why" on stderr; err and errx also exit.
 */
#pragma once

#include <stdio.h>

_Noreturn void err(int status, const char *fmt, ...) PRINTF_LIKE(2, 3);
_Noreturn void errx(int status, const char *fmt, ...) PRINTF_LIKE(2, 3);
void warn(const char *fmt, ...) PRINTF_LIKE(1, 2);
void warnx(const char *fmt, ...) PRINTF_LIKE(1, 2);
