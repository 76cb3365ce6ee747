// SPDX-License-Identifier: BSD-2-Clause
//
// Tokens, and where the text comes from: a descriptor is read a line at a time, so that the
// commands of a script on standard input can read what follows them. A word reaches to the next
// blank or operator that stands in no quotes, $( ), ${ } or ` `. Inside $( ), parentheses and
// quotes must come in pairs, those of comments too.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "shell.h"

void syntax_error(struct source *s, const char *unexpected)
{
    int line = 1;
    for (size_t i = 0; i < s->pos && i < s->len; i++)
        line += s->text[i] == '\n';
    shell_error("line %d: syntax error: unexpected %s", line, unexpected);
}

static void append(struct source *s, char c)
{
    if (s->len == s->own_size) {
        s->own_size = 2 * s->own_size + 128;
        s->text = s->own = realloc(s->own, s->own_size);
        if (!s->own)
            shell_error("out of memory");
    }
    s->own[s->len++] = c;
}

// Reads one line more.
static bool refill(struct source *s)
{
    size_t before = s->len;
    const char *prompt = sh.interactive ? getenv(s->continued ? "PS2" : "PS1") : NULL;
    fflush(stdout);
    if (s->fd >= 0 && prompt)
        fputs(prompt, stderr);
    for (char c = 0; s->fd >= 0 && c != '\n';) {
        ssize_t n = read(s->fd, &c, 1);
        if (n > 0)
            append(s, c);
        else if (n < 0 && errno == EINTR)
            interrupted();
        else
            s->fd = -1;
    }
    s->continued = true;
    return s->len > before;
}

// The character at i, or -1 at the end of the text.
static int at(struct source *s, size_t i)
{
    return i < s->len || refill(s) ? (unsigned char)s->text[i] : -1;
}

// Past the `end' of what began before i.
static size_t past(struct source *s, size_t i, int end)
{
    for (int c; (c = at(s, i)) != end;) {
        if (c < 0)
            syntax_error(s, "end of text");
        if (end == '\'' || (end == '"' && c == '\'') || (end == '`' && c != '\\'))
            i++;
        else if (end == ')' && c == '(')
            i = past(s, i + 1, ')');
        else
            i = lex_piece(s, i);
    }
    return i + 1;
}

size_t lex_piece(struct source *s, size_t i)
{
    int c = at(s, i), next = c == '\\' || c == '$' ? at(s, i + 1) : 0;
    if (c == '\\')
        return next < 0 ? i + 1 : i + 2;
    if (c == '\'' || c == '"' || c == '`')
        return past(s, i + 1, c);
    if (c == '$' && (next == '(' || next == '{'))
        return past(s, i + 2, next == '(' ? ')' : '}');
    return i + 1;
}

static size_t skip_blanks(struct source *s, size_t i)
{
    for (int c; (c = at(s, i)) >= 0;) {
        if (c == ' ' || c == '\t')
            i++;
        else if (c == '\\' && at(s, i + 1) == '\n')
            i += 2;
        else if (c == '#')
            while ((c = at(s, i)) >= 0 && c != '\n')
                i++;
        else
            break;
    }
    return i;
}

// A < or > at i; fd is the number before it, or -1.
static int redirection(struct source *s, size_t i, int fd)
{
    bool out = s->text[i] == '>';
    int next = at(s, ++i);
    s->redir = (struct redir){.kind = out ? REDIR_OUT : REDIR_IN, .fd = fd < 0 ? out : fd};
    if (next == '&')
        s->redir.kind = REDIR_DUP;
    else if (out && next == '>')
        s->redir.kind = REDIR_APPEND;
    else if (!out && next == '<')
        syntax_error(s, "<<: there are no here-documents");
    s->end = next == '&' || (out && (next == '>' || next == '|')) ? i + 1 : i;
    return TOK_REDIR;
}

static int operator(struct source *s, int c)
{
    s->end = s->pos + 1;
    if ((c != '&' && c != '|') || at(s, s->end) != c)
        return c;
    s->end++;
    return c == '&' ? TOK_AND : TOK_OR;
}

static int read_token(struct source *s)
{
    s->end = s->pos = skip_blanks(s, s->pos);
    int c = at(s, s->pos);
    if (c < 0)
        return TOK_EOF;
    if (c == '<' || c == '>')
        return redirection(s, s->pos, -1);
    if (strchr("\n;&|()", c))
        return operator(s, c);
    while ((c = at(s, s->end)) >= 0 && !strchr(" \t\n;&|()<>", c))
        s->end = lex_piece(s, s->end);
    s->word = mem_dup(s->text + s->pos, s->end - s->pos);
    if ((c == '<' || c == '>') && s->word[strspn(s->word, "0123456789")] == '\0')
        return redirection(s, s->end, atoi(s->word));
    return TOK_WORD;
}

int lex_peek(struct source *s)
{
    if (!s->have)
        s->tok = read_token(s);
    s->have = true;
    return s->tok;
}

void lex_seek(struct source *s, size_t pos)
{
    s->pos = pos;
    s->have = false;
}

void lex_next(struct source *s)
{
    lex_seek(s, s->end);
}
