// SPDX-License-Identifier: BSD-2-Clause
/*
 * cut: parts of lines. -f LIST: fields, separated by -d CHAR (a tab); -c LIST: characters. LIST is
 * like 1,3-5,7-.
 */
#include <err.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *list;
static char separator = '\t';

static bool selected(long n)
{
    for (const char *s = list; *s;) {
        char *end;
        long low = strtol(s, &end, 10), high = low;
        if (*end == '-') {
            s = end + 1;
            high = strtol(s, &end, 10);
            if (end == s)
                high = LONG_MAX;
        }
        if (low <= n && n <= high)
            return true;
        s = *end ? end + 1 : end;
    }
    return false;
}

static void cut_characters(const char *line)
{
    for (long i = 1; *line; i++, line++)
        if (selected(i))
            putchar(*line);
}

static void cut_fields(const char *line)
{
    bool any = false;
    if (!strchr(line, separator)) {
        fputs(line, stdout);
        return;
    }
    for (long i = 1; line; i++) {
        const char *end = strchr(line, separator);
        if (selected(i)) {
            if (any)
                putchar(separator);
            printf("%.*s", end ? (int)(end - line) : INT_MAX, line);
            any = true;
        }
        line = end ? end + 1 : NULL;
    }
}

static void cut_file(FILE *f, bool characters)
{
    char *line = NULL;
    size_t size = 0;
    for (ssize_t n; (n = getline(&line, &size, f)) > 0;) {
        if (line[n - 1] == '\n')
            line[n - 1] = '\0';
        (characters ? cut_characters : cut_fields)(line);
        putchar('\n');
    }
    free(line);
}

int main(int argc, char **argv)
{
    bool characters = false;
    int opt;
    while ((opt = getopt(argc, argv, "f:c:d:")) != -1) {
        if (opt == '?')
            return 2;
        if (opt == 'd')
            separator = optarg[0];
        else
            list = optarg;
        characters |= opt == 'c';
    }
    if (!list)
        errx(2, "usage: cut -f list [-d char] | -c list [file...]");
    if (optind == argc)
        cut_file(stdin, characters);
    for (int i = optind; i < argc; i++) {
        FILE *f = fopen(argv[i], "r");
        if (!f)
            err(1, "%s", argv[i]);
        cut_file(f, characters);
        fclose(f);
    }
    return 0;
}
