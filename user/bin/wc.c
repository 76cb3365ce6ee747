// SPDX-License-Identifier: BSD-2-Clause
/*
 * wc: counts lines, words and bytes of files. -l, -w, -c: only those.
 */
#include <ctype.h>
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct counts {
    unsigned long lines, words, bytes;
};

static bool want_lines, want_words, want_bytes;

static struct counts count(FILE *f)
{
    struct counts n = {0};
    bool in_word = false;
    for (int c; (c = getc(f)) != EOF;) {
        n.bytes++;
        n.lines += c == '\n';
        n.words += !in_word && !isspace(c);
        in_word = !isspace(c);
    }
    return n;
}

static void print(const struct counts *n, const char *name)
{
    const char *sep = "";
    if (want_lines)
        printf("%lu", n->lines), sep = " ";
    if (want_words)
        printf("%s%lu", sep, n->words), sep = " ";
    if (want_bytes)
        printf("%s%lu", sep, n->bytes);
    printf("%s%s\n", name ? " " : "", name ? name : "");
}

int main(int argc, char **argv)
{
    struct counts total = {0};
    int opt, status = 0;
    while ((opt = getopt(argc, argv, "lwc")) != -1) {
        if (opt == '?')
            return 2;
        want_lines |= opt == 'l';
        want_words |= opt == 'w';
        want_bytes |= opt == 'c';
    }
    if (!want_lines && !want_words && !want_bytes)
        want_lines = want_words = want_bytes = true;
    if (optind == argc) {
        total = count(stdin);
        print(&total, NULL);
    }
    for (int i = optind; i < argc; i++) {
        FILE *f = fopen(argv[i], "r");
        if (!f) {
            warn("%s", argv[i]);
            status = 1;
            continue;
        }
        struct counts n = count(f);
        fclose(f);
        print(&n, argv[i]);
        total.lines += n.lines;
        total.words += n.words;
        total.bytes += n.bytes;
    }
    if (argc - optind > 1)
        print(&total, "total");
    return status;
}
