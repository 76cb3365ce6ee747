// SPDX-License-Identifier: BSD-2-Clause
/*
 * ls: lists directories. -a: also names with a leading dot; -d: directories themselves; -l: with
 * details; -i: with inode numbers; -1 is the only format there is.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool all, details, inodes, self;

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char type_letter(mode_t mode)
{
    return S_ISDIR(mode)    ? 'd'
           : S_ISCHR(mode)  ? 'c'
           : S_ISBLK(mode)  ? 'b'
           : S_ISLNK(mode)  ? 'l'
           : S_ISFIFO(mode) ? 'p'
                            : '-';
}

static void print_details(const struct stat *st)
{
    char when[32];
    time_t modified = st->st_mtime;
    strftime(when, sizeof when, "%F %H:%M", gmtime(&modified));
    putchar(type_letter(st->st_mode));
    for (int bit = 8; bit >= 0; bit--)
        putchar((st->st_mode >> bit) & 1 ? "xwr"[bit % 3] : '-');
    printf(" %3lu %u:%u", (unsigned long)st->st_nlink, st->st_uid, st->st_gid);
    if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
        printf(" %4u,%4u", (unsigned)(st->st_rdev >> 8), (unsigned)(st->st_rdev & 0xff));
    else
        printf(" %9ld", (long)st->st_size);
    printf(" %s ", when);
}

static int show(const char *path, const char *name)
{
    struct stat st;
    if ((details || inodes) && lstat(path, &st) != 0) {
        warn("%s", path);
        return 1;
    }
    if (inodes)
        printf("%7lu ", (unsigned long)st.st_ino);
    if (details)
        print_details(&st);
    printf("%s", name);
    if (details && S_ISLNK(st.st_mode)) {
        char target[PATH_MAX];
        ssize_t n = readlink(path, target, sizeof target);
        if (n > 0)
            printf(" -> %.*s", (int)n, target);
    }
    putchar('\n');
    return 0;
}

static char **read_names(DIR *dir, size_t *count)
{
    char **names = NULL;
    size_t n = 0;
    errno = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.' && !all)
            continue;
        names = realloc(names, (n + 1) * sizeof *names);
        if (!names || !(names[n++] = strdup(e->d_name)))
            errx(1, "out of memory");
    }
    *count = n;
    return names;
}

static int list(const char *path)
{
    DIR *dir = opendir(path);
    size_t n;
    int status = 0;
    if (!dir) {
        warn("%s", path);
        return 1;
    }
    char **names = read_names(dir, &n);
    if (errno) {
        warn("%s", path);
        status = 1;
    }
    closedir(dir);
    if (n > 0)
        qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++) {
        char full[PATH_MAX];
        snprintf(full, sizeof full, "%s/%s", path, names[i]);
        status |= show(full, names[i]);
        free(names[i]);
    }
    free(names);
    return status;
}

static int list_operand(const char *path, bool heading)
{
    struct stat st;
    if (stat(path, &st) != 0 && lstat(path, &st) != 0) {
        warn("%s", path);
        return 1;
    }
    if (!S_ISDIR(st.st_mode) || self)
        return show(path, path);
    if (heading)
        printf("%s:\n", path);
    return list(path);
}

int main(int argc, char **argv)
{
    int opt, status = 0;
    while ((opt = getopt(argc, argv, "adil1")) != -1) {
        if (opt == '?')
            return 2;
        all |= opt == 'a';
        self |= opt == 'd';
        inodes |= opt == 'i';
        details |= opt == 'l';
    }
    if (optind == argc)
        return list_operand(".", false);
    for (int i = optind; i < argc; i++)
        status |= list_operand(argv[i], argc - optind > 1);
    return status;
}
