// SPDX-License-Identifier: BSD-2-Clause
/*
 * The smallest program: arguments, environment, stdio, malloc.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    (void)argv;
    char *p = malloc(1000000);
    if (!p)
        return 1;
    memset(p, 'm', 1000000);
    printf("hello, %d argument%s, %c, %.3f\n", argc, argc == 1 ? "" : "s", p[999999], 1.0 / 3);
    printf("HOME is %s\n", getenv("HOME") ? "set" : "not set");
    free(p);
    return 7;
}
