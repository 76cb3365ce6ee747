// SPDX-License-Identifier: BSD-2-Clause
//
// From words as they are written to strings: parameters, commands and arithmetic are put in,
// unquoted results are split at blanks, patterns become file names, quotes go. While a field is
// built, a quoted pattern character has a backslash before it.
#include <ctype.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "shell.h"

struct expander {
    bool split;      // into fields; else all is one string, and no pattern
    struct buf text; // the field at hand
    bool have;       // there is one, if maybe empty
    struct word *fields, **tail;
    size_t n;
};

static void expand_raw(struct expander *x, const char *raw, size_t n, bool q);

size_t name_length(const char *s)
{
    size_t n = 0;
    while (isalpha((unsigned char)s[n]) || s[n] == '_' || (n > 0 && isdigit((unsigned char)s[n])))
        n++;
    return n;
}

static void add_field(struct expander *x, const char *text)
{
    *x->tail = mem_alloc(sizeof **x->tail);
    (*x->tail)->text = mem_dup(text, strlen(text));
    x->tail = &(*x->tail)->next;
    x->n++;
}

// Takes the backslashes away. Whether it was a pattern.
static bool unescape(char *s)
{
    bool pattern = false;
    char *to = s;
    for (const char *from = s; *from; *to++ = *from++) {
        pattern |= strchr("*?[", *from) != NULL;
        from += *from == '\\' && from[1];
    }
    *to = '\0';
    return pattern;
}

// The field is done: the file names that it matches, or else itself.
static void end_field(struct expander *x)
{
    char *field = buf_string(&x->text);
    const char *pattern = mem_dup(field, x->text.n);
    glob_t g;
    if (x->have && unescape(field) && glob(pattern, 0, NULL, &g) == 0) {
        for (size_t i = 0; i < g.gl_pathc; i++)
            add_field(x, g.gl_pathv[i]);
        globfree(&g);
    } else if (x->have) {
        add_field(x, field);
    }
    x->text = (struct buf){0};
    x->have = false;
}

static void put(struct expander *x, char c, bool q)
{
    if (x->split && q && strchr("*?[]\\-!^", c))
        buf_put(&x->text, '\\');
    buf_put(&x->text, c);
    x->have = true;
}

static void put_value(struct expander *x, const char *s, bool q)
{
    x->have |= q;
    for (; *s; s++) {
        if (x->split && !q && strchr(" \t\n", *s))
            end_field(x);
        else
            put(x, *s, q || *s == '\\');
    }
}

// ---- parameters ----

// The length of the parameter's name that s begins with: a variable, a number, one special sign.
static size_t param_length(const char *s)
{
    size_t n = name_length(s), digits = strspn(s, "0123456789");
    return n ? n : digits ? digits : *s && strchr("@*#?$!", *s);
}

// NULL: unset.
static const char *value_of(const char *name)
{
    int i = isdigit((unsigned char)*name) ? atoi(name) : 1, n = 0;
    while (sh.params[n + 1])
        n++;
    if (name_length(name) > 0)
        return getenv(name);
    switch (*name) {
    case '?':
        return mem_number(sh.status);
    case '$':
        return mem_number(sh.pid);
    case '!':
        return sh.last_async ? mem_number(sh.last_async) : NULL;
    case '#':
        return mem_number(n);
    default:
        return i <= n ? sh.params[i] : NULL;
    }
}

// "$@" keeps each parameter a field of its own, "$*" makes them one.
static void put_param(struct expander *x, const char *name, bool q)
{
    bool all = *name == '@' || *name == '*';
    const char *value = value_of(name);
    for (char **p = sh.params + 1; all && *p; p++) {
        put_value(x, *p, q);
        if (p[1] && x->split && !(q && *name == '*'))
            end_field(x);
        else if (p[1])
            put(x, ' ', q);
    }
    if (!all && value)
        put_value(x, value, q);
}

// What stands in ${ }: a name; or name-word, name=word, name+word, with a colon before the sign if
// empty is as unset.
static void braces(struct expander *x, const char *text, bool q)
{
    size_t n = param_length(text);
    const char *name = mem_dup(text, n), *value = value_of(name);
    bool colon = text[n] == ':', set = value && !(colon && *value == '\0');
    char op = text[n + colon];
    const char *word = text + n + colon + 1;
    if (n == 0 || (op || colon ? !op || !strchr("-=+", op) : false))
        shell_error("${%s}: bad substitution", text);
    if (op == '=' && !set)
        setenv(name, expand_string(word), 1);
    if (op == '+' ? set : op == '-' && !set)
        expand_raw(x, word, strlen(word), q);
    else if (op != '+')
        put_param(x, name, q);
}

// ---- words ----

static char *capture_output(const char *text)
{
    struct buf output = {0};
    char part[1024];
    int fds[2];
    make_pipe(fds);
    pid_t pid = fork_child(false);
    if (pid == 0) {
        dup2(fds[1], 1);
        close(fds[0]);
        close(fds[1]);
        shell_exit(run_string(text, true));
    }
    close(fds[1]);
    for (ssize_t n; (n = read(fds[0], part, sizeof part)) > 0;)
        buf_add(&output, part, (size_t)n);
    close(fds[0]);
    sh.subst_status = wait_for(pid, true);
    while (output.n > 0 && output.s[output.n - 1] == '\n')
        output.n--;
    return buf_string(&output);
}

static void backquotes(struct expander *x, const char *raw, size_t n, bool q)
{
    struct buf text = {0};
    for (size_t i = 0; i < n; i++) {
        i += raw[i] == '\\' && i + 1 < n && strchr(q ? "\\`$\"" : "\\`$", raw[i + 1]);
        buf_put(&text, raw[i]);
    }
    put_value(x, capture_output(buf_string(&text)), q);
}

// A $ and what belongs to it, of n characters at least; how long that is.
static size_t dollar(struct expander *x, const char *raw, size_t n, bool q)
{
    size_t name = param_length(raw + 1);
    if (n > 5 && raw[1] == '(' && raw[2] == '(' && raw[n - 2] == ')') {
        struct expander inner = {0};
        expand_raw(&inner, raw + 3, n - 5, true);
        put_value(x, mem_number(arith(buf_string(&inner.text))), q);
    } else if (n > 1 && raw[1] == '(') {
        put_value(x, capture_output(mem_dup(raw + 2, n - 3)), q);
    } else if (n > 1) {
        braces(x, mem_dup(raw + 2, n - 3), q);
    } else if (name > 0) {
        n += isdigit((unsigned char)raw[1]) ? 1 : name;
        put_param(x, mem_dup(raw + 1, n - 1), q);
    } else {
        put(x, '$', q);
    }
    return n;
}

static void backslash(struct expander *x, const char *raw, size_t n, bool q)
{
    if (n > 1 && raw[1] == '\n')
        return;
    if (n == 1 || (q && !strchr("$`\"\\", raw[1])))
        put(x, '\\', true);
    if (n > 1)
        put(x, raw[1], true);
}

// q: between double quotes.
static void expand_raw(struct expander *x, const char *raw, size_t n, bool q)
{
    struct source s = {.text = mem_dup(raw, n), .len = n, .fd = -1};
    for (size_t i = 0, next; i < n; i = next) {
        const char *c = s.text + i;
        bool plain = (*c == '\'' && q) || !strchr("\\'\"`$", *c);
        next = plain ? i + 1 : lex_piece(&s, i);
        if (plain)
            put(x, *c, q);
        else if (*c == '\\')
            backslash(x, c, next - i, q);
        else if (*c == '\'')
            put_value(x, mem_dup(c + 1, next - i - 2), true);
        else if (*c == '`')
            backquotes(x, c + 1, next - i - 2, q);
        else if (*c == '$')
            next = i + dollar(x, c, next - i, q);
        else {
            x->have |= strncmp(c, "\"$@\"", 4) != 0; // that may be nothing at all
            expand_raw(x, c + 1, next - i - 2, true);
        }
    }
}

// A leading ~ or ~/ stands for $HOME.
static void expand_word(struct expander *x, const char *raw)
{
    const char *home = getenv("HOME");
    if (home && raw[0] == '~' && (raw[1] == '/' || raw[1] == '\0')) {
        put_value(x, home, true);
        raw++;
    }
    expand_raw(x, raw, strlen(raw), false);
}

char *expand_string(const char *raw)
{
    struct expander x = {0};
    expand_word(&x, raw);
    return buf_string(&x.text);
}

char **expand_words(const struct word *list)
{
    struct expander x = {.split = true, .tail = &x.fields};
    for (; list; list = list->next) {
        expand_word(&x, list->text);
        end_field(&x);
    }
    char **argv = mem_alloc((x.n + 1) * sizeof *argv), **arg = argv;
    for (struct word *w = x.fields; w; w = w->next)
        *arg++ = w->text;
    return argv;
}
