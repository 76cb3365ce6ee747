// SPDX-License-Identifier: BSD-2-Clause
/*
 * Shell patterns. There is no recursion: on a mismatch the most recent star takes one more
 * character, which is enough because an earlier star need never take more than it has.
 */
#include <ctype.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <string.h>

static bool in_class(const char *name, size_t n, int c)
{
    static const struct {
        const char *name;
        int (*is)(int);
    } classes[] = {
        {"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
        {"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
        {"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
    };
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strlen(classes[i].name) == n && strncmp(classes[i].name, name, n) == 0)
            return classes[i].is(c);
    return false;
}

/* Matches c against the set after '['. Returns the text after ']', or NULL if there is none. */
static const char *bracket(const char *p, unsigned char c, bool *matched)
{
    bool invert = *p == '!' || *p == '^', found = false;
    if (invert)
        p++;
    for (const char *first = p; *p != ']' || p == first;) {
        if (p[0] == '[' && p[1] == ':') {
            const char *end = strstr(p + 2, ":]");
            if (end) {
                found |= in_class(p + 2, (size_t)(end - p - 2), c);
                p = end + 2;
                continue;
            }
        }
        if (*p == '\\' && p[1])
            p++;
        if (*p == '\0')
            return NULL;
        unsigned char low = (unsigned char)*p++, high = low;
        if (p[0] == '-' && p[1] && p[1] != ']') {
            p++;
            if (*p == '\\' && p[1])
                p++;
            high = (unsigned char)*p++;
        }
        found |= low <= c && c <= high;
    }
    *matched = found != invert;
    return p + 1;
}

/* Matches one character; returns the rest of the pattern or NULL. */
static const char *one(const char *p, char c, int flags)
{
    bool matched;
    const char *rest;
    if ((flags & FNM_PATHNAME) && c == '/')
        return *p == '/' ? p + 1 : NULL;
    switch (*p) {
    case '?':
        return p + 1;
    case '[':
        rest = bracket(p + 1, (unsigned char)c, &matched);
        if (rest)
            return matched ? rest : NULL;
        break;
    case '\\':
        if (p[1])
            p++;
        break;
    }
    return *p == c ? p + 1 : NULL;
}

int fnmatch(const char *p, const char *s, int flags)
{
    const char *star = NULL, *resume = NULL;
    if ((flags & FNM_PERIOD) && *s == '.' && *p != '.' && !(p[0] == '\\' && p[1] == '.'))
        return FNM_NOMATCH;
    for (;;) {
        if (*p == '*') {
            star = ++p;
            resume = s;
            continue;
        }
        if (*s == '\0' && *p == '\0')
            return 0;
        const char *rest = *s && *p ? one(p, *s, flags) : NULL;
        if (rest) {
            p = rest;
            s++;
            continue;
        }
        if (!star || *resume == '\0' || ((flags & FNM_PATHNAME) && *resume == '/'))
            return FNM_NOMATCH;
        p = star;
        s = ++resume;
    }
}
