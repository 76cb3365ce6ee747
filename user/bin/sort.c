// SPDX-License-Identifier: BSD-2-Clause
/*
 * sort: sorts lines. -n: by the number at their beginning; -r: backwards; -u: equal ones once;
 * -k N: from field N on.
 */
#include <ctype.h>
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool numeric, reverse, unique;
static int key_field = 1;
static char **lines;
static size_t nlines, max_lines;

static const char *key(const char *line)
{
    for (int i = 1; i < key_field; i++) {
        while (isspace((unsigned char)*line))
            line++;
        while (*line && !isspace((unsigned char)*line))
            line++;
    }
    return line;
}

static int compare_keys(const char *a, const char *b)
{
    const char *ka = key(a), *kb = key(b);
    if (!numeric)
        return strcmp(ka, kb);
    long na = atol(ka), nb = atol(kb);
    return (na > nb) - (na < nb);
}

/* Lines with equal keys are in the order of their whole text. */
static int compare(const void *pa, const void *pb)
{
    const char *a = *(char *const *)pa, *b = *(char *const *)pb;
    int c = compare_keys(a, b);
    if (c == 0 && !unique)
        c = strcmp(a, b);
    return reverse ? -c : c;
}

static void read_lines(FILE *f)
{
    char *line = NULL;
    size_t size = 0;
    for (ssize_t n; (n = getline(&line, &size, f)) > 0; line = NULL, size = 0) {
        if (line[n - 1] == '\n')
            line[n - 1] = '\0';
        if (nlines == max_lines) {
            max_lines = max_lines ? 2 * max_lines : 64;
            lines = realloc(lines, max_lines * sizeof *lines);
        }
        if (!lines)
            errx(2, "out of memory");
        lines[nlines++] = line;
    }
    free(line);
}

int main(int argc, char **argv)
{
    int opt;
    while ((opt = getopt(argc, argv, "nruk:")) != -1) {
        if (opt == '?')
            return 2;
        numeric |= opt == 'n';
        reverse |= opt == 'r';
        unique |= opt == 'u';
        if (opt == 'k')
            key_field = atoi(optarg);
    }
    if (optind == argc)
        read_lines(stdin);
    for (int i = optind; i < argc; i++) {
        FILE *f = fopen(argv[i], "r");
        if (!f)
            err(2, "%s", argv[i]);
        read_lines(f);
        fclose(f);
    }
    if (nlines > 0)
        qsort(lines, nlines, sizeof *lines, compare);
    for (size_t i = 0; i < nlines; i++)
        if (!unique || i == 0 || compare_keys(lines[i - 1], lines[i]) != 0)
            puts(lines[i]);
    for (size_t i = 0; i < nlines; i++)
        free(lines[i]);
    free(lines);
    return 0;
}
