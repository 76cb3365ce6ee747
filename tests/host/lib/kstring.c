// SPDX-License-Identifier: BSD-2-Clause
//
// The kernel's string.c for programs on the host: what the host's libc also has gets the names of
// kstring.h; strlcpy, strtou64 and parse_size keep theirs.
#include "lib/string.h"
#include "lib/kstring.h"

#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#define memcpy  k_memcpy
#define memmove k_memmove
#define memset  k_memset
#define memcmp  k_memcmp
#define memchr  k_memchr
#define strlen  k_strlen
#define strnlen k_strnlen
#define strcmp  k_strcmp
#define strncmp k_strncmp
#define strchr  k_strchr
#define strrchr k_strrchr

#include "kernel/lib/string.c"
