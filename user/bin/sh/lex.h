// SPDX-License-Identifier: BSD-2-Clause
//
// The text of a script and its tokens. A word is a piece of the text; the quotes in it, $... and
// `...` are expand.c's.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum token { // operators of one character are that character
    TOK_EOF,
    TOK_WORD = 256,
    TOK_REDIR,
    TOK_AND,
    TOK_OR,
};

struct word {
    struct word *next;
    char *text;
};

struct redir {
    struct redir *next;
    enum { REDIR_IN, REDIR_OUT, REDIR_APPEND, REDIR_DUP } kind; // <  > or >|  >>  <& or >&
    int fd;
    char *target;
};

struct source {
    const char *text;
    size_t pos, len; // pos: of the token that comes
    int fd;          // more is read from it, a line at a time; -1: text is all
    bool whole;      // what is left is the rest of this process
    bool continued;  // the next prompt is for the rest of a command
    char *own;       // the buffer of what was read
    size_t own_size;
    bool have; // the token at pos is known: tok, and
    int tok;
    size_t end;         // where it ends
    char *word;         // the word
    struct redir redir; // or the redirection without its target
};

int lex_peek(struct source *s);
void lex_seek(struct source *s, size_t pos);
void lex_next(struct source *s); // goes past the token that was looked at
_Noreturn void syntax_error(struct source *s, const char *unexpected);

// Past the quoted or nested piece, or the one character, that begins at i.
size_t lex_piece(struct source *s, size_t i);
