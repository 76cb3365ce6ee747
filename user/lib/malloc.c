// SPDX-License-Identifier: BSD-2-Clause
/*
 * malloc by size classes: powers of two up to 64 KiB come from the break and go back to a free
 * list of their class; larger blocks are mappings of their own and go back to the kernel. Not for
 * several threads at once.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIN_SHIFT    5
#define MAX_SHIFT    16
#define CHUNK        (64 * 1024UL)
#define PAGE         4096UL
#define ROUND(n, to) (((n) + (to)-1) & ~((to)-1))

struct block {
    size_t size; /* of the whole block with this header */
    union {
        struct block *next; /* while free */
        char align[8];
    };
};

_Static_assert(sizeof(struct block) == 16, "user memory is 16-byte aligned");

static struct block *free_list[MAX_SHIFT + 1];
static char *fresh, *fresh_end; /* memory from the break that was never handed out */

static int class_of(size_t size)
{
    int shift = MIN_SHIFT;
    while ((1UL << shift) < size)
        shift++;
    return shift;
}

static struct block *carve(size_t size)
{
    if ((size_t)(fresh_end - fresh) < size) {
        char *p = sbrk((intptr_t)CHUNK);
        if (p == (char *)-1)
            return NULL;
        if (p != fresh_end)
            fresh = (char *)ROUND((uintptr_t)p, 16);
        fresh_end = p + CHUNK;
        if ((size_t)(fresh_end - fresh) < size)
            return carve(size);
    }
    struct block *b = (struct block *)fresh;
    fresh += size;
    return b;
}

void *malloc(size_t n)
{
    struct block *b;
    size_t size = n + sizeof *b;
    if (size < n || size > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    if (size > 1UL << MAX_SHIFT) {
        size = ROUND(size, PAGE);
        b = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (b == MAP_FAILED)
            return NULL;
    } else {
        int class = class_of(size);
        size = 1UL << class;
        b = free_list[class];
        if (b)
            free_list[class] = b->next;
        else if (!(b = carve(size)))
            return NULL;
    }
    b->size = size;
    return b + 1;
}

void free(void *p)
{
    if (!p)
        return;
    struct block *b = (struct block *)p - 1;
    if (b->size > 1UL << MAX_SHIFT) {
        munmap(b, b->size);
        return;
    }
    int class = class_of(b->size);
    b->next = free_list[class];
    free_list[class] = b;
}

void *calloc(size_t n, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(n, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = malloc(total);
    return p ? memset(p, 0, total) : NULL;
}

void *realloc(void *p, size_t n)
{
    if (!p)
        return malloc(n);
    size_t have = ((struct block *)p - 1)->size - sizeof(struct block);
    if (n <= have)
        return p;
    void *new = malloc(n);
    if (!new)
        return NULL;
    memcpy(new, p, have);
    free(p);
    return new;
}
