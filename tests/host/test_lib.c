// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of kernel/lib's printf, bitmaps, CRC, lists and panic: against the host's libc, a
// plain model or known values. Strings and trees have tests of their own.
//
// link: tests/host/lib/shim.c tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c
// link: kernel/sync/[!i]*.c
// link: kernel/lib/bitmap.c kernel/lib/crc32.c
#include <stdio.h>
#include <string.h>
#include "lib/shim.h"
#include "lib/bitmap.h"
#include "lib/crc32.h"
#include "lib/list.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/rng.h"

static struct rng rng;

static void fill_random(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = rng_next(&rng);
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
    static const char *const kinds[] = {"hhd", "hd",  "d",   "ld",  "lld", "zd", "jd",
                                        "td",  "i",   "u",   "hhu", "hu",  "lu", "x",
                                        "lx",  "llX", "hhx", "zx",  "o",   "lo", "X"};
    static const uint64_t values[] = {0,
                                      1,
                                      9,
                                      10,
                                      255,
                                      0x7f,
                                      0x80,
                                      0xffff8000,
                                      0x7fffffff,
                                      0x80000000,
                                      ~0ul,
                                      1ul << 63,
                                      0x123456789abcdef};
    char fmt[32];

    for (size_t f = 0; f < array_len(flags); f++)
        for (size_t s = 0; s < array_len(sizes); s++)
            for (size_t k = 0; k < array_len(kinds); k++) {
                snprintf(fmt, sizeof(fmt), "<%%%s%s%s>", flags[f], sizes[s], kinds[k]);
                for (size_t v = 0; v < array_len(values); v++)
                    SAME(fmt, values[v]);
            }
}

static void test_printf_others(void)
{
    SAME("plain text of some length, longer than many a buffer");
    SAME("%s|%10s|%-10s|%.2s|%5.1s|%.0s", "string", "right", "left", "cut", "both", "none");
    SAME("%c%3c%-3c|%%", 'a', 'b', 'c');
    SAME("%*d|%-*d|%*d|%.*d|%.*s", 6, 1, 6, 2, -6, 3, 4, 4, 2, "precise");
    SAME("%.*d|%.*s", -1, 0, -5, "no precision");
    SAME("%p %p", (void *)&rng, (void *)0x1000);
    SAME("%d%s%d", 1, "", 2);
    char unterminated[3] = {'a', 'b', 'c'};
    SAME("%.3s", unterminated);
    const char *volatile nothing = NULL; // volatile, lest the compiler warn of it
    char buf[32];
    ksnprintf(buf, sizeof(buf), "%s %5s", nothing, nothing);
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
    list_for_each (it, &a, struct item, link)
        CHECK(it->value == expected++, "got %d", it->value);
    CHECK(expected == 6, "%d items", expected);
    CHECK(list_next(&items[4], &a, struct item, link) == &items[5], "next");
    CHECK(!list_next(&items[5], &a, struct item, link), "next of the last");
    CHECK(list_prev(&items[1], &a, struct item, link) == &items[0], "previous");
    CHECK(!list_prev(&items[0], &a, struct item, link), "previous of the first");
    list_for_each_safe (it, &a, struct item, link)
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
