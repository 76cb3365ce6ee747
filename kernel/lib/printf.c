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

enum { LEFT = 1, ZERO = 2, PLUS = 4, SPACE = 8, ALT = 16 }; // the flags - 0 + space #

struct spec {
    unsigned flags;
    int width;     // at least so many characters
    int precision; // -1: none given
    int length;    // bytes of an integer argument: 1, 2, 4 or 8
};

// Enough digits for 64 bits in base 8.
#define MAX_DIGITS 22
#define LOWER      "0123456789abcdef"
#define UPPER      "0123456789ABCDEF"

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

// One conversion: a prefix, zeroes and n bytes of text, filled up to the width.
static void put_field(struct out *o, const struct spec *sp, const char *prefix, int zeroes,
                      const char *s, size_t n)
{
    size_t nprefix = strlen(prefix);
    long fill = sp->width - (long)(nprefix + zeroes + n);

    if (!(sp->flags & LEFT))
        pad(o, ' ', fill);
    put_bytes(o, prefix, nprefix);
    pad(o, '0', zeroes);
    put_bytes(o, s, n);
    if (sp->flags & LEFT)
        pad(o, ' ', fill);
}

static void put_string(struct out *o, const struct spec *sp, const char *s)
{
    if (!s)
        s = "(null)";
    put_field(o, sp, "", 0, s, sp->precision < 0 ? strlen(s) : strnlen(s, sp->precision));
}

// One number: sign or base prefix, zeroes up to the precision (or the width, with flag 0), digits.
static void put_number(struct out *o, const struct spec *sp, uint64_t v, unsigned base,
                       const char *set, const char *prefix)
{
    char buf[MAX_DIGITS], *end = buf + MAX_DIGITS, *p = end;

    for (; v; v /= base)
        *--p = set[v % base];
    int n = end - p, zeroes = max(sp->precision < 0 ? 1 : sp->precision, 0) - n;
    if (base == 8 && (sp->flags & ALT) && zeroes <= 0)
        zeroes = 1;
    zeroes = max(zeroes, 0);
    if ((sp->flags & (ZERO | LEFT)) == ZERO && sp->precision < 0)
        zeroes = max(zeroes, sp->width - (int)strlen(prefix) - n);
    put_field(o, sp, prefix, zeroes, p, n);
}

static void put_signed(struct out *o, const struct spec *sp, int64_t v)
{
    const char *sign = v < 0 ? "-" : sp->flags & PLUS ? "+" : sp->flags & SPACE ? " " : "";

    put_number(o, sp, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, LOWER, sign);
}

static void put_hex(struct out *o, const struct spec *sp, uint64_t v, bool upper)
{
    const char *prefix = upper ? "0X" : "0x";

    put_number(o, sp, v, 16, upper ? UPPER : LOWER, (sp->flags & ALT) && v ? prefix : "");
}

static const char *parse_flags(const char *f, struct spec *sp)
{
    static const char flags[] = "-0+ #"; // in the order of the bits

    for (const char *at; *f && (at = strchr(flags, *f)); f++)
        sp->flags |= 1u << (at - flags);
    return f;
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
    if (*f == 'h')
        sp->length = f[1] == 'h' ? sizeof(char) : sizeof(short);
    else if (*f && strchr("lzjt", *f))
        sp->length = sizeof(long);
    else
        return f;
    return f + ((*f == 'h' || *f == 'l') && f[1] == *f ? 2 : 1);
}

static const char *parse_spec(const char *f, struct spec *sp, va_list *ap)
{
    *sp = (struct spec){.precision = -1};
    f = parse_flags(f, sp);
    f = parse_count(f, &sp->width, ap);
    if (sp->width < 0) {
        sp->flags |= LEFT;
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
    char c;

    switch (conv) {
    case 'd':
    case 'i':
        put_signed(o, sp, signed_arg(sp, ap));
        break;
    case 'u':
        put_number(o, sp, unsigned_arg(sp, ap), 10, LOWER, "");
        break;
    case 'o':
        put_number(o, sp, unsigned_arg(sp, ap), 8, LOWER, "");
        break;
    case 'x':
    case 'X':
        put_hex(o, sp, unsigned_arg(sp, ap), conv == 'X');
        break;
    case 'p':
        put_number(o, sp, (uintptr_t)va_arg(*ap, void *), 16, LOWER, "0x");
        break;
    case 'c':
        c = (char)va_arg(*ap, int);
        put_field(o, sp, "", 0, &c, 1);
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

void kprintf(const char *fmt, ...)
{
    char text[KPRINTF_MAX];

    if (!kprintf_sink)
        return;
    int n = format_args(text, fmt);
    kprintf_sink(text, min((size_t)n, sizeof(text) - 1));
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
