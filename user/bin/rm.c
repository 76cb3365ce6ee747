// SPDX-License-Identifier: BSD-2-Clause
/*
 * rm: removes files. -r: directories with all that is in them; -f: what is not there is no error.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool recursive, force;

static int remove_path(const char *path);

/* A directory is read again after each removal, so that it never changes under the reader. */
static int empty(const char *path)
{
    for (;;) {
        char full[PATH_MAX] = "";
        DIR *dir = opendir(path);
        if (!dir) {
            warn("%s", path);
            return 1;
        }
        for (struct dirent *e; !full[0] && (e = readdir(dir));)
            if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
                snprintf(full, sizeof full, "%s/%s", path, e->d_name);
        closedir(dir);
        if (!full[0])
            return 0;
        if (remove_path(full) != 0)
            return 1;
    }
}

static int remove_path(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0) {
        if (force && errno == ENOENT)
            return 0;
        warn("%s", path);
        return 1;
    }
    bool dir = S_ISDIR(st.st_mode);
    if (dir && !recursive) {
        warnx("%s: is a directory", path);
        return 1;
    }
    if (dir && empty(path) != 0)
        return 1;
    if ((dir ? rmdir(path) : unlink(path)) == 0)
        return 0;
    warn("%s", path);
    return 1;
}

int main(int argc, char **argv)
{
    int opt, status = 0;
    while ((opt = getopt(argc, argv, "rRf")) != -1) {
        if (opt == '?')
            return 2;
        recursive |= opt != 'f';
        force |= opt == 'f';
    }
    if (optind == argc && !force)
        errx(2, "usage: rm [-rf] file...");
    for (int i = optind; i < argc; i++)
        status |= remove_path(argv[i]);
    return status;
}
