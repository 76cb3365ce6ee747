// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where the shell's text comes from: a string, or a descriptor that is read a line at a time so
 * that the commands of a script on standard input can read what follows them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lex.h"
#include "shell.h"

static void prompt(struct source *s)
{
    const char *ps = var_get(s->continued ? "PS2" : "PS1");
    fflush(stdout);
    fputs(ps ? ps : "", stderr);
}

/* Reads one line into the source's own buffer. A signal that the user sent starts over. */
static bool refill(struct source *s)
{
    size_t n = 0;
    if (s->interactive)
        prompt(s);
    for (;;) {
        if (n == s->own_size) {
            s->own_size = s->own_size ? 2 * s->own_size : 128;
            s->own = realloc(s->own, s->own_size);
            if (!s->own)
                shell_error("out of memory");
        }
        ssize_t r = read(s->fd, s->own + n, 1);
        if (r < 0 && errno == EINTR) {
            if (s->interactive)
                interrupt_check();
            continue;
        }
        if (r <= 0)
            break;
        if (s->own[n++] == '\n')
            break;
    }
    s->text = s->own;
    s->len = n;
    s->pos = 0;
    s->continued = true;
    return n > 0;
}

int source_peek(struct source *s)
{
    if (s->pos == s->len && (s->eof || s->fd < 0 || !refill(s))) {
        s->eof = true;
        return -1;
    }
    return (unsigned char)s->text[s->pos];
}

int source_next(struct source *s)
{
    int c = source_peek(s);
    if (c >= 0)
        s->pos++;
    if (c == '\n')
        s->line++;
    return c;
}

void source_close(struct source *s)
{
    free(s->own);
    s->own = NULL;
}
