// SPDX-License-Identifier: BSD-2-Clause
//
// Formatted text. Conversions: %d %i %u %x %X %o %c %s %p %% with flags - 0 + space #, width and
// precision (also *), and lengths hh h l ll z j t. kprintf writes to the registered sink, whole
// messages at a time (cut at KPRINTF_MAX bytes); it may be called anywhere, also with spinlocks
// held. Before there is a sink, the text is dropped.
#pragma once

#include <stdarg.h>
#include "lib/types.h"

#define KPRINTF_MAX 512

// Return the length the whole text has, as C's snprintf; buf is always terminated if size > 0.
int kvsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
// The same for the arguments behind fmt of the function that calls it; buf is an array.
#define format_args(buf, fmt)                                                                      \
    ({                                                                                             \
        va_list ap_;                                                                               \
        va_start(ap_, fmt);                                                                        \
        int n_ = kvsnprintf(buf, sizeof(buf), fmt, ap_);                                           \
        va_end(ap_);                                                                               \
        n_;                                                                                        \
    })
int ksnprintf(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

void kprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void kprintf_set_sink(void (*sink)(const char *text, size_t len));

// A growing text in a fixed buffer, for /proc files and check reports: what does not fit is cut,
// and `full' says so.
struct strbuf {
    char *buf;
    size_t size;        // bytes in buf
    size_t len;         // bytes written, < size
    bool full;
};
void strbuf_init(struct strbuf *sb, char *buf, size_t size);
void strbuf_printf(struct strbuf *sb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
