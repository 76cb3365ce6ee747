// SPDX-License-Identifier: BSD-2-Clause
/*
 * qsort as a heap sort (in place, never quadratic), binary search, and a small generator of
 * pseudo-random numbers.
 */
#include <stdint.h>
#include <stdlib.h>

typedef int compare(const void *, const void *);

static void swap(char *a, char *b, size_t size)
{
    for (; size > 0; size--, a++, b++) {
        char t = *a;
        *a = *b;
        *b = t;
    }
}

/* Restores the heap below node i of n. */
static void sift(char *base, size_t i, size_t n, size_t size, compare *cmp)
{
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && cmp(base + child * size, base + (child + 1) * size) < 0)
            child++;
        if (cmp(base + i * size, base + child * size) >= 0)
            return;
        swap(base + i * size, base + child * size, size);
    }
}

void qsort(void *base, size_t n, size_t size, compare *cmp)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(base, i, n, size, cmp);
    while (n-- > 1) {
        swap(base, (char *)base + n * size, size);
        sift(base, 0, n, size, cmp);
    }
}

void *bsearch(const void *key, const void *base, size_t n, size_t size, compare *cmp)
{
    while (n > 0) {
        const char *middle = (const char *)base + n / 2 * size;
        int c = cmp(key, middle);
        if (c == 0)
            return (void *)middle;
        if (c > 0) {
            base = middle + size;
            n--;
        }
        n /= 2;
    }
    return NULL;
}

static uint64_t random_state = 1;

void srand(unsigned seed)
{
    random_state = seed;
}

int rand(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (int)(random_state >> 33);
}
