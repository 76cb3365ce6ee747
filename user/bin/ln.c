// SPDX-License-Identifier: BSD-2-Clause
/*
 * ln: gives a file a second name. -s: a symbolic link.
 */
#include <err.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    bool symbolic = argc > 1 && strcmp(argv[1], "-s") == 0;
    char **arg = argv + 1 + symbolic;
    if (argc != 3 + symbolic)
        errx(2, "usage: ln [-s] file name");
    if ((symbolic ? symlink : link)(arg[0], arg[1]) != 0)
        err(1, "%s", arg[1]);
    return 0;
}
