// SPDX-License-Identifier: BSD-2-Clause
//
// What the compilers call when code built with -fsanitize=undefined (make UBSAN=1) meets undefined
// behaviour: a panic with the kind, the place and the values. The structures are those that GCC
// and Clang emit. No locks.
#include "lib/panic.h"
#include "lib/printf.h"

struct location {
    const char *file;
    uint32_t line, column;
};

struct type {
    uint16_t kind; // 0: integer
    uint16_t info; // of an integer: log2 of its bits, then 1 bit: signed
    char name[];   // in quotes
};

typedef uintptr_t value_t; // a value of up to 64 bits, or a pointer to a larger one

static const char *text(char *buf, size_t size, const struct type *type, value_t value)
{
    unsigned bits = type->kind == 0 ? 1u << (type->info >> 1) : 0;
    if (bits == 0 || bits > 64)
        ksnprintf(buf, size, "a value of %s", type->name);
    else if (type->info & 1)
        ksnprintf(buf, size, "%ld", (int64_t)(value << (64 - bits)) >> (64 - bits));
    else
        ksnprintf(buf, size, "%lu", value);
    return buf;
}

#define TEXT(t, value) text((char[48]){0}, 48, t, value)
#define FAIL(at, fmt, ...)                                                                         \
    panic("undefined behaviour at %s:%u:%u: " fmt, (at)->file, (at)->line, (at)->column,           \
          ##__VA_ARGS__)

#define HANDLER(name, ...)                                                                         \
    _Noreturn void __ubsan_handle_##name(__VA_ARGS__);                                             \
    void __ubsan_handle_##name(__VA_ARGS__)

struct overflow {
    struct location at;
    const struct type *type;
};

#define BINARY_OVERFLOW(op_name, operator)                                                         \
    HANDLER(op_name##_overflow, struct overflow *d, value_t a, value_t b)                          \
    {                                                                                              \
        FAIL(&d->at, "%s " operator" %s overflows %s", TEXT(d->type, a), TEXT(d->type, b),         \
             d->type->name);                                                                       \
    }

BINARY_OVERFLOW(add, "+")
BINARY_OVERFLOW(sub, "-")
BINARY_OVERFLOW(mul, "*")
BINARY_OVERFLOW(divrem, "/")

HANDLER(negate_overflow, struct overflow *d, value_t a)
{
    FAIL(&d->at, "-(%s) overflows %s", TEXT(d->type, a), d->type->name);
}

struct shift {
    struct location at;
    const struct type *left, *right;
};

HANDLER(shift_out_of_bounds, struct shift *d, value_t a, value_t b)
{
    FAIL(&d->at, "%s of type %s shifted by %s", TEXT(d->left, a), d->left->name, TEXT(d->right, b));
}

struct bounds {
    struct location at;
    const struct type *array, *index;
};

HANDLER(out_of_bounds, struct bounds *d, value_t index)
{
    FAIL(&d->at, "index %s is outside of %s", TEXT(d->index, index), d->array->name);
}

struct mismatch {
    struct location at;
    const struct type *type;
    uint8_t log2_alignment;
    uint8_t access;
};

HANDLER(type_mismatch_v1, struct mismatch *d, value_t pointer)
{
    FAIL(&d->at, "access %u to %s at %#lx: %s", d->access, d->type->name, pointer,
         pointer == 0                                 ? "null pointer"
         : pointer & ((1ul << d->log2_alignment) - 1) ? "misaligned"
                                                      : "object too small");
}

struct place {
    struct location at;
};

HANDLER(pointer_overflow, struct place *d, value_t base, value_t result)
{
    FAIL(&d->at, "pointer %#lx moved to %#lx", base, result);
}

HANDLER(builtin_unreachable, struct place *d)
{
    FAIL(&d->at, "unreachable code reached");
}

HANDLER(load_invalid_value, struct overflow *d, value_t value)
{
    FAIL(&d->at, "%lu is no value of %s", value, d->type->name);
}

HANDLER(vla_bound_not_positive, struct overflow *d, value_t bound)
{
    FAIL(&d->at, "array of %s elements", TEXT(d->type, bound));
}

HANDLER(nonnull_arg, struct place *d)
{
    FAIL(&d->at, "null pointer passed where none may be");
}

HANDLER(nonnull_return_v1, const void *unused, struct location *at)
{
    (void)unused;
    FAIL(at, "null pointer returned where none may be");
}

HANDLER(invalid_builtin, struct place *d)
{
    FAIL(&d->at, "zero passed to a bit count");
}
