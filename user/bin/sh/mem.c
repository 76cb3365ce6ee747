// SPDX-License-Identifier: BSD-2-Clause
//
// The pieces of the shell's memory, the newest first.
#include "mem.h"
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct piece {
    struct piece *older;
    char data[] __attribute__((aligned(16)));
};

static struct piece *newest;

void *mem_alloc(size_t n)
{
    struct piece *p = calloc(1, sizeof *p + n);
    if (!p)
        errx(2, "out of memory");
    p->older = newest;
    newest = p;
    return p->data;
}

void *mem_mark(void)
{
    return newest;
}

void mem_release(void *mark)
{
    while (newest != mark) {
        struct piece *p = newest;
        newest = p->older;
        free(p);
    }
}

char *mem_dup(const char *s, size_t n)
{
    return memcpy(mem_alloc(n + 1), s, n);
}

char *mem_number(long n)
{
    char text[24];
    return mem_dup(text, (size_t)snprintf(text, sizeof text, "%ld", n));
}

void buf_add(struct buf *b, const char *s, size_t n)
{
    if (b->n + n > b->size) {
        b->size = 2 * (b->n + n) + 32;
        char *bigger = mem_alloc(b->size);
        memcpy(bigger, b->s ? b->s : "", b->n);
        b->s = bigger;
    }
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
