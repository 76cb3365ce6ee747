// SPDX-License-Identifier: BSD-2-Clause
/*
 * Parameters: $x, $1, $@, $? and the operators of ${x...}.
 */
#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include "expand.h"
#include "shell.h"

/* The value of a parameter that is one string; NULL: unset. */
static const char *value_of(const char *name)
{
    if (isdigit((unsigned char)name[0])) {
        int i = atoi(name);
        if (i == 0)
            return sh.name;
        return i <= sh.params.n ? sh.params.v[i - 1] : NULL;
    }
    switch (name[0]) {
    case '?':
        return mem_printf("%d", sh.status);
    case '$':
        return mem_printf("%d", (int)sh.pid);
    case '!':
        return sh.last_async ? mem_printf("%d", (int)sh.last_async) : NULL;
    case '#':
        return mem_printf("%d", sh.params.n);
    case '-':
        return mem_printf("%s%s%s%s%s", sh.errexit ? "e" : "", sh.noglob ? "f" : "",
                          sh.interactive ? "i" : "", sh.nounset ? "u" : "", sh.xtrace ? "x" : "");
    default:
        return var_get(name);
    }
}

/* $@ and $*: "$@" keeps each parameter a field of its own, "$*" joins them by $IFS's first. */
static void all_params(struct expander *x, const struct part *p)
{
    const char *ifs = var_get("IFS");
    char joint[2] = {ifs ? ifs[0] : ' ', '\0'};
    bool separate = x->split && !(p->quoted && p->text[0] == '*');
    if (!x->split && p->text[0] == '@')
        joint[0] = ' ';
    for (int i = 0; i < sh.params.n; i++) {
        if (i > 0 && separate)
            expand_field_end(x);
        else if (i > 0)
            expand_text(x, joint, p->quoted);
        expand_value(x, sh.params.v[i], p->quoted);
    }
}

/* The value without the shortest or longest piece at one end that matches the pattern. */
static const char *trim(const char *value, const char *pattern, bool prefix, bool longest)
{
    size_t n = strlen(value);
    for (size_t i = 0; i <= n; i++) {
        size_t len = longest ? n - i : i; /* of the piece to remove */
        const char *piece = prefix ? mem_dup(value, len) : value + n - len;
        if (fnmatch(pattern, piece, 0) == 0)
            return prefix ? value + len : mem_dup(value, n - len);
    }
    return value;
}

static void put_value(struct expander *x, const struct part *p, const char *value)
{
    if (p->text[0] == '@' || p->text[0] == '*')
        all_params(x, p);
    else if (value)
        expand_value(x, value, p->quoted);
    else
        expand_text(x, "", p->quoted);
}

static const char *assign_default(const struct part *p)
{
    if (!name_valid(p->text, strlen(p->text)))
        shell_error("%s: cannot assign this way", p->text);
    var_set(p->text, expand_string(p->arg));
    return var_get(p->text);
}

static _Noreturn void unset_error(const struct part *p)
{
    const char *message = p->arg && p->arg->parts ? expand_string(p->arg) : "parameter not set";
    shell_error("%s: %s", p->text, message);
}

void expand_param(struct expander *x, const struct part *p)
{
    bool all = p->text[0] == '@' || p->text[0] == '*';
    const char *value = all ? (sh.params.n > 0 ? sh.params.v[0] : NULL) : value_of(p->text);
    bool set = value && !(p->colon && value[0] == '\0');
    bool needs_set = p->op == OP_NONE || p->op == OP_LENGTH || p->op >= OP_PREFIX;
    if (!set && needs_set && sh.nounset && !all)
        unset_error(p);
    switch (p->op) {
    case OP_NONE:
        put_value(x, p, value);
        break;
    case OP_LENGTH:
        value = all ? mem_printf("%d", sh.params.n) : mem_printf("%zu", value ? strlen(value) : 0);
        expand_value(x, value, p->quoted);
        break;
    case OP_DEFAULT:
        if (set)
            put_value(x, p, value);
        else
            expand_parts(x, p->arg->parts);
        break;
    case OP_ASSIGN:
        put_value(x, p, set ? value : assign_default(p));
        break;
    case OP_ERROR:
        if (!set)
            unset_error(p);
        put_value(x, p, value);
        break;
    case OP_ALTERNATIVE:
        if (set)
            expand_parts(x, p->arg->parts);
        break;
    case OP_PREFIX:
    case OP_SUFFIX:
        value = trim(value ? value : "", expand_pattern(p->arg), p->op == OP_PREFIX, p->longest);
        expand_value(x, value, p->quoted);
        break;
    }
}
