// SPDX-License-Identifier: BSD-2-Clause
//
// $((...)): integer expressions with C's arithmetic, comparing and logical operators and their
// precedence, on long. An unset variable counts as 0.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "shell.h"

static const char *at; // the text still to be read
static int skipping;   // > 0: the operand is not evaluated (&&, ||)

static long binary(int level);

static bool take(const char *op)
{
    at += strspn(at, " \t\n");
    bool there = strncmp(at, op, strlen(op)) == 0;
    if (there)
        at += strlen(op);
    return there;
}

static _Noreturn void bad(void)
{
    shell_error("arithmetic: unexpected `%s'", at);
}

// A number, or a variable that holds one.
static long operand(void)
{
    size_t n = name_length(at);
    const char *value = n ? getenv(mem_dup(at, n)) : at;
    char *end;
    if (!n && !isdigit((unsigned char)*at))
        bad();
    long v = strtol(value ? value : "", &end, 0);
    if (n && value && *end)
        shell_error("arithmetic: not a number: `%s'", value);
    at = n ? at + n : end;
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
    if (!take("("))
        return operand();
    long v = binary(0);
    if (!take(")"))
        bad();
    return v;
}

static long divide(long a, long b, bool remainder)
{
    if (skipping)
        return 0;
    if (b == 0)
        shell_error("arithmetic: division by zero");
    if (b == -1) // the one quotient that can overflow
        return remainder ? 0 : (long)-(unsigned long)a;
    return remainder ? a % b : a / b;
}

static const char *const operators[][5] = {
    // that bind the tighter the later
    {"||"}, {"&&"}, {"==", "!="}, {"<=", ">=", "<", ">"}, {"+", "-"}, {"*", "/", "%"},
};
enum { NLEVELS = sizeof operators / sizeof operators[0] };

static long apply(int level, int op, long a, long b)
{
    unsigned long ua = (unsigned long)a, ub = (unsigned long)b;
    switch (level) {
    case 0:
        return a || b;
    case 1:
        return a && b;
    case 2:
        return (a == b) == (op == 0);
    case 3:
        return op == 0 ? a <= b : op == 1 ? a >= b : op == 2 ? a < b : a > b;
    case 4:
        return (long)(op == 0 ? ua + ub : ua - ub);
    default:
        return op == 0 ? (long)(ua * ub) : divide(a, b, op == 2);
    }
}

static long binary(int level)
{
    if (level == NLEVELS)
        return unary();
    long v = binary(level + 1);
    for (int op = 0; operators[level][op]; op++) {
        if (!take(operators[level][op]))
            continue;
        bool decided = (level == 0 && v) || (level == 1 && !v);
        skipping += decided;
        v = apply(level, op, v, binary(level + 1));
        skipping -= decided;
        op = -1;
    }
    return v;
}

long arith(const char *text)
{
    at = text;
    skipping = 0;
    long v = take("") && *at ? binary(0) : 0;
    if (take("") && *at)
        bad();
    return v;
}
