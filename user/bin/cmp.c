// SPDX-License-Identifier: BSD-2-Clause
/*
 * cmp: compares two files. -s: only the exit status.
 */
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static FILE *open_file(const char *path)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    if (!f)
        err(2, "%s", path);
    return f;
}

int main(int argc, char **argv)
{
    bool silent = argc > 1 && strcmp(argv[1], "-s") == 0;
    char **path = argv + 1 + silent;
    if (argc != 3 + silent)
        errx(2, "usage: cmp [-s] file file");
    FILE *a = open_file(path[0]), *b = open_file(path[1]);
    for (unsigned long byte = 1, line = 1;; byte++) {
        int ca = getc(a), cb = getc(b);
        if (ca == cb && ca == EOF)
            return 0;
        if (ca != cb) {
            if (!silent && (ca == EOF || cb == EOF))
                warnx("EOF on %s", ca == EOF ? path[0] : path[1]);
            else if (!silent)
                printf("%s %s differ: byte %lu, line %lu\n", path[0], path[1], byte, line);
            return 1;
        }
        line += ca == '\n';
    }
}
