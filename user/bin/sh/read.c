// SPDX-License-Identifier: BSD-2-Clause
/*
 * read: one line of standard input, split into variables. It is read by single bytes, because the
 * rest belongs to other commands.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "shell.h"

/* Reads a line; an escaped character gets a mark in *escaped. False: the input ended. */
static bool read_line(struct buf *line, struct buf *escaped, bool raw)
{
    bool backslash = false;
    char c;
    for (;;) {
        ssize_t n = read(0, &c, 1);
        if (n < 0 && errno == EINTR && !trap_pending())
            continue;
        if (n <= 0)
            return false;
        if (c == '\n' && !backslash)
            return true;
        if (c == '\\' && !raw && !backslash) {
            backslash = true;
            continue;
        }
        if (c != '\n') {
            buf_put(line, c);
            buf_put(escaped, backslash);
        }
        backslash = false;
    }
}

struct splitter {
    const char *s, *escaped, *ifs;
    size_t at, n;
};

static bool separates(const struct splitter *p, size_t i, bool blank)
{
    char c = p->s[i];
    if (p->escaped[i] || !strchr(p->ifs, c))
        return false;
    return !blank || strchr(" \t\n", c);
}

static void skip_blanks(struct splitter *p)
{
    while (p->at < p->n && separates(p, p->at, true))
        p->at++;
}

/* The next field, or all that is left for the last variable. */
static char *next_field(struct splitter *p, bool last)
{
    size_t start = p->at, end;
    while (p->at < p->n && !separates(p, p->at, false))
        p->at++;
    end = p->at;
    skip_blanks(p);
    if (p->at < p->n && separates(p, p->at, false) && !separates(p, p->at, true)) {
        p->at++;
        skip_blanks(p);
    }
    if (last && p->at < p->n) {
        end = p->n;
        while (end > start && separates(p, end - 1, true))
            end--;
    }
    return mem_dup(p->s + start, end - start);
}

int builtin_read(int argc, char **argv)
{
    struct buf line = {0}, escaped = {0};
    int first = 1;
    bool raw = argc > 1 && strcmp(argv[1], "-r") == 0;
    if (raw)
        first++;
    bool complete = read_line(&line, &escaped, raw);
    const char *ifs = var_get("IFS");
    struct splitter p = {.s = buf_string(&line), .escaped = buf_string(&escaped), .n = line.n};
    p.ifs = ifs ? ifs : " \t\n";
    skip_blanks(&p);
    if (first == argc)
        var_set("REPLY", p.s);
    for (int i = first; i < argc; i++)
        var_set(argv[i], next_field(&p, i == argc - 1));
    return complete ? 0 : 1;
}
