// SPDX-License-Identifier: BSD-2-Clause
/*
 * Basic regular expressions: . * [set] ^ $ and backslash, without groups.
 */
#pragma once

#include <stdbool.h>

/* Whether some part of the text matches. fold: letters match in either case. */
bool pattern_search(const char *pattern, const char *text, bool fold);
