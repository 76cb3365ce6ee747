// SPDX-License-Identifier: BSD-2-Clause
//
// Other names for the functions of the user land's libc, so that it can be compared with the host's
// in one program. Include it after the host's headers and before the libc's files.
#pragma once

#undef memcpy
#define memcpy our_memcpy
#undef memmove
#define memmove our_memmove
#undef memset
#define memset our_memset
#undef memcmp
#define memcmp our_memcmp
#undef memchr
#define memchr our_memchr
#undef strlen
#define strlen our_strlen
#undef strnlen
#define strnlen our_strnlen
#undef stpcpy
#define stpcpy our_stpcpy
#undef strcpy
#define strcpy our_strcpy
#undef strncpy
#define strncpy our_strncpy
#undef strcat
#define strcat our_strcat
#undef strcmp
#define strcmp our_strcmp
#undef strncmp
#define strncmp our_strncmp
#undef strcasecmp
#define strcasecmp our_strcasecmp
#undef strncasecmp
#define strncasecmp our_strncasecmp
#undef strchr
#define strchr our_strchr
#undef strrchr
#define strrchr our_strrchr
#undef strstr
#define strstr our_strstr
#undef strspn
#define strspn our_strspn
#undef strcspn
#define strcspn our_strcspn
#undef strpbrk
#define strpbrk our_strpbrk
#undef strtok_r
#define strtok_r our_strtok_r
#undef strndup
#define strndup our_strndup
#undef strdup
#define strdup our_strdup
#undef strtol
#define strtol our_strtol
#undef strtoul
#define strtoul our_strtoul
#undef strtoll
#define strtoll our_strtoll
#undef strtoull
#define strtoull our_strtoull
#undef atoi
#define atoi our_atoi
#undef atol
#define atol our_atol
#undef abs
#define abs our_abs
#undef labs
#define labs our_labs
#undef qsort
#define qsort our_qsort
#undef bsearch
#define bsearch our_bsearch
#undef srand
#define srand our_srand
#undef rand
#define rand our_rand
#undef fnmatch
#define fnmatch our_fnmatch
#undef gmtime
#define gmtime our_gmtime
#undef gmtime_r
#define gmtime_r our_gmtime_r
#undef strftime
#define strftime our_strftime
#undef malloc
#define malloc our_malloc
#undef free
#define free our_free
#undef calloc
#define calloc our_calloc
#undef realloc
#define realloc our_realloc
#undef fopen
#define fopen our_fopen
#undef fdopen
#define fdopen our_fdopen
#undef fclose
#define fclose our_fclose
#undef fflush
#define fflush our_fflush
#undef setvbuf
#define setvbuf our_setvbuf
#undef fileno
#define fileno our_fileno
#undef feof
#define feof our_feof
#undef ferror
#define ferror our_ferror
#undef clearerr
#define clearerr our_clearerr
#undef fread
#define fread our_fread
#undef fwrite
#define fwrite our_fwrite
#undef fgetc
#define fgetc our_fgetc
#undef getc
#define getc our_getc
#undef getchar
#define getchar our_getchar
#undef ungetc
#define ungetc our_ungetc
#undef fgets
#define fgets our_fgets
#undef getline
#define getline our_getline
#undef fputc
#define fputc our_fputc
#undef putc
#define putc our_putc
#undef putchar
#define putchar our_putchar
#undef fputs
#define fputs our_fputs
#undef puts
#define puts our_puts
#undef perror
#define perror our_perror
#undef printf
#define printf our_printf
#undef fprintf
#define fprintf our_fprintf
#undef dprintf
#define dprintf our_dprintf
#undef sprintf
#define sprintf our_sprintf
#undef snprintf
#define snprintf our_snprintf
#undef vprintf
#define vprintf our_vprintf
#undef vfprintf
#define vfprintf our_vfprintf
#undef vsnprintf
#define vsnprintf our_vsnprintf
#undef stdin
#define stdin our_stdin
#undef stdout
#define stdout our_stdout
#undef stderr
#define stderr our_stderr

// What both define, the host's in other words.
#undef EOF
#undef BUFSIZ
#undef EXIT_SUCCESS
#undef EXIT_FAILURE
#undef RAND_MAX
#undef FNM_NOMATCH
#undef FNM_PATHNAME
#undef FNM_PERIOD
#define FILE our_FILE

#include "user/include/fnmatch.h"
#include "user/include/stdio.h"
#include "user/include/stdlib.h"
#include "user/include/string.h"
#include "user/include/strings.h"
struct tm *gmtime_r(const time_t *restrict t, struct tm *restrict tm);
size_t strftime(char *restrict s, size_t max, const char *restrict fmt,
                const struct tm *restrict tm);
