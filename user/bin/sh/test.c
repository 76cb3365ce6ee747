// SPDX-License-Identifier: BSD-2-Clause
/*
 * test and [: conditions on files, strings and numbers.
 */
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "shell.h"

struct test {
    char **arg; /* what is left */
    int n;
    bool bad;
};

static bool expression(struct test *t);

static long number(struct test *t, const char *s)
{
    char *end;
    long v = strtol(s, &end, 10);
    if (*s == '\0' || *end) {
        warnx("test: %s: not a number", s);
        t->bad = true;
    }
    return v;
}

static bool file_test(char op, const char *path)
{
    struct stat st;
    if (op == 'r' || op == 'w' || op == 'x')
        return access(path, op == 'r' ? R_OK : op == 'w' ? W_OK : X_OK) == 0;
    if (op == 'L' || op == 'h')
        return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
    if (stat(path, &st) != 0)
        return false;
    switch (op) {
    case 'f':
        return S_ISREG(st.st_mode);
    case 'd':
        return S_ISDIR(st.st_mode);
    case 'b':
        return S_ISBLK(st.st_mode);
    case 'c':
        return S_ISCHR(st.st_mode);
    case 'p':
        return S_ISFIFO(st.st_mode);
    case 's':
        return st.st_size > 0;
    default: /* e */
        return true;
    }
}

static bool unary(struct test *t, char op, const char *arg)
{
    if (op == 'n' || op == 'z')
        return (arg[0] == '\0') == (op == 'z');
    if (op == 't')
        return isatty((int)number(t, arg));
    return file_test(op, arg);
}

static const char *const binary_ops[] = {"=",   "!=",  "-eq", "-ne", "-lt", "-le",
                                         "-gt", "-ge", "-nt", "-ot", "-ef", "=="};

static bool is_binary(const char *s)
{
    for (size_t i = 0; i < sizeof binary_ops / sizeof binary_ops[0]; i++)
        if (strcmp(s, binary_ops[i]) == 0)
            return true;
    return false;
}

static bool compare_files(const char *a, const char *op, const char *b)
{
    struct stat sa, sb;
    bool have_a = stat(a, &sa) == 0, have_b = stat(b, &sb) == 0;
    if (strcmp(op, "-ef") == 0)
        return have_a && have_b && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
    if (strcmp(op, "-ot") == 0)
        return have_b && (!have_a || sa.st_mtime < sb.st_mtime);
    return have_a && (!have_b || sa.st_mtime > sb.st_mtime);
}

static bool binary(struct test *t, const char *a, const char *op, const char *b)
{
    if (op[0] != '-')
        return (strcmp(a, b) == 0) == (op[0] == '=');
    if (strcmp(op, "-nt") == 0 || strcmp(op, "-ot") == 0 || strcmp(op, "-ef") == 0)
        return compare_files(a, op, b);
    long va = number(t, a), vb = number(t, b);
    switch (op[1]) {
    case 'e':
        return va == vb;
    case 'n':
        return va != vb;
    case 'l':
        return op[2] == 't' ? va < vb : va <= vb;
    default:
        return op[2] == 't' ? va > vb : va >= vb;
    }
}

static void take(struct test *t, int n)
{
    t->arg += n;
    t->n -= n;
}

static bool primary(struct test *t)
{
    char **a = t->arg;
    if (t->n >= 3 && is_binary(a[1])) {
        take(t, 3);
        return binary(t, a[0], a[1], a[2]);
    }
    if (t->n >= 2 && strcmp(a[0], "!") == 0) {
        take(t, 1);
        return !primary(t);
    }
    if (t->n >= 3 && strcmp(a[0], "(") == 0) {
        take(t, 1);
        bool v = expression(t);
        t->bad |= t->n == 0 || strcmp(t->arg[0], ")") != 0;
        take(t, 1);
        return v;
    }
    if (t->n >= 2 && a[0][0] == '-' && a[0][1] && !a[0][2] && strchr("nztrwxLhfdbcpse", a[0][1])) {
        take(t, 2);
        return unary(t, a[0][1], a[1]);
    }
    t->bad |= t->n == 0;
    if (t->n == 0)
        return false;
    take(t, 1);
    return a[0][0] != '\0';
}

static bool conjunction(struct test *t)
{
    bool v = primary(t);
    while (t->n > 0 && strcmp(t->arg[0], "-a") == 0) {
        take(t, 1);
        v &= primary(t);
    }
    return v;
}

static bool expression(struct test *t)
{
    bool v = conjunction(t);
    while (t->n > 0 && strcmp(t->arg[0], "-o") == 0) {
        take(t, 1);
        v |= conjunction(t);
    }
    return v;
}

int builtin_test(int argc, char **argv)
{
    struct test t = {.arg = argv + 1, .n = argc - 1};
    if (strcmp(argv[0], "[") == 0) {
        if (argc < 2 || strcmp(argv[argc - 1], "]") != 0) {
            warnx("[: missing ]");
            return 2;
        }
        t.n--;
    }
    if (t.n == 0)
        return 1;
    bool v = expression(&t);
    if (t.n > 0 && !t.bad)
        warnx("test: %s: unexpected", t.arg[0]);
    return t.bad || t.n > 0 ? 2 : !v;
}
