// SPDX-License-Identifier: BSD-2-Clause
/*
 * Words: literal text, quotes, ${...}, $(...), $((...)) and `...`, read by one loop whose mode says
 * what ends it and which characters are special.
 */
#include <ctype.h>
#include <string.h>
#include "shell.h"
#include "word.h"

struct builder {
    struct word *word;
    struct part **tail;
    struct buf text; /* literal text that is not a part yet */
    bool quoted;     /* what that text is */
};

static void read_parts(struct builder *b, struct source *s, enum word_mode mode);

static struct part *add_part(struct builder *b, enum part_kind kind, bool quoted)
{
    struct part *p = mem_alloc(sizeof *p);
    p->kind = kind;
    p->quoted = quoted;
    *b->tail = p;
    b->tail = &p->next;
    return p;
}

static void flush_text(struct builder *b)
{
    if (b->text.n > 0)
        add_part(b, PART_TEXT, b->quoted)->text = buf_string(&b->text);
    b->text = (struct buf){0};
}

static void put(struct builder *b, int c, bool quoted)
{
    if (b->quoted != quoted)
        flush_text(b);
    b->quoted = quoted;
    buf_put(&b->text, (char)c);
}

static struct builder begin(void)
{
    struct builder b = {.word = mem_alloc(sizeof(struct word))};
    b.tail = &b.word->parts;
    return b;
}

struct word *word_read(struct source *s, enum word_mode mode)
{
    struct builder b = begin();
    read_parts(&b, s, mode);
    flush_text(&b);
    return b.word;
}

struct word *word_quoted(const char *text)
{
    struct builder b = begin();
    add_part(&b, PART_TEXT, true)->text = (char *)text;
    return b.word;
}

const char *word_literal(const struct word *w)
{
    const struct part *p = w->parts;
    return p && p->kind == PART_TEXT && !p->quoted && !p->next ? p->text : NULL;
}

static bool is_quoted_mode(enum word_mode mode)
{
    return mode != WORD_PLAIN && mode != WORD_BRACE;
}

static _Noreturn void unterminated(const struct source *s, const char *what)
{
    shell_error("line %d: syntax error: unterminated %s", s->line, what);
}

static void single_quotes(struct builder *b, struct source *s)
{
    if (source_peek(s) == '\'') { /* '' is a part too, if an empty one */
        flush_text(b);
        add_part(b, PART_TEXT, true)->text = "";
    }
    for (int c; (c = source_next(s)) != '\'';) {
        if (c < 0)
            unterminated(s, "quote");
        put(b, c, true);
    }
}

static void double_quotes(struct builder *b, struct source *s)
{
    flush_text(b);
    struct part **before = b->tail;
    read_parts(b, s, WORD_DQUOTE);
    flush_text(b);
    if (b->tail == before)
        add_part(b, PART_TEXT, true)->text = "";
}

bool word_skip_continuation(struct source *s)
{
    if (s->pos + 1 >= s->len || s->text[s->pos + 1] != '\n')
        return false;
    source_next(s);
    source_next(s);
    return true;
}

/* Between double quotes a backslash is special only before a few characters. */
static void backslash(struct builder *b, struct source *s, enum word_mode mode)
{
    int c = source_next(s);
    if (c == '\n')
        return;
    const char *special = "$`\"\\";
    if (mode == WORD_HERE)
        special = "$`\\";
    else if (mode == WORD_BRACE_DQUOTE)
        special = "$`\"\\}";
    if (c < 0 || (is_quoted_mode(mode) && !strchr(special, c)))
        put(b, '\\', is_quoted_mode(mode));
    if (c >= 0)
        put(b, c, true);
}

/* `command`: its text, one level of backslashes removed, is a script of its own. */
static void backquotes(struct builder *b, struct source *s, bool quoted)
{
    struct buf text = {0};
    for (int c; (c = source_next(s)) != '`';) {
        if (c < 0)
            unterminated(s, "backquote");
        if (c == '\\') {
            c = source_next(s);
            if (c != '$' && c != '`' && c != '\\' && !(quoted && c == '"'))
                buf_put(&text, '\\');
        }
        buf_put(&text, (char)c);
    }
    struct source inner = {.text = buf_string(&text), .len = text.n, .fd = -1, .line = s->line};
    add_part(b, PART_COMMAND, quoted)->command = parse_substitution(&inner, false);
}

static bool special_param(int c)
{
    return c > 0 && strchr("@*#?-$!0123456789", c);
}

/* The name of a parameter; only ${ } takes more than one digit. */
static char *read_name(struct source *s, bool braces)
{
    struct buf b = {0};
    int c = source_peek(s);
    if (special_param(c)) {
        do {
            buf_put(&b, (char)source_next(s));
        } while (braces && isdigit(c) && (c = source_peek(s)) >= 0 && isdigit(c));
    } else {
        while (c >= 0 && (isalnum(c) || c == '_')) {
            buf_put(&b, (char)source_next(s));
            c = source_peek(s);
        }
    }
    return buf_string(&b);
}

static enum param_op read_operator(struct source *s, struct part *p)
{
    if (source_peek(s) == ':') {
        source_next(s);
        p->colon = true;
    }
    int c = source_next(s);
    switch (c) {
    case '-':
        return OP_DEFAULT;
    case '=':
        return OP_ASSIGN;
    case '?':
        return OP_ERROR;
    case '+':
        return OP_ALTERNATIVE;
    case '#':
    case '%':
        if (p->colon)
            break;
        p->longest = source_peek(s) == c;
        if (p->longest)
            source_next(s);
        return c == '#' ? OP_PREFIX : OP_SUFFIX;
    }
    shell_error("line %d: syntax error: bad substitution", s->line);
}

static void braces(struct builder *b, struct source *s, bool quoted)
{
    struct part *p = add_part(b, PART_PARAM, quoted);
    p->text = read_name(s, true);
    if (strcmp(p->text, "#") == 0 && source_peek(s) != '}') {
        int c = source_peek(s);
        if (special_param(c) || isalpha(c) || c == '_') {
            p->op = OP_LENGTH;
            p->text = read_name(s, true);
        }
    }
    if (p->text[0] == '\0')
        shell_error("line %d: syntax error: bad substitution", s->line);
    if (source_peek(s) == '}') {
        source_next(s);
        return;
    }
    p->op = read_operator(s, p);
    bool pattern = p->op == OP_PREFIX || p->op == OP_SUFFIX;
    p->arg = word_read(s, quoted && !pattern ? WORD_BRACE_DQUOTE : WORD_BRACE);
}

static void dollar(struct builder *b, struct source *s, bool quoted)
{
    int c = source_peek(s);
    if (c == '{' || c == '(' || special_param(c) || (c >= 0 && (isalpha(c) || c == '_')))
        flush_text(b);
    else {
        put(b, '$', quoted);
        return;
    }
    if (c == '{') {
        source_next(s);
        braces(b, s, quoted);
    } else if (c != '(') {
        add_part(b, PART_PARAM, quoted)->text = read_name(s, false);
    } else {
        source_next(s);
        if (source_peek(s) == '(') {
            source_next(s);
            add_part(b, PART_ARITH, quoted)->arg = word_read(s, WORD_ARITH);
        } else {
            add_part(b, PART_COMMAND, quoted)->command = parse_substitution(s, true);
        }
    }
}

/* Whether c, the next character, ends a word of this mode; if so it is taken where it belongs to
   the word. depth counts the parentheses that are open in an arithmetic expression. */
static bool at_end(struct source *s, enum word_mode mode, int c, int *depth)
{
    switch (mode) {
    case WORD_PLAIN:
        return c < 0 || strchr(" \t\n;&|()<>", c);
    case WORD_HERE:
        return c < 0;
    case WORD_ARITH:
        if (c < 0)
            unterminated(s, "arithmetic expression");
        *depth += (c == '(') - (c == ')');
        if (*depth >= 0)
            return false;
        source_next(s);
        if (source_next(s) != ')')
            shell_error("line %d: syntax error: expected ))", s->line);
        return true;
    default:
        if (c < 0)
            unterminated(s, mode == WORD_DQUOTE ? "double quote" : "substitution");
        if (c != (mode == WORD_DQUOTE ? '"' : '}'))
            return false;
        source_next(s);
        return true;
    }
}

static void read_parts(struct builder *b, struct source *s, enum word_mode mode)
{
    bool quoted = is_quoted_mode(mode);
    int depth = 0;
    for (int c; !at_end(s, mode, c = source_peek(s), &depth);) {
        source_next(s);
        if (c == '\\')
            backslash(b, s, mode);
        else if (c == '$')
            dollar(b, s, quoted);
        else if (c == '`') {
            flush_text(b);
            backquotes(b, s, quoted);
        } else if (c == '\'' && !quoted)
            single_quotes(b, s);
        else if (c == '"' && mode == WORD_BRACE_DQUOTE)
            read_parts(b, s, WORD_DQUOTE);
        else if (c == '"' && !quoted)
            double_quotes(b, s);
        else
            put(b, c, quoted);
    }
}
