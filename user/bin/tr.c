// SPDX-License-Identifier: BSD-2-Clause
/*
 * tr: replaces characters of one set by those of another. -d: deletes them; -s: equal ones in a
 * row are squeezed to one. Sets have ranges (a-z) and escapes (\n \t \\ \0ooo).
 */
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int one_char(const char **s)
{
    static const char letters[] = "ntr\\", values[] = "\n\t\r\\";
    if (**s != '\\' || (*s)[1] == '\0')
        return (unsigned char)*(*s)++;
    ++*s;
    if (**s >= '0' && **s <= '7') {
        int c = 0;
        for (int i = 0; i < 3 && **s >= '0' && **s <= '7'; i++)
            c = c * 8 + *(*s)++ - '0';
        return c & 0xff;
    }
    int c = *(*s)++;
    const char *l = strchr(letters, c);
    return l ? values[l - letters] : c;
}

/* Writes out the set; returns its length. */
static int expand(const char *s, unsigned char set[256])
{
    int n = 0;
    while (*s && n < 256) {
        int low = one_char(&s), high = low;
        if (s[0] == '-' && s[1]) {
            s++;
            high = one_char(&s);
        }
        for (int c = low; c <= high && n < 256; c++)
            set[n++] = (unsigned char)c;
    }
    return n;
}

int main(int argc, char **argv)
{
    unsigned char from[256], to[256];
    int map[256], opt, nto = 0, last = EOF;
    bool delete = false, squeeze = false, squeezed[256] = {false};
    while ((opt = getopt(argc, argv, "ds")) != -1) {
        if (opt == '?')
            return 2;
        delete |= opt == 'd';
        squeeze |= opt == 's';
    }
    if (argc - optind < 1 || (argc - optind < 2 && !delete &&!squeeze))
        errx(2, "usage: tr [-ds] set [set]");
    int nfrom = expand(argv[optind], from);
    if (argc - optind > 1)
        nto = expand(argv[optind + 1], to);
    for (int c = 0; c < 256; c++)
        map[c] = c;
    for (int i = 0; i < nfrom; i++)
        map[from[i]] = delete ? EOF : nto == 0 ? from[i] : to[i < nto ? i : nto - 1];
    for (int i = 0; squeeze && i < (nto ? nto : nfrom); i++)
        squeezed[nto ? to[i] : from[i]] = true;
    for (int c; (c = getchar()) != EOF;) {
        c = map[c];
        if (c == EOF || (c == last && squeezed[c]))
            continue;
        putchar(c);
        last = c;
    }
    return 0;
}
