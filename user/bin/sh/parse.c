// SPDX-License-Identifier: BSD-2-Clause
/*
 * From tokens to the tree, by recursive descent along the grammar of POSIX:
 * list > and-or > pipeline > command.
 */
#include <ctype.h>
#include <string.h>
#include "shell.h"

static struct node *parse_list(struct lexer *l, bool newlines);
static struct node *parse_command(struct lexer *l);

static struct node *new_node(struct lexer *l, enum node_kind kind, struct node *a, struct node *b)
{
    struct node *n = mem_alloc(sizeof *n);
    *n = (struct node){.kind = kind, .a = a, .b = b, .line = l->src->line};
    return n;
}

static _Noreturn void unexpected(struct lexer *l)
{
    static const char *const names[] = {
        [TOK_EOF] = "end of text",
        [TOK_NEWLINE] = "newline",
        [TOK_SEMI] = ";",
        [TOK_DSEMI] = ";;",
        [TOK_AMP] = "&",
        [TOK_AND] = "&&",
        [TOK_PIPE] = "|",
        [TOK_OR] = "||",
        [TOK_LPAREN] = "(",
        [TOK_RPAREN] = ")",
        [TOK_REDIR] = "redirection",
    };
    enum token tok = lex_peek(l);
    const char *text = tok == TOK_WORD ? word_literal(l->word) : names[tok];
    shell_error("line %d: syntax error: unexpected %s", l->src->line, text ? text : "word");
}

static bool is_word(struct lexer *l, const char *reserved)
{
    if (lex_peek(l) != TOK_WORD)
        return false;
    const char *text = word_literal(l->word);
    return text && strcmp(text, reserved) == 0;
}

static bool accept_word(struct lexer *l, const char *reserved)
{
    if (!is_word(l, reserved))
        return false;
    lex_skip(l);
    return true;
}

static bool accept(struct lexer *l, enum token tok)
{
    if (lex_peek(l) != tok)
        return false;
    lex_skip(l);
    return true;
}

static void expect_word(struct lexer *l, const char *reserved)
{
    if (!accept_word(l, reserved))
        unexpected(l);
}

static void expect(struct lexer *l, enum token tok)
{
    if (!accept(l, tok))
        unexpected(l);
}

static void skip_newlines(struct lexer *l)
{
    while (accept(l, TOK_NEWLINE))
        ;
}

/* Words that end a list rather than begin a command. */
static bool at_list_end(struct lexer *l)
{
    static const char *const ends[] = {"then", "else", "elif", "fi", "do", "done", "esac", "}"};
    enum token tok = lex_peek(l);
    if (tok == TOK_EOF || tok == TOK_RPAREN || tok == TOK_DSEMI)
        return true;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (is_word(l, ends[i]))
            return true;
    return false;
}

static struct word *take_word(struct lexer *l)
{
    if (lex_peek(l) != TOK_WORD)
        unexpected(l);
    lex_skip(l);
    return l->word;
}

static bool word_has_quotes(const struct word *w)
{
    for (const struct part *p = w->parts; p; p = p->next)
        if (p->quoted)
            return true;
    return false;
}

/* The word after << is not expanded; its quotes decide whether the text will be. */
static void here_begin(struct lexer *l, struct redir *r, bool strip)
{
    struct word *end = take_word(l);
    struct buf text = {0};
    for (struct part *p = end->parts; p; p = p->next)
        if (p->kind == PART_TEXT)
            buf_add(&text, p->text, strlen(p->text));
    struct here *h = mem_alloc(sizeof *h);
    *h = (struct here){
        .redir = r,
        .end = buf_string(&text),
        .quoted = word_has_quotes(end),
        .strip = strip,
        .arena = mem_current(),
    };
    struct here **tail = &l->here;
    while (*tail)
        tail = &(*tail)->next;
    *tail = h;
}

static struct redir **parse_redir(struct lexer *l, struct redir **tail)
{
    struct redir *r = mem_alloc(sizeof *r);
    *r = l->redir;
    bool strip = l->here_strip;
    lex_skip(l);
    if (r->kind == REDIR_HERE)
        here_begin(l, r, strip);
    else
        r->target = take_word(l);
    *tail = r;
    return &r->next;
}

static void parse_redirs(struct lexer *l, struct node *n)
{
    struct redir **tail = &n->redirs;
    while (lex_peek(l) == TOK_REDIR)
        tail = parse_redir(l, tail);
}

/* NAME=value: an assignment, or NULL. The value's first part is the text after the sign. */
static struct assign *as_assignment(struct word *w)
{
    struct part *p = w->parts;
    if (!p || p->kind != PART_TEXT || p->quoted)
        return NULL;
    size_t n = strcspn(p->text, "=");
    if (p->text[n] == '\0' || !name_valid(p->text, n))
        return NULL;
    struct assign *a = mem_alloc(sizeof *a);
    a->name = mem_dup(p->text, n);
    p->text += n + 1;
    a->value = w;
    return a;
}

static struct node *parse_function(struct lexer *l, const char *name)
{
    struct arena *outer = mem_switch(mem_new_arena());
    struct node *n = new_node(l, NODE_FUNCTION, NULL, NULL);
    n->name = mem_dup(name, strlen(name));
    skip_newlines(l);
    n->a = parse_command(l);
    mem_switch(outer);
    return n;
}

static struct node *parse_simple(struct lexer *l)
{
    struct node *n = new_node(l, NODE_SIMPLE, NULL, NULL);
    struct assign **assigns = &n->assigns;
    struct word **words = &n->words;
    struct redir **redirs = &n->redirs;
    for (;;) {
        enum token tok = lex_peek(l);
        if (tok == TOK_REDIR) {
            redirs = parse_redir(l, redirs);
        } else if (tok == TOK_WORD) {
            struct word *w = take_word(l);
            struct assign *a = n->words ? NULL : as_assignment(w);
            if (a) {
                *assigns = a;
                assigns = &a->next;
            } else {
                *words = w;
                words = &w->next;
            }
        } else if (tok == TOK_LPAREN && n->words && !n->words->next && !n->assigns && !n->redirs) {
            const char *name = word_literal(n->words);
            lex_skip(l);
            if (!name || !accept(l, TOK_RPAREN))
                unexpected(l);
            return parse_function(l, name);
        } else if (!n->words && !n->assigns && !n->redirs) {
            unexpected(l);
        } else {
            return n;
        }
    }
}

/* A list that may not be empty. */
static struct node *parse_commands(struct lexer *l)
{
    struct node *n = parse_list(l, true);
    if (!n)
        unexpected(l);
    return n;
}

static struct node *parse_condition(struct lexer *l, const char *end)
{
    struct node *n = parse_commands(l);
    expect_word(l, end);
    return n;
}

static struct node *parse_if(struct lexer *l)
{
    struct node *condition = parse_condition(l, "then");
    struct node *n = new_node(l, NODE_IF, condition, parse_commands(l));
    if (accept_word(l, "elif")) {
        n->c = parse_if(l);
        return n; /* the inner one took the fi */
    }
    if (accept_word(l, "else"))
        n->c = parse_commands(l);
    expect_word(l, "fi");
    return n;
}

static struct node *parse_loop(struct lexer *l, enum node_kind kind)
{
    struct node *condition = parse_condition(l, "do");
    return new_node(l, kind, condition, parse_condition(l, "done"));
}

static struct node *parse_for(struct lexer *l)
{
    struct node *n = new_node(l, NODE_FOR, NULL, NULL);
    const char *name = word_literal(take_word(l));
    if (!name || !name_valid(name, strlen(name)))
        shell_error("line %d: syntax error: bad name in for", l->src->line);
    n->name = (char *)name;
    skip_newlines(l);
    if (accept_word(l, "in")) {
        n->words_given = true;
        struct word **tail = &n->words;
        while (lex_peek(l) == TOK_WORD) {
            *tail = take_word(l);
            tail = &(*tail)->next;
        }
    }
    accept(l, TOK_SEMI);
    skip_newlines(l);
    expect_word(l, "do");
    n->a = parse_condition(l, "done");
    return n;
}

static struct case_item *parse_case_item(struct lexer *l)
{
    struct case_item *item = mem_alloc(sizeof *item);
    accept(l, TOK_LPAREN);
    struct word **tail = &item->patterns;
    do {
        *tail = take_word(l);
        tail = &(*tail)->next;
    } while (accept(l, TOK_PIPE));
    expect(l, TOK_RPAREN);
    item->body = parse_list(l, true);
    return item;
}

static struct node *parse_case(struct lexer *l)
{
    struct node *n = new_node(l, NODE_CASE, NULL, NULL);
    n->words = take_word(l);
    skip_newlines(l);
    expect_word(l, "in");
    skip_newlines(l);
    struct case_item **tail = &n->items;
    while (!accept_word(l, "esac")) {
        *tail = parse_case_item(l);
        tail = &(*tail)->next;
        if (!accept(l, TOK_DSEMI)) {
            expect_word(l, "esac");
            break;
        }
        skip_newlines(l);
    }
    return n;
}

static struct node *parse_compound(struct lexer *l)
{
    struct node *n;
    if (accept(l, TOK_LPAREN)) {
        n = new_node(l, NODE_SUBSHELL, parse_commands(l), NULL);
        expect(l, TOK_RPAREN);
    } else if (accept_word(l, "{")) {
        n = new_node(l, NODE_GROUP, parse_condition(l, "}"), NULL);
    } else if (accept_word(l, "if")) {
        n = parse_if(l);
    } else if (accept_word(l, "while")) {
        n = parse_loop(l, NODE_WHILE);
    } else if (accept_word(l, "until")) {
        n = parse_loop(l, NODE_UNTIL);
    } else if (accept_word(l, "for")) {
        n = parse_for(l);
    } else if (accept_word(l, "case")) {
        n = parse_case(l);
    } else {
        return NULL;
    }
    parse_redirs(l, n);
    return n;
}

static struct node *parse_command(struct lexer *l)
{
    if (at_list_end(l))
        unexpected(l);
    struct node *n = parse_compound(l);
    return n ? n : parse_simple(l);
}

static struct node *parse_pipeline(struct lexer *l)
{
    if (accept_word(l, "!"))
        return new_node(l, NODE_NOT, parse_pipeline(l), NULL);
    struct node *n = parse_command(l);
    if (!accept(l, TOK_PIPE))
        return n;
    skip_newlines(l);
    return new_node(l, NODE_PIPE, n, parse_pipeline(l));
}

static struct node *parse_and_or(struct lexer *l)
{
    struct node *n = parse_pipeline(l);
    for (;;) {
        enum token tok = lex_peek(l);
        if (tok != TOK_AND && tok != TOK_OR)
            return n;
        lex_skip(l);
        skip_newlines(l);
        n = new_node(l, tok == TOK_AND ? NODE_AND : NODE_OR, n, parse_pipeline(l));
    }
}

/* Commands up to a word or token that ends a list, or, unless newlines are taken as separators, up
   to the end of the line. NULL: there were none. */
static struct node *parse_list(struct lexer *l, bool newlines)
{
    struct node *list = NULL;
    for (;;) {
        if (newlines)
            skip_newlines(l);
        if (at_list_end(l) || lex_peek(l) == TOK_NEWLINE)
            return list;
        struct node *n = parse_and_or(l);
        enum token tok = lex_peek(l);
        if (tok == TOK_AMP)
            n = new_node(l, NODE_ASYNC, n, NULL);
        list = list ? new_node(l, NODE_LIST, list, n) : n;
        if (tok == TOK_AMP || tok == TOK_SEMI)
            lex_skip(l);
        else if (tok != TOK_NEWLINE)
            return list;
    }
}

bool parse_line(struct lexer *l, struct node **n)
{
    l->src->continued = false;
    *n = parse_list(l, false);
    if (accept(l, TOK_NEWLINE))
        return true;
    if (lex_peek(l) != TOK_EOF)
        unexpected(l);
    return *n != NULL;
}

struct node *parse_substitution(struct source *src, bool parenthesis)
{
    struct lexer l = {.src = src};
    struct node *n = parse_list(&l, true);
    if (lex_peek(&l) != (parenthesis ? TOK_RPAREN : TOK_EOF))
        unexpected(&l);
    return n;
}
