// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of kernel/lib/string.c against the host's libc: all alignments and small sizes, random
// texts, and numbers in text.
//
// link: tests/host/lib/shim.c tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c
// link: kernel/sync/[!i]*.c
#include <stdlib.h>
#include <string.h>
#include "lib/shim.h"
#include "lib/kstring.h"
#include "lib/rng.h"

static struct rng rng;

#define MAX_SIZE 100

static void fill_random(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = rng_next(&rng);
}

// The model and the result of one operation on two equal areas, with a margin on both sides.
struct areas {
    uint8_t got[3 * MAX_SIZE], expected[3 * MAX_SIZE];
};

static void areas_init(struct areas *a)
{
    fill_random(a->got, sizeof(a->got));
    memcpy(a->expected, a->got, sizeof(a->got));
}

static void areas_compare(const struct areas *a, const char *what, size_t x, size_t y, size_t n)
{
    CHECK(memcmp(a->got, a->expected, sizeof(a->got)) == 0, "%s at %zu, %zu, size %zu", what, x, y,
          n);
}

static void test_copies(void)
{
    uint8_t src[MAX_SIZE + 8];
    struct areas a;

    fill_random(src, sizeof(src));
    for (size_t x = 0; x < 8; x++)
        for (size_t y = 0; y < 8; y++)
            for (size_t n = 0; n <= MAX_SIZE; n++) {
                areas_init(&a);
                void *dst = a.got + MAX_SIZE + x;
                CHECK(k_memcpy(dst, src + y, n) == dst, "its value");
                memcpy(a.expected + MAX_SIZE + x, src + y, n);
                areas_compare(&a, "memcpy", x, y, n);
            }
}

// Exactly sized heap blocks, so that the sanitizer sees any access beyond an end.
static void test_copies_in_bounds(void)
{
    for (size_t n = 1; n <= MAX_SIZE; n++) {
        uint8_t *a = malloc(n), *b = malloc(n);
        fill_random(a, n);
        k_memcpy(b, a, n);
        CHECK(k_memcmp(a, b, n) == 0, "size %zu", n);
        k_memmove(b, a, n);
        k_memset(a, 0x5a, n);
        CHECK(a[0] == 0x5a && a[n - 1] == 0x5a, "size %zu", n);
        free(a);
        free(b);
    }
}

static void test_moves(void)
{
    struct areas a;

    for (size_t x = 0; x < 72; x++)
        for (size_t y = 0; y < 72; y += 1 + y / 16)
            for (size_t n = 0; n <= MAX_SIZE; n++) {
                areas_init(&a);
                void *dst = a.got + MAX_SIZE + x;
                CHECK(k_memmove(dst, a.got + MAX_SIZE + y, n) == dst, "its value");
                memmove(a.expected + MAX_SIZE + x, a.expected + MAX_SIZE + y, n);
                areas_compare(&a, "memmove", x, y, n);
            }
}

static void test_fills(void)
{
    struct areas a;

    for (size_t x = 0; x < 16; x++)
        for (size_t n = 0; n <= MAX_SIZE; n++) {
            int c = rng_next(&rng);
            areas_init(&a);
            void *dst = a.got + MAX_SIZE + x;
            CHECK(k_memset(dst, c, n) == dst, "its value");
            memset(a.expected + MAX_SIZE + x, c, n);
            areas_compare(&a, "memset", x, 0, n);
        }
}

static int sign(int v)
{
    return (v > 0) - (v < 0);
}

static void test_comparisons(void)
{
    uint8_t p[MAX_SIZE + 8], q[MAX_SIZE + 8];

    for (int round = 0; round < 20000; round++) {
        size_t x = rng_below(&rng, 8), y = rng_below(&rng, 8), n = rng_below(&rng, MAX_SIZE + 1);
        fill_random(p, sizeof(p));
        memcpy(q + y, p + x, n);
        for (unsigned changes = rng_below(&rng, 3); n && changes; changes--)
            q[y + rng_below(&rng, n)] ^= 1u << rng_below(&rng, 8);
        int got = k_memcmp(p + x, q + y, n), expected = memcmp(p + x, q + y, n);
        CHECK(sign(got) == sign(expected), "size %zu: got %d, expected %d", n, got, expected);
        int c = rng_below(&rng, 4) ? (int)p[x + rng_below(&rng, n + 1)] : (int)rng_next(&rng);
        CHECK(k_memchr(p + x, c, n) == memchr(p + x, c, n), "memchr of %#x, size %zu", c, n);
    }
}

// Strings of few different letters, so that equal parts and repeated letters are common.
static void test_strings(void)
{
    char p[24], q[24];

    for (int round = 0; round < 20000; round++) {
        size_t np = rng_below(&rng, sizeof(p)), nq = rng_below(&rng, sizeof(q));
        for (size_t i = 0; i < sizeof(p); i++) {
            p[i] = "ab\xff"[rng_below(&rng, 3)];
            q[i] = rng_below(&rng, 8) ? p[i] : "ab\xff"[rng_below(&rng, 3)];
        }
        p[np] = q[nq] = '\0';
        size_t n = rng_below(&rng, sizeof(p));
        int c = "abc\0\xff"[rng_below(&rng, 5)];
        CHECK(k_strlen(p) == strlen(p), "strlen %zu", k_strlen(p));
        CHECK(k_strnlen(p, n) == strnlen(p, n), "strnlen %zu", k_strnlen(p, n));
        CHECK(sign(k_strcmp(p, q)) == sign(strcmp(p, q)), "`%s' and `%s'", p, q);
        CHECK(sign(k_strncmp(p, q, n)) == sign(strncmp(p, q, n)), "`%s', `%s', %zu", p, q, n);
        CHECK(k_strchr(p, c) == strchr(p, c), "`%s', %d", p, c);
        CHECK(k_strrchr(p, c) == strrchr(p, c), "`%s', %d", p, c);
    }
}

static void test_strlcpy(void)
{
    char buf[8] = "-------";

    CHECK(strlcpy(buf, "abc", 8) == 3 && !strcmp(buf, "abc"), "got `%s'", buf);
    CHECK(strlcpy(buf, "abcdefgh", 4) == 8 && !strcmp(buf, "abc"), "got `%s'", buf);
    CHECK(strlcpy(buf, "x", 1) == 1 && buf[0] == '\0' && buf[1] == 'b', "got `%s'", buf);
    buf[0] = '?';
    CHECK(strlcpy(buf, "xy", 0) == 2 && buf[0] == '?', "got `%s'", buf);
}

// ---- Numbers in text ----

static void test_strtou64(void)
{
    static const struct {
        const char *text;
        unsigned base;
        uint64_t value;
        size_t length;
    } cases[] = {
        {"0", 0, 0, 1},
        {"42x", 0, 42, 2},
        {"0x1fG", 0, 0x1f, 4},
        {"0X1F", 16, 0x1f, 4},
        {"017", 0, 15, 3},
        {"08", 0, 0, 1},
        {"0x", 0, 0, 1},
        {"0xg", 16, 0, 1},
        {"", 0, 0, 0},
        {"x", 10, 0, 0},
        {" 1", 10, 0, 0},
        {"-1", 10, 0, 0},
        {"ff", 16, 255, 2},
        {"zz", 36, 35 * 37, 2},
        {"101", 2, 5, 3},
        {"102", 2, 2, 2},
        {"0x10", 10, 0, 1},
        {"18446744073709551615", 10, UINT64_MAX, 20},
        {"18446744073709551616", 10, UINT64_MAX, 20},
        {"99999999999999999999999z", 10, UINT64_MAX, 23},
        {"0xffffffffffffffff", 0, UINT64_MAX, 18},
        {"0x10000000000000000", 0, UINT64_MAX, 19},
    };

    for (size_t i = 0; i < array_len(cases); i++) {
        const char *end;
        uint64_t v = strtou64(cases[i].text, &end, cases[i].base);
        CHECK(v == cases[i].value, "`%s': %lu", cases[i].text, v);
        CHECK(end == cases[i].text + cases[i].length, "`%s': stopped at `%s'", cases[i].text, end);
    }
    CHECK(strtou64("7", NULL, 0) == 7, "without an end");
}

static void test_parse_size(void)
{
    static const char *const bad[] = {
        "",   "K",  "x",    "1T", "1KB",          "1K ",
        " 1", "-1", "1.5M", "0x", "17179869184G", "18446744073709551616"};
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},
                {"4096", 4096},
                {"4K", 4096},
                {"4k", 4096},
                {"0x10M", 16ul << 20},
                {"3G", 3ul << 30},
                {"17179869183G", 17179869183ul << 30}};
    uint64_t bytes = 77;

    for (size_t i = 0; i < array_len(bad); i++)
        CHECK(!parse_size(bad[i], &bytes) && bytes == 77, "`%s' gives %lu", bad[i], bytes);
    for (size_t i = 0; i < array_len(good); i++)
        CHECK(parse_size(good[i].text, &bytes) && bytes == good[i].bytes, "`%s' gives %lu",
              good[i].text, bytes);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    rng.state = shim_seed;
    RUN(test_copies);
    RUN(test_copies_in_bounds);
    RUN(test_moves);
    RUN(test_fills);
    RUN(test_comparisons);
    RUN(test_strings);
    RUN(test_strlcpy);
    RUN(test_strtou64);
    RUN(test_parse_size);
    return shim_done();
}
