// SPDX-License-Identifier: BSD-2-Clause
/*
 * date: the time now in UTC. +FORMAT: as strftime formats it; @SECONDS: that time instead.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
    const char *format = "%a %b %e %T UTC %Y";
    char text[256];
    time_t now = time(NULL);
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '+')
            format = argv[i] + 1;
        else if (argv[i][0] == '@')
            now = atol(argv[i] + 1);
        else
            errx(2, "usage: date [@seconds] [+format]");
    }
    strftime(text, sizeof text, format, gmtime(&now));
    puts(text);
    return 0;
}
