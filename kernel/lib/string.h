// SPDX-License-Identifier: BSD-2-Clause
//
// The C library's memory and string functions that the kernel uses, with their usual meaning.
#pragma once

#include "lib/types.h"

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);

// Copies at most size-1 bytes and terminates; returns strlen(src), so >= size means it was cut.
size_t strlcpy(char *dst, const char *src, size_t size);

// Parses an unsigned number (0x and 0 prefixes in base 0), no sign or blanks; *end (if end is not
// NULL) is where it stopped, s itself if there is no digit. Too large a number gives UINT64_MAX.
uint64_t strtou64(const char *s, const char **end, unsigned base);

// Parses a whole text as a number as strtou64 takes it; false if it is none.
bool parse_number(const char *s, uint64_t *value);

// Parses a size with an optional suffix K, M or G in either case; false if malformed or too large.
bool parse_size(const char *s, uint64_t *bytes);

// A freestanding compiler takes these for ordinary functions; as builtins, those of constant size
// become a few instructions.
#define memcpy(dst, src, n)  __builtin_memcpy(dst, src, n)
#define memmove(dst, src, n) __builtin_memmove(dst, src, n)
#define memset(dst, c, n)    __builtin_memset(dst, c, n)
#define memcmp(a, b, n)      __builtin_memcmp(a, b, n)
#define strlen(s)            __builtin_strlen(s)
