// SPDX-License-Identifier: BSD-2-Clause
/*
 * tail: the last lines of a file. -n N or -N: how many (10); -n +N: from line N on.
 */
#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void copy_from(FILE *f, long first)
{
    for (int c; (c = getc(f)) != EOF;) {
        if (first <= 1)
            putchar(c);
        first -= c == '\n';
    }
}

/* Keeps the last lines in a ring. */
static void copy_last(FILE *f, long lines)
{
    char **ring = calloc((size_t)lines + 1, sizeof *ring), *line = NULL;
    size_t size = 0;
    long n = 0;
    if (!ring)
        errx(1, "out of memory");
    for (; lines > 0 && getline(&line, &size, f) > 0; n++) {
        free(ring[n % lines]);
        ring[n % lines] = line;
        line = NULL;
        size = 0;
    }
    for (long i = n > lines ? n - lines : 0; i < n; i++)
        fputs(ring[i % lines], stdout);
    for (long i = 0; i < lines; i++)
        free(ring[i]);
    free(ring);
    free(line);
}

int main(int argc, char **argv)
{
    const char *count = "10";
    int opt;
    if (argc > 1 && argv[1][0] == '-' && isdigit((unsigned char)argv[1][1])) {
        count = argv[1] + 1;
        optind++;
    }
    while ((opt = getopt(argc, argv, "n:")) != -1) {
        if (opt == '?')
            return 2;
        count = optarg;
    }
    FILE *f = optind < argc ? fopen(argv[optind], "r") : stdin;
    if (!f)
        err(1, "%s", argv[optind]);
    if (count[0] == '+')
        copy_from(f, atol(count + 1));
    else
        copy_last(f, labs(atol(count)));
    if (ferror(f))
        err(1, "%s", f == stdin ? "standard input" : argv[optind]);
    if (f != stdin)
        fclose(f);
    return 0;
}
