// SPDX-License-Identifier: BSD-2-Clause
//
// The line discipline proper: a state machine from received characters to lines, without locks,
// threads or devices, so that it can be tested by itself.
#pragma once

#include "lib/types.h"

// Linux's struct termios as the kernel has it.
#define NCCS 19
struct termios {
    uint32_t iflag, oflag, cflag, lflag;
    uint8_t line;
    uint8_t cc[NCCS];
};

enum { VINTR, VQUIT, VERASE, VKILL, VEOF, VTIME, VMIN, VSWTC, VSTART, VSTOP, VSUSP, VEOL,
       VREPRINT, VDISCARD, VWERASE, VLNEXT, VEOL2 };
enum { ICRNL = 0400, INLCR = 0100, IGNCR = 0200, IXON = 02000 };
enum { OPOST = 1, ONLCR = 4 };
enum { ISIG = 1, ICANON = 2, ECHO = 010, ECHOE = 020, ECHOK = 040, ECHONL = 0100, NOFLSH = 0200,
       TOSTOP = 0400, ECHOCTL = 01000, ECHOKE = 04000, IEXTEN = 0100000 };

#define TTY_QUEUE 4096u         // characters that can wait for a reader
#define TTY_END   0x100u        // in the queue: end of file here

struct tty_line {
    struct termios t;
    uint16_t queue[TTY_QUEUE];  // ready for readers: characters, or TTY_END
    unsigned head, tail;        // taken, put; tail - head <= TTY_QUEUE
    unsigned nlines;            // line ends and TTY_ENDs in the queue
    uint8_t edit[TTY_QUEUE];    // the line being typed (canonical mode)
    unsigned nedit;
    void (*echo)(const char *text, size_t len);
};

void tty_line_init(struct tty_line *l, void (*echo)(const char *text, size_t len));

// Takes one received character. Returns the signal that it means (SIGINT, SIGQUIT, SIGTSTP), or 0.
int tty_line_input(struct tty_line *l, uint8_t c);

// New settings: leaving canonical mode makes the line being typed readable.
void tty_line_set(struct tty_line *l, const struct termios *t);

// Forgets all input.
void tty_line_flush(struct tty_line *l);

// True if there is enough for a read: a line in canonical mode, `min' characters in raw mode.
bool tty_line_ready(const struct tty_line *l, unsigned min);

// Takes up to n characters, in canonical mode up to the end of one line, which includes an end of
// file right behind the last of them; the count, 0 at an end of file.
size_t tty_line_take(struct tty_line *l, char *buf, size_t n);
