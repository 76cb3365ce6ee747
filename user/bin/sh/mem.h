// SPDX-License-Identifier: BSD-2-Clause
/*
 * The shell's memory. Trees and expanded words are taken from a stack of chunks and given back all
 * at once when the command that needed them has run; so no path out of a command, not even a jump,
 * can leak. What lives longer (variables, jobs) comes from malloc.
 */
#pragma once

#include <stddef.h>

struct chunk;

struct arena {
    struct chunk *top;
    struct arena *next; /* of those that live as long as the shell */
};

struct mark {
    struct arena *arena;
    struct chunk *chunk;
    size_t used;
};

/* The tree of a function outlives its command: it goes into an arena of its own. */
struct arena *mem_new_arena(void);
struct arena *mem_switch(struct arena *to); /* returns the one that was in use */
struct arena *mem_current(void);

void *mem_alloc(size_t n); /* zeroed, from the arena in use */
struct mark mem_mark(void);
void mem_release(struct mark m); /* also puts the mark's arena in use again */

char *mem_dup(const char *s, size_t n);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void *xmalloc(size_t n); /* malloc that ends the shell rather than fail */
char *xstrdup(const char *s);

struct buf { /* a growing string from the arena */
    char *s;
    size_t n, size;
};

void buf_put(struct buf *b, char c);
void buf_add(struct buf *b, const char *s, size_t n);
char *buf_string(struct buf *b); /* ends it with a zero byte; never NULL */
