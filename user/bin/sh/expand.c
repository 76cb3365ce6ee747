// SPDX-License-Identifier: BSD-2-Clause
/*
 * From words to strings: parameters, commands and arithmetic are put in, unquoted results are split
 * at $IFS, patterns become file names, quotes go. While a field is built, a quoted pattern
 * character has a backslash before it.
 */
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include "expand.h"
#include "shell.h"

void expand_field_end(struct expander *x)
{
    if (!x->have)
        return;
    if (x->n == x->size) {
        int size = x->size ? 2 * x->size : 8;
        char **bigger = mem_alloc((size_t)size * sizeof *bigger);
        if (x->n > 0)
            memcpy(bigger, x->fields, (size_t)x->n * sizeof *bigger);
        x->fields = bigger;
        x->size = size;
    }
    x->fields[x->n++] = buf_string(&x->text);
    x->text = (struct buf){0};
    x->have = false;
}

static void put(struct expander *x, char c, bool quoted)
{
    const char *special = quoted ? "*?[]\\-!^" : "";
    if (x->escape && strchr(special, c))
        buf_put(&x->text, '\\');
    buf_put(&x->text, c);
    x->have = true;
    x->after_blank = false;
}

void expand_text(struct expander *x, const char *s, bool quoted)
{
    x->have |= quoted || *s;
    for (; *s; s++)
        put(x, *s, quoted);
}

void expand_value(struct expander *x, const char *s, bool quoted)
{
    const char *ifs = var_get("IFS");
    if (!ifs)
        ifs = " \t\n";
    if (quoted || !x->split) {
        expand_text(x, s, quoted);
        return;
    }
    for (; *s; s++) {
        if (!strchr(ifs, *s)) {
            put(x, *s, *s == '\\');
        } else if (strchr(" \t\n", *s)) {
            x->after_blank |= x->have;
            expand_field_end(x);
        } else if (x->after_blank && !x->have) {
            x->after_blank = false; /* belongs to the blanks before it */
        } else {
            x->have = true;
            expand_field_end(x);
        }
    }
}

static void expand_arith(struct expander *x, const struct part *p)
{
    long v = arith(expand_string(p->arg));
    expand_value(x, mem_printf("%ld", v), p->quoted);
}

void expand_parts(struct expander *x, const struct part *p)
{
    for (; p; p = p->next) {
        switch (p->kind) {
        case PART_TEXT:
            expand_text(x, p->text, p->quoted);
            break;
        case PART_PARAM:
            expand_param(x, p);
            break;
        case PART_COMMAND:
            expand_value(x, capture_output(p->command), p->quoted);
            break;
        case PART_ARITH:
            expand_arith(x, p);
            break;
        }
    }
}

/* A leading ~ or ~/ stands for $HOME. */
static void expand_word(struct expander *x, const struct word *w)
{
    const struct part *p = w->parts;
    const char *home = var_get("HOME");
    if (home && p && p->kind == PART_TEXT && !p->quoted && p->text[0] == '~' &&
        (p->text[1] == '/' || (p->text[1] == '\0' && !p->next))) {
        expand_text(x, home, true);
        expand_text(x, p->text + 1, false);
        p = p->next;
    }
    expand_parts(x, p);
}

/* One string from a word that is not split. */
static char *expand_whole(const struct word *w, bool escape)
{
    struct expander x = {.escape = escape};
    if (w)
        expand_word(&x, w);
    return buf_string(&x.text);
}

char *expand_string(const struct word *w)
{
    return expand_whole(w, false);
}

char *expand_pattern(const struct word *w)
{
    return expand_whole(w, true);
}

static bool is_pattern(const char *s)
{
    for (; *s; s++) {
        if (*s == '\\' && s[1])
            s++;
        else if (strchr("*?[", *s))
            return true;
    }
    return false;
}

static char *unescape(char *s)
{
    char *to = s;
    for (const char *from = s; *from;) {
        if (*from == '\\' && from[1])
            from++;
        *to++ = *from++;
    }
    *to = '\0';
    return s;
}

/* Adds the file names that a field matches, or else the field itself. */
static void add_files(struct expander *out, char *field)
{
    glob_t g;
    if (sh.noglob || !is_pattern(field) || glob(field, 0, NULL, &g) != 0) {
        expand_text(out, unescape(field), true);
        expand_field_end(out);
        return;
    }
    for (size_t i = 0; i < g.gl_pathc; i++) {
        expand_text(out, g.gl_pathv[i], true);
        expand_field_end(out);
    }
    globfree(&g);
}

char **expand_words(const struct word *list, int *count)
{
    struct expander x = {.split = true, .escape = true}, out = {0};
    for (; list; list = list->next) {
        expand_word(&x, list);
        expand_field_end(&x);
        x.after_blank = false;
    }
    for (int i = 0; i < x.n; i++)
        add_files(&out, x.fields[i]);
    *count = out.n;
    char **argv = mem_alloc(((size_t)out.n + 1) * sizeof *argv);
    if (out.n > 0)
        memcpy(argv, out.fields, (size_t)out.n * sizeof *argv);
    return argv;
}
