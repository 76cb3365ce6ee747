// SPDX-License-Identifier: BSD-2-Clause
//
// The user land's libc against the host's: strings, numbers, formats, patterns, the calendar,
// sorting, malloc and buffered files, with random arguments. The libc's files are part of this one,
// under other names.
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 20000

static uint64_t state;

static unsigned rnd(unsigned below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % below;
}

static const char *test_name;

#define CHECK(cond, ...)                                                                           \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            printf("not ok %s: line %d: %s: ", test_name, __LINE__, #cond);                        \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

// The host's functions, before their names stand for ours.
static typeof(memmove) *const host_memmove = memmove;
static typeof(strcmp) *const host_strcmp = strcmp;
static typeof(strncmp) *const host_strncmp = strncmp;
static typeof(strcasecmp) *const host_strcasecmp = strcasecmp;
static typeof(strstr) *const host_strstr = strstr;
static typeof(strspn) *const host_strspn = strspn;
static typeof(strcspn) *const host_strcspn = strcspn;
static typeof(strtok_r) *const host_strtok_r = strtok_r;
static typeof(strtol) *const host_strtol = strtol;
static typeof(strtoul) *const host_strtoul = strtoul;
static typeof(fnmatch) *const host_fnmatch = fnmatch;
static typeof(gmtime_r) *const host_gmtime_r = gmtime_r;
static typeof(strftime) *const host_strftime = strftime;
static typeof(vsnprintf) *const host_vsnprintf = vsnprintf;

#include "lib/our_names.h"
#include "user/lib/calendar.c"
#include "user/lib/fnmatch.c"
#include "user/lib/malloc.c"
#include "user/lib/sort.c"
#include "user/lib/str.c"
#include "user/lib/string.c"
#include "user/lib/strtol.c"
#undef ROUND
#undef PAGE
#include "user/lib/file.c"
#include "user/lib/printf.c"
#include "user/lib/stdio.c"
#undef printf
#undef sprintf

void (*__flush_all)(void);

static bool same_sign(int a, int b)
{
    return (a < 0) == (b < 0) && (a > 0) == (b > 0);
}

static void random_text(char *s, unsigned max, const char *alphabet)
{
    unsigned n = rnd(max);
    for (unsigned i = 0; i < n; i++)
        s[i] = alphabet[rnd((unsigned)our_strlen(alphabet))];
    s[n] = '\0';
}

static void test_memory(void)
{
    char got[300], expected[300];
    for (int r = 0; r < ROUNDS; r++) {
        for (size_t i = 0; i < sizeof got; i++)
            got[i] = expected[i] = (char)rnd(256);
        size_t to = rnd(150), from = rnd(150), n = rnd(140);
        our_memmove(got + to, got + from, n);
        host_memmove(expected + to, expected + from, n);
        CHECK(our_memcmp(got, expected, sizeof got) == 0, "move %zu from %zu to %zu", n, from, to);
        int c = (int)rnd(256);
        our_memset(got + to, c, n);
        for (size_t i = 0; i < n; i++)
            expected[to + i] = (char)c;
        CHECK(our_memcmp(got, expected, sizeof got) == 0, "set %zu at %zu", n, to);
    }
}

static void test_strings(void)
{
    char a[24], b[8], c[24], *save1, *save2;
    for (int r = 0; r < ROUNDS; r++) {
        random_text(a, sizeof a, "abAB");
        random_text(b, rnd(4) + 1, "abAB");
        size_t n = rnd(6);
        CHECK(same_sign(our_strcmp(a, b), host_strcmp(a, b)), "`%s' `%s'", a, b);
        CHECK(same_sign(our_strncmp(a, b, n), host_strncmp(a, b, n)), "`%s' `%s' %zu", a, b, n);
        CHECK(same_sign(our_strcasecmp(a, b), host_strcasecmp(a, b)), "`%s' `%s'", a, b);
        CHECK(our_strstr(a, b) == host_strstr(a, b), "`%s' in `%s'", b, a);
        CHECK(our_strspn(a, b) == host_strspn(a, b), "`%s' `%s'", a, b);
        CHECK(our_strcspn(a, b) == host_strcspn(a, b), "`%s' `%s'", a, b);
        our_strcpy(c, a);
        char *t1 = our_strtok_r(a, b, &save1), *t2 = host_strtok_r(c, b, &save2);
        while (t1 && t2) {
            CHECK(host_strcmp(t1, t2) == 0 && t1 - a == t2 - c, "`%s' `%s'", t1, t2);
            t1 = our_strtok_r(NULL, b, &save1);
            t2 = host_strtok_r(NULL, b, &save2);
        }
        CHECK(!t1 && !t2, "one has more words");
    }
}

static void test_numbers(void)
{
    static const char *const texts[] = {"9223372036854775807",
                                        "9223372036854775808",
                                        "-9223372036854775808",
                                        "-9223372036854775809",
                                        "18446744073709551615",
                                        "18446744073709551616",
                                        "0x",
                                        "0xg",
                                        "-",
                                        "+",
                                        "",
                                        " \t12"};
    char s[26], *end1, *end2;
    for (int r = 0; r < ROUNDS; r++) {
        int base = r % 3 == 0 ? 0 : r % 3 == 1 ? 10 : (int)rnd(35) + 2;
        if (r < 12)
            our_strcpy(s, texts[r]);
        else
            random_text(s, sizeof s, " +-0012379xafz");
        errno = 0;
        long a = our_strtol(s, &end1, base);
        int e1 = errno;
        errno = 0;
        long b = host_strtol(s, &end2, base);
        CHECK(a == b && end1 == end2 && (e1 == ERANGE) == (errno == ERANGE),
              "`%s' base %d: %ld, not %ld", s, base, a, b);
        unsigned long c = our_strtoul(s, &end1, base), d = host_strtoul(s, &end2, base);
        CHECK(c == d && end1 == end2, "`%s' base %d: %lu, not %lu", s, base, c, d);
    }
}

static void compare_format(const char *fmt, ...)
{
    char a[200], b[200];
    size_t size = rnd(4) ? sizeof a : rnd(20);
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int x = our_vsnprintf(a, size, fmt, ap), y = host_vsnprintf(b, size, fmt, again);
    va_end(again);
    va_end(ap);
    CHECK(x == y && (size == 0 || host_strcmp(a, b) == 0), "`%s': %d `%s', not %d `%s'", fmt, x,
          size ? a : "", y, size ? b : "");
}

static void test_formats(void)
{
    static const char *const lengths[] = {"hh", "h", "", "l", "ll", "j", "z"};
    for (int r = 0; r < ROUNDS; r++) {
        char fmt[40] = "<%", *p = fmt + 2;
        char conv = "diuoxXcs"[rnd(8)];
        bool unsigned_conv = our_strchr("uoxX", conv), text = conv == 'c' || conv == 's';
        for (unsigned n = rnd(3); n > 0; n--)
            *p++ = text ? '-' : unsigned_conv ? "-0"[rnd(2)] : "-0+ "[rnd(4)];
        if (rnd(2))
            p += sprintf(p, "%u", rnd(25) + 1);
        if (rnd(2) && conv != 'c')
            p += sprintf(p, ".%u", rnd(12));
        unsigned length = text ? 2 : rnd(7);
        our_strcpy(our_stpcpy(our_stpcpy(p, lengths[length]), (char[]){conv, 0}), ">%%");
        long value = (long)((uint64_t)rnd(1u << 31) << rnd(34));
        value = rnd(2) ? value : rnd(3) ? -value : 0;
        if (conv == 's')
            compare_format(fmt, "some text");
        else if (length < 3)
            compare_format(fmt, (int)value);
        else
            compare_format(fmt, value);
    }
    compare_format("%*d|%-*d|%.*s", 7, 42, 7, 43, 3, "abcdef");
    compare_format("%p %s", (void *)0x1234, "end");
    compare_format("%#x %#o %#X", 255, 8, 48879);
}

static void random_pattern(char *p)
{
    static const char *const items[] = {"a",   "b", "?",           "*", "[ab]",   "[!a]", "[a-c]",
                                        "\\*", "/", "[[:alpha:]]", ".", "[!a-b]", "[]a]"};
    *p = '\0';
    for (unsigned n = rnd(6); n > 0; n--)
        p = our_stpcpy(p, items[rnd(13)]);
}

static void test_patterns(void)
{
    char p[100], s[10];
    for (int r = 0; r < ROUNDS; r++) {
        random_pattern(p);
        random_text(s, sizeof s, "abc*/.]");
        int flags = (rnd(2) ? FNM_PATHNAME : 0);
        int a = our_fnmatch(p, s, flags), b = host_fnmatch(p, s, flags);
        CHECK(a == b, "`%s' and `%s', flags %d: %d, not %d", p, s, flags, a, b);
    }
    CHECK(our_fnmatch("*", ".x", FNM_PERIOD) != 0 && our_fnmatch(".*", ".x", FNM_PERIOD) == 0,
          "leading period");
}

static void test_calendar(void)
{
    for (int r = 0; r < ROUNDS; r++) {
        time_t t = (time_t)((uint64_t)rnd(1u << 31) << rnd(6)) - (1l << 33);
        struct tm a = {0}, b = {0};
        char x[200], y[200];
        our_gmtime_r(&t, &a);
        host_gmtime_r(&t, &b);
        CHECK(a.tm_year == b.tm_year && a.tm_mon == b.tm_mon && a.tm_mday == b.tm_mday &&
                  a.tm_hour == b.tm_hour && a.tm_min == b.tm_min && a.tm_sec == b.tm_sec &&
                  a.tm_wday == b.tm_wday && a.tm_yday == b.tm_yday,
              "time %ld", (long)t);
        const char *fmt = "%Y %m %d %H:%M:%S %j %a %A %b %B %e %y %F %T %D %%";
        if (b.tm_year < -900 || b.tm_year > 8099)
            continue;
        our_strftime(x, sizeof x, fmt, &a);
        host_strftime(y, sizeof y, fmt, &b);
        CHECK(host_strcmp(x, y) == 0, "`%s', not `%s'", x, y);
    }
}

static int by_value(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static void test_sorting(void)
{
    int v[200];
    for (int r = 0; r < 1000; r++) {
        size_t n = rnd(200);
        long sum = 0, after = 0;
        for (size_t i = 0; i < n; i++)
            sum += v[i] = (int)rnd(100);
        our_qsort(v, n, sizeof v[0], by_value);
        for (size_t i = 0; i < n; i++) {
            after += v[i];
            CHECK(i == 0 || v[i - 1] <= v[i], "%d before %d", v[i - 1], v[i]);
        }
        CHECK(sum == after, "%ld, not %ld", after, sum);
        int key = (int)rnd(100), *found = our_bsearch(&key, v, n, sizeof v[0], by_value);
        bool there = false;
        for (size_t i = 0; i < n; i++)
            there |= v[i] == key;
        CHECK(found ? *found == key : !there, "search of %d", key);
    }
}

// Blocks keep what was written to them, are aligned and do not overlap.
static void test_malloc(void)
{
    enum { N = 100 };
    static unsigned char *block[N], tag[N];
    static size_t size[N];
    for (int r = 0; r < ROUNDS; r++) {
        unsigned i = rnd(N);
        for (size_t k = 0; k < size[i]; k += 1 + size[i] / 16)
            CHECK(block[i][k] == tag[i], "byte %zu of %zu", k, size[i]);
        size_t old = size[i];
        size[i] = rnd(8) ? rnd(300) : rnd(100000);
        if (rnd(2)) {
            block[i] = our_realloc(block[i], size[i]);
            for (size_t k = 0; k < old && k < size[i]; k += 1 + size[i] / 16)
                CHECK(block[i][k] == tag[i], "byte %zu after realloc to %zu", k, size[i]);
        } else {
            our_free(block[i]);
            block[i] = our_calloc(1, size[i]);
            for (size_t k = 0; k < size[i]; k++)
                CHECK(block[i][k] == 0, "byte %zu of calloc", k);
        }
        CHECK(block[i] && (uintptr_t)block[i] % 16 == 0, "address %p", (void *)block[i]);
        tag[i] = (unsigned char)r;
        our_memset(block[i], r, size[i]);
    }
    for (int i = 0; i < N; i++)
        our_free(block[i]);
    CHECK(our_malloc(SIZE_MAX) == NULL && our_calloc(SIZE_MAX, 2) == NULL, "too much");
}

// Lines written in portions come back by every way of reading.
static void test_files(void)
{
    char path[] = "/tmp/strata-libc.XXXXXX", *line = NULL;
    size_t capacity = 0;
    close(mkstemp(path));
    for (int r = 0; r < 20; r++) {
        struct file *f = our_fopen(path, "w");
        unsigned n = rnd(2000);
        for (unsigned i = 0; i < n; i++)
            our_fprintf(f, "%u:%0*u\n", i, (int)(i % 50), i);
        CHECK(our_fclose(f) == 0, "close");
        f = our_fopen(path, "r");
        for (unsigned i = 0; i < n; i++) {
            char expected[100], got[100];
            sprintf(expected, "%u:%0*u\n", i, (int)(i % 50), i);
            size_t len = our_strlen(expected);
            if (i % 3 == 0)
                CHECK(our_getline(&line, &capacity, f) == (ssize_t)len, "line %u", i);
            else if (i % 3 == 1)
                CHECK(our_fgets(got, sizeof got, f), "line %u", i);
            else
                CHECK(our_fread(got, 1, len, f) == len, "line %u", i);
            const char *read = i % 3 == 0 ? line : got;
            CHECK(our_memcmp(read, expected, len) == 0, "line %u", i);
            int c = our_fgetc(f);
            CHECK(i + 1 < n ? our_ungetc(c, f) == c : c == EOF, "after line %u", i);
        }
        CHECK(our_fgetc(f) == EOF && our_feof(f) && !our_ferror(f), "end");
        our_fclose(f);
    }
    our_free(line);
    unlink(path);
}

static void run(const char *name, void (*test)(void))
{
    test_name = name;
    test();
    printf("ok %s\n", name);
}

int main(int argc, char **argv)
{
    state = argc > 1 ? our_strtoul(argv[1], NULL, 0) : 1;
    run("memory", test_memory);
    run("strings", test_strings);
    run("numbers", test_numbers);
    run("formats", test_formats);
    run("patterns", test_patterns);
    run("calendar", test_calendar);
    run("sorting", test_sorting);
    run("malloc", test_malloc);
    run("files", test_files);
    return 0;
}
