// SPDX-License-Identifier: BSD-2-Clause
/*
 * cp: copies a file to a file, or files into a directory. -r: directories too.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool recursive;
static char buf[65536];

static int copy(const char *from, const char *to);

static int copy_data(int in, int out)
{
    for (ssize_t n; (n = read(in, buf, sizeof buf)) != 0;) {
        if (n < 0)
            return -1;
        for (ssize_t done = 0, w; done < n; done += w)
            if ((w = write(out, buf + done, (size_t)(n - done))) < 0)
                return -1;
    }
    return 0;
}

static int copy_file(const char *from, const char *to, mode_t mode)
{
    int in = open(from, O_RDONLY);
    if (in < 0) {
        warn("%s", from);
        return 1;
    }
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, mode & 0777);
    int r = out < 0 ? -1 : copy_data(in, out);
    if (r != 0)
        warn("%s", to);
    close(in);
    if (out >= 0)
        close(out);
    return r != 0;
}

static int copy_tree(const char *from, const char *to)
{
    struct stat st;
    int status = 0;
    DIR *dir = opendir(from);
    if (!dir || (mkdir(to, 0777) != 0 && (stat(to, &st) != 0 || !S_ISDIR(st.st_mode)))) {
        warn("%s", dir ? to : from);
        if (dir)
            closedir(dir);
        return 1;
    }
    for (struct dirent *e; (e = readdir(dir));) {
        char a[PATH_MAX], b[PATH_MAX];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(a, sizeof a, "%s/%s", from, e->d_name);
        snprintf(b, sizeof b, "%s/%s", to, e->d_name);
        status |= copy(a, b);
    }
    closedir(dir);
    return status;
}

static int copy(const char *from, const char *to)
{
    struct stat a, b;
    if (stat(from, &a) != 0) {
        warn("%s", from);
        return 1;
    }
    if (stat(to, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino) {
        warnx("%s and %s are the same file", from, to);
        return 1;
    }
    if (!S_ISDIR(a.st_mode))
        return copy_file(from, to, a.st_mode);
    if (recursive)
        return copy_tree(from, to);
    warnx("%s: is a directory", from);
    return 1;
}

int main(int argc, char **argv)
{
    struct stat st;
    int opt, status = 0;
    while ((opt = getopt(argc, argv, "rR")) != -1) {
        if (opt == '?')
            return 2;
        recursive = true;
    }
    if (argc - optind < 2)
        errx(2, "usage: cp [-r] from... to");
    const char *to = argv[argc - 1];
    if (stat(to, &st) != 0 || !S_ISDIR(st.st_mode)) {
        if (argc - optind > 2)
            errx(1, "%s: not a directory", to);
        return copy(argv[optind], to);
    }
    for (int i = optind; i < argc - 1; i++) {
        char path[PATH_MAX];
        const char *slash = strrchr(argv[i], '/');
        snprintf(path, sizeof path, "%s/%s", to, slash ? slash + 1 : argv[i]);
        status |= copy(argv[i], path);
    }
    return status;
}
