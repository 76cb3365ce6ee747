// SPDX-License-Identifier: BSD-2-Clause
/*
 * hexdump: bytes of a file in hexadecimal and as characters, 16 in a line.
 */
#include <ctype.h>
#include <err.h>
#include <stdio.h>

#define WIDTH 16

static void print_line(unsigned long offset, const unsigned char *p, size_t n)
{
    printf("%08lx", offset);
    for (size_t i = 0; i < WIDTH; i++) {
        printf(i % 8 == 0 ? "  " : " ");
        if (i < n)
            printf("%02x", p[i]);
        else
            printf("  ");
    }
    printf("  |");
    for (size_t i = 0; i < n; i++)
        putchar(isprint(p[i]) ? p[i] : '.');
    puts("|");
}

int main(int argc, char **argv)
{
    unsigned char line[WIDTH];
    unsigned long offset = 0;
    FILE *f = argc > 1 ? fopen(argv[1], "r") : stdin;
    if (!f)
        err(1, "%s", argv[1]);
    for (size_t n; (n = fread(line, 1, WIDTH, f)) > 0; offset += n)
        print_line(offset, line, n);
    printf("%08lx\n", offset);
    return 0;
}
