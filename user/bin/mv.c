// SPDX-License-Identifier: BSD-2-Clause
/*
 * mv: renames a file, or moves files into a directory of the same file system.
 */
#include <err.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
    struct stat st;
    int status = 0;
    if (argc < 3)
        errx(2, "usage: mv from... to");
    const char *to = argv[argc - 1];
    int into = stat(to, &st) == 0 && S_ISDIR(st.st_mode);
    if (!into && argc > 3)
        errx(1, "%s: not a directory", to);
    for (int i = 1; i < argc - 1; i++) {
        char path[PATH_MAX];
        const char *slash = strrchr(argv[i], '/');
        snprintf(path, sizeof path, "%s/%s", to, slash ? slash + 1 : argv[i]);
        if (rename(argv[i], into ? path : to) != 0) {
            warn("%s", argv[i]);
            status = 1;
        }
    }
    return status;
}
