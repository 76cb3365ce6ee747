// SPDX-License-Identifier: BSD-2-Clause
/*
 * $((...)): integer expressions with C's operators and precedence, on long. An unset variable
 * counts as 0.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "shell.h"

static const char *at; /* the text still to be read */
static int skipping;   /* > 0: the operand is not evaluated (&&, ||, ?:) */

static long conditional(void);
static long assignment(void);

static _Noreturn void bad(void)
{
    shell_error("arithmetic: unexpected `%s'", at);
}

static void blanks(void)
{
    while (isspace((unsigned char)*at))
        at++;
}

/* Takes an operator unless it is only the beginning of a longer one. */
static bool take(const char *op)
{
    size_t n = strlen(op);
    blanks();
    if (strncmp(at, op, n) != 0)
        return false;
    char last = op[n - 1], next = at[n];
    if (strchr("<>&|", last) && (next == last || next == '='))
        return false;
    if (strchr("+-*/%^!=", last) && next == '=' && !(n == 2 && op[1] == '='))
        return false;
    at += n;
    return true;
}

static char *name(void)
{
    size_t n = 0;
    blanks();
    while (isalnum((unsigned char)at[n]) || at[n] == '_')
        n++;
    if (n == 0 || isdigit((unsigned char)at[0]))
        return NULL;
    at += n;
    return mem_dup(at - n, n);
}

static long value_of(const char *var)
{
    const char *s = var_get(var);
    char *end;
    if (!s || !*s)
        return 0;
    long v = strtol(s, &end, 0);
    if (*end)
        shell_error("arithmetic: %s is not a number: `%s'", var, s);
    return v;
}

static long primary(void)
{
    char *end;
    long v;
    if (take("(")) {
        v = assignment();
        if (!take(")"))
            bad();
        return v;
    }
    char *var = name();
    if (var)
        return skipping ? 0 : value_of(var);
    v = strtol(at, &end, 0);
    if (end == at)
        bad();
    at = end;
    return v;
}

static long unary(void)
{
    if (take("-"))
        return (long)-(unsigned long)unary();
    if (take("+"))
        return unary();
    if (take("!"))
        return !unary();
    if (take("~"))
        return ~unary();
    return primary();
}

static long divide(long a, long b, bool remainder)
{
    if (skipping)
        return 0;
    if (b == 0)
        shell_error("arithmetic: division by zero");
    if (b == -1) /* the one quotient that can overflow */
        return remainder ? 0 : (long)-(unsigned long)a;
    return remainder ? a % b : a / b;
}

static const struct {
    const char *op;
    int level; /* binds tighter the higher */
} operators[] = {
    {"*", 10}, {"/", 10}, {"%", 10}, {"+", 9},  {"-", 9},  {"<<", 8}, {">>", 8}, {"<=", 7},
    {">=", 7}, {"<", 7},  {">", 7},  {"==", 6}, {"!=", 6}, {"&", 5},  {"^", 4},  {"|", 3},
};

#define NOPERATORS ((int)(sizeof operators / sizeof operators[0]))

enum { LOWEST_LEVEL = 3, UNARY_LEVEL = 11 };

static long apply(int op, long a, long b)
{
    unsigned long ua = (unsigned long)a, ub = (unsigned long)b;
    switch (op) {
    case 0:
        return (long)(ua * ub);
    case 1:
    case 2:
        return divide(a, b, op == 2);
    case 3:
        return (long)(ua + ub);
    case 4:
        return (long)(ua - ub);
    case 5:
        return (long)(ua << (ub & 63));
    case 6:
        return a >> (ub & 63);
    case 7:
        return a <= b;
    case 8:
        return a >= b;
    case 9:
        return a < b;
    case 10:
        return a > b;
    case 11:
        return a == b;
    case 12:
        return a != b;
    case 13:
        return a & b;
    case 14:
        return a ^ b;
    default:
        return a | b;
    }
}

static long binary(int level)
{
    if (level == UNARY_LEVEL)
        return unary();
    long v = binary(level + 1);
    for (int i = 0; i < NOPERATORS;) {
        if (operators[i].level == level && take(operators[i].op)) {
            v = apply(i, v, binary(level + 1));
            i = 0;
        } else {
            i++;
        }
    }
    return v;
}

static long logical_and(void)
{
    long v = binary(LOWEST_LEVEL);
    while (take("&&")) {
        skipping += v == 0;
        long right = binary(LOWEST_LEVEL);
        skipping -= v == 0;
        v = v && right;
    }
    return v;
}

static long logical_or(void)
{
    long v = logical_and();
    while (take("||")) {
        skipping += v != 0;
        long right = logical_and();
        skipping -= v != 0;
        v = v || right;
    }
    return v;
}

static long conditional(void)
{
    long v = logical_or();
    if (!take("?"))
        return v;
    skipping += v == 0;
    long yes = assignment();
    skipping -= v == 0;
    if (!take(":"))
        bad();
    skipping += v != 0;
    long no = conditional();
    skipping -= v != 0;
    return v ? yes : no;
}

/* name = value, name += value and so on; anything else is an expression. */
static long assignment(void)
{
    const char *start = at;
    char *var = name();
    blanks();
    if (var && at[0] == '=' && at[1] != '=') {
        at++;
        long v = assignment();
        if (!skipping)
            var_set_number(var, v);
        return v;
    }
    for (int i = 0; var && i < NOPERATORS; i++) {
        size_t n = strlen(operators[i].op);
        if (strchr("<>=!", operators[i].op[0]) && n != 2)
            continue;
        if (operators[i].op[n - 1] == '=' || strncmp(at, operators[i].op, n) != 0 || at[n] != '=')
            continue;
        at += n + 1;
        long right = assignment(), v = apply(i, skipping ? 0 : value_of(var), right);
        if (!skipping)
            var_set_number(var, v);
        return v;
    }
    at = start;
    return conditional();
}

long arith(const char *text)
{
    at = text;
    skipping = 0;
    blanks();
    if (*at == '\0')
        return 0;
    long v = assignment();
    blanks();
    if (*at)
        bad();
    return v;
}
