// SPDX-License-Identifier: BSD-2-Clause
/*
 * Commands that the shell runs itself, because they change it or because they are called so often.
 */
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "shell.h"

static int do_true(int argc, char **argv)
{
    (void)argc, (void)argv;
    return 0;
}

static int do_false(int argc, char **argv)
{
    (void)argc, (void)argv;
    return 1;
}

static int do_cd(int argc, char **argv)
{
    const char *to = argc > 1 ? argv[1] : var_get("HOME");
    bool back = to && strcmp(to, "-") == 0;
    if (back)
        to = var_get("OLDPWD");
    if (!to || chdir(to) != 0) {
        warn("cd: %s", to ? to : "no directory");
        return 1;
    }
    char path[PATH_MAX];
    if (var_get("PWD"))
        var_set("OLDPWD", var_get("PWD"));
    if (getcwd(path, sizeof path))
        var_set("PWD", path);
    if (back)
        puts(path);
    return 0;
}

static int do_pwd(int argc, char **argv)
{
    char path[PATH_MAX];
    (void)argc, (void)argv;
    if (!getcwd(path, sizeof path)) {
        warn("pwd");
        return 1;
    }
    puts(path);
    return 0;
}

static int do_echo(int argc, char **argv)
{
    int first = argc > 1 && strcmp(argv[1], "-n") == 0 ? 2 : 1;
    for (int i = first; i < argc; i++)
        printf("%s%s", i > first ? " " : "", argv[i]);
    if (first == 1)
        putchar('\n');
    return ferror(stdout) ? 1 : 0;
}

static int do_exit(int argc, char **argv)
{
    shell_exit(argc > 1 ? atoi(argv[1]) : sh.status);
}

static int do_return(int argc, char **argv)
{
    sh.unwind = UNWIND_RETURN;
    return sh.status = argc > 1 ? atoi(argv[1]) : sh.status;
}

static int leave_loops(int argc, char **argv, enum unwind how)
{
    int levels = argc > 1 ? atoi(argv[1]) : 1;
    if (sh.loop_depth == 0)
        return 0;
    sh.unwind = how;
    sh.unwind_levels = levels < sh.loop_depth ? levels : sh.loop_depth;
    return 0;
}

static int do_break(int argc, char **argv)
{
    return leave_loops(argc, argv, UNWIND_BREAK);
}

static int do_continue(int argc, char **argv)
{
    return leave_loops(argc, argv, UNWIND_CONTINUE);
}

/* NAME or NAME=value for each argument. */
static int declare(int argc, char **argv, void (*mark)(const char *))
{
    for (int i = 1; i < argc; i++) {
        size_t n = strcspn(argv[i], "=");
        if (!name_valid(argv[i], n)) {
            warnx("%s: %s: not a name", argv[0], argv[i]);
            return 2;
        }
        char *name = mem_dup(argv[i], n);
        if (mark == var_local)
            mark(name);
        if (argv[i][n])
            var_set(name, argv[i] + n + 1);
        if (mark != var_local)
            mark(name);
    }
    return 0;
}

static int do_export(int argc, char **argv)
{
    if (argc == 1 || strcmp(argv[1], "-p") == 0) {
        var_print(true);
        return 0;
    }
    return declare(argc, argv, var_export);
}

static int do_readonly(int argc, char **argv)
{
    return declare(argc, argv, var_readonly);
}

static int do_local(int argc, char **argv)
{
    return declare(argc, argv, var_local);
}

static int do_unset(int argc, char **argv)
{
    bool functions = argc > 1 && strcmp(argv[1], "-f") == 0;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-')
            continue;
        if (functions)
            function_unset(argv[i]);
        else
            var_unset(argv[i]);
    }
    return 0;
}

static bool set_option(char letter, bool on)
{
    const struct {
        char letter;
        bool *flag;
    } options[] = {
        {'e', &sh.errexit}, {'u', &sh.nounset},     {'x', &sh.xtrace},
        {'f', &sh.noglob},  {'i', &sh.interactive},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (options[i].letter == letter) {
            *options[i].flag = on;
            return true;
        }
    }
    return false;
}

void params_free(struct params *p)
{
    for (char **s = p->own; s && *s; s++)
        free(*s);
    free(p->own);
}

/* The words are the command's own and go with it: they are copied. */
static void set_params(int n, char **words)
{
    char **own = xmalloc(((size_t)n + 1) * sizeof *own);
    for (int i = 0; i < n; i++)
        own[i] = xstrdup(words[i]);
    own[n] = NULL;
    params_free(&sh.params);
    sh.params = (struct params){.n = n, .v = own, .own = own};
}

int set_options(int argc, char **argv, bool *command)
{
    int i = 1;
    for (; i < argc && (argv[i][0] == '-' || argv[i][0] == '+') && argv[i][1]; i++) {
        if (strcmp(argv[i], "--") == 0) {
            set_params(argc - i - 1, argv + i + 1);
            return argc;
        }
        for (const char *c = argv[i] + 1; *c; c++) {
            if (command && *c == 'c') {
                *command = true;
            } else if (!set_option(*c, argv[i][0] == '-')) {
                warnx("%s: unknown option", argv[i]);
                return -1;
            }
        }
    }
    return i;
}

static int do_set(int argc, char **argv)
{
    if (argc == 1)
        var_print(false);
    int i = set_options(argc, argv, NULL);
    if (i < 0)
        return 2;
    if (i < argc)
        set_params(argc - i, argv + i);
    return 0;
}

static int do_shift(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 1;
    if (n < 0 || n > sh.params.n) {
        warnx("shift: cannot shift that many");
        return 2;
    }
    sh.params.v += n;
    sh.params.n -= n;
    return 0;
}

static int do_eval(int argc, char **argv)
{
    return argc > 1 ? run_string(join_words(argv + 1)) : 0;
}

static int do_source(int argc, char **argv)
{
    if (argc < 2) {
        warnx("usage: . file");
        return 2;
    }
    sh.call_depth++;
    int status = run_file(argv[1]);
    sh.call_depth--;
    if (sh.unwind == UNWIND_RETURN)
        sh.unwind = UNWIND_NONE;
    if (status >= 0)
        return status;
    warn("%s", argv[1]);
    return 1;
}

static int do_exec(int argc, char **argv)
{
    if (argc > 1)
        exec_program(argv + 1);
    return 0;
}

static int do_umask(int argc, char **argv)
{
    mode_t mask = umask(0);
    umask(argc > 1 ? (mode_t)strtoul(argv[1], NULL, 8) : mask);
    if (argc == 1)
        printf("%04o\n", mask);
    return 0;
}

static int which(const char *name)
{
    const char *path = name;
    if (!function_find(name) && !builtin_find(name))
        path = find_program(name);
    if (!path)
        return 127;
    puts(path);
    return 0;
}

static int do_command(int argc, char **argv)
{
    if (argc > 2 && argv[1][0] == '-')
        return which(argv[2]);
    return argc > 1 ? run_command(argv + 1, argc - 1, 0) : 0;
}

static int do_type(int argc, char **argv)
{
    int status = 0;
    for (int i = 1; i < argc; i++) {
        const char *path = find_program(argv[i]);
        if (function_find(argv[i]))
            printf("%s is a function\n", argv[i]);
        else if (builtin_find(argv[i]))
            printf("%s is a shell builtin\n", argv[i]);
        else if (path)
            printf("%s is %s\n", argv[i], path);
        else
            status = 127;
        if (status)
            warnx("%s: not found", argv[i]);
    }
    return status;
}

builtin_fn *builtin_find(const char *name)
{
    static const struct {
        const char *name;
        builtin_fn *fn;
    } table[] = {
        {":", do_true},          {".", do_source},          {"[", builtin_test},
        {"bg", builtin_bg},      {"break", do_break},       {"cd", do_cd},
        {"command", do_command}, {"continue", do_continue}, {"echo", do_echo},
        {"eval", do_eval},       {"exec", do_exec},         {"exit", do_exit},
        {"export", do_export},   {"false", do_false},       {"fg", builtin_fg},
        {"jobs", builtin_jobs},  {"kill", builtin_kill},    {"local", do_local},
        {"pwd", do_pwd},         {"read", builtin_read},    {"readonly", do_readonly},
        {"return", do_return},   {"set", do_set},           {"shift", do_shift},
        {"test", builtin_test},  {"trap", builtin_trap},    {"true", do_true},
        {"type", do_type},       {"umask", do_umask},       {"unset", do_unset},
        {"wait", builtin_wait},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].fn;
    return NULL;
}
