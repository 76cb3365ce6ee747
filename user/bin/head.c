// SPDX-License-Identifier: BSD-2-Clause
/*
 * head: the first lines of files. -n N or -N: how many (10); -c N: bytes instead.
 */
#include <ctype.h>
#include <err.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void copy(FILE *f, long lines, long bytes)
{
    for (int c; lines > 0 && bytes > 0 && (c = getc(f)) != EOF; bytes--) {
        putchar(c);
        lines -= c == '\n';
    }
}

int main(int argc, char **argv)
{
    long lines = 10, bytes = 0;
    int opt, status = 0;
    if (argc > 1 && argv[1][0] == '-' && isdigit((unsigned char)argv[1][1])) {
        lines = atol(argv[1] + 1);
        optind++;
    }
    while ((opt = getopt(argc, argv, "n:c:")) != -1) {
        if (opt == '?')
            return 2;
        *(opt == 'n' ? &lines : &bytes) = atol(optarg);
    }
    if (bytes > 0)
        lines = bytes;
    else
        bytes = LONG_MAX;
    if (optind == argc)
        copy(stdin, lines, bytes);
    for (int i = optind; i < argc; i++) {
        FILE *f = fopen(argv[i], "r");
        if (!f) {
            warn("%s", argv[i]);
            status = 1;
            continue;
        }
        if (argc - optind > 1)
            printf("==> %s <==\n", argv[i]);
        copy(f, lines, bytes);
        fclose(f);
    }
    return status;
}
