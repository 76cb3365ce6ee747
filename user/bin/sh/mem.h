// SPDX-License-Identifier: BSD-2-Clause
//
// The shell's memory. Words and what they become are taken one after the other and given back all
// at once when the command that needed them has run; so no path out of a command, not even a jump,
// can leak. What lives longer comes from malloc.
#pragma once

#include <stddef.h>

void *mem_alloc(size_t n); // zeroed; the shell ends rather than fail
void *mem_mark(void);
void mem_release(void *mark); // all that was taken since the mark

char *mem_dup(const char *s, size_t n);
char *mem_number(long n);

struct buf { // a growing string
    char *s;
    size_t n, size;
};

void buf_put(struct buf *b, char c);
void buf_add(struct buf *b, const char *s, size_t n);
char *buf_string(struct buf *b); // ends it with a zero byte; never NULL
