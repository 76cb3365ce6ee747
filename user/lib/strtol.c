// SPDX-License-Identifier: BSD-2-Clause
/*
 * Numbers from text.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

static int digit_of(char c)
{
    if (isdigit(c))
        return c - '0';
    return isalpha(c) ? tolower(c) - 'a' + 10 : INT_MAX;
}

/* The magnitude, capped at limit with ERANGE; *negative tells the sign that was read. */
static unsigned long magnitude(const char *s, char **end, int base, bool *negative,
                               unsigned long limit, unsigned long neg_limit)
{
    const char *start = s;
    while (isspace(*s))
        s++;
    *negative = *s == '-';
    if (*s == '-' || *s == '+')
        s++;
    if ((base == 0 || base == 16) && s[0] == '0' && tolower(s[1]) == 'x' && isxdigit(s[2])) {
        base = 16;
        s += 2;
    } else if (base == 0) {
        base = *s == '0' ? 8 : 10;
    }
    if (*negative)
        limit = neg_limit;
    unsigned long v = 0;
    bool any = false, overflow = false;
    for (; digit_of(*s) < base; s++, any = true)
        overflow |= __builtin_mul_overflow(v, (unsigned long)base, &v) ||
                    __builtin_add_overflow(v, (unsigned long)digit_of(*s), &v) || v > limit;
    if (end)
        *end = (char *)(any ? s : start);
    if (overflow) {
        errno = ERANGE;
        return limit;
    }
    return v;
}

long strtol(const char *restrict s, char **restrict end, int base)
{
    bool negative;
    unsigned long v = magnitude(s, end, base, &negative, LONG_MAX, LONG_MAX + 1UL);
    return (long)(negative ? -v : v);
}

unsigned long strtoul(const char *restrict s, char **restrict end, int base)
{
    bool negative;
    unsigned long v = magnitude(s, end, base, &negative, ULONG_MAX, ULONG_MAX);
    return negative ? -v : v;
}

long long strtoll(const char *restrict s, char **restrict end, int base)
{
    return strtol(s, end, base);
}

unsigned long long strtoull(const char *restrict s, char **restrict end, int base)
{
    return strtoul(s, end, base);
}

int atoi(const char *s)
{
    return (int)strtol(s, NULL, 10);
}

long atol(const char *s)
{
    return strtol(s, NULL, 10);
}

int abs(int n)
{
    return n < 0 ? -n : n;
}

long labs(long n)
{
    return n < 0 ? -n : n;
}
