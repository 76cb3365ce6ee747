// SPDX-License-Identifier: BSD-2-Clause
//
// read [-r] NAME ...: one line of standard input, split at blanks; the last name gets the rest. It
// is read by single bytes, because what follows belongs to other commands.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "shell.h"

int builtin_read(int argc, char **argv)
{
    struct buf line = {0};
    char c = 0;
    while (read(0, &c, 1) == 1 && c != '\n')
        buf_put(&line, c);
    const char *s = buf_string(&line);
    for (int i = argc > 1 && strcmp(argv[1], "-r") == 0 ? 2 : 1; i < argc; i++) {
        s += strspn(s, " \t");
        size_t n = strcspn(s, " \t");
        if (i == argc - 1)
            for (n = strlen(s); n > 0 && strchr(" \t", s[n - 1]);)
                n--;
        setenv(argv[i], mem_dup(s, n), 1);
        s += n;
    }
    return c != '\n';
}
