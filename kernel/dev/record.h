// SPDX-License-Identifier: BSD-2-Clause
//
// The record channel: numbered frames on the debug console (port 0xe9), apart from anything that
// programs print. A frame is
//     @<seq> <len> <crc32 of the payload, 8 hex digits> <payload>\n
// with seq counted from 0 and both numbers in decimal. The reader sees losses and tampering.
//
// Locks: LOCK_CONSOLE, taken inside. Callable in any context.
#pragma once

#include "lib/types.h"

#define RECORD_MAX 4096     // bytes of payload

// Emits one frame; len <= RECORD_MAX.
void record_write(const void *payload, size_t len);
void record_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// From now on no lock is taken, see uart_panic_mode.
void record_panic_mode(void);
