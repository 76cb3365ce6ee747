// SPDX-License-Identifier: BSD-2-Clause
/*
 * File names by pattern: the path is walked part by part, and directories are read only for parts
 * that hold a pattern. A leading period must be matched by itself.
 */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool has_magic(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\\')
            i++;
        else if (s[i] == '*' || s[i] == '?' || s[i] == '[')
            return true;
    }
    return false;
}

static int add(glob_t *g, const char *path)
{
    char **v = realloc(g->gl_pathv, (g->gl_pathc + 2) * sizeof *v);
    if (!v)
        return GLOB_NOSPACE;
    g->gl_pathv = v;
    v[g->gl_pathc] = strdup(path);
    if (!v[g->gl_pathc])
        return GLOB_NOSPACE;
    v[++g->gl_pathc] = NULL;
    return 0;
}

/* path[0..n) is matched already; rest is the pattern for what follows. */
static int walk(glob_t *g, char *path, size_t n, const char *rest);

/* Takes a part without a pattern as it is. */
static int literal(glob_t *g, char *path, size_t n, const char *part, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (part[i] == '\\' && i + 1 < len)
            i++;
        if (n + 1 >= PATH_MAX)
            return 0;
        path[n++] = part[i];
    }
    path[n] = '\0';
    return walk(g, path, n, part + len);
}

static int search(glob_t *g, char *path, size_t n, const char *part, size_t len)
{
    char pattern[NAME_MAX + 1];
    if (len >= sizeof pattern)
        return 0;
    memcpy(pattern, part, len);
    pattern[len] = '\0';
    path[n] = '\0';
    DIR *dir = opendir(n ? path : ".");
    if (!dir)
        return 0;
    int r = 0;
    struct dirent *e;
    while (r == 0 && (e = readdir(dir))) {
        size_t add_len = strlen(e->d_name);
        if (n + add_len + 1 >= PATH_MAX || fnmatch(pattern, e->d_name, FNM_PERIOD) != 0)
            continue;
        memcpy(path + n, e->d_name, add_len + 1);
        r = walk(g, path, n + add_len, part + len);
    }
    closedir(dir);
    return r;
}

static int walk(glob_t *g, char *path, size_t n, const char *rest)
{
    struct stat st;
    while (*rest == '/') {
        if (n + 1 >= PATH_MAX)
            return 0;
        path[n++] = *rest++;
        path[n] = '\0';
    }
    if (*rest == '\0')
        return lstat(path, &st) == 0 ? add(g, path) : 0;
    size_t len = strcspn(rest, "/");
    return (has_magic(rest, len) ? search : literal)(g, path, n, rest, len);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int glob(const char *restrict pattern, int flags, int (*error)(const char *, int),
         glob_t *restrict g)
{
    char path[PATH_MAX] = "";
    (void)flags, (void)error;
    *g = (glob_t){0};
    int r = walk(g, path, 0, pattern);
    if (r == 0 && g->gl_pathc == 0)
        r = GLOB_NOMATCH;
    if (r == 0)
        qsort(g->gl_pathv, g->gl_pathc, sizeof *g->gl_pathv, by_name);
    else
        globfree(g);
    return r;
}

void globfree(glob_t *g)
{
    for (size_t i = 0; i < g->gl_pathc; i++)
        free(g->gl_pathv[i]);
    free(g->gl_pathv);
    *g = (glob_t){0};
}
