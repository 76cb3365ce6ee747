// SPDX-License-Identifier: BSD-2-Clause
//
// Commands that the shell runs itself, because they change it or because they are called so often.
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "shell.h"

static int do_true(int argc, char **argv)
{
    (void)argc, (void)argv;
    return 0;
}

static int do_cd(int argc, char **argv)
{
    const char *to = argc > 1 ? argv[1] : getenv("HOME");
    if (to && chdir(to) == 0)
        return 0;
    warn("cd: %s", to ? to : "no directory");
    return 1;
}

static int do_echo(int argc, char **argv)
{
    bool newline = argc < 2 || strcmp(argv[1], "-n") != 0;
    for (int i = newline ? 1 : 2; i < argc; i++)
        printf("%s%s", argv[i], i < argc - 1 ? " " : "");
    if (newline)
        putchar('\n');
    return ferror(stdout) != 0;
}

static int do_exit(int argc, char **argv)
{
    shell_exit(argc > 1 ? atoi(argv[1]) : sh.status);
}

// break and continue.
static int do_leave(int argc, char **argv)
{
    int levels = argc > 1 ? atoi(argv[1]) : 1;
    if (sh.loop_depth > 0) {
        sh.leaving = argv[0][0] == 'b' ? LEAVING_BREAK : LEAVING_CONTINUE;
        sh.levels = levels < sh.loop_depth ? levels : sh.loop_depth;
    }
    return 0;
}

// export NAME=value ...
static int do_export(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        size_t n = name_length(argv[i]);
        if (n > 0 && argv[i][n] == '=')
            setenv(mem_dup(argv[i], n), argv[i] + n + 1, 1);
    }
    return 0;
}

static int do_unset(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        unsetenv(argv[i]);
    return 0;
}

// set [--] WORD ...: $1 and on, in one piece of memory.
static int do_set(int argc, char **argv)
{
    static char **own;
    if (argc > 1 && argv[1][0] == '-' && argv[1][1] != '-') {
        warnx("set: there are no options");
        return 2;
    }
    int first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1, n = argc - first;
    size_t size = ((size_t)n + 2) * sizeof *own;
    for (int i = first; i < argc; i++)
        size += strlen(argv[i]) + 1;
    char **params = malloc(size), *text = (char *)(params + n + 2);
    if (!params)
        shell_error("out of memory");
    params[0] = sh.params[0];
    params[n + 1] = NULL;
    for (int i = 0; i < n; i++) {
        params[i + 1] = strcpy(text, argv[first + i]);
        text += strlen(text) + 1;
    }
    free(own);
    sh.params = own = params;
    return 0;
}

static int do_shift(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 1;
    for (; n > 0 && sh.params[1]; n--, sh.params++)
        sh.params[1] = sh.params[0];
    return n > 0;
}

static int do_eval(int argc, char **argv)
{
    struct buf text = {0};
    for (int i = 1; i < argc; i++) {
        buf_add(&text, argv[i], strlen(argv[i]));
        buf_put(&text, ' ');
    }
    return run_string(buf_string(&text), false);
}

static int do_source(int argc, char **argv)
{
    int status = argc > 1 ? run_file(argv[1]) : -1;
    if (status < 0)
        warn("%s", argc > 1 ? argv[1] : ".");
    return status < 0 ? 1 : status;
}

static int do_exec(int argc, char **argv)
{
    if (argc > 1)
        exec_program(argv + 1);
    return 0;
}

// For the processes named, or all.
static int do_wait(int argc, char **argv)
{
    int status = 0;
    for (int i = 1; i < argc; i++)
        status = wait_for(atoi(argv[i]), false);
    while (argc == 1 && wait(NULL) > 0)
        ;
    return status;
}

builtin_fn *builtin_find(const char *name)
{
    static const struct {
        const char *name;
        builtin_fn *fn;
    } table[] = {
        {":", do_true},      {".", do_source},       {"[", builtin_test},    {"break", do_leave},
        {"cd", do_cd},       {"continue", do_leave}, {"echo", do_echo},      {"eval", do_eval},
        {"exec", do_exec},   {"exit", do_exit},      {"export", do_export},  {"read", builtin_read},
        {"set", do_set},     {"shift", do_shift},    {"test", builtin_test}, {"true", do_true},
        {"unset", do_unset}, {"wait", do_wait},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].fn;
    return NULL;
}
