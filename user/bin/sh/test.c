// SPDX-License-Identifier: BSD-2-Clause
//
// test and [: one condition on files, strings or numbers, and `!'.
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "shell.h"

enum { BAD = 2 };

static int file_test(char op, const char *path)
{
    struct stat st;
    if (strchr("rwx", op))
        return access(path, op == 'r' ? R_OK : op == 'w' ? W_OK : X_OK) == 0;
    if ((op == 'L' ? lstat : stat)(path, &st) != 0)
        return 0;
    switch (op) {
    case 'L':
        return S_ISLNK(st.st_mode);
    case 'f':
        return S_ISREG(st.st_mode);
    case 'd':
        return S_ISDIR(st.st_mode);
    case 's':
        return st.st_size > 0;
    default: // e
        return 1;
    }
}

static int compare(const char *a, const char *op, const char *b)
{
    static const char ops[] = "-eq-ne-lt-le-gt-ge";
    const char *found = strlen(op) == 3 && op[0] == '-' ? strstr(ops, op) : NULL;
    char *end_a, *end_b;
    long va = strtol(a, &end_a, 10), vb = strtol(b, &end_b, 10);
    if (!*a || !*b || *end_a || *end_b || !found)
        return BAD;
    const int holds[] = {va == vb, va != vb, va<vb, va <= vb, va> vb, va >= vb};
    return holds[(found - ops) / 3];
}

// 1: it holds, 0: it does not, or BAD.
static int condition(int n, char **arg)
{
    if (n == 3 && (strcmp(arg[1], "=") == 0 || strcmp(arg[1], "!=") == 0))
        return (strcmp(arg[0], arg[2]) == 0) == (arg[1][0] == '=');
    if (n >= 2 && strcmp(arg[0], "!") == 0) {
        int v = condition(n - 1, arg + 1);
        return v == BAD ? BAD : !v;
    }
    if (n == 3)
        return compare(arg[0], arg[1], arg[2]);
    if (n < 2)
        return n == 1 && arg[0][0] != '\0';
    char op = n == 2 && arg[0][0] == '-' && strlen(arg[0]) == 2 ? arg[0][1] : '?';
    if (op == 'n' || op == 'z')
        return (arg[1][0] == '\0') == (op == 'z');
    return strchr("rwxLfdse", op) ? file_test(op, arg[1]) : BAD;
}

int builtin_test(int argc, char **argv)
{
    bool bracket = argv[0][0] == '[', closed = strcmp(argv[argc - 1], "]") == 0;
    int v = bracket && !closed ? BAD : condition(argc - 1 - bracket, argv + 1);
    if (v == BAD)
        warnx("%s: not understood", argv[0]);
    return v == BAD ? BAD : !v;
}
