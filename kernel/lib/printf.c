// SPDX-License-Identifier: BSD-2-Clause
//
// The formatter behind kprintf, ksnprintf and strbuf: one pass over the format, each conversion
// parsed into a struct spec and written by a function of its own. Uses no static buffers, so it
// needs no lock; the sink does its own locking.
#include "lib/printf.h"
#include "lib/string.h"

// Text goes to buf while it fits; len counts all of it.
struct out {
    char *buf;
    size_t size;
    size_t len;
};

struct spec {
    bool left, zero, plus, space, alt; // flags - 0 + space #
    int width;                         // at least so many characters
    int precision;                     // -1: none given
    int length;                        // bytes of an integer argument: 1, 2, 4 or 8
};

// Enough digits for 64 bits in base 8.
#define MAX_DIGITS 22

static void put(struct out *o, char c)
{
    if (o->len + 1 < o->size)
        o->buf[o->len] = c;
    o->len++;
}

static void put_bytes(struct out *o, const char *s, size_t n)
{
    if (o->len + n < o->size)
        memcpy(o->buf + o->len, s, n);
    else if (o->len + 1 < o->size)
        memcpy(o->buf + o->len, s, o->size - 1 - o->len);
    o->len += n;
}

static void pad(struct out *o, char c, long n)
{
    while (n-- > 0)
        put(o, c);
}

static void put_string(struct out *o, const struct spec *sp, const char *s)
{
    if (!s)
        s = "(null)";
    size_t n = sp->precision < 0 ? strlen(s) : strnlen(s, sp->precision);
    long fill = sp->width - (long)n;

    if (!sp->left)
        pad(o, ' ', fill);
    put_bytes(o, s, n);
    if (sp->left)
        pad(o, ' ', fill);
}

// Writes v's digits so that they end before `end'; returns how many.
static int digits(char *end, uint64_t v, unsigned base, bool upper)
{
    const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char *p = end;

    if (base == 10) {
        for (; v; v /= 10)
            *--p = '0' + v % 10;
    } else {
        unsigned shift = base == 16 ? 4 : 3;
        for (; v; v >>= shift)
            *--p = set[v & (base - 1)];
    }
    return end - p;
}

// One number: sign or base prefix, zeroes up to the precision (or the width, with flag 0), digits.
static void put_number(struct out *o, const struct spec *sp, uint64_t v, unsigned base, bool upper,
                       const char *prefix)
{
    char buf[MAX_DIGITS];
    int n = digits(buf + MAX_DIGITS, v, base, upper);
    int nprefix = strlen(prefix);
    int zeroes = max(sp->precision < 0 ? 1 : sp->precision, 0) - n;

    if (base == 8 && sp->alt && zeroes <= 0)
        zeroes = 1;
    zeroes = max(zeroes, 0);
    if (sp->zero && !sp->left && sp->precision < 0)
        zeroes = max(zeroes, sp->width - nprefix - n);
    int fill = sp->width - nprefix - zeroes - n;
    if (!sp->left)
        pad(o, ' ', fill);
    put_bytes(o, prefix, nprefix);
    pad(o, '0', zeroes);
    put_bytes(o, buf + MAX_DIGITS - n, n);
    if (sp->left)
        pad(o, ' ', fill);
}

static void put_signed(struct out *o, const struct spec *sp, int64_t v)
{
    const char *sign = v < 0 ? "-" : sp->plus ? "+" : sp->space ? " " : "";

    put_number(o, sp, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, false, sign);
}

static const char *parse_flags(const char *f, struct spec *sp)
{
    for (;; f++) {
        switch (*f) {
        case '-':
            sp->left = true;
            break;
        case '0':
            sp->zero = true;
            break;
        case '+':
            sp->plus = true;
            break;
        case ' ':
            sp->space = true;
            break;
        case '#':
            sp->alt = true;
            break;
        default:
            return f;
        }
    }
}

// Width or precision: a number, or an argument for `*'.
static const char *parse_count(const char *f, int *count, va_list *ap)
{
    if (*f == '*') {
        *count = va_arg(*ap, int);
        return f + 1;
    }
    for (*count = 0; *f >= '0' && *f <= '9'; f++)
        *count = *count * 10 + (*f - '0');
    return f;
}

static const char *parse_length(const char *f, struct spec *sp)
{
    sp->length = sizeof(int);
    switch (*f) {
    case 'h':
        sp->length = f[1] == 'h' ? sizeof(char) : sizeof(short);
        return f + (f[1] == 'h' ? 2 : 1);
    case 'l':
        sp->length = sizeof(long);
        return f + (f[1] == 'l' ? 2 : 1);
    case 'z':
    case 'j':
    case 't':
        sp->length = sizeof(size_t);
        return f + 1;
    }
    return f;
}

static const char *parse_spec(const char *f, struct spec *sp, va_list *ap)
{
    *sp = (struct spec){.precision = -1};
    f = parse_flags(f, sp);
    f = parse_count(f, &sp->width, ap);
    if (sp->width < 0) {
        sp->left = true;
        sp->width = -sp->width;
    }
    if (*f == '.') {
        f = parse_count(f + 1, &sp->precision, ap);
        sp->precision = max(sp->precision, -1);
    }
    return parse_length(f, sp);
}

static uint64_t unsigned_arg(const struct spec *sp, va_list *ap)
{
    if (sp->length == 8)
        return va_arg(*ap, uint64_t);
    unsigned v = va_arg(*ap, unsigned);
    return sp->length == 4 ? v : v & ((1u << sp->length * 8) - 1);
}

static int64_t signed_arg(const struct spec *sp, va_list *ap)
{
    uint64_t v = unsigned_arg(sp, ap);
    uint64_t sign = 1ul << (sp->length * 8 - 1);

    return (v ^ sign) - sign;
}

static void convert(struct out *o, struct spec *sp, char conv, va_list *ap)
{
    uint64_t v;

    switch (conv) {
    case 'd':
    case 'i':
        put_signed(o, sp, signed_arg(sp, ap));
        break;
    case 'u':
        put_number(o, sp, unsigned_arg(sp, ap), 10, false, "");
        break;
    case 'o':
        put_number(o, sp, unsigned_arg(sp, ap), 8, false, "");
        break;
    case 'x':
    case 'X':
        v = unsigned_arg(sp, ap);
        put_number(o, sp, v, 16, conv == 'X', !sp->alt || !v ? "" : conv == 'X' ? "0X" : "0x");
        break;
    case 'p':
        put_number(o, sp, (uintptr_t)va_arg(*ap, void *), 16, false, "0x");
        break;
    case 'c':
        pad(o, ' ', sp->left ? 0 : sp->width - 1);
        put(o, va_arg(*ap, int));
        pad(o, ' ', sp->left ? sp->width - 1 : 0);
        break;
    case 's':
        put_string(o, sp, va_arg(*ap, const char *));
        break;
    default: // %% and what is unknown stand for themselves
        put(o, conv);
    }
}

int kvsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
    struct out o = {.buf = buf, .size = size};
    struct spec sp;
    va_list ap;

    va_copy(ap, args);
    while (*fmt) {
        const char *text = fmt;
        while (*fmt && *fmt != '%')
            fmt++;
        put_bytes(&o, text, fmt - text);
        if (*fmt != '%')
            break;
        fmt = parse_spec(fmt + 1, &sp, &ap);
        if (!*fmt)
            break;
        convert(&o, &sp, *fmt++, &ap);
    }
    va_end(ap);
    if (size > 0)
        buf[min(o.len, size - 1)] = '\0';
    return o.len;
}

int ksnprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = kvsnprintf(buf, size, fmt, ap);
    va_end(ap);
    return n;
}

static void (*kprintf_sink)(const char *text, size_t len);

void kprintf_set_sink(void (*sink)(const char *text, size_t len))
{
    kprintf_sink = sink;
}

void kvprintf(const char *fmt, va_list ap)
{
    char text[KPRINTF_MAX];

    if (!kprintf_sink)
        return;
    int n = kvsnprintf(text, sizeof(text), fmt, ap);
    kprintf_sink(text, min((size_t)n, sizeof(text) - 1));
}

void kprintf(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    kvprintf(fmt, ap);
    va_end(ap);
}

void strbuf_init(struct strbuf *sb, char *buf, size_t size)
{
    *sb = (struct strbuf){.buf = buf, .size = size};
    if (size > 0)
        buf[0] = '\0';
}

void strbuf_printf(struct strbuf *sb, const char *fmt, ...)
{
    size_t room = sb->size - sb->len;
    va_list ap;

    va_start(ap, fmt);
    size_t n = kvsnprintf(sb->buf + sb->len, room, fmt, ap);
    va_end(ap);
    if (n >= room) {
        sb->full = true;
        n = room ? room - 1 : 0;
    }
    sb->len += n;
}
