// SPDX-License-Identifier: BSD-2-Clause
/*
 * printf: prints its arguments by a format, which is used again while there are arguments.
 * Conversions: %d %i %u %o %x %X %c %s %b %%; escapes: \n \t \r \a \b \f \v \\ \0ooo.
 */
#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char **args; /* those still to be printed */
static int status;

/* Prints the escape after a backslash; returns the text behind it. */
static const char *escape(const char *s)
{
    static const char letters[] = "ntrabfv\\", values[] = "\n\t\r\a\b\f\v\\";
    const char *l = *s ? strchr(letters, *s) : NULL;
    if (l) {
        putchar(values[l - letters]);
        return s + 1;
    }
    if (*s >= '0' && *s <= '7') {
        int c = 0;
        for (int i = 0; i < 3 + (*s == '0') && *s >= '0' && *s <= '7'; i++)
            c = c * 8 + *s++ - '0';
        putchar(c);
        return s;
    }
    putchar('\\');
    return s;
}

static void print_escaped(const char *s)
{
    while (*s) {
        if (*s == '\\')
            s = escape(s + 1);
        else
            putchar(*s++);
    }
}

static const char *next_arg(void)
{
    return *args ? *args++ : NULL;
}

static long next_number(void)
{
    const char *s = next_arg();
    char *end;
    if (!s)
        return 0;
    if (*s == '\'' || *s == '"')
        return (unsigned char)s[1];
    long v = strtol(s, &end, 0);
    if (*end || end == s) {
        warnx("%s: not a number", s);
        status = 1;
    }
    return v;
}

/* Prints one conversion, whose text after the % sign is s; returns what follows it. */
static const char *convert(const char *s)
{
    char spec[64];
    size_t n = strspn(s, "-+ #0123456789.");
    char conv = s[n];
    if (n > sizeof spec - 4 || conv == '\0')
        errx(1, "bad conversion: %%%s", s);
    snprintf(spec, sizeof spec, "%%%.*s%s%c", (int)n, s, strchr("diuoxX", conv) ? "l" : "",
             conv == 'b' ? 's' : conv);
    const char *arg;
    switch (conv) {
    case '%':
        putchar('%');
        break;
    case 'b':
        if ((arg = next_arg()))
            print_escaped(arg);
        break;
    case 'c':
        arg = next_arg();
        if (arg && *arg)
            putchar(*arg);
        break;
    case 's':
        arg = next_arg();
        printf(spec, arg ? arg : "");
        break;
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        printf(spec, next_number());
        break;
    default:
        errx(1, "bad conversion: %%%c", conv);
    }
    return s + n + 1;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        errx(2, "usage: printf format [argument...]");
    args = argv + 2;
    char **before;
    do {
        before = args;
        for (const char *s = argv[1]; *s;) {
            if (*s == '\\')
                s = escape(s + 1);
            else if (*s == '%')
                s = convert(s + 1);
            else
                putchar(*s++);
        }
    } while (*args && args != before);
    return status;
}
