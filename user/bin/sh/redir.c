// SPDX-License-Identifier: BSD-2-Clause
/*
 * Redirections: done in order, and undone in reverse order where the command ran in the shell
 * itself. What stood at a descriptor is kept at 10 or above, closed in programs.
 */
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

struct saved_fd {
    struct saved_fd *next;
    int fd;
    int copy; /* -1: it was closed */
};

static void save_fd(int fd, struct saved_fd **saved)
{
    struct saved_fd *s = mem_alloc(sizeof *s);
    *s = (struct saved_fd){.next = *saved, .fd = fd};
    s->copy = fcntl(fd, F_DUPFD_CLOEXEC, SAVED_FD_MIN);
    *saved = s;
}

void redirect_undo(struct saved_fd *s)
{
    fflush(stdout);
    for (; s; s = s->next) {
        if (s->copy < 0) {
            close(s->fd);
        } else {
            dup2(s->copy, s->fd);
            close(s->copy);
        }
    }
}

/* The text goes through a pipe if it fits there, else through a process that feeds the pipe. */
static int open_here(const char *text)
{
    int fds[2];
    size_t n = strlen(text);
    if (pipe(fds) != 0)
        return -1;
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    ssize_t done = write(fds[1], text, n);
    size_t sent = done < 0 ? 0 : (size_t)done;
    if (sent < n && fork() == 0) {
        fcntl(fds[1], F_SETFL, 0);
        close(fds[0]);
        while (sent < n && (done = write(fds[1], text + sent, n - sent)) > 0)
            sent += (size_t)done;
        _exit(0);
    }
    close(fds[1]);
    return fds[0];
}

static int open_target(const struct redir *r, const char *target)
{
    switch (r->kind) {
    case REDIR_IN:
        return open(target, O_RDONLY);
    case REDIR_OUT:
        return open(target, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    case REDIR_APPEND:
        return open(target, O_WRONLY | O_CREAT | O_APPEND, 0666);
    case REDIR_RDWR:
        return open(target, O_RDWR | O_CREAT, 0666);
    default:
        return open_here(target);
    }
}

/* n>&m and n>&-. */
static bool duplicate(int fd, const char *target)
{
    if (strcmp(target, "-") == 0) {
        close(fd);
        return true;
    }
    if (!isdigit((unsigned char)target[0])) {
        warnx("%s: bad descriptor number", target);
        return false;
    }
    if (dup2(atoi(target), fd) < 0) {
        warn("%s", target);
        return false;
    }
    return true;
}

static bool redirect_one(const struct redir *r)
{
    const char *target = expand_string(r->target);
    if (r->kind == REDIR_DUP)
        return duplicate(r->fd, target);
    int fd = open_target(r, target);
    if (fd < 0) {
        warn("%s", r->kind == REDIR_HERE ? "here-document" : target);
        return false;
    }
    if (fd != r->fd) {
        dup2(fd, r->fd);
        close(fd);
    }
    return true;
}

bool redirect(const struct redir *r, struct saved_fd **saved)
{
    fflush(stdout);
    for (; r; r = r->next) {
        if (saved)
            save_fd(r->fd, saved);
        if (!redirect_one(r))
            return false;
    }
    return true;
}
