// SPDX-License-Identifier: BSD-2-Clause
/*
 * Simple commands: assignments, functions, built-in commands and programs.
 */
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "shell.h"

struct function {
    struct function *next;
    const struct node *body;
    char name[];
};

static struct function *functions;

static struct function **function_slot(const char *name)
{
    struct function **f = &functions;
    while (*f && strcmp((*f)->name, name) != 0)
        f = &(*f)->next;
    return f;
}

struct node *function_find(const char *name)
{
    struct function *f = *function_slot(name);
    return f ? (struct node *)f->body : NULL;
}

void function_unset(const char *name)
{
    struct function **slot = function_slot(name), *f = *slot;
    if (f) {
        *slot = f->next;
        free(f);
    }
}

/* The body stays where the parser put it: a function's tree lives as long as the shell. */
void function_define(const struct node *n)
{
    function_unset(n->name);
    size_t len = strlen(n->name) + 1;
    struct function *f = xmalloc(sizeof *f + len);
    *f = (struct function){.next = functions, .body = n->a};
    memcpy(f->name, n->name, len);
    functions = f;
}

static int call_function(const struct node *body, int argc, char **argv)
{
    struct params outer = sh.params;
    int loop_depth = sh.loop_depth;
    sh.params = (struct params){.n = argc - 1, .v = argv + 1};
    sh.loop_depth = 0;
    sh.call_depth++;
    int status = execute(body, 0);
    sh.call_depth--;
    sh.loop_depth = loop_depth;
    params_free(&sh.params);
    sh.params = outer;
    if (sh.unwind == UNWIND_RETURN) {
        sh.unwind = UNWIND_NONE;
        status = sh.status;
    }
    return status;
}

char *find_program(const char *name)
{
    if (strchr(name, '/'))
        return access(name, X_OK) == 0 ? mem_dup(name, strlen(name)) : NULL;
    const char *dir = var_get("PATH");
    while (dir) {
        size_t n = strcspn(dir, ":");
        char *path = mem_printf("%.*s%s%s", (int)n, dir, n ? "/" : "", name);
        if (access(path, X_OK) == 0)
            return path;
        dir = dir[n] ? dir + n + 1 : NULL;
    }
    return NULL;
}

/* A file that is no program is taken for a script. */
void exec_program(char **argv)
{
    char *path = find_program(argv[0]);
    if (!path && !strchr(argv[0], '/')) {
        warnx("%s: not found", argv[0]);
        shell_exit(127);
    }
    if (!path)
        path = argv[0];
    execve(path, argv, var_environment());
    if (errno == ENOEXEC) {
        int n = 0;
        while (argv[n])
            n++;
        sh.name = path;
        sh.params = (struct params){.n = n - 1, .v = argv + 1};
        if (run_file(path) >= 0)
            shell_exit(sh.status);
    }
    int error = errno;
    warn("%s", argv[0]);
    shell_exit(error == ENOENT || error == ENOTDIR ? 127 : 126);
}

static void assign(const struct assign *a, bool temporary)
{
    for (; a; a = a->next) {
        char *value = expand_string(a->value);
        if (sh.xtrace)
            fprintf(stderr, "+ %s=%s\n", a->name, value);
        if (temporary) {
            var_local(a->name);
            var_export(a->name);
        }
        var_set(a->name, value);
    }
}

static void trace(char **argv)
{
    fputc('+', stderr);
    for (; *argv; argv++)
        fprintf(stderr, " %s", *argv);
    fputc('\n', stderr);
}

char *join_words(char **words)
{
    struct buf b = {0};
    for (; *words; words++) {
        buf_add(&b, *words, strlen(*words));
        if (words[1])
            buf_put(&b, ' ');
    }
    return buf_string(&b);
}

static int run_program(const struct node *n, char **argv, int flags)
{
    if (!(flags & EXEC_LAST) || traps_set()) {
        struct job *j = job_new(join_words(argv));
        if (job_fork(j, FORK_FOREGROUND) != 0)
            return job_wait(j);
    }
    if (n) {
        assign(n->assigns, true);
        if (!redirect(n->redirs, NULL))
            shell_exit(1);
    }
    exec_program(argv);
}

int run_command(char **argv, int argc, int flags)
{
    builtin_fn *builtin = builtin_find(argv[0]);
    if (!builtin)
        return run_program(NULL, argv, flags);
    int status = builtin(argc, argv);
    fflush(stdout);
    return status;
}

/* A function or built-in command runs in the shell: what it changed by the way is put back. */
static int run_inside(const struct node *n, const struct node *body, int argc, char **argv)
{
    struct saved_fd *saved = NULL;
    bool keep = strcmp(argv[0], "exec") == 0; /* its redirections are what it is for */
    int scope = body || n->assigns ? var_scope_begin() : 0; /* local needs the function's */
    assign(n->assigns, true);
    int status = 1;
    if (redirect(n->redirs, keep ? NULL : &saved))
        status = body ? call_function(body, argc, argv) : run_command(argv, argc, 0);
    redirect_undo(saved);
    if (scope)
        var_scope_end(scope);
    return status;
}

/* No command: the assignments stay, the redirections are only tried. */
static int run_assignments(const struct node *n)
{
    struct saved_fd *saved = NULL;
    assign(n->assigns, false);
    bool ok = redirect(n->redirs, &saved);
    redirect_undo(saved);
    return ok ? sh.subst_status : 1;
}

int run_simple(const struct node *n, int flags)
{
    int argc;
    sh.subst_status = 0;
    char **argv = expand_words(n->words, &argc);
    if (argc == 0)
        return run_assignments(n);
    if (sh.xtrace)
        trace(argv);
    const struct node *body = function_find(argv[0]);
    if (body || builtin_find(argv[0]))
        return run_inside(n, body, argc, argv);
    return run_program(n, argv, flags);
}
