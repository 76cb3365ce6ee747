// SPDX-License-Identifier: BSD-2-Clause
//
// The kernel's command line.
#include "main/cmdline.h"

#include "lib/printf.h"
#include "lib/string.h"

static const char *line = "";

void cmdline_init(const char *text)
{
    line = text;
}

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t' || *p == '\n')
        p++;
    return p;
}

static size_t word_length(const char *p)
{
    size_t n = 0;
    while (p[n] && p[n] != ' ' && p[n] != '\t' && p[n] != '\n')
        n++;
    return n;
}

// The next word called `name' at or after *p: its value ("" without one) and the value's length;
// *p moves on. NULL if there is none.
static const char *next_value(const char **p, const char *name, size_t *len)
{
    size_t name_len = strlen(name);
    for (const char *w = skip_blanks(*p); *w; w = skip_blanks(*p)) {
        size_t n = word_length(w);
        *p = w + n;
        if (n < name_len || strncmp(w, name, name_len) != 0)
            continue;
        if (n == name_len || w[name_len] == '=') {
            const char *value = w + min(name_len + 1, n);
            *len = w + n - value;
            return value;
        }
    }
    return NULL;
}

bool cmdline_has(const char *name)
{
    const char *p = line;
    size_t len;
    return next_value(&p, name, &len) != NULL;
}

bool cmdline_get(const char *name, char *buf, size_t size)
{
    const char *p = line, *found = NULL, *value;
    size_t len, found_len = 0;
    while ((value = next_value(&p, name, &len))) {
        found = value;
        found_len = len;
    }
    if (!found || found_len >= size)
        return false;
    memcpy(buf, found, found_len);
    buf[found_len] = '\0';
    return true;
}

static uint64_t parsed(const char *name, uint64_t fallback, const char *what,
                       bool (*parse)(const char *text, uint64_t *v))
{
    char text[32];
    uint64_t v;
    if (!cmdline_get(name, text, sizeof(text)))
        return fallback;
    if (parse(text, &v))
        return v;
    kprintf("%s=%s: not a %s\n", name, text, what);
    return fallback;
}

uint64_t cmdline_number(const char *name, uint64_t fallback)
{
    return parsed(name, fallback, "number", parse_number);
}

uint64_t cmdline_size(const char *name, uint64_t fallback)
{
    return parsed(name, fallback, "size", parse_size);
}

void cmdline_each(const char *name, void (*fn)(const char *value))
{
    const char *p = line, *value;
    size_t len;
    while ((value = next_value(&p, name, &len))) {
        char text[64];
        strlcpy(text, value, min(len + 1, sizeof(text)));
        fn(text);
    }
}
