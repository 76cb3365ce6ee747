// SPDX-License-Identifier: BSD-2-Clause
/*
 * yes: prints a line again and again, until nobody reads it.
 */
#include <stdio.h>

int main(int argc, char **argv)
{
    while (puts(argc > 1 ? argv[1] : "y") != EOF)
        ;
    return 1;
}
