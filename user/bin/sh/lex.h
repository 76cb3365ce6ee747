// SPDX-License-Identifier: BSD-2-Clause
/*
 * From characters to tokens. Words come with their structure (quotes, parameters, nested commands)
 * already taken apart.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "mem.h"
#include "tree.h"

struct source { /* where the text comes from */
    const char *text;
    size_t pos, len;
    int fd;           /* read a line at a time without reading ahead; -1: text is all */
    bool interactive; /* prompts */
    bool continued;   /* the next prompt is for the rest of a command */
    bool eof;
    int line;
    char *own;        /* buffer of a line when fd >= 0 */
    size_t own_size;
};

enum token {
    TOK_EOF,
    TOK_NEWLINE,
    TOK_WORD,
    TOK_SEMI,
    TOK_DSEMI,
    TOK_AMP,
    TOK_AND,
    TOK_PIPE,
    TOK_OR,
    TOK_LPAREN,
    TOK_RPAREN,
    TOK_REDIR, /* redir is filled in but for its target */
};

struct here { /* a here-document whose text is still to come */
    struct here *next;
    struct redir *redir;
    const char *end;
    bool quoted, strip;
    struct arena *arena; /* of the command that it belongs to */
};

struct lexer {
    struct source *src;
    enum token tok; /* the token that the parser looks at */
    struct word *word;
    struct redir redir;
    bool here_strip;
    bool have;      /* tok is valid */
    struct here *here;
};

int source_peek(struct source *s); /* -1 at the end */
int source_next(struct source *s);
void source_close(struct source *s);

enum token lex_peek(struct lexer *l);
void lex_skip(struct lexer *l); /* drops the token that was looked at */
const char *word_literal(const struct word *w); /* its text if it is plain, else NULL */

/* Reads the pending here-documents; called where a line ends. */
void here_read(struct lexer *l);
