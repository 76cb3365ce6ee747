// SPDX-License-Identifier: BSD-2-Clause
/*
 * free: memory in KiB, from /proc/meminfo.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"MemTotal", "MemFree",   "MemAvailable",
                                    "Cached",   "SwapTotal", "SwapFree"};
enum { NNAMES = sizeof names / sizeof names[0] };

int main(void)
{
    long kib[NNAMES] = {0};
    char *line = NULL;
    size_t size = 0;
    FILE *f = fopen("/proc/meminfo", "r");
    if (!f)
        err(1, "/proc/meminfo");
    while (getline(&line, &size, f) > 0) {
        size_t n = strcspn(line, ":");
        for (int i = 0; i < NNAMES; i++)
            if (line[n] == ':' && strlen(names[i]) == n && strncmp(line, names[i], n) == 0)
                kib[i] = atol(line + n + 1);
    }
    fclose(f);
    free(line);
    puts("          total       used       free     cached  available");
    printf("Mem:  %9ld  %9ld  %9ld  %9ld  %9ld\n", kib[0], kib[0] - kib[1] - kib[3], kib[1], kib[3],
           kib[2]);
    printf("Swap: %9ld  %9ld  %9ld\n", kib[4], kib[4] - kib[5], kib[5]);
    return 0;
}
