// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of kernel/lib: each function against the host's libc, a plain model or known values.
// link: kernel/lib/bitmap.c kernel/lib/crc32.c
// link: tests/host/lib/shim.c tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c
// link: kernel/sync/[!i]*.c
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/shim.h"
#include "lib/bitmap.h"
#include "lib/crc32.h"
#include "lib/kstring.h"
#include "lib/list.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/rng.h"

size_t strlcpy(char *dst, const char *src, size_t size);
uint64_t strtou64(const char *s, const char **end, unsigned base);
bool parse_size(const char *s, uint64_t *bytes);

static struct rng rng;

// ---- string.c ----

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
        {"0", 0, 0, 1},          {"42x", 0, 42, 2},         {"0x1fG", 0, 0x1f, 4},
        {"0X1F", 16, 0x1f, 4},   {"017", 0, 15, 3},         {"08", 0, 0, 1},
        {"0x", 0, 0, 1},         {"0xg", 16, 0, 1},         {"", 0, 0, 0},
        {"x", 10, 0, 0},         {" 1", 10, 0, 0},          {"-1", 10, 0, 0},
        {"ff", 16, 255, 2},      {"zz", 36, 35 * 37, 2},    {"101", 2, 5, 3},
        {"102", 2, 2, 2},        {"0x10", 10, 0, 1},
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
    static const char *const bad[] = {"",   "K",   "x",   "1T",  "1KB", "1K ", " 1",
                                      "-1", "1.5M", "0x", "17179869184G", "18446744073709551616"};
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},         {"4096", 4096},    {"4K", 4096},          {"4k", 4096},
                {"0x10M", 16ul << 20}, {"3G", 3ul << 30}, {"17179869183G", 17179869183ul << 30}};
    uint64_t bytes = 77;

    for (size_t i = 0; i < array_len(bad); i++)
        CHECK(!parse_size(bad[i], &bytes) && bytes == 77, "`%s' gives %lu", bad[i], bytes);
    for (size_t i = 0; i < array_len(good); i++)
        CHECK(parse_size(good[i].text, &bytes) && bytes == good[i].bytes, "`%s' gives %lu",
              good[i].text, bytes);
}

// ---- printf.c ----

static void compare_texts(const char *fmt, size_t size, const char *got, int got_length,
                          const char *expected, int expected_length)
{
    CHECK(strcmp(got, expected) == 0 && got_length == expected_length,
          "`%s' into %zu bytes: `%s' (%d), expected `%s' (%d)", fmt, size, got, got_length,
          expected, expected_length);
}

// Formats by both, into buffers of several sizes.
#define SAME(fmt, ...)                                                                             \
    for (size_t size_ = 1; size_ <= 80; size_ += 1 + size_ / 4) {                                  \
        char got_[80], expected_[80];                                                              \
        int n_ = ksnprintf(got_, size_, fmt, ##__VA_ARGS__);                                       \
        int m_ = snprintf(expected_, size_, fmt, ##__VA_ARGS__);                                   \
        compare_texts(fmt, size_, got_, n_, expected_, m_);                                        \
    }

static void test_printf_integers(void)
{
    static const char *const flags[] = {"",   "-",  "0",  "+",  " ",  "#",   "-0",
                                        "+0", " 0", "#0", "-#", "+-", "-+0#"};
    static const char *const sizes[] = {"", "1", "5", "12", ".0", ".1", ".4", "8.3", "3.8", "."};
    static const char *const kinds[] = {"hhd", "hd", "d",  "ld", "lld", "zd", "jd",  "td",
                                        "i",   "u",  "hhu", "hu", "lu", "x",  "lx",  "llX",
                                        "hhx", "zx", "o",  "lo", "X"};
    static const uint64_t values[] = {0, 1, 9, 10, 255, 0x7f, 0x80, 0xffff8000, 0x7fffffff,
                                      0x80000000, ~0ul, 1ul << 63, 0x123456789abcdef};
    char fmt[32];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
    for (size_t f = 0; f < array_len(flags); f++)
        for (size_t s = 0; s < array_len(sizes); s++)
            for (size_t k = 0; k < array_len(kinds); k++) {
                snprintf(fmt, sizeof(fmt), "<%%%s%s%s>", flags[f], sizes[s], kinds[k]);
                for (size_t v = 0; v < array_len(values); v++)
                    SAME(fmt, values[v]);
            }
#pragma GCC diagnostic pop
}

static void test_printf_others(void)
{
    SAME("plain text of some length, longer than many a buffer");
    SAME("%s|%10s|%-10s|%.2s|%5.1s|%.0s", "string", "right", "left", "cut", "both", "none");
    SAME("%c%3c%-3c|%%", 'a', 'b', 'c');
    SAME("%*d|%-*d|%*d|%.*d|%.*s", 6, 1, 6, 2, -6, 3, 4, 4, 2, "precise");
    SAME("%.*d|%.*s", -1, 0, -5, "no precision");
    SAME("%p %p", (void *)main, (void *)0x1000);
    SAME("%d%s%d", 1, "", 2);
    char unterminated[3] = {'a', 'b', 'c'};
    SAME("%.3s", unterminated);
    char buf[32];
    ksnprintf(buf, sizeof(buf), "%s %5s", (char *)NULL, (char *)NULL);
    CHECK(!strcmp(buf, "(null) (null)"), "got `%s'", buf);
    ksnprintf(buf, sizeof(buf), "%p", NULL);
    CHECK(!strcmp(buf, "0x0"), "got `%s'", buf);
    CHECK(ksnprintf(NULL, 0, "%d", 1234) == 4, "length without a buffer");
}

static char sunk[KPRINTF_MAX + 1];
static unsigned sinks;

static void sink(const char *text, size_t len)
{
    memcpy(sunk, text, len);
    sunk[len] = '\0';
    sinks++;
}

static void test_kprintf(void)
{
    char text[2 * KPRINTF_MAX + 1];

    kprintf_set_sink(sink);
    kprintf("%s and %d\n", "text", 12);
    CHECK(!strcmp(sunk, "text and 12\n") && sinks == 1, "got `%s' in %u", sunk, sinks);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    kprintf("%s", text);
    CHECK(strlen(sunk) == KPRINTF_MAX - 1 && sinks == 2, "got %zu bytes", strlen(sunk));
    kprintf_set_sink(NULL);
    kprintf("lost");
    CHECK(sinks == 2, "%u messages", sinks);
}

static void test_strbuf(void)
{
    struct strbuf sb;
    char buf[12];

    strbuf_init(&sb, buf, sizeof(buf));
    CHECK(buf[0] == '\0' && sb.len == 0 && !sb.full, "not empty");
    strbuf_printf(&sb, "%d,", 12345);
    strbuf_printf(&sb, "%d", 67890);
    CHECK(!strcmp(buf, "12345,67890") && sb.len == 11 && !sb.full, "got `%s'", buf);
    strbuf_printf(&sb, "%s", "");
    CHECK(!sb.full, "full by nothing");
    strbuf_printf(&sb, "!");
    strbuf_printf(&sb, "?");
    CHECK(!strcmp(buf, "12345,67890") && sb.len == 11 && sb.full, "got `%s'", buf);
}

// ---- bitmap.c, crc32.c, list.h, panic.h ----

static void test_bitmap(void)
{
    uint64_t map[4];
    bool model[256];

    for (int round = 0; round < 300; round++) {
        size_t nbits = 1 + rng_below(&rng, 256), count = 0;
        unsigned density = 1 + rng_below(&rng, 100);
        fill_random((uint8_t *)map, sizeof(map));
        for (size_t i = 0; i < nbits; i++) {
            model[i] = rng_below(&rng, density) == 0;
            count += model[i];
            (model[i] ? bitmap_set : bitmap_clear)(map, i);
        }
        CHECK(bitmap_count(map, nbits) == count, "got %zu of %zu", bitmap_count(map, nbits), count);
        size_t set = nbits, clear = nbits;
        CHECK(bitmap_find_set(map, nbits, nbits) == nbits, "from the end");
        for (size_t i = nbits; i-- > 0;) {
            CHECK(bitmap_test(map, i) == model[i], "bit %zu", i);
            *(model[i] ? &set : &clear) = i;
            size_t s = bitmap_find_set(map, nbits, i), c = bitmap_find_clear(map, nbits, i);
            CHECK(s == set && c == clear, "from %zu: set %zu (%zu), clear %zu (%zu)", i, s, set, c,
                  clear);
        }
    }
}

static uint32_t crc32_bit_by_bit(const uint8_t *p, size_t n)
{
    uint32_t crc = ~0u;

    for (size_t i = 0; i < n * 8; i++) {
        bool bit = (crc ^ p[i / 8] >> i % 8) & 1;
        crc = crc >> 1 ^ (bit ? 0xedb88320u : 0);
    }
    return ~crc;
}

static void test_crc32(void)
{
    uint8_t data[300];

    CHECK(crc32(0, "", 0) == 0, "of nothing");
    CHECK(crc32(0, "123456789", 9) == 0xcbf43926, "got %#x", crc32(0, "123456789", 9));
    CHECK(crc32(0, "a", 1) == 0xe8b7be43, "got %#x", crc32(0, "a", 1));
    fill_random(data, sizeof(data));
    for (size_t n = 0; n <= sizeof(data); n++) {
        size_t cut = rng_below(&rng, n + 1);
        uint32_t expected = crc32_bit_by_bit(data, n), got = crc32(0, data, n);
        CHECK(got == expected, "size %zu: %#x, expected %#x", n, got, expected);
        got = crc32(crc32(0, data, cut), data + cut, n - cut);
        CHECK(got == expected, "size %zu, cut at %zu: %#x, expected %#x", n, cut, got, expected);
    }
}

struct item {
    int value;
    struct list link;
};

static void test_list(void)
{
    struct list a = LIST_INIT(a), b = LIST_INIT(b);
    struct item items[6];
    int expected = 0;

    CHECK(!list_first(&a, struct item, link) && !list_pop(&a, struct item, link), "not empty");
    for (int i = 0; i < 6; i++) {
        items[i].value = i;
        list_push_back(i < 3 ? &a : &b, &items[i].link);
    }
    list_splice(&a, &b);
    list_splice(&a, &b);
    CHECK(list_empty(&b) && list_last(&a, struct item, link) == &items[5], "splice");
    list_for_each(it, &a, struct item, link)
        CHECK(it->value == expected++, "got %d", it->value);
    CHECK(expected == 6, "%d items", expected);
    list_for_each_safe(it, &a, struct item, link)
        if (it->value % 2)
            list_remove(&it->link);
    list_push_front(&a, &items[5].link);
    CHECK(list_pop(&a, struct item, link)->value == 5, "front");
    for (int i = 0; i < 6; i += 2)
        CHECK(list_pop(&a, struct item, link)->value == i, "item %d", i);
    CHECK(list_empty(&a) && list_empty(&items[1].link), "left over");
}

static void test_panic(void)
{
    int pages = 3;

    KASSERT(pages == 3, "pages %d", pages);
    PANICS("assertion `pages == 4' failed: pages 3", KASSERT(pages == 4, "pages %d", pages));
    PANICS("test_lib.c", KASSERT(pages == 4, "no values"));
    PANICS("out of 7", panic("out of %d", 7));
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
    RUN(test_printf_integers);
    RUN(test_printf_others);
    RUN(test_kprintf);
    RUN(test_strbuf);
    RUN(test_bitmap);
    RUN(test_crc32);
    RUN(test_list);
    RUN(test_panic);
    return shim_done();
}
