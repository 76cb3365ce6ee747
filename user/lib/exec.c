// SPDX-License-Identifier: BSD-2-Clause
/*
 * Running programs found by name in $PATH.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int execv(const char *path, char *const argv[])
{
    return execve(path, argv, environ);
}

int execvp(const char *file, char *const argv[])
{
    if (strchr(file, '/'))
        return execv(file, argv);
    const char *dir = getenv("PATH");
    if (!dir)
        dir = "/bin:/usr/bin";
    int worst = ENOENT; /* a file that may not be executed is the more useful answer */
    for (;;) {
        size_t n = strcspn(dir, ":");
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%.*s%s%s", (int)n, dir, n ? "/" : "", file);
        execv(path, argv);
        if (errno == EACCES)
            worst = EACCES;
        else if (errno != ENOENT && errno != ENOTDIR)
            return -1;
        if (dir[n] == '\0')
            break;
        dir += n + 1;
    }
    errno = worst;
    return -1;
}
