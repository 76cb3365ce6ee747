// SPDX-License-Identifier: BSD-2-Clause
/*
 * Walking the tree: lists, conditions, loops, pipelines, subshells and background commands.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "shell.h"

/* A short name of the command for the list of jobs. */
static const char *describe(const struct node *n)
{
    struct buf b = {0};
    while (n->kind != NODE_SIMPLE && n->a)
        n = n->a;
    for (const struct word *w = n->words; w; w = w->next) {
        const char *text = word_literal(w);
        if (b.n > 0)
            buf_put(&b, ' ');
        buf_add(&b, text ? text : "...", strlen(text ? text : "..."));
    }
    return buf_string(&b);
}

/* Runs a condition, whose failure is an answer and not an error. */
static int execute_tested(const struct node *n)
{
    sh.tested++;
    int status = execute(n, 0);
    sh.tested--;
    return status;
}

static _Noreturn void child(const struct node *n)
{
    execute(n, EXEC_LAST);
    shell_exit(sh.status);
}

static void move_fd(int from, int to)
{
    if (from >= 0 && from != to) {
        dup2(from, to);
        close(from);
    }
}

/* Starts a | b | c, each a process of the job. in is the read end for the first, or -1. */
static void start_pipeline(struct job *j, const struct node *n, int in, enum fork_kind kind)
{
    int fds[2] = {-1, -1};
    bool more = n->kind == NODE_PIPE;
    if (more && pipe(fds) != 0)
        shell_error("cannot make a pipe: %s", strerror(errno));
    if (job_fork(j, kind) == 0) {
        move_fd(in, 0);
        move_fd(fds[1], 1);
        if (more)
            close(fds[0]);
        child(more ? n->a : n);
    }
    if (in >= 0)
        close(in);
    if (more) {
        close(fds[1]);
        start_pipeline(j, n->b, fds[0], kind);
    }
}

static int run_job(const struct node *n)
{
    struct job *j = job_new(describe(n));
    start_pipeline(j, n, -1, FORK_FOREGROUND);
    return job_wait(j);
}

static int run_async(const struct node *n)
{
    struct job *j = job_new(describe(n));
    start_pipeline(j, n, -1, FORK_BACKGROUND);
    job_background(j);
    return 0;
}

static int run_subshell(const struct node *n, int flags)
{
    if (!(flags & EXEC_LAST) || traps_set())
        return run_job(n->a);
    return execute(n->a, flags);
}

/* After the body of a loop: whether the loop goes on. */
static bool loop_continues(void)
{
    if (sh.unwind == UNWIND_NONE)
        return true;
    if (sh.unwind == UNWIND_RETURN || --sh.unwind_levels > 0)
        return false;
    bool again = sh.unwind == UNWIND_CONTINUE;
    sh.unwind = UNWIND_NONE;
    return again;
}

static int run_while(const struct node *n)
{
    int status = 0;
    bool until = n->kind == NODE_UNTIL, again = true;
    sh.loop_depth++;
    while (again) {
        bool yes = (execute_tested(n->a) == 0) != until;
        if (sh.unwind == UNWIND_NONE && !yes)
            break;
        if (sh.unwind == UNWIND_NONE)
            status = execute(n->b, 0);
        again = loop_continues();
    }
    sh.loop_depth--;
    return status;
}

static char **copy_params(void)
{
    char **copy = mem_alloc(((size_t)sh.params.n + 1) * sizeof *copy);
    for (int i = 0; i < sh.params.n; i++)
        copy[i] = mem_dup(sh.params.v[i], strlen(sh.params.v[i]));
    return copy;
}

static int run_for(const struct node *n)
{
    int count = sh.params.n, status = 0;
    char **values;
    if (n->words_given)
        values = expand_words(n->words, &count);
    else
        values = copy_params(); /* the body may shift or set them */
    sh.loop_depth++;
    for (int i = 0; i < count; i++) {
        var_set(n->name, values[i]);
        status = execute(n->a, 0);
        if (!loop_continues())
            break;
    }
    sh.loop_depth--;
    return status;
}

static int run_case(const struct node *n, int flags)
{
    const char *subject = expand_string(n->words);
    for (const struct case_item *item = n->items; item; item = item->next)
        for (const struct word *w = item->patterns; w; w = w->next)
            if (fnmatch(expand_pattern(w), subject, 0) == 0)
                return item->body ? execute(item->body, flags) : 0;
    return 0;
}

static int run_if(const struct node *n, int flags)
{
    int status = execute_tested(n->a);
    if (sh.unwind != UNWIND_NONE)
        return status;
    const struct node *branch = status == 0 ? n->b : n->c;
    return branch ? execute(branch, flags) : 0;
}

static int run_and_or(const struct node *n, int flags)
{
    int status = execute_tested(n->a);
    bool go_on = (status == 0) == (n->kind == NODE_AND);
    return go_on && sh.unwind == UNWIND_NONE ? execute(n->b, flags) : status;
}

static int run_list(const struct node *n, int flags)
{
    int status = execute(n->a, 0);
    return sh.unwind == UNWIND_NONE ? execute(n->b, flags) : status;
}

static int run_node(const struct node *n, int flags)
{
    switch (n->kind) {
    case NODE_SIMPLE:
        return run_simple(n, flags);
    case NODE_PIPE:
        return run_job(n);
    case NODE_AND:
    case NODE_OR:
        return run_and_or(n, flags);
    case NODE_NOT:
        return !execute_tested(n->a);
    case NODE_LIST:
        return run_list(n, flags);
    case NODE_ASYNC:
        return run_async(n->a);
    case NODE_SUBSHELL:
        return run_subshell(n, flags);
    case NODE_GROUP:
        return execute(n->a, flags);
    case NODE_IF:
        return run_if(n, flags);
    case NODE_WHILE:
    case NODE_UNTIL:
        return run_while(n);
    case NODE_FOR:
        return run_for(n);
    case NODE_CASE:
        return run_case(n, flags);
    case NODE_FUNCTION:
        function_define(n);
        return 0;
    }
    return 0;
}

/* Whether a failure of this node counts for set -e; the parts of lists and the like speak for
   themselves. */
static bool failure_counts(const struct node *n)
{
    return n->kind == NODE_SIMPLE || n->kind == NODE_PIPE || n->kind == NODE_SUBSHELL;
}

/* A compound command with redirections, which simple commands see to themselves. */
static int run_redirected(const struct node *n, int flags)
{
    struct saved_fd *saved = NULL;
    int status = redirect(n->redirs, &saved) ? run_node(n, flags & ~EXEC_LAST) : 1;
    redirect_undo(saved);
    return status;
}

int execute(const struct node *n, int flags)
{
    struct mark mark = mem_mark();
    if (!n)
        return sh.status;
    bool wraps = n->redirs && n->kind != NODE_SIMPLE;
    sh.status = wraps ? run_redirected(n, flags) : run_node(n, flags);
    traps_run();
    if (sh.errexit && sh.status != 0 && sh.tested == 0 && failure_counts(n))
        shell_exit(sh.status);
    mem_release(mark);
    return sh.status;
}

/* Reads all of fd, less the newlines at its end. */
static char *read_output(int fd)
{
    struct buf b = {0};
    char part[1024];
    for (;;) {
        ssize_t n = read(fd, part, sizeof part);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        buf_add(&b, part, (size_t)n);
    }
    while (b.n > 0 && b.s[b.n - 1] == '\n')
        b.n--;
    return buf_string(&b);
}

char *capture_output(const struct node *n)
{
    int fds[2];
    if (!n)
        return "";
    if (pipe(fds) != 0)
        shell_error("cannot make a pipe: %s", strerror(errno));
    struct job *j = job_new("");
    if (job_fork(j, FORK_SUBSTITUTION) == 0) {
        close(fds[0]);
        move_fd(fds[1], 1);
        child(n);
    }
    close(fds[1]);
    char *output = read_output(fds[0]);
    close(fds[0]);
    sh.subst_status = job_wait(j);
    return output;
}
