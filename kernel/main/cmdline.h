// SPDX-License-Identifier: BSD-2-Clause
//
// The kernel's command line: words separated by blanks, `name' or `name=value'. Constant.
#pragma once

#include "lib/types.h"

void cmdline_init(const char *text);        // text must live on

// True if the word is there, with a value or without.
bool cmdline_has(const char *name);

// The value of the last word name=value, into buf; false if there is none or it does not fit.
bool cmdline_get(const char *name, char *buf, size_t size);

// A number (0x and 0 prefixes) or a size (suffix K, M, G); fallback if there is none. A malformed
// one is said, and the fallback taken.
uint64_t cmdline_number(const char *name, uint64_t fallback);
uint64_t cmdline_size(const char *name, uint64_t fallback);

// Calls fn with each value of a word that may come several times, cut to 63 bytes.
void cmdline_each(const char *name, void (*fn)(const char *value));
