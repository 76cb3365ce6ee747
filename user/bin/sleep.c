// SPDX-License-Identifier: BSD-2-Clause
/*
 * sleep: waits for seconds, which may have a fraction.
 */
#include <err.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
    char *end;
    if (argc != 2)
        errx(2, "usage: sleep seconds");
    struct timespec ts = {.tv_sec = strtol(argv[1], &end, 10)};
    if (*end == '.')
        for (long unit = 100000000; *++end >= '0' && *end <= '9'; unit /= 10)
            ts.tv_nsec += (*end - '0') * unit;
    if (*end)
        errx(2, "%s: not a number", argv[1]);
    while (nanosleep(&ts, &ts) != 0)
        ;
    return 0;
}
