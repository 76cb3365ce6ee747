// SPDX-License-Identifier: BSD-2-Clause
//
// Memory and string functions, and the parsing of numbers. Written for few instructions: a string
// instruction moves or looks at 8 bytes for the price of one, and the odd bytes at the end are
// done by one access that overlaps the bulk. Names in parentheses are those that string.h also
// defines as macros.
#include "lib/string.h"

// Words at any alignment.
typedef uint64_t __attribute__((may_alias, aligned(1))) word64;
typedef uint32_t __attribute__((may_alias, aligned(1))) word32;
typedef uint16_t __attribute__((may_alias, aligned(1))) word16;

static inline word64 *w64(const void *p, size_t off)
{
    return (word64 *)((char *)p + off);
}

static inline word32 *w32(const void *p, size_t off)
{
    return (word32 *)((char *)p + off);
}

// Copies less than 8 bytes; all are read before any is written.
static inline void copy_small(void *dst, const void *src, size_t n)
{
    if (n >= 4) {
        uint32_t first = *w32(src, 0), last = *w32(src, n - 4);
        *w32(dst, 0) = first;
        *w32(dst, n - 4) = last;
    } else if (n >= 2) {
        uint16_t first = *(word16 *)src;
        uint8_t last = ((uint8_t *)src)[n - 1];
        *(word16 *)dst = first;
        ((uint8_t *)dst)[n - 1] = last;
    } else if (n) {
        *(uint8_t *)dst = *(uint8_t *)src;
    }
}

// Copies upward; right also for an overlap with dst below src, as the last word is read first.
static inline void copy_up(void *dst, const void *src, size_t n)
{
    uint64_t last = *w64(src, n - 8);
    word64 *end = w64(dst, n - 8);
    size_t words = n / 8;

    __asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(words) : : "memory");
    *end = last;
}

// Copies downward, for an overlap with dst above src; the first word is read first. An interrupt
// meanwhile clears the direction flag for itself.
static void copy_down(void *dst, const void *src, size_t n)
{
    uint64_t first = *w64(src, 0);
    word64 *to = w64(dst, n - 8), *from = w64(src, n - 8);
    size_t words = n / 8;

    __asm__ volatile("std; rep movsq; cld" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    *w64(dst, 0) = first;
}

void *(memcpy)(void *dst, const void *src, size_t n)
{
    if (n >= 8)
        copy_up(dst, src, n);
    else
        copy_small(dst, src, n);
    return dst;
}

void *(memmove)(void *dst, const void *src, size_t n)
{
    if (n < 8)
        copy_small(dst, src, n);
    else if ((uintptr_t)dst - (uintptr_t)src >= n)
        copy_up(dst, src, n);
    else
        copy_down(dst, src, n);
    return dst;
}

void *(memset)(void *dst, int c, size_t n)
{
    uint64_t fill = (uint8_t)c * (~0ul / 0xff);
    void *p = dst;

    if (n >= 8) {
        size_t words = n / 8;
        *w64(dst, n - 8) = fill;
        __asm__ volatile("rep stosq" : "+D"(p), "+c"(words) : "a"(fill) : "memory");
    } else if (n >= 4) {
        *w32(dst, 0) = fill;
        *w32(dst, n - 4) = fill;
    } else if (n) {
        uint8_t *bytes = dst;
        bytes[0] = bytes[n / 2] = bytes[n - 1] = c;
    }
    return dst;
}

int(memcmp)(const void *a, const void *b, size_t n)
{
    const uint8_t *p = a, *q = b;
    size_t words = n / 8;

    if (words) {
        bool equal;
        __asm__ volatile("repe cmpsq" : "+S"(p), "+D"(q), "+c"(words), "=@ccz"(equal) : : "memory");
        if (!equal) {
            uint64_t x = __builtin_bswap64(*w64(p - 8, 0)), y = __builtin_bswap64(*w64(q - 8, 0));
            return x < y ? -1 : 1;
        }
    }
    for (n %= 8; n; n--, p++, q++)
        if (*p != *q)
            return *p - *q;
    return 0;
}

void *memchr(const void *s, int c, size_t n)
{
    bool found;

    if (n == 0)
        return NULL;
    __asm__ volatile("repne scasb" : "+D"(s), "+c"(n), "=@ccz"(found) : "a"(c) : "memory");
    return found ? (char *)s - 1 : NULL;
}

size_t(strlen)(const char *s)
{
    size_t left = SIZE_MAX;

    __asm__ volatile("repne scasb" : "+D"(s), "+c"(left) : "a"(0) : "memory", "cc");
    return SIZE_MAX - 1 - left;
}

size_t strnlen(const char *s, size_t max)
{
    const char *end = memchr(s, 0, max);

    return end ? (size_t)(end - s) : max;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n; n--, a++, b++)
        if (*a != *b || !*a)
            return (uint8_t)*a - (uint8_t)*b;
    return 0;
}

char *strchr(const char *s, int c)
{
    for (; *s != (char)c; s++)
        if (!*s)
            return NULL;
    return (char *)s;
}

char *strrchr(const char *s, int c)
{
    const char *found = NULL;

    do {
        if (*s == (char)c)
            found = s;
    } while (*s++);
    return (char *)found;
}

size_t strlcpy(char *dst, const char *src, size_t size)
{
    size_t len = strlen(src);

    if (size > 0) {
        size_t n = min(len, size - 1);
        memcpy(dst, src, n);
        dst[n] = '\0';
    }
    return len;
}

// The value of a digit of any base up to 36; 36 or more if c is none.
static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
        return (c | 0x20) - 'a' + 10;
    return 36;
}

uint64_t strtou64(const char *s, const char **end, unsigned base)
{
    uint64_t v = 0;
    bool hex = s[0] == '0' && (s[1] | 0x20) == 'x' && digit_value(s[2]) < 16;

    if (hex && (base == 0 || base == 16)) {
        s += 2;
        base = 16;
    } else if (base == 0) {
        base = s[0] == '0' ? 8 : 10;
    }
    for (; digit_value(*s) < base; s++)
        if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, digit_value(*s), &v))
            break;
    if (digit_value(*s) < base) {
        v = UINT64_MAX;
        while (digit_value(*s) < base)
            s++;
    }
    if (end)
        *end = s;
    return v;
}

bool parse_number(const char *s, uint64_t *value)
{
    const char *end;

    *value = strtou64(s, &end, 0);
    return end != s && *end == '\0';
}

bool parse_size(const char *s, uint64_t *bytes)
{
    static const char suffixes[] = "kKmMgG";
    const char *end;
    uint64_t v = strtou64(s, &end, 0);
    const char *suffix = strchr(suffixes, *end); // the terminator, if there is no suffix

    if (end == s || v == UINT64_MAX || !suffix || (*end && end[1]))
        return false;
    unsigned shift = *end ? 10 + (suffix - suffixes) / 2 * 10 : 0;
    if (v > UINT64_MAX >> shift)
        return false;
    *bytes = v << shift;
    return true;
}
