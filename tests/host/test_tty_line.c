// SPDX-License-Identifier: BSD-2-Clause
//
// Unit test of the terminal's line discipline: editing, ends of lines and files, signals, raw mode.
//
// link: tests/host/lib/shim.c tests/host/lib/kstring.c kernel/lib/printf.c kernel/lib/panic.c
// link: kernel/sync/[!i]*.c
// link: kernel/fs/tty_line.c
#include <stdio.h>
#include <string.h>
#include "lib/shim.h"
#include "fs/tty_line.h"
#include "lib/rng.h"

static struct tty_line line;
static char echoed[TTY_QUEUE * 8];
static size_t nechoed;

static void echo(const char *text, size_t len)
{
    memcpy(echoed + nechoed, text, len);
    nechoed += len;
    echoed[nechoed] = '\0';
}

static void reset(void)
{
    tty_line_init(&line, echo);
    nechoed = 0;
    echoed[0] = '\0';
}

// Types a text; returns the last signal it meant.
static int type(const char *text)
{
    int sig = 0;
    for (; *text; text++) {
        int s = tty_line_input(&line, (uint8_t)*text);
        sig = s ? s : sig;
    }
    return sig;
}

static void expect_read(const char *want)
{
    char buf[TTY_QUEUE];
    CHECK(tty_line_ready(&line, 1), "a read would wait for \"%s\"", want);
    size_t n = tty_line_take(&line, buf, sizeof(buf) - 1);
    buf[n] = '\0';
    CHECK(strcmp(buf, want) == 0, "read \"%s\", not \"%s\"", buf, want);
}

static void test_lines(void)
{
    reset();
    type("one");
    CHECK(!tty_line_ready(&line, 1), "half a line is readable");
    type("\rtwo\n");
    expect_read("one\n");
    expect_read("two\n");
    CHECK(!tty_line_ready(&line, 1), "nothing is left");
    CHECK(strcmp(echoed, "one\ntwo\n") == 0, "echoed \"%s\"", echoed);
}

static void test_partial_reads(void)
{
    char c;
    reset();
    type("ab\n");
    CHECK(tty_line_take(&line, &c, 1) == 1 && c == 'a', "got %c", c);
    CHECK(tty_line_ready(&line, 1), "the rest of the line is readable");
    expect_read("b\n");
    CHECK(!tty_line_ready(&line, 1), "nothing is left");
}

static void test_editing(void)
{
    reset();
    type("abc\x7f\x7f"
         "d\n");
    expect_read("ad\n");
    CHECK(strcmp(echoed, "abc\b \b\b \bd\n") == 0, "echoed \"%s\"", echoed);
    reset();
    type("\x7f"
         "first second\x17third\x15last\n");
    expect_read("last\n");
    reset();
    type("first second \x17x\n");
    expect_read("first x\n");
}

static void test_end_of_file(void)
{
    reset();
    type("\x04");
    expect_read("");
    type("ab\x04");
    expect_read("ab");
    type("c\n");
    expect_read("c\n");
}

static void test_signals(void)
{
    reset();
    CHECK(type("abc\x03") == 2, "^C means SIGINT");
    CHECK(strcmp(echoed, "abc^C") == 0, "echoed \"%s\"", echoed);
    type("\n");
    expect_read("\n");
    CHECK(type("\x1c") == 3 && type("\x1a") == 20, "^\\ and ^Z mean SIGQUIT and SIGTSTP");
    struct termios t = line.t;
    t.lflag &= ~(uint32_t)ISIG;
    tty_line_set(&line, &t);
    CHECK(type("\x03\n") == 0, "no signals without ISIG");
    expect_read("\x03\n");
}

static void test_raw(void)
{
    reset();
    type("typed");
    struct termios t = line.t;
    t.lflag &= ~(uint32_t)(ICANON | ECHO);
    t.cc[VMIN] = 3;
    tty_line_set(&line, &t);
    expect_read("typed");
    type("\x7f\x04");
    CHECK(!tty_line_ready(&line, 3), "two of three characters");
    type("x");
    expect_read("\x7f\x04x");
}

static void test_overflow(void)
{
    reset();
    for (unsigned i = 0; i < 3 * TTY_QUEUE; i++)
        tty_line_input(&line, 'a');
    tty_line_input(&line, '\n');
    char buf[2 * TTY_QUEUE];
    size_t n = tty_line_take(&line, buf, sizeof(buf));
    CHECK(n == TTY_QUEUE && buf[n - 1] == '\n', "%zu characters, the last %d", n, buf[n - 1]);
}

// Whatever is typed, counts stay consistent and nothing is read that was not there.
static void test_random(void)
{
    struct rng rng = {shim_seed};
    reset();
    for (unsigned i = 0; i < 200000; i++) {
        nechoed = 0;
        if (rng_below(&rng, 50) == 0) {
            struct termios t = line.t;
            t.lflag ^= (uint32_t)(1ul << rng_below(&rng, 16));
            tty_line_set(&line, &t);
        }
        tty_line_input(&line, (uint8_t)rng_below(&rng, 256));
        char buf[64];
        if (rng_below(&rng, 4) == 0 && tty_line_ready(&line, 1))
            tty_line_take(&line, buf, 1 + rng_below(&rng, sizeof(buf)));
        CHECK(line.tail - line.head <= TTY_QUEUE && line.nlines <= line.tail - line.head,
              "%u waiting, %u lines", line.tail - line.head, line.nlines);
        CHECK(line.nedit < TTY_QUEUE, "%u", line.nedit);
    }
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    RUN(test_lines);
    RUN(test_partial_reads);
    RUN(test_editing);
    RUN(test_end_of_file);
    RUN(test_signals);
    RUN(test_raw);
    RUN(test_overflow);
    RUN(test_random);
    return shim_done();
}
