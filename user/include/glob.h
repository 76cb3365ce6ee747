// SPDX-License-Identifier: BSD-2-Clause
/*
 * File names that match a pattern, sorted.
 */
#pragma once

#include <stddef.h>

typedef struct {
    size_t gl_pathc;
    char **gl_pathv;
    size_t gl_offs;
} glob_t;

#define GLOB_NOSPACE 1
#define GLOB_NOMATCH 3

/* flags and error must be 0 and NULL. Returns 0, GLOB_NOMATCH or GLOB_NOSPACE. */
int glob(const char *restrict pattern, int flags, int (*error)(const char *, int),
         glob_t *restrict g);
void globfree(glob_t *g);
