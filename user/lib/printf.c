// SPDX-License-Identifier: BSD-2-Clause
/*
 * The printf family: one formatter that hands pieces of text to a sink, which is a file, a
 * descriptor or a bounded string.
 */
#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include "file.h"

#define MAX_DIGITS 24 /* of a 64-bit number in octal, and a sign */

struct sink {
    FILE *file; /* or, when NULL, the string: */
    char *s;
    size_t size, used; /* used counts on beyond size */
    bool failed;
};

struct spec { /* one conversion */
    bool left, zero, plus, space, alt;
    int width, precision; /* precision -1: none given */
    char length, conv;    /* length: 'l' stands for all 64-bit ones, 'b' for hh */
};

static void emit(struct sink *k, const char *s, size_t n)
{
    if (k->file) {
        k->failed |= __put(k->file, s, n) != n;
    } else if (k->used < k->size) {
        size_t room = k->size - k->used;
        memcpy(k->s + k->used, s, n < room ? n : room);
    }
    k->used += n;
}

static void pad(struct sink *k, char c, int n)
{
    for (; n > 0; n--)
        emit(k, &c, 1);
}

/* prefix + zeros + body, in a field of the width. */
static void field(struct sink *k, const struct spec *sp, const char *prefix, int zeros,
                  const char *body, int n)
{
    int blanks = sp->width - (int)strlen(prefix) - zeros - n;
    if (!sp->left)
        pad(k, ' ', blanks);
    emit(k, prefix, strlen(prefix));
    pad(k, '0', zeros);
    emit(k, body, (size_t)n);
    if (sp->left)
        pad(k, ' ', blanks);
}

static void number(struct sink *k, const struct spec *sp, uint64_t v, unsigned base,
                   const char *prefix)
{
    const char *digits = sp->conv == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    char buf[MAX_DIGITS], *p = buf + sizeof buf;
    for (; v > 0; v /= base)
        *--p = digits[v % base];
    int n = (int)(buf + sizeof buf - p);
    int zeros = (sp->precision < 0 ? 1 : sp->precision) - n;
    if (sp->zero && !sp->left && sp->precision < 0)
        zeros = sp->width - (int)strlen(prefix) - n;
    if (zeros < (sp->precision < 0) && n == 0)
        zeros = sp->precision < 0;
    field(k, sp, prefix, zeros > 0 ? zeros : 0, p, n);
}

static uint64_t integer(const struct spec *sp, va_list *ap, bool is_signed)
{
    if (sp->length == 'l')
        return va_arg(*ap, uint64_t);
    unsigned v = va_arg(*ap, unsigned);
    if (sp->length == 'h')
        return is_signed ? (uint64_t)(int16_t)v : (uint16_t)v;
    if (sp->length == 'b')
        return is_signed ? (uint64_t)(int8_t)v : (uint8_t)v;
    return is_signed ? (uint64_t)(int)v : v;
}

static void convert(struct sink *k, struct spec *sp, va_list *ap)
{
    const char *s;
    char c;
    int64_t v;
    switch (sp->conv) {
    case 'd':
    case 'i':
        v = (int64_t)integer(sp, ap, true);
        number(k, sp, v < 0 ? -(uint64_t)v : (uint64_t)v, 10,
               v < 0       ? "-"
               : sp->plus  ? "+"
               : sp->space ? " "
                           : "");
        break;
    case 'u':
        number(k, sp, integer(sp, ap, false), 10, "");
        break;
    case 'o':
        number(k, sp, integer(sp, ap, false), 8, sp->alt ? "0" : "");
        break;
    case 'x':
    case 'X': {
        uint64_t u = integer(sp, ap, false);
        number(k, sp, u, 16, sp->alt && u ? sp->conv == 'x' ? "0x" : "0X" : "");
        break;
    }
    case 'p':
        sp->conv = 'x';
        number(k, sp, (uintptr_t)va_arg(*ap, void *), 16, "0x");
        break;
    case 'c':
        c = (char)va_arg(*ap, int);
        field(k, sp, "", 0, &c, 1);
        break;
    case 's':
        s = va_arg(*ap, const char *);
        if (!s)
            s = "(null)";
        field(k, sp, "", 0, s,
              (int)(sp->precision < 0 ? strlen(s) : strnlen(s, (size_t)sp->precision)));
        break;
    default:
        emit(k, &sp->conv, 1);
    }
}

static int count(const char **f, va_list *ap)
{
    if (**f == '*') {
        ++*f;
        return va_arg(*ap, int);
    }
    int n = 0;
    for (; isdigit(**f); ++*f)
        n = n * 10 + **f - '0';
    return n;
}

/* Reads the conversion after a % sign; returns the text after it. */
static const char *parse(const char *f, struct spec *sp, va_list *ap)
{
    *sp = (struct spec){.precision = -1};
    for (; *f && strchr("-0+ #", *f); f++) {
        sp->left |= *f == '-';
        sp->zero |= *f == '0';
        sp->plus |= *f == '+';
        sp->space |= *f == ' ';
        sp->alt |= *f == '#';
    }
    sp->width = count(&f, ap);
    if (sp->width < 0) {
        sp->left = true;
        sp->width = -sp->width;
    }
    if (*f == '.') {
        f++;
        sp->precision = count(&f, ap);
    }
    for (; *f && strchr("hljzt", *f); f++)
        sp->length = *f != 'h' ? 'l' : sp->length == 'h' ? 'b' : 'h';
    sp->conv = *f;
    return *f ? f + 1 : f;
}

static int format(struct sink *k, const char *f, va_list ap0)
{
    va_list ap;
    va_copy(ap, ap0);
    while (*f) {
        size_t n = strcspn(f, "%");
        emit(k, f, n);
        f += n;
        if (*f == '%') {
            struct spec sp;
            f = parse(f + 1, &sp, &ap);
            convert(k, &sp, &ap);
        }
    }
    va_end(ap);
    return k->failed ? -1 : (int)k->used;
}

int vfprintf(FILE *restrict f, const char *restrict fmt, va_list ap)
{
    struct sink k = {.file = f};
    if (f->mode != _IONBF)
        return format(&k, fmt, ap);
    f->mode = _IOFBF; /* one write for one message */
    int r = format(&k, fmt, ap);
    fflush(f);
    f->mode = _IONBF;
    return r;
}

int vprintf(const char *restrict fmt, va_list ap)
{
    return vfprintf(stdout, fmt, ap);
}

int vsnprintf(char *restrict s, size_t n, const char *restrict fmt, va_list ap)
{
    struct sink k = {.s = s, .size = n};
    int r = format(&k, fmt, ap);
    if (n > 0)
        s[k.used < n ? k.used : n - 1] = '\0';
    return r;
}

#define FORWARD(call)                                                                              \
    va_list ap;                                                                                    \
    va_start(ap, fmt);                                                                             \
    int r = call;                                                                                  \
    va_end(ap);                                                                                    \
    return r

int printf(const char *restrict fmt, ...)
{
    FORWARD(vfprintf(stdout, fmt, ap));
}

int fprintf(FILE *restrict f, const char *restrict fmt, ...)
{
    FORWARD(vfprintf(f, fmt, ap));
}

int snprintf(char *restrict s, size_t n, const char *restrict fmt, ...)
{
    FORWARD(vsnprintf(s, n, fmt, ap));
}

int sprintf(char *restrict s, const char *restrict fmt, ...)
{
    FORWARD(vsnprintf(s, (size_t)INT32_MAX, fmt, ap));
}

int dprintf(int fd, const char *restrict fmt, ...)
{
    struct file f = {.fd = fd, .mode = _IONBF};
    FORWARD(vfprintf(&f, fmt, ap));
}
