// SPDX-License-Identifier: BSD-2-Clause
/*
 * basename: the last part of a path, without a suffix if one is given.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3)
        errx(2, "usage: basename path [suffix]");
    char *path = argv[1];
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        path[--n] = '\0';
    char *slash = strrchr(path, '/');
    if (slash && slash[1])
        path = slash + 1;
    n = strlen(path);
    size_t cut = argc == 3 ? strlen(argv[2]) : 0;
    if (cut < n && cut > 0 && strcmp(path + n - cut, argv[2]) == 0)
        n -= cut;
    printf("%.*s\n", (int)n, path);
    return 0;
}
