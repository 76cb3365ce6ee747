// SPDX-License-Identifier: BSD-2-Clause
/*
 * Buffered files. Output to a terminal is sent at each line's end, stderr at once; everything else
 * when the buffer is full, at fflush and at exit. Conversions: d i u x X o c s p %, with flags,
 * width, precision and the length letters; no floating point.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

#define EOF      (-1)
#define BUFSIZ   4096
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#define _IOFBF   0
#define _IOLBF   1
#define _IONBF   2

typedef struct file FILE;

extern FILE *stdin, *stdout, *stderr;

FILE *fopen(const char *restrict path, const char *restrict mode);
FILE *fdopen(int fd, const char *mode);
int fclose(FILE *f);
int fflush(FILE *f); /* NULL: all files */
int setvbuf(FILE *restrict f, char *restrict buf, int mode, size_t size);
int fileno(FILE *f);
int feof(FILE *f);
int ferror(FILE *f);
void clearerr(FILE *f);

size_t fread(void *restrict p, size_t size, size_t n, FILE *restrict f);
size_t fwrite(const void *restrict p, size_t size, size_t n, FILE *restrict f);
int fgetc(FILE *f);
int getc(FILE *f);
int getchar(void);
int ungetc(int c, FILE *f);
char *fgets(char *restrict s, int n, FILE *restrict f);
ssize_t getline(char **restrict line, size_t *restrict size, FILE *restrict f);
int fputc(int c, FILE *f);
int putc(int c, FILE *f);
int putchar(int c);
int fputs(const char *restrict s, FILE *restrict f);
int puts(const char *s);
void perror(const char *what);
int remove(const char *path);
int rename(const char *from, const char *to);

#define PRINTF_LIKE(fmt, first) __attribute__((__format__(__printf__, fmt, first)))
int printf(const char *restrict fmt, ...) PRINTF_LIKE(1, 2);
int fprintf(FILE *restrict f, const char *restrict fmt, ...) PRINTF_LIKE(2, 3);
int dprintf(int fd, const char *restrict fmt, ...) PRINTF_LIKE(2, 3);
int sprintf(char *restrict s, const char *restrict fmt, ...) PRINTF_LIKE(2, 3);
int snprintf(char *restrict s, size_t n, const char *restrict fmt, ...) PRINTF_LIKE(3, 4);
int vprintf(const char *restrict fmt, va_list ap) PRINTF_LIKE(1, 0);
int vfprintf(FILE *restrict f, const char *restrict fmt, va_list ap) PRINTF_LIKE(2, 0);
int vsnprintf(char *restrict s, size_t n, const char *restrict fmt, va_list ap) PRINTF_LIKE(3, 0);
