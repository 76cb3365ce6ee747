// SPDX-License-Identifier: BSD-2-Clause
/*
 * The inside of FILE. One buffer serves reading or writing, never both at once: text between pos
 * and end is unread input, or [0, pos) is output that was not sent yet.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct file {
    int fd;
    int mode; /* _IOFBF, _IOLBF, _IONBF; -1: not decided yet */
    bool eof, error, writing, allocated;
    size_t pos, end;
    struct file *next; /* all open files */
    char buf[BUFSIZ];
};

int __fill(FILE *f);                                   /* reads more; EOF at the end or on error */
size_t __put(FILE *f, const char *s, size_t n);        /* buffers or sends; what was accepted */
