// SPDX-License-Identifier: BSD-2-Clause
//
// The line discipline: from received characters to lines. See tty_line.h.

#include "fs/tty_line.h"

#include "lib/string.h"

enum { SIGINT = 2, SIGQUIT = 3, SIGTSTP = 20 };

#define CTRL(c) ((c)-0x40)
#define DEL     0x7f

void tty_line_init(struct tty_line *l, void (*echo)(const char *text, size_t len))
{
    static const uint8_t cc[NCCS] = {
        [VINTR] = CTRL('C'),    [VQUIT] = CTRL('\\'),   [VERASE] = DEL,
        [VKILL] = CTRL('U'),    [VEOF] = CTRL('D'),     [VMIN] = 1,
        [VSTART] = CTRL('Q'),   [VSTOP] = CTRL('S'),    [VSUSP] = CTRL('Z'),
        [VREPRINT] = CTRL('R'), [VDISCARD] = CTRL('O'), [VWERASE] = CTRL('W'),
        [VLNEXT] = CTRL('V'),
    };

    memset(l, 0, sizeof(*l));
    l->t.iflag = ICRNL | IXON;
    l->t.oflag = OPOST | ONLCR;
    l->t.cflag = 0000277 | 0000015; // CREAD, 8 bits, HUPCL, 9600
    l->t.lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
    memcpy(l->t.cc, cc, sizeof(cc));
    l->echo = echo;
}

static bool is_control(uint8_t c)
{
    return (c < ' ' && c != '\n' && c != '\t') || c == DEL;
}

static bool is_cc(const struct tty_line *l, unsigned which, uint8_t c)
{
    return l->t.cc[which] != 0 && l->t.cc[which] == c;
}

static void echo_char(struct tty_line *l, uint8_t c)
{
    char text[2] = {(char)c};

    if (!(l->t.lflag & ECHO) && !(c == '\n' && (l->t.lflag & ECHONL)))
        return;
    if ((l->t.lflag & ECHOCTL) && is_control(c)) {
        text[0] = '^';
        text[1] = (char)(c ^ 0x40);
        l->echo(text, 2);
    } else {
        l->echo(text, 1);
    }
}

static void enqueue(struct tty_line *l, uint16_t c)
{
    if (l->tail - l->head == TTY_QUEUE)
        return; // nobody reads: what does not fit is lost, as on any terminal
    l->queue[l->tail++ % TTY_QUEUE] = c;
    if (c == '\n' || c == TTY_END)
        l->nlines++;
}

// Makes the line being typed readable, then `end' if it is not 0.
static void finish_line(struct tty_line *l, uint16_t end)
{
    for (unsigned i = 0; i < l->nedit; i++)
        enqueue(l, l->edit[i]);
    l->nedit = 0;
    if (end)
        enqueue(l, end);
}

static void erase_one(struct tty_line *l)
{
    uint8_t c = l->edit[--l->nedit];

    if ((l->t.lflag & (ECHO | ECHOE)) != (ECHO | ECHOE))
        return;
    l->echo("\b \b", 3);
    if ((l->t.lflag & ECHOCTL) && is_control(c))
        l->echo("\b \b", 3);
}

static void erase_word(struct tty_line *l)
{
    while (l->nedit > 0 && l->edit[l->nedit - 1] == ' ')
        erase_one(l);
    while (l->nedit > 0 && l->edit[l->nedit - 1] != ' ')
        erase_one(l);
}

// A character in canonical mode.
static void edit(struct tty_line *l, uint8_t c)
{
    if (is_cc(l, VERASE, c) || c == '\b') {
        if (l->nedit > 0)
            erase_one(l);
    } else if (is_cc(l, VKILL, c)) {
        while (l->nedit > 0)
            erase_one(l);
    } else if (is_cc(l, VWERASE, c)) {
        erase_word(l);
    } else if (is_cc(l, VEOF, c)) {
        finish_line(l, TTY_END);
    } else if (c == '\n' || is_cc(l, VEOL, c)) {
        echo_char(l, c);
        finish_line(l, c);
        if (c != '\n')
            l->nlines++;
    } else if (l->nedit < TTY_QUEUE - 1) {
        l->edit[l->nedit++] = c;
        echo_char(l, c);
    }
}

static int signal_of(const struct tty_line *l, uint8_t c)
{
    if (!(l->t.lflag & ISIG))
        return 0;
    if (is_cc(l, VINTR, c))
        return SIGINT;
    if (is_cc(l, VQUIT, c))
        return SIGQUIT;
    return is_cc(l, VSUSP, c) ? SIGTSTP : 0;
}

int tty_line_input(struct tty_line *l, uint8_t c)
{
    int sig = signal_of(l, c);

    if (sig) {
        echo_char(l, c);
        if (!(l->t.lflag & NOFLSH))
            tty_line_flush(l);
        return sig;
    }
    if (c == '\r' && (l->t.iflag & IGNCR))
        return 0;
    if (c == '\r' && (l->t.iflag & ICRNL))
        c = '\n';
    else if (c == '\n' && (l->t.iflag & INLCR))
        c = '\r';
    if (l->t.lflag & ICANON) {
        edit(l, c);
    } else {
        enqueue(l, c);
        echo_char(l, c);
    }
    return 0;
}

void tty_line_set(struct tty_line *l, const struct termios *t)
{
    if ((l->t.lflag & ICANON) && !(t->lflag & ICANON))
        finish_line(l, 0);
    l->t = *t;
}

void tty_line_flush(struct tty_line *l)
{
    l->head = l->tail = l->nlines = l->nedit = 0;
}

bool tty_line_ready(const struct tty_line *l, unsigned min)
{
    unsigned waiting = l->tail - l->head;

    return l->t.lflag & ICANON ? l->nlines > 0 || waiting == TTY_QUEUE : waiting >= min;
}

// Takes the end of file that follows the characters of a line: it ended the line, not the file.
static void take_end(struct tty_line *l)
{
    if (l->head != l->tail && l->queue[l->head % TTY_QUEUE] == TTY_END) {
        l->head++;
        l->nlines--;
    }
}

size_t tty_line_take(struct tty_line *l, char *buf, size_t n)
{
    bool canonical = l->t.lflag & ICANON;
    size_t taken = 0;

    while (taken < n && l->head != l->tail) {
        uint16_t c = l->queue[l->head % TTY_QUEUE];
        bool end = c == TTY_END, line_end = c == '\n' || end || is_cc(l, VEOL, (uint8_t)c);
        l->head++;
        if (line_end && l->nlines > 0)
            l->nlines--;
        if (!end)
            buf[taken++] = (char)c;
        if (canonical && line_end)
            return taken;
    }
    if (canonical && taken > 0)
        take_end(l);
    return taken;
}
