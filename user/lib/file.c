// SPDX-License-Identifier: BSD-2-Clause
/*
 * Opening, closing and flushing of buffered files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "file.h"
#include "libc.h"

static struct file in = {.fd = 0, .mode = _IOFBF};
static struct file out = {.fd = 1, .mode = -1};
static struct file error = {.fd = 2, .mode = _IONBF};
static struct file *opened;

FILE *stdin = &in, *stdout = &out, *stderr = &error;

static void flush_all(void)
{
    fflush(NULL);
}

/* Sends all of it, however many writes it takes. */
static int send(FILE *f, const char *s, size_t n)
{
    while (n > 0) {
        ssize_t done = write(f->fd, s, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0) {
            f->error = true;
            return EOF;
        }
        s += done;
        n -= (size_t)done;
    }
    return 0;
}

int fflush(FILE *f)
{
    if (!f) {
        int r = fflush(stdout);
        for (f = opened; f; f = f->next)
            r |= f->writing ? fflush(f) : 0;
        return r;
    }
    int r = 0;
    if (f->writing)
        r = send(f, f->buf, f->pos);
    f->pos = f->end = 0;
    f->writing = false;
    return r;
}

size_t __put(FILE *f, const char *s, size_t n)
{
    if (f->mode == -1)
        f->mode = isatty(f->fd) ? _IOLBF : _IOFBF;
    if (!f->writing)
        f->pos = f->end = 0;
    f->writing = true;
    __flush_all = flush_all;
    if (f->mode == _IONBF)
        return send(f, s, n) == 0 ? n : 0;
    for (size_t left = n; left > 0;) {
        size_t room = sizeof f->buf - f->pos;
        size_t part = left < room ? left : room;
        memcpy(f->buf + f->pos, s, part);
        f->pos += part;
        s += part;
        left -= part;
        if (f->pos == sizeof f->buf) {
            if (fflush(f) != 0)
                return n - left;
            f->writing = true;
        }
    }
    if (f->mode == _IOLBF && n > 0 && memchr(s - n, '\n', n))
        return fflush(f) == 0 ? n : 0;
    return n;
}

int __fill(FILE *f)
{
    if (f == stdin && stdout->mode == _IOLBF)
        fflush(stdout);
    if (f->writing)
        fflush(f);
    ssize_t n;
    do {
        n = read(f->fd, f->buf, f->mode == _IONBF ? 1 : sizeof f->buf);
    } while (n < 0 && errno == EINTR);
    f->pos = 0;
    f->end = n > 0 ? (size_t)n : 0;
    f->eof |= n == 0;
    f->error |= n < 0;
    return n > 0 ? 0 : EOF;
}

FILE *fdopen(int fd, const char *mode)
{
    (void)mode;
    FILE *f = malloc(sizeof *f);
    if (!f)
        return NULL;
    memset(f, 0, offsetof(struct file, buf));
    f->fd = fd;
    f->mode = -1;
    f->allocated = true;
    f->next = opened;
    opened = f;
    return f;
}

FILE *fopen(const char *restrict path, const char *restrict mode)
{
    int access = strchr(mode, '+') ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;
    int create = mode[0] == 'w' ? O_CREAT | O_TRUNC : mode[0] == 'a' ? O_CREAT | O_APPEND : 0;
    int fd = open(path, access | create | (strchr(mode, 'e') ? O_CLOEXEC : 0), 0666);
    if (fd < 0)
        return NULL;
    FILE *f = fdopen(fd, mode);
    if (!f)
        close(fd);
    return f;
}

int fclose(FILE *f)
{
    int r = fflush(f);
    r |= close(f->fd);
    for (struct file **p = &opened; *p; p = &(*p)->next)
        if (*p == f) {
            *p = f->next;
            break;
        }
    if (f->allocated)
        free(f);
    return r ? EOF : 0;
}

int setvbuf(FILE *restrict f, char *restrict buf, int mode, size_t size)
{
    (void)buf, (void)size; /* the file's own buffer is used */
    f->mode = mode;
    return 0;
}
