// SPDX-License-Identifier: BSD-2-Clause
/*
 * Matching by backtracking: a starred item takes as much as it can and gives back one by one.
 */
#include "pattern.h"
#include <ctype.h>
#include <stddef.h>
#include <string.h>

/* Length of the item that the pattern begins with: a character, an escape or a set. */
static size_t item_length(const char *p)
{
    if (p[0] == '\\' && p[1])
        return 2;
    if (p[0] != '[')
        return 1;
    size_t n = 1 + (p[1] == '^');
    if (p[n] == ']')
        n++;
    while (p[n] && p[n] != ']')
        n++;
    return p[n] ? n + 1 : 1;
}

static bool same(char a, char b, bool fold)
{
    return a == b || (fold && tolower((unsigned char)a) == tolower((unsigned char)b));
}

/* p[0..n) is a set with its brackets. */
static bool in_set(const char *p, size_t n, char c, bool fold)
{
    bool invert = p[1] == '^', found = false;
    for (size_t i = 1 + invert; i < n - 1; i++) {
        if (i + 2 < n - 1 && p[i + 1] == '-') {
            char other = (char)(fold ? isupper((unsigned char)c) ? tolower((unsigned char)c)
                                                                 : toupper((unsigned char)c)
                                     : c);
            found |= (p[i] <= c && c <= p[i + 2]) || (p[i] <= other && other <= p[i + 2]);
            i += 2;
        } else {
            found |= same(p[i], c, fold);
        }
    }
    return found != invert;
}

static bool match_item(const char *p, size_t n, char c, bool fold)
{
    if (c == '\0')
        return false;
    if (p[0] == '[' && n > 1)
        return in_set(p, n, c, fold);
    if (p[0] == '\\' && n == 2)
        return same(p[1], c, fold);
    return p[0] == '.' || same(p[0], c, fold);
}

static bool match_here(const char *p, const char *s, bool fold)
{
    while (*p) {
        if (p[0] == '$' && p[1] == '\0')
            return *s == '\0';
        size_t n = item_length(p);
        if (p[n] == '*') {
            size_t taken = 0;
            while (match_item(p, n, s[taken], fold))
                taken++;
            for (;; taken--) {
                if (match_here(p + n + 1, s + taken, fold))
                    return true;
                if (taken == 0)
                    return false;
            }
        }
        if (!match_item(p, n, *s, fold))
            return false;
        p += n;
        s++;
    }
    return true;
}

bool pattern_search(const char *p, const char *s, bool fold)
{
    if (*p == '^')
        return match_here(p + 1, s, fold);
    do {
        if (match_here(p, s, fold))
            return true;
    } while (*s++);
    return false;
}
