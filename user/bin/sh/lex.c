// SPDX-License-Identifier: BSD-2-Clause
/*
 * Tokens: operators, redirections and here-documents. Words are in word.c.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "shell.h"
#include "word.h"

static bool take(struct source *s, int c)
{
    if (source_peek(s) != c)
        return false;
    source_next(s);
    return true;
}

static void skip_blanks(struct source *s)
{
    for (;;) {
        int c = source_peek(s);
        if (c == ' ' || c == '\t') {
            source_next(s);
        } else if (c == '#') {
            while ((c = source_peek(s)) >= 0 && c != '\n')
                source_next(s);
        } else if (c != '\\' || !word_skip_continuation(s)) {
            return;
        }
    }
}

static enum token redirection(struct lexer *l, enum redir_kind kind, int fd, int default_fd)
{
    l->redir = (struct redir){.kind = kind, .fd = fd >= 0 ? fd : default_fd};
    return TOK_REDIR;
}

/* What follows < or >; fd is the number before it or -1. */
static enum token lex_redirection(struct lexer *l, int c, int fd)
{
    struct source *s = l->src;
    if (c == '>') {
        if (take(s, '>'))
            return redirection(l, REDIR_APPEND, fd, 1);
        if (take(s, '&'))
            return redirection(l, REDIR_DUP, fd, 1);
        take(s, '|');
        return redirection(l, REDIR_OUT, fd, 1);
    }
    if (take(s, '<')) {
        l->here_strip = take(s, '-');
        return redirection(l, REDIR_HERE, fd, 0);
    }
    if (take(s, '&'))
        return redirection(l, REDIR_DUP, fd, 0);
    if (take(s, '>'))
        return redirection(l, REDIR_RDWR, fd, 0);
    return redirection(l, REDIR_IN, fd, 0);
}

static enum token lex_operator(struct lexer *l, int c)
{
    struct source *s = l->src;
    switch (c) {
    case '\n':
        return TOK_NEWLINE;
    case ';':
        return take(s, ';') ? TOK_DSEMI : TOK_SEMI;
    case '&':
        return take(s, '&') ? TOK_AND : TOK_AMP;
    case '|':
        return take(s, '|') ? TOK_OR : TOK_PIPE;
    case '(':
        return TOK_LPAREN;
    case ')':
        return TOK_RPAREN;
    default:
        return lex_redirection(l, c, -1);
    }
}

static enum token next_token(struct lexer *l)
{
    struct source *s = l->src;
    skip_blanks(s);
    int c = source_peek(s);
    if (c < 0) {
        here_read(l);
        return TOK_EOF;
    }
    if (strchr("\n;&|()<>", c)) {
        source_next(s);
        enum token tok = lex_operator(l, c);
        if (tok == TOK_NEWLINE)
            here_read(l);
        return tok;
    }
    l->word = word_read(s, WORD_PLAIN);
    const char *text = word_literal(l->word);
    c = text && isdigit((unsigned char)text[0]) ? source_peek(s) : 0;
    if ((c == '<' || c == '>') && text[strspn(text, "0123456789")] == '\0') {
        source_next(s);
        return lex_redirection(l, c, atoi(text));
    }
    return TOK_WORD;
}

enum token lex_peek(struct lexer *l)
{
    if (!l->have) {
        l->tok = next_token(l);
        l->have = true;
    }
    return l->tok;
}

void lex_skip(struct lexer *l)
{
    l->have = false;
}

/* One line of a here-document without its newline; NULL at the end of the text. */
static char *read_line(struct source *s)
{
    struct buf b = {0};
    if (source_peek(s) < 0)
        return NULL;
    for (int c; (c = source_next(s)) >= 0 && c != '\n';)
        buf_put(&b, (char)c);
    return buf_string(&b);
}

static struct word *here_word(const char *text, size_t n)
{
    struct source s = {.text = text, .len = n, .fd = -1};
    return word_read(&s, WORD_HERE);
}

static void read_one(struct source *s, struct here *h)
{
    struct arena *outer = mem_switch(h->arena);
    struct buf text = {0};
    for (char *line; (line = read_line(s));) {
        if (h->strip)
            line += strspn(line, "\t");
        if (strcmp(line, h->end) == 0)
            break;
        buf_add(&text, line, strlen(line));
        buf_put(&text, '\n');
    }
    if (h->quoted)
        h->redir->target = word_quoted(buf_string(&text));
    else
        h->redir->target = here_word(buf_string(&text), text.n);
    mem_switch(outer);
}

void here_read(struct lexer *l)
{
    while (l->here) {
        struct here *h = l->here;
        l->here = h->next;
        read_one(l->src, h);
    }
}
