// SPDX-License-Identifier: BSD-2-Clause
/*
 * uniq: equal lines that follow each other are printed once. -c: with how many there were;
 * -d: only those that there were several of.
 */
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool counting, repeated;

static void print(const char *line, unsigned long count)
{
    if (!line || (repeated && count < 2))
        return;
    if (counting)
        printf("%7lu ", count);
    puts(line);
}

int main(int argc, char **argv)
{
    int opt;
    while ((opt = getopt(argc, argv, "cd")) != -1) {
        if (opt == '?')
            return 2;
        counting |= opt == 'c';
        repeated |= opt == 'd';
    }
    FILE *f = optind < argc ? fopen(argv[optind], "r") : stdin;
    if (!f)
        err(1, "%s", argv[optind]);
    char *line = NULL, *last = NULL;
    size_t size = 0;
    unsigned long count = 0;
    for (ssize_t n; (n = getline(&line, &size, f)) > 0;) {
        if (line[n - 1] == '\n')
            line[n - 1] = '\0';
        if (last && strcmp(last, line) == 0) {
            count++;
            continue;
        }
        print(last, count);
        free(last);
        last = line;
        count = 1;
        line = NULL;
        size = 0;
    }
    print(last, count);
    free(last);
    free(line);
    return 0;
}
