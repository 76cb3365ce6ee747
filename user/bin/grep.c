// SPDX-License-Identifier: BSD-2-Clause
/*
 * grep: prints the lines that match a basic regular expression. -v: those that do not; -F: the
 * pattern is a plain string; -i: without regard to case; -c: only how many; -n: with line numbers;
 * -q: only the exit status; -l: only the names of files.
 */
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/pattern.h"

static bool invert, fixed, fold, counting, numbers, quiet, names;
static const char *pattern;

/* Escapes what is special, so that one matcher serves both kinds of pattern. */
static const char *escape(const char *s)
{
    char *to = malloc(2 * strlen(s) + 1), *p = to;
    if (!to)
        errx(2, "out of memory");
    for (; *s; s++) {
        if (strchr(".*[]^$\\", *s))
            *p++ = '\\';
        *p++ = *s;
    }
    *p = '\0';
    return to;
}

/* Returns how many lines were selected. */
static unsigned long search(FILE *f, const char *name)
{
    char *line = NULL;
    size_t size = 0;
    unsigned long selected = 0, number = 0;
    bool silent = counting || quiet || names;
    for (ssize_t n; (n = getline(&line, &size, f)) > 0;) {
        number++;
        if (line[n - 1] == '\n')
            line[n - 1] = '\0';
        if (pattern_search(pattern, line, fold) == invert)
            continue;
        selected++;
        if (silent)
            continue;
        if (name)
            printf("%s:", name);
        if (numbers)
            printf("%lu:", number);
        puts(line);
    }
    free(line);
    if (counting && !quiet)
        printf("%s%s%lu\n", name ? name : "", name ? ":" : "", selected);
    return selected;
}

int main(int argc, char **argv)
{
    int opt;
    bool found = false, failed = false;
    while ((opt = getopt(argc, argv, "vFicnqle:")) != -1) {
        if (opt == '?')
            return 2;
        invert |= opt == 'v';
        fixed |= opt == 'F';
        fold |= opt == 'i';
        counting |= opt == 'c';
        numbers |= opt == 'n';
        quiet |= opt == 'q';
        names |= opt == 'l';
        if (opt == 'e')
            pattern = optarg;
    }
    if (!pattern && optind < argc)
        pattern = argv[optind++];
    if (!pattern)
        errx(2, "usage: grep [-vFicnql] pattern [file...]");
    if (fixed)
        pattern = escape(pattern);
    if (optind == argc)
        found = search(stdin, NULL) > 0;
    bool several = argc - optind > 1;
    for (int i = optind; i < argc; i++) {
        FILE *f = fopen(argv[i], "r");
        if (!f) {
            warn("%s", argv[i]);
            failed = true;
            continue;
        }
        bool here = search(f, several ? argv[i] : NULL) > 0;
        if (here && names)
            puts(argv[i]);
        found |= here;
        fclose(f);
    }
    return failed ? 2 : !found;
}
