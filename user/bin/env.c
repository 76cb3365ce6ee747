// SPDX-License-Identifier: BSD-2-Clause
/*
 * env: prints the environment, or runs a command with variables added. -i: with nothing else.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
    static char *none[] = {NULL};
    int i = 1;
    if (i < argc && strcmp(argv[i], "-i") == 0) {
        environ = none;
        i++;
    }
    for (; i < argc && strchr(argv[i], '='); i++) {
        char *value = strchr(argv[i], '=');
        *value++ = '\0';
        if (setenv(argv[i], value, 1) != 0)
            err(125, "%s", argv[i]);
    }
    if (i < argc) {
        execvp(argv[i], argv + i);
        int error = errno;
        warn("%s", argv[i]);
        return error == ENOENT ? 127 : 126;
    }
    for (char **e = environ; *e; e++)
        puts(*e);
    return 0;
}
