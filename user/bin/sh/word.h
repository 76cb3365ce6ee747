// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading one word and taking it apart.
 */
#pragma once

#include "lex.h"

enum word_mode {         /* what ends the word, and what is special in it */
    WORD_PLAIN,          /* ends at a blank or an operator */
    WORD_DQUOTE,         /* ends at the closing " */
    WORD_BRACE,          /* argument of ${ }: ends at } */
    WORD_BRACE_DQUOTE,   /* the same between double quotes */
    WORD_ARITH,          /* ends at the closing )) */
    WORD_HERE,           /* a here-document: ends with the text */
};

struct word *word_read(struct source *s, enum word_mode mode);
struct word *word_quoted(const char *text); /* text as it stands */

/* Skips a backslash before a newline; otherwise leaves the backslash and returns false. */
bool word_skip_continuation(struct source *s);
