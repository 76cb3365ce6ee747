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

struct number {
    unsigned long magnitude;
    bool negative, overflow;
};

static struct number read_number(const char *s, char **end, int base)
{
    struct number n = {0};
    const char *start = s;
    bool any = false;
    while (isspace(*s))
        s++;
    n.negative = *s == '-';
    if (*s == '-' || *s == '+')
        s++;
    if ((base == 0 || base == 16) && s[0] == '0' && tolower(s[1]) == 'x' && isxdigit(s[2])) {
        base = 16;
        s += 2;
    } else if (base == 0) {
        base = *s == '0' ? 8 : 10;
    }
    for (; digit_of(*s) < base; s++, any = true)
        n.overflow |=
            __builtin_mul_overflow(n.magnitude, (unsigned long)base, &n.magnitude) ||
            __builtin_add_overflow(n.magnitude, (unsigned long)digit_of(*s), &n.magnitude);
    if (end)
        *end = (char *)(any ? s : start);
    return n;
}

long strtol(const char *restrict s, char **restrict end, int base)
{
    struct number n = read_number(s, end, base);
    if (n.overflow || n.magnitude > (unsigned long)LONG_MAX + n.negative) {
        errno = ERANGE;
        return n.negative ? LONG_MIN : LONG_MAX;
    }
    return (long)(n.negative ? -n.magnitude : n.magnitude);
}

unsigned long strtoul(const char *restrict s, char **restrict end, int base)
{
    struct number n = read_number(s, end, base);
    if (n.overflow) {
        errno = ERANGE;
        return ULONG_MAX;
    }
    return n.negative ? -n.magnitude : n.magnitude;
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
