// SPDX-License-Identifier: BSD-2-Clause
/*
 * Comparison without regard to case.
 */
#pragma once

#include <stddef.h>

int strcasecmp(const char *a, const char *b);
int strncasecmp(const char *a, const char *b, size_t n);
