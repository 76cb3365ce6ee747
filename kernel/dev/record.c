// SPDX-License-Identifier: BSD-2-Clause
//
// The record channel's frames. One lock keeps a frame in one piece and the numbers in order.
#include "dev/record.h"

#include "dev/io.h"
#include "lib/crc32.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "sync/spinlock.h"

#define RECORD_PORT 0xe9

static struct spinlock record_lock = SPINLOCK_INIT("record", LOCK_CONSOLE, 0);
static uint64_t next_seq; // (record_lock)
static bool panic_mode;   // never cleared

void record_write(const void *payload, size_t len)
{
    KASSERT(len <= RECORD_MAX, "record of %zu bytes", len);
    uint32_t crc = crc32(0, payload, len);
    char head[64];
    if (!panic_mode)
        spin_lock(&record_lock);
    int n = ksnprintf(head, sizeof(head), "@%lu %zu %08x ", next_seq++, len, crc);
    outsb(RECORD_PORT, head, n);
    outsb(RECORD_PORT, payload, len);
    outb(RECORD_PORT, '\n');
    if (!panic_mode)
        spin_unlock(&record_lock);
}

void record_printf(const char *fmt, ...)
{
    char text[512];
    int n = format_args(text, fmt);
    record_write(text, min((size_t)n, sizeof(text) - 1));
}

void record_panic_mode(void)
{
    panic_mode = true;
}
