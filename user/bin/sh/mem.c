// SPDX-License-Identifier: BSD-2-Clause
/*
 * The stack of chunks behind the shell's temporary memory.
 */
#include <err.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem.h"

#define CHUNK_SIZE 8000
#define ALIGN      16

struct chunk {
    struct chunk *below;
    size_t used, size;
    char data[] __attribute__((aligned(ALIGN)));
};

static struct arena main_arena;
static struct arena *arena = &main_arena;

void *xmalloc(size_t n)
{
    void *p = malloc(n);
    if (!p)
        errx(2, "out of memory");
    return p;
}

char *xstrdup(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(xmalloc(n), s, n);
}

struct arena *mem_new_arena(void)
{
    struct arena *a = xmalloc(sizeof *a);
    *a = (struct arena){.next = main_arena.next};
    main_arena.next = a;
    return a;
}

struct arena *mem_switch(struct arena *to)
{
    struct arena *old = arena;
    arena = to;
    return old;
}

struct arena *mem_current(void)
{
    return arena;
}

void *mem_alloc(size_t n)
{
    n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct chunk *c = arena->top;
    if (!c || c->size - c->used < n) {
        size_t size = n > CHUNK_SIZE ? n : CHUNK_SIZE;
        c = xmalloc(sizeof *c + size);
        *c = (struct chunk){.below = arena->top, .size = size};
        arena->top = c;
    }
    void *p = c->data + c->used;
    c->used += n;
    return memset(p, 0, n);
}

struct mark mem_mark(void)
{
    struct chunk *c = arena->top;
    return (struct mark){.arena = arena, .chunk = c, .used = c ? c->used : 0};
}

void mem_release(struct mark m)
{
    arena = m.arena;
    while (arena->top != m.chunk) {
        struct chunk *c = arena->top;
        arena->top = c->below;
        free(c);
    }
    if (m.chunk)
        m.chunk->used = m.used;
}

char *mem_dup(const char *s, size_t n)
{
    return memcpy(mem_alloc(n + 1), s, n);
}

char *mem_printf(const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    char *s = mem_alloc((size_t)n + 1);
    vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return s;
}

void buf_add(struct buf *b, const char *s, size_t n)
{
    if (b->n + n > b->size) {
        size_t size = 2 * b->size > b->n + n ? 2 * b->size : b->n + n + 32;
        char *bigger = mem_alloc(size);
        if (b->n > 0)
            memcpy(bigger, b->s, b->n);
        b->s = bigger;
        b->size = size;
    }
    if (n > 0)
        memcpy(b->s + b->n, s, n);
    b->n += n;
}

void buf_put(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

char *buf_string(struct buf *b)
{
    buf_put(b, '\0');
    b->n--;
    return b->s;
}
