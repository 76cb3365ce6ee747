// SPDX-License-Identifier: BSD-2-Clause
//
// The grammar of POSIX, list > and-or > pipeline > command, by recursive descent. What is read is
// run at once: there is no tree. Where it must be known first what follows (is it whole? does it go
// to the background, into a pipe, with redirections?), a piece is read twice, the first time with
// `skipping', which only reads; a loop's body is read each time that it runs.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "shell.h"

static int skipping;

static bool run_list(struct source *s, bool lines);
static void run_command(struct source *s);

// Whether commands are only read.
static bool off(void)
{
    return skipping > 0 || sh.leaving != LEAVING_NONE;
}

static bool accept(struct source *s, int tok)
{
    bool there = lex_peek(s) == tok;
    if (there)
        lex_next(s);
    return there;
}

static bool is_word(struct source *s, const char *reserved)
{
    return lex_peek(s) == TOK_WORD && strcmp(s->word, reserved) == 0;
}

static bool accept_word(struct source *s, const char *reserved)
{
    return is_word(s, reserved) && accept(s, TOK_WORD);
}

// What comes is what must come.
static void need(struct source *s, bool there)
{
    if (there)
        return;
    bool end = lex_peek(s) == TOK_EOF;
    syntax_error(s, end ? "end of text" : mem_dup(s->text + s->pos, s->end - s->pos));
}

static void skip_newlines(struct source *s)
{
    while (accept(s, '\n'))
        ;
}

// Words and tokens that end a list rather than begin a command.
static bool at_list_end(struct source *s)
{
    static const char *const ends[] = {"then", "else", "elif", "fi", "do", "done", "}"};
    int tok = lex_peek(s);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (is_word(s, ends[i]))
            return true;
    return tok == TOK_EOF || tok == ')';
}

static char *take_word(struct source *s)
{
    need(s, accept(s, TOK_WORD));
    return s->word;
}

static struct word **add_word(struct source *s, struct word **tail)
{
    *tail = mem_alloc(sizeof **tail);
    (*tail)->text = take_word(s);
    return &(*tail)->next;
}

static struct redir **add_redirs(struct source *s, struct redir **tail)
{
    while (accept(s, TOK_REDIR)) {
        *tail = mem_alloc(sizeof **tail);
        **tail = s->redir;
        (*tail)->target = take_word(s);
        tail = &(*tail)->next;
    }
    return tail;
}

// A list that may not be empty, and the word that ends it.
static void run_until(struct source *s, const char *end)
{
    need(s, run_list(s, true));
    need(s, accept_word(s, end));
}

static void skip_command(struct source *s)
{
    skipping++;
    run_command(s);
    skipping--;
}

// After the body of a loop: whether the loop goes on.
static bool loop_continues(void)
{
    if (sh.leaving == LEAVING_NONE)
        return true;
    if (--sh.levels > 0)
        return false;
    bool again = sh.leaving == LEAVING_CONTINUE;
    sh.leaving = LEAVING_NONE;
    return again;
}

static void run_if(struct source *s)
{
    run_until(s, "then");
    bool live = !off(), yes = sh.status == 0;
    skipping += !yes;
    need(s, run_list(s, true));
    skipping += yes - !yes;
    if (live && !yes)
        sh.status = 0; // if nothing else runs
    if (accept_word(s, "elif"))
        run_if(s); // takes the fi
    else if (accept_word(s, "else"))
        run_until(s, "fi");
    else
        need(s, accept_word(s, "fi"));
    skipping -= yes;
}

static void run_while(struct source *s, bool until)
{
    size_t start = s->pos;
    int status = 0;
    bool live = !off(), again = live;
    sh.loop_depth += live;
    do {
        lex_seek(s, start);
        run_until(s, "do");
        bool yes = (sh.status == 0) != until;
        skipping += !yes;
        run_until(s, "done");
        skipping -= !yes;
        if (live && yes)
            status = sh.status;
        again = live && loop_continues() && yes;
    } while (again);
    sh.loop_depth -= live;
    if (live)
        sh.status = status;
}

static void run_for(struct source *s)
{
    struct word *words = NULL, **tail = &words;
    const char *name = take_word(s);
    if (name_length(name) != strlen(name))
        syntax_error(s, name);
    bool live = !off();
    need(s, accept_word(s, "in"));
    while (lex_peek(s) == TOK_WORD)
        tail = add_word(s, tail);
    accept(s, ';');
    skip_newlines(s);
    need(s, accept_word(s, "do"));
    char **values = live ? expand_words(words) : &(char *){NULL};
    size_t start = s->pos;
    skipping++;
    run_until(s, "done");
    skipping--;
    if (live)
        sh.status = 0;
    sh.loop_depth += live;
    for (bool again = true; again && *values; again = loop_continues()) {
        setenv(name, *values++, 1);
        lex_seek(s, start);
        run_until(s, "done");
    }
    sh.loop_depth -= live;
}

// In a child: this part of the text is all that there is to run.
static _Noreturn void run_child(struct source *s, size_t start, size_t end)
{
    lex_seek(s, start);
    s->len = end;
    s->fd = -1;
    s->whole = true;
    run_list(s, true);
    shell_exit(sh.status);
}

static pid_t start_child(struct source *s, size_t start, size_t end, bool background)
{
    pid_t pid = fork_child(background);
    if (pid == 0)
        run_child(s, start, end);
    return pid;
}

static void run_subshell(struct source *s)
{
    size_t start = s->pos;
    skipping++;
    need(s, run_list(s, true));
    skipping--;
    size_t end = s->pos;
    need(s, accept(s, ')'));
    if (off())
        return;
    sh.status = wait_for(start_child(s, start, end, false), true);
}

// False, and nothing is read, if no compound command comes.
static bool run_compound(struct source *s)
{
    if (accept(s, '('))
        run_subshell(s);
    else if (accept_word(s, "{"))
        run_until(s, "}");
    else if (accept_word(s, "if"))
        run_if(s);
    else if (accept_word(s, "while"))
        run_while(s, false);
    else if (accept_word(s, "until"))
        run_while(s, true);
    else if (accept_word(s, "for"))
        run_for(s);
    else
        return false;
    return true;
}

static void read_simple(struct source *s)
{
    struct simple c = {0};
    struct word **assigns = &c.assigns, **words = &c.words;
    struct redir **redirs = &c.redirs;
    for (int tok; (tok = lex_peek(s)) == TOK_WORD || tok == TOK_REDIR;) {
        size_t name = tok == TOK_WORD && !c.words ? name_length(s->word) : 0;
        if (tok == TOK_REDIR)
            redirs = add_redirs(s, redirs);
        else if (name > 0 && s->word[name] == '=')
            assigns = add_word(s, assigns);
        else
            words = add_word(s, words);
    }
    need(s, c.words || c.assigns || c.redirs);
    if (!off())
        sh.status = run_simple(&c, s->whole && s->tok == TOK_EOF);
}

static void run_command(struct source *s)
{
    struct redir *redirs = NULL;
    struct saved_fd *saved = NULL;
    size_t start = s->pos;
    need(s, !at_list_end(s));
    skipping++; // a compound command's redirections stand behind it
    bool compound = run_compound(s);
    skipping--;
    if (!compound) {
        read_simple(s);
        return;
    }
    add_redirs(s, &redirs);
    size_t end = s->pos;
    if (off())
        return;
    lex_seek(s, start);
    if (redirect(redirs, &saved))
        run_compound(s);
    else
        sh.status = 1;
    redirect_undo(saved);
    lex_seek(s, end);
}

static void move_fd(int from, int to)
{
    if (from >= 0) {
        dup2(from, to);
        close(from);
    }
}

// Starts one process of a pipeline; *in is the read end of the pipe from the one before, or -1.
static pid_t start_process(struct source *s, size_t start, int *in, bool more)
{
    int fds[2] = {-1, -1};
    size_t end = s->pos;
    if (more)
        make_pipe(fds);
    pid_t pid = fork_child(false);
    if (pid == 0) {
        move_fd(*in, 0);
        move_fd(fds[1], 1);
        close(fds[0]);
        run_child(s, start, end);
    }
    close(*in);
    close(fds[1]);
    *in = fds[0];
    return pid;
}

// The rest of a | b | c, of which the first was read and begins at start; in is the pipe to it.
static void run_pipes(struct source *s, size_t start, int in)
{
    bool more = lex_peek(s) == '|';
    pid_t pid = off() ? 0 : start_process(s, start, &in, more);
    if (more) {
        lex_next(s);
        skip_newlines(s);
        start = s->pos;
        skip_command(s);
        run_pipes(s, start, in);
    }
    int status = pid ? wait_for(pid, !more) : sh.status;
    if (!more)
        sh.status = status;
}

static void run_pipeline(struct source *s)
{
    bool whole = s->whole;
    if (accept_word(s, "!")) {
        s->whole = false;
        run_pipeline(s);
        s->whole = whole;
        if (!off())
            sh.status = !sh.status;
        return;
    }
    lex_peek(s);
    size_t start = s->pos;
    skip_command(s);
    if (lex_peek(s) == '|') {
        run_pipes(s, start, -1);
    } else if (!off()) {
        lex_seek(s, start);
        run_command(s);
    }
}

static void run_and_or(struct source *s)
{
    run_pipeline(s);
    for (int tok; (tok = lex_peek(s)) == TOK_AND || tok == TOK_OR;) {
        bool skip = (sh.status == 0) != (tok == TOK_AND);
        lex_next(s);
        skip_newlines(s);
        skipping += skip;
        run_pipeline(s);
        skipping -= skip;
    }
}

// Commands up to a word or token that ends a list, or, unless lines are taken as separators, up to
// the end of the line. False: there were none.
static bool run_list(struct source *s, bool lines)
{
    for (bool any = false;; any = true) {
        if (lines)
            skip_newlines(s);
        if (at_list_end(s) || lex_peek(s) == '\n')
            return any;
        void *mark = mem_mark();
        size_t start = s->pos;
        skipping++;
        run_and_or(s);
        skipping--;
        int tok = lex_peek(s);
        if (!off() && tok == '&') {
            sh.last_async = start_child(s, start, s->pos, true);
            sh.status = 0;
        } else if (!off()) {
            lex_seek(s, start);
            run_and_or(s);
        }
        mem_release(mark);
        lex_seek(s, s->pos); // a word that was looked at is gone
        if (!accept(s, '&') && !accept(s, ';') && lex_peek(s) != '\n')
            return true;
    }
}

bool run_line(struct source *s)
{
    s->continued = false;
    if (s->own && s->pos == s->len)
        s->pos = s->len = 0;
    lex_peek(s);
    size_t start = s->pos;
    skipping = 1;
    bool any = run_list(s, false);
    skipping = 0;
    int tok = lex_peek(s);
    need(s, tok == '\n' || tok == TOK_EOF);
    lex_seek(s, start);
    run_list(s, false);
    return accept(s, '\n') || any;
}

int run_string(const char *text, bool last)
{
    struct source s = {.text = text, .len = strlen(text), .fd = -1, .whole = last};
    sh.status = 0;
    while (sh.leaving == LEAVING_NONE && run_line(&s))
        ;
    return sh.status;
}

int run_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct buf text = {0};
    char part[1024];
    if (fd < 0)
        return -1;
    for (ssize_t n; (n = read(fd, part, sizeof part)) > 0;)
        buf_add(&text, part, (size_t)n);
    close(fd);
    return run_string(buf_string(&text), false);
}
