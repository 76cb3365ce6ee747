// SPDX-License-Identifier: BSD-2-Clause
/*
 * Inside expansion: the fields that words become, one character at a time.
 */
#pragma once

#include <stdbool.h>
#include "mem.h"
#include "tree.h"

struct expander {
    bool split;      /* unquoted values are split at $IFS into fields */
    bool escape;     /* quoted pattern characters get a backslash before them */
    struct buf text; /* the field at hand */
    bool have;       /* there is one, if maybe empty */
    bool after_blank; /* the last field ended at a blank of $IFS */
    char **fields;
    int n, size;
};

void expand_parts(struct expander *x, const struct part *p);
void expand_text(struct expander *x, const char *s, bool quoted);
void expand_value(struct expander *x, const char *s, bool quoted); /* split unless quoted */
void expand_field_end(struct expander *x);

/* param.c */
void expand_param(struct expander *x, const struct part *p);
