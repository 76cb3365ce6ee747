// SPDX-License-Identifier: BSD-2-Clause
/*
 * mkdir: makes directories. -p: with those above them, and existing ones are no error.
 */
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_path(char *path)
{
    for (char *p = path + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        int r = mkdir(path, 0777);
        *p = '/';
        if (r != 0 && errno != EEXIST)
            return r;
    }
    return mkdir(path, 0777) == 0 || errno == EEXIST ? 0 : -1;
}

int main(int argc, char **argv)
{
    bool parents = false;
    int opt, status = 0;
    while ((opt = getopt(argc, argv, "p")) != -1) {
        if (opt == '?')
            return 2;
        parents = true;
    }
    if (optind == argc)
        errx(2, "usage: mkdir [-p] directory...");
    for (int i = optind; i < argc; i++) {
        if ((parents ? make_path(argv[i]) : mkdir(argv[i], 0777)) != 0) {
            warn("%s", argv[i]);
            status = 1;
        }
    }
    return status;
}
