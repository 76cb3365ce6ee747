// SPDX-License-Identifier: BSD-2-Clause
//
// The kernel's string functions: those that the host's libc has too under names of their own.
#pragma once

#include "lib/types.h"

void *k_memcpy(void *dst, const void *src, size_t n);
void *k_memmove(void *dst, const void *src, size_t n);
void *k_memset(void *dst, int c, size_t n);
int k_memcmp(const void *a, const void *b, size_t n);
void *k_memchr(const void *s, int c, size_t n);
size_t k_strlen(const char *s);
size_t k_strnlen(const char *s, size_t max);
int k_strcmp(const char *a, const char *b);
int k_strncmp(const char *a, const char *b, size_t n);
char *k_strchr(const char *s, int c);
char *k_strrchr(const char *s, int c);

size_t strlcpy(char *dst, const char *src, size_t size);
uint64_t strtou64(const char *s, const char **end, unsigned base);
bool parse_size(const char *s, uint64_t *bytes);
