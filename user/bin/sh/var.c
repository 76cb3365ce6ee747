// SPDX-License-Identifier: BSD-2-Clause
/*
 * Variables: a hash table of names, values and two flags; scopes for what a function makes local
 * and for assignments before a command; the environment of programs.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "shell.h"

#define NBUCKETS 64

struct var {
    struct var *next;
    char *value; /* NULL: unset, but maybe exported */
    bool exported, readonly;
    char name[];
};

struct saved { /* how a variable was outside the scope */
    struct saved *next;
    int scope;
    bool exported;
    char *value;
    char name[];
};

static struct var *buckets[NBUCKETS];
static struct saved *saved;
static int scope_depth;

static struct var **bucket(const char *name)
{
    unsigned h = 0;
    for (; *name; name++)
        h = 31 * h + (unsigned char)*name;
    return &buckets[h % NBUCKETS];
}

static struct var *find(const char *name)
{
    for (struct var *v = *bucket(name); v; v = v->next)
        if (strcmp(v->name, name) == 0)
            return v;
    return NULL;
}

static struct var *find_or_add(const char *name)
{
    struct var *v = find(name);
    if (v)
        return v;
    size_t n = strlen(name) + 1;
    v = xmalloc(sizeof *v + n);
    *v = (struct var){.next = *bucket(name)};
    memcpy(v->name, name, n);
    *bucket(name) = v;
    return v;
}

bool name_valid(const char *s, size_t n)
{
    if (n == 0 || isdigit((unsigned char)s[0]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && s[i] != '_')
            return false;
    return true;
}

const char *var_get(const char *name)
{
    struct var *v = find(name);
    return v ? v->value : NULL;
}

static struct var *writable(const char *name)
{
    struct var *v = find_or_add(name);
    if (v->readonly)
        shell_error("%s: is read only", name);
    return v;
}

void var_set(const char *name, const char *value)
{
    struct var *v = writable(name);
    char *copy = xstrdup(value); /* the value may be part of the old one */
    free(v->value);
    v->value = copy;
}

void var_set_number(const char *name, long value)
{
    char text[24];
    snprintf(text, sizeof text, "%ld", value);
    var_set(name, text);
}

void var_export(const char *name)
{
    find_or_add(name)->exported = true;
}

void var_readonly(const char *name)
{
    find_or_add(name)->readonly = true;
}

void var_unset(const char *name)
{
    if (!find(name))
        return;
    struct var *v = writable(name);
    free(v->value);
    v->value = NULL;
    v->exported = false;
}

void var_import(char **envp)
{
    for (; *envp; envp++) {
        size_t n = strcspn(*envp, "=");
        if ((*envp)[n] == '\0' || !name_valid(*envp, n))
            continue;
        char *name = mem_dup(*envp, n);
        var_set(name, *envp + n + 1);
        var_export(name);
    }
}

char **var_environment(void)
{
    size_t n = 0;
    for (int i = 0; i < NBUCKETS; i++)
        for (struct var *v = buckets[i]; v; v = v->next)
            n += v->exported && v->value;
    char **envp = mem_alloc((n + 1) * sizeof *envp), **e = envp;
    for (int i = 0; i < NBUCKETS; i++)
        for (struct var *v = buckets[i]; v; v = v->next)
            if (v->exported && v->value)
                *e++ = mem_printf("%s=%s", v->name, v->value);
    return envp;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct var *const *)a)->name, (*(struct var *const *)b)->name);
}

/* In single quotes, so that the shell can read it back. */
static void print_quoted(const char *s)
{
    putchar('\'');
    for (; *s; s++) {
        if (*s == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*s);
    }
    putchar('\'');
}

void var_print(bool exported_only)
{
    size_t n = 0, size = 0;
    for (int i = 0; i < NBUCKETS; i++)
        for (struct var *v = buckets[i]; v; v = v->next)
            size++;
    struct var **all = mem_alloc((size + 1) * sizeof *all);
    for (int i = 0; i < NBUCKETS; i++)
        for (struct var *v = buckets[i]; v; v = v->next)
            if (v->value && (v->exported || !exported_only))
                all[n++] = v;
    qsort(all, n, sizeof *all, by_name);
    for (size_t i = 0; i < n; i++) {
        printf("%s%s=", exported_only ? "export " : "", all[i]->name);
        print_quoted(all[i]->value);
        putchar('\n');
    }
}

void var_local(const char *name)
{
    struct var *v = find_or_add(name);
    size_t n = strlen(name) + 1;
    struct saved *s = xmalloc(sizeof *s + n);
    *s = (struct saved){.next = saved, .scope = scope_depth, .exported = v->exported};
    s->value = v->value ? xstrdup(v->value) : NULL;
    memcpy(s->name, name, n);
    saved = s;
}

int var_scope_begin(void)
{
    return ++scope_depth;
}

void var_scope_end(int scope)
{
    while (saved && saved->scope >= scope) {
        struct saved *s = saved;
        struct var *v = find_or_add(s->name);
        free(v->value);
        v->value = s->value;
        v->exported = s->exported;
        saved = s->next;
        free(s);
    }
    scope_depth = scope - 1;
}
