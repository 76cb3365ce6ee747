// SPDX-License-Identifier: BSD-2-Clause
//
// The terminal as a device: reading, writing, settings, controlling sessions, and the thread that
// feeds received characters to the line discipline (tty_line.c). User memory is copied with the
// terminal unlocked.

#include "fs/tty.h"

#include "amd64/clock.h"
#include "amd64/usercopy.h"
#include "dev/uart.h"
#include "fs/file.h"
#include "fs/tty_line.h"
#include "fs/uio.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "sync/scoped.h"
#include "sync/waitq.h"

#define TTY_RING 256u // characters between the interrupt and the thread

enum { SIGHUP = 1, SIGCONT = 18, SIGTTIN = 21, SIGTTOU = 22, SIGWINCH = 28 };

struct winsize {
    uint16_t rows, cols, xpixel, ypixel;
};

// The one terminal.
static struct tty {
    struct mutex lock; // guards the first group
    struct tty_line line;
    struct winsize winsize;
    int session; // that it controls, or 0
    int group;   // in the foreground, or 0
    struct waitq readers;

    struct spinlock ring_lock; // guards the second
    uint8_t ring[TTY_RING];
    unsigned ring_head, ring_tail;
    struct waitq ring_filled;
} tty;
static const struct tty_ops *hooks;

// clang-format off
enum {
    TCGETS = 0x5401, TCSETS, TCSETSW, TCSETSF, TCSBRK = 0x5409, TCXONC, TCFLSH, TIOCSCTTY = 0x540e,
    TIOCGPGRP, TIOCSPGRP, TIOCGWINSZ = 0x5413, TIOCSWINSZ, FIONREAD = 0x541b, TIOCNOTTY = 0x5422,
    TIOCGSID = 0x5429,
};
// clang-format on
enum { TCIFLUSH, TCOFLUSH, TCIOFLUSH };

// ---- output ----

// Sends text; newlines get a carriage return if the settings say so.
static void output(const char *text, size_t len)
{
    if ((tty.line.t.oflag & (OPOST | ONLCR)) == (OPOST | ONLCR))
        uart_write_text(text, len);
    else
        uart_write(text, len);
}

// ---- input ----

static void receive(char c)
{
    spin_lock(&tty.ring_lock);
    if (tty.ring_tail - tty.ring_head < TTY_RING)
        tty.ring[tty.ring_tail++ % TTY_RING] = (uint8_t)c;
    spin_unlock(&tty.ring_lock);
    waitq_wake_all(&tty.ring_filled);
}

// Waits for the next received character.
static uint8_t next_received(void)
{
    SCOPED_SPIN(&tty.ring_lock);
    while (tty.ring_head == tty.ring_tail)
        waitq_await_spin(&tty.ring_filled, &tty.ring_lock);
    return tty.ring[tty.ring_head++ % TTY_RING];
}

_Noreturn void tty_daemon(void *arg UNUSED)
{
    for (;;) {
        uint8_t c = next_received();
        mutex_lock(&tty.lock);
        int sig = tty_line_input(&tty.line, c);
        int group = tty.group;
        bool ready = tty_line_ready(&tty.line, 1);
        mutex_unlock(&tty.lock);
        if (sig && group)
            hooks->signal_group(group, sig);
        if (ready)
            waitq_wake_all(&tty.readers);
    }
}

void tty_init(const struct tty_ops *ops)
{
    hooks = ops;
    mutex_init(&tty.lock, "tty", LOCK_TTY, 0);
    spin_init(&tty.ring_lock, "tty ring", LOCK_TTY_RING, 0);
    waitq_init(&tty.readers, "tty readers");
    waitq_init(&tty.ring_filled, "tty ring");
    tty_line_init(&tty.line, output);
    tty.winsize = (struct winsize){.rows = 24, .cols = 80};
    uart_set_receiver(receive);
}

// ---- sessions ----

// True if the caller's group is not the one in the foreground of its terminal.
static bool in_background(void)
{
    return tty.session != 0 && tty.session == hooks->session() && tty.group != 0 &&
           tty.group != hooks->group();
}

// Stops a background caller unless it ignores the signal; 0: go on.
static int check_background(int sig)
{
    mutex_lock(&tty.lock);
    bool background = in_background();
    mutex_unlock(&tty.lock);
    return background ? hooks->background(sig) : 0;
}

// Makes it the terminal of the caller's session; EPERM. The lock is held.
static int take_control_locked(void)
{
    if (tty.session == hooks->session())
        return 0;
    if (!hooks->is_leader() || tty.session != 0)
        return EPERM;
    tty.session = hooks->session();
    tty.group = hooks->group();
    return 0;
}

void tty_session_ends(int sid)
{
    mutex_lock(&tty.lock);
    int group = tty.session == sid ? tty.group : 0;
    if (tty.session == sid)
        tty.session = tty.group = 0;
    mutex_unlock(&tty.lock);
    if (group) {
        hooks->signal_group(group, SIGHUP);
        hooks->signal_group(group, SIGCONT);
    }
}

int tty_controlling_dev(int sid)
{
    return sid != 0 && load_relaxed(&tty.session) == sid ? TTY_DEV : 0;
}

// ---- ioctls ----

static int set_termios(vaddr_t arg, bool flush)
{
    struct termios t;
    int error = copyin(&t, arg, sizeof(t));

    if (!error)
        error = check_background(SIGTTOU);
    if (error)
        return error;
    mutex_lock(&tty.lock);
    tty_line_set(&tty.line, &t);
    if (flush)
        tty_line_flush(&tty.line);
    mutex_unlock(&tty.lock);
    waitq_wake_all(&tty.readers);
    return 0;
}

static int set_winsize(vaddr_t arg)
{
    struct winsize new;
    int error = copyin(&new, arg, sizeof(new));

    if (error)
        return error;
    mutex_lock(&tty.lock);
    int group = memcmp(&new, &tty.winsize, sizeof(new)) ? tty.group : 0;
    tty.winsize = new;
    mutex_unlock(&tty.lock);
    if (group)
        hooks->signal_group(group, SIGWINCH);
    return 0;
}

static bool controls_caller(void)
{
    return tty.session != 0 && tty.session == hooks->session();
}

static int set_group(vaddr_t arg)
{
    int32_t group;
    int error = copyin(&group, arg, sizeof(group));

    if (!error)
        error = check_background(SIGTTOU);
    if (error)
        return error;
    // Asked before the lock is taken, which comes after those of processes.
    bool ours = hooks->group_in_session(group, hooks->session());
    SCOPED_MUTEX(&tty.lock);
    if (!controls_caller())
        return ENOTTY;
    if (group < 0 || !ours)
        return group < 0 ? EINVAL : EPERM;
    tty.group = group;
    return 0;
}

// Copies one field of the terminal out; ENOTTY if it must control the caller's session and does
// not.
static int get_field(vaddr_t arg, const void *field, size_t size, bool controlling)
{
    char copy[sizeof(struct termios)];

    mutex_lock(&tty.lock);
    bool refused = controlling && !controls_caller();
    memcpy(copy, field, size);
    mutex_unlock(&tty.lock);
    return refused ? ENOTTY : copyout(arg, copy, size);
}

static int input_waiting(vaddr_t arg)
{
    mutex_lock(&tty.lock);
    int n = tty_line_ready(&tty.line, 1) ? (int)(tty.line.tail - tty.line.head) : 0;
    mutex_unlock(&tty.lock);
    return copyout(arg, &n, sizeof(n));
}

// What is sent is never queued: there is no output to flush.
static int flush(vaddr_t which)
{
    if (which > TCIOFLUSH)
        return EINVAL;
    SCOPED_MUTEX(&tty.lock);
    if (which != TCOFLUSH)
        tty_line_flush(&tty.line);
    return 0;
}

static int take_control(void)
{
    SCOPED_MUTEX(&tty.lock);
    return take_control_locked();
}

static int give_up_control(void)
{
    SCOPED_MUTEX(&tty.lock);
    if (tty.session != hooks->session())
        return ENOTTY;
    if (hooks->is_leader())
        tty.session = tty.group = 0;
    return 0;
}

static int tty_ioctl(struct vnode *v UNUSED, unsigned long cmd, vaddr_t arg)
{
    switch (cmd) {
    case TCGETS:
        return get_field(arg, &tty.line.t, sizeof(tty.line.t), false);
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
        return set_termios(arg, cmd == TCSETSF);
    case TIOCGPGRP:
        return get_field(arg, &tty.group, sizeof(tty.group), true);
    case TIOCGSID:
        return get_field(arg, &tty.session, sizeof(tty.session), true);
    case TIOCSPGRP:
        return set_group(arg);
    case TIOCGWINSZ:
        return get_field(arg, &tty.winsize, sizeof(tty.winsize), false);
    case TIOCSWINSZ:
        return set_winsize(arg);
    case FIONREAD:
        return input_waiting(arg);
    case TIOCSCTTY:
        return take_control();
    case TIOCNOTTY:
        return give_up_control();
    case TCFLSH:
        return flush(arg);
    case TCSBRK:
    case TCXONC:
        return 0;
    default:
        return ENOTTY;
    }
}

// ---- the device ----

static int tty_open(struct vnode *v UNUSED, unsigned flags)
{
    SCOPED_MUTEX(&tty.lock);
    if (!(flags & O_NOCTTY))
        (void)take_control_locked(); // who may not simply does not get it
    return 0;
}

// When a read that has `waiting' characters and waits for more has waited enough: VTIME tenths of a
// second, in raw mode, after the last character; if VMIN is 0, also for the first one.
static uint64_t read_deadline(unsigned waiting)
{
    const struct termios *t = &tty.line.t;

    if ((t->lflag & ICANON) || t->cc[VTIME] == 0 || (t->cc[VMIN] > 0 && waiting == 0))
        return WAIT_FOREVER;
    return clock_ns() + t->cc[VTIME] * 100000000ul;
}

// Waits until there is input for a read of n characters; the lock is held. In raw mode VMIN
// characters, or all n, are enough; with VMIN 0 it does not wait, or only VTIME.
static int wait_for_input(unsigned flags, size_t n)
{
    const struct termios *t = &tty.line.t;
    unsigned waiting = tty.line.tail - tty.line.head;
    uint64_t deadline = read_deadline(waiting);
    int error = 0;

    while (!error && !tty_line_ready(&tty.line, (unsigned)min(n, max(t->cc[VMIN], 1ul)))) {
        if (!(t->lflag & ICANON) && t->cc[VMIN] == 0 && t->cc[VTIME] == 0)
            return 0;
        if (flags & O_NONBLOCK)
            return !(t->lflag & ICANON) && waiting > 0 ? 0 : EAGAIN;
        error = waitq_wait_mutex(&tty.readers, &tty.lock, WAIT_INTR, deadline);
        if (tty.line.tail - tty.line.head != waiting) {
            waiting = tty.line.tail - tty.line.head;
            deadline = read_deadline(waiting);
        }
    }
    return error == ETIMEDOUT ? 0 : error == EINTR ? ERESTART : error;
}

static int tty_read(struct vnode *v UNUSED, struct uio *uio)
{
    size_t n = min(uio->resid, 256ul);
    char buf[256];

    while (n > 0) {
        int error = check_background(SIGTTIN);
        if (error)
            return error;
        mutex_lock(&tty.lock);
        error = wait_for_input(uio->flags, n);
        bool stolen = !error && in_background(); // the foreground changed while this one slept
        size_t taken = error || stolen ? 0 : tty_line_take(&tty.line, buf, n);
        mutex_unlock(&tty.lock);
        if (!stolen)
            return error ? error : uio_move(uio, buf, taken);
    }
    return 0;
}

static int tty_write(struct vnode *v UNUSED, struct uio *uio)
{
    char buf[256];

    int error = tty.line.t.lflag & TOSTOP ? check_background(SIGTTOU) : 0;
    while (!error && uio->resid > 0) {
        size_t n = min(uio->resid, sizeof(buf));
        error = uio_move(uio, buf, n);
        if (!error)
            output(buf, n);
    }
    return error;
}

static unsigned tty_poll(struct vnode *v UNUSED, struct pollset *ps)
{
    pollset_add(ps, &tty.readers);
    SCOPED_MUTEX(&tty.lock);
    const struct termios *t = &tty.line.t;
    unsigned min = t->cc[VTIME] ? 1 : max(t->cc[VMIN], 1u);
    return POLLOUT | (tty_line_ready(&tty.line, min) ? POLLIN : 0);
}

int tty_open_controlling(struct vnode *v UNUSED, unsigned flags UNUSED)
{
    return tty_controlling_dev(hooks->session()) ? 0 : ENXIO;
}

const struct vnode_ops tty_vnode_ops = {
    .open = tty_open,
    .read = tty_read,
    .write = tty_write,
    .ioctl = tty_ioctl,
    .poll = tty_poll,
};
