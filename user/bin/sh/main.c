// SPDX-License-Identifier: BSD-2-Clause
/*
 * sh: reads commands from a terminal, a string or a file, and runs them one line after the other.
 *     sh [-efux] [-c command [name [argument...]] | file [argument...]]
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "shell.h"

struct shell sh;

void shell_exit(int status)
{
    sh.status = status & 0xff;
    trap_exit();
    fflush(stdout);
    exit(status & 0xff);
}

/* A script ends at an error of the shell; a person gets a new prompt. */
void shell_error(const char *fmt, ...)
{
    va_list ap;
    fflush(stdout);
    fprintf(stderr, "%s: ", sh.name);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    sh.status = 2;
    if (sh.interactive && sh.on_error)
        siglongjmp(*sh.on_error, 1);
    shell_exit(2);
}

/* Whether the text is used up, so that the last command may take the shell's own process. */
static bool at_end(const struct source *src)
{
    return src->fd < 0 && src->text[src->pos + strspn(src->text + src->pos, " \t\n")] == '\0';
}

static int run_lines(struct source *src, int last)
{
    struct lexer l = {.src = src};
    struct mark mark = mem_mark();
    for (struct node *n; sh.unwind == UNWIND_NONE && parse_line(&l, &n); mem_release(mark))
        execute(n, at_end(src) ? last : 0);
    return sh.status;
}

int run_string(const char *text)
{
    struct source src = {.text = text, .len = strlen(text), .fd = -1, .line = 1};
    return run_lines(&src, 0);
}

int run_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    struct buf text = {0};
    char part[1024];
    for (ssize_t n; (n = read(fd, part, sizeof part)) > 0;)
        buf_add(&text, part, (size_t)n);
    close(fd);
    return run_string(buf_string(&text));
}

/* After an error the rest of the line is dropped and reading goes on. */
static void run_interactive(struct source *src)
{
    struct lexer l = {.src = src};
    struct mark mark = mem_mark();
    sigjmp_buf on_error;
    if (sigsetjmp(on_error, 1)) {
        l = (struct lexer){.src = src};
        src->pos = src->len;
    }
    sh.on_error = &on_error;
    for (struct node *n = NULL;; execute(n, 0)) {
        mem_release(mark);
        sh.unwind = UNWIND_NONE;
        sh.loop_depth = sh.call_depth = sh.tested = 0;
        jobs_report(false);
        if (!parse_line(&l, &n))
            return;
    }
}

static void run_input(void)
{
    struct source src = {.fd = 0, .line = 1, .interactive = sh.interactive};
    if (sh.interactive) {
        var_set("PS1", geteuid() == 0 ? "# " : "$ ");
        var_set("PS2", "> ");
        run_interactive(&src);
        fputc('\n', stderr);
    } else {
        run_lines(&src, 0);
    }
    source_close(&src);
}

static void set_pwd(void)
{
    char path[PATH_MAX];
    if (getcwd(path, sizeof path))
        var_set("PWD", path);
}

int main(int argc, char **argv, char **envp)
{
    bool command = false;
    sh = (struct shell){.name = argv[0], .pid = getpid()};
    var_import(envp);
    set_pwd();
    int i = set_options(argc, argv, &command);
    if (i < 0 || (command && i == argc))
        return 2;
    const char *text = command ? argv[i++] : NULL;
    sh.interactive |= !command && i == argc && isatty(0) && isatty(2);
    if (i < argc)
        sh.name = argv[i++];
    sh.params = (struct params){.n = argc - i, .v = argv + i};
    signals_init();
    if (sh.interactive)
        jobs_init();
    if (command) {
        struct source src = {.text = text, .len = strlen(text), .fd = -1, .line = 1};
        run_lines(&src, EXEC_LAST);
    } else if (sh.name != argv[0]) {
        if (run_file(sh.name) < 0)
            shell_error("%s", strerror(errno));
    } else {
        run_input();
    }
    shell_exit(sh.status);
}
