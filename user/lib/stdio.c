// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading and writing of buffered files by characters, lines and blocks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "file.h"

int fgetc(FILE *f)
{
    if ((f->writing || f->pos == f->end) && __fill(f) == EOF)
        return EOF;
    return (unsigned char)f->buf[f->pos++];
}

int getc(FILE *f)
{
    return fgetc(f);
}

int getchar(void)
{
    return fgetc(stdin);
}

int ungetc(int c, FILE *f)
{
    if (c == EOF || f->pos == 0)
        return EOF;
    f->buf[--f->pos] = (char)c;
    f->eof = false;
    return c;
}

size_t fread(void *restrict p, size_t size, size_t n, FILE *restrict f)
{
    char *s = p;
    size_t left = size * n;
    while (left > 0) {
        if ((f->writing || f->pos == f->end) && __fill(f) == EOF)
            break;
        size_t part = f->end - f->pos < left ? f->end - f->pos : left;
        memcpy(s, f->buf + f->pos, part);
        f->pos += part;
        s += part;
        left -= part;
    }
    return size ? n - (left + size - 1) / size : 0;
}

char *fgets(char *restrict s, int n, FILE *restrict f)
{
    int i = 0, c = 0;
    while (i < n - 1 && c != '\n' && (c = fgetc(f)) != EOF)
        s[i++] = (char)c;
    if (i == 0)
        return NULL;
    s[i] = '\0';
    return s;
}

ssize_t getline(char **restrict line, size_t *restrict size, FILE *restrict f)
{
    size_t n = 0;
    for (int c = 0; c != '\n' && (c = fgetc(f)) != EOF;) {
        if (n + 2 > *size || !*line) {
            size_t bigger = *line && *size ? 2 * *size + 2 : 128;
            char *p = realloc(*line, bigger);
            if (!p)
                return -1;
            *line = p;
            *size = bigger;
        }
        (*line)[n++] = (char)c;
    }
    if (n == 0)
        return -1;
    (*line)[n] = '\0';
    return (ssize_t)n;
}

size_t fwrite(const void *restrict p, size_t size, size_t n, FILE *restrict f)
{
    return size ? __put(f, p, size * n) / size : 0;
}

int fputc(int c, FILE *f)
{
    char ch = (char)c;
    return __put(f, &ch, 1) == 1 ? (unsigned char)c : EOF;
}

int putc(int c, FILE *f)
{
    return fputc(c, f);
}

int putchar(int c)
{
    return fputc(c, stdout);
}

int fputs(const char *restrict s, FILE *restrict f)
{
    size_t n = strlen(s);
    return __put(f, s, n) == n ? 0 : EOF;
}

int puts(const char *s)
{
    return fputs(s, stdout) == 0 && putchar('\n') != EOF ? 0 : EOF;
}

void perror(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
}

int fileno(FILE *f)
{
    return f->fd;
}

int feof(FILE *f)
{
    return f->eof;
}

int ferror(FILE *f)
{
    return f->error;
}

void clearerr(FILE *f)
{
    f->eof = f->error = false;
}
