// SPDX-License-Identifier: BSD-2-Clause
//
// Simple commands: assignments, redirections, built-in commands and programs.
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "shell.h"

#define SAVED_FD_MIN 10

struct saved_fd { // what stood at a descriptor, closed in programs
    struct saved_fd *next;
    int fd;
    int copy; // -1: it was closed
};

void redirect_undo(struct saved_fd *s)
{
    fflush(stdout);
    for (; s; s = s->next) {
        close(s->fd);
        if (s->copy >= 0) {
            dup2(s->copy, s->fd);
            close(s->copy);
        }
    }
}

static bool redirect_one(const struct redir *r)
{
    static const int flags[] = {
        [REDIR_IN] = O_RDONLY,
        [REDIR_OUT] = O_WRONLY | O_CREAT | O_TRUNC,
        [REDIR_APPEND] = O_WRONLY | O_CREAT | O_APPEND,
    };
    const char *target = expand_string(r->target);
    bool dup = r->kind == REDIR_DUP;
    if (dup && strcmp(target, "-") == 0) {
        close(r->fd);
        return true;
    }
    int fd = !dup ? open(target, flags[r->kind], 0666) : isdigit(*target) ? atoi(target) : -1;
    if (fd < 0 || (fd != r->fd && dup2(fd, r->fd) < 0)) {
        warn("%s", target);
        return false;
    }
    if (!dup && fd != r->fd)
        close(fd);
    return true;
}

bool redirect(const struct redir *r, struct saved_fd **saved)
{
    fflush(stdout);
    for (; r; r = r->next) {
        if (saved) {
            struct saved_fd *s = mem_alloc(sizeof *s);
            *s = (struct saved_fd){*saved, r->fd, fcntl(r->fd, F_DUPFD_CLOEXEC, SAVED_FD_MIN)};
            *saved = s;
        }
        if (!redirect_one(r))
            return false;
    }
    return true;
}

// A file that is no program is taken for a script.
void exec_program(char **argv)
{
    execvp(argv[0], argv);
    int error = errno;
    if (error == ENOEXEC) {
        sh.params = argv;
        if (run_file(argv[0]) >= 0)
            shell_exit(sh.status);
    }
    if (error == ENOENT && !strchr(argv[0], '/'))
        warnx("%s: not found", argv[0]);
    else
        warn("%s", argv[0]);
    shell_exit(error == ENOENT ? 127 : 126);
}

static void assign(const struct word *list)
{
    for (; list; list = list->next) {
        size_t n = name_length(list->text);
        setenv(mem_dup(list->text, n), expand_string(list->text + n + 1), 1);
    }
}

static int run_program(const struct simple *c, char **argv, bool last)
{
    pid_t pid = last ? 0 : fork_child(false);
    if (pid != 0)
        return wait_for(pid, true);
    assign(c->assigns);
    if (!redirect(c->redirs, NULL))
        shell_exit(1);
    exec_program(argv);
}

int run_simple(const struct simple *c, bool last)
{
    struct saved_fd *saved = NULL;
    sh.subst_status = 0;
    char **argv = expand_words(c->words);
    builtin_fn *builtin = argv[0] ? builtin_find(argv[0]) : NULL;
    if (argv[0] && !builtin)
        return run_program(c, argv, last);
    // It runs in the shell: assignments stay, redirections are undone, but those that exec is for.
    bool keep = argv[0] && strcmp(argv[0], "exec") == 0;
    int argc = 0, status = 1;
    while (argv[argc])
        argc++;
    assign(c->assigns);
    if (redirect(c->redirs, keep ? NULL : &saved))
        status = builtin ? builtin(argc, argv) : sh.subst_status;
    redirect_undo(saved);
    return status;
}
