// SPDX-License-Identifier: BSD-2-Clause
//
// The terminal as a device: reading, writing, ioctls, controlling sessions, and the thread that
// feeds received characters to the line discipline (tty_line.c).

#include "fs/tty.h"

#include "amd64/clock.h"
#include "amd64/usercopy.h"
#include "dev/uart.h"
#include "fs/file.h"
#include "fs/tty_line.h"
#include "fs/uio.h"
#include "lib/errno.h"
#include "sync/mutex.h"
#include "sync/waitq.h"

#define RING 256u // characters between the interrupt and the thread

enum { SIGHUP = 1, SIGCONT = 18, SIGTTIN = 21, SIGTTOU = 22 };
enum {
    TCGETS = 0x5401,
    TCSETS,
    TCSETSW,
    TCSETSF,
    TCSBRK = 0x5409,
    TCXONC,
    TCFLSH,
    TIOCSCTTY = 0x540e,
    TIOCGPGRP,
    TIOCSPGRP,
    TIOCGWINSZ = 0x5413,
    TIOCSWINSZ,
    FIONREAD = 0x541b,
    TIOCNOTTY = 0x5422,
    TIOCGSID = 0x5429,
};

struct winsize {
    uint16_t rows, cols, xpixel, ypixel;
};

// The one terminal.
static struct {
    struct mutex lock; // guards the first group
    struct tty_line line;
    struct winsize winsize;
    int session; // that it controls, or 0
    int group;   // in the foreground, or 0
    struct waitq readers;

    struct spinlock ring_lock; // guards the second
    uint8_t ring[RING];
    unsigned ring_head, ring_tail;
    struct waitq ring_filled;
} tty;

static const struct tty_ops *hooks;

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
    if (tty.ring_tail - tty.ring_head < RING)
        tty.ring[tty.ring_tail++ % RING] = (uint8_t)c;
    spin_unlock(&tty.ring_lock);
    waitq_wake_all(&tty.ring_filled);
}

// Waits for the next received character.
static uint8_t next_received(void)
{
    spin_lock(&tty.ring_lock);
    while (tty.ring_head == tty.ring_tail)
        (void)waitq_wait_spin(&tty.ring_filled, &tty.ring_lock, WAIT_NOINTR, WAIT_FOREVER);
    uint8_t c = tty.ring[tty.ring_head++ % RING];
    spin_unlock(&tty.ring_lock);
    return c;
}

_Noreturn void tty_daemon(void *arg)
{
    (void)arg;
    for (;;) {
        uint8_t c = next_received();
        mutex_lock(&tty.lock);
        int sig = tty_line_input(&tty.line, c);
        int group = tty.group;
        bool ready = tty_line_ready(&tty.line);
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

static int take_control(void)
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
    return sid != 0 && __atomic_load_n(&tty.session, __ATOMIC_RELAXED) == sid ? TTY_DEV : 0;
}

// ---- the device ----

static int tty_open(struct vnode *v, unsigned flags)
{
    (void)v;
    mutex_lock(&tty.lock);
    if (!(flags & O_NOCTTY))
        (void)take_control(); // who may not simply does not get it
    mutex_unlock(&tty.lock);
    return 0;
}

// Waits until there is input; the lock is held. In raw mode VMIN 0 does not wait, or only VTIME
// tenths of a second.
static int wait_for_input(unsigned flags)
{
    const struct termios *t = &tty.line.t;
    uint64_t deadline = WAIT_FOREVER;
    int err = 0;

    if (!(t->lflag & ICANON) && t->cc[VMIN] == 0) {
        if (t->cc[VTIME] == 0)
            return 0;
        deadline = clock_ns() + t->cc[VTIME] * 100000000ul;
    }
    while (!err && !tty_line_ready(&tty.line)) {
        if (flags & O_NONBLOCK)
            return EAGAIN;
        err = waitq_wait_mutex(&tty.readers, &tty.lock, WAIT_INTR, deadline);
    }
    return err == ETIMEDOUT ? 0 : err == EINTR ? ERESTART : err;
}

static int tty_read(struct vnode *v, struct uio *uio, unsigned flags)
{
    char buf[256];
    int err;

    (void)v;
    do {
        err = check_background(SIGTTIN);
        if (err)
            return err;
        mutex_lock(&tty.lock);
        err = wait_for_input(flags);
        bool stolen = !err && in_background(); // the foreground changed while this one slept
        size_t n = err || stolen ? 0 : tty_line_take(&tty.line, buf, min(uio->resid, sizeof(buf)));
        mutex_unlock(&tty.lock);
        if (!stolen)
            return err ? err : uio_move(uio, buf, n);
    } while (true);
}

static int tty_write(struct vnode *v, struct uio *uio, unsigned flags)
{
    char buf[256];
    int err = 0;

    (void)v;
    (void)flags;
    if (tty.line.t.lflag & TOSTOP)
        err = check_background(SIGTTOU);
    while (!err && uio->resid > 0) {
        size_t n = min(uio->resid, sizeof(buf));
        err = uio_move(uio, buf, n);
        if (!err)
            output(buf, n);
    }
    return err;
}

static unsigned tty_poll(struct vnode *v, struct pollset *ps)
{
    (void)v;
    pollset_add(ps, &tty.readers);
    mutex_lock(&tty.lock);
    unsigned ready = POLLOUT | (tty_line_ready(&tty.line) ? POLLIN : 0);
    mutex_unlock(&tty.lock);
    return ready;
}

static int set_termios(vaddr_t arg, bool flush)
{
    struct termios t;
    int err = copyin(&t, arg, sizeof(t));

    if (!err)
        err = check_background(SIGTTOU);
    if (err)
        return err;
    mutex_lock(&tty.lock);
    tty_line_set(&tty.line, &t);
    if (flush)
        tty_line_flush(&tty.line);
    mutex_unlock(&tty.lock);
    waitq_wake_all(&tty.readers);
    return 0;
}

static int set_group(vaddr_t arg)
{
    int32_t group;
    int err = copyin(&group, arg, sizeof(group));

    if (!err)
        err = check_background(SIGTTOU);
    if (err)
        return err;
    // Asked before the lock is taken, which comes after those of processes.
    bool ours = hooks->group_in_session(group, hooks->session());
    mutex_lock(&tty.lock);
    if (tty.session == 0 || tty.session != hooks->session())
        err = ENOTTY;
    else if (group < 0)
        err = EINVAL;
    else if (!ours)
        err = EPERM;
    else
        tty.group = group;
    mutex_unlock(&tty.lock);
    return err;
}

// Copies one field of the terminal out; ENOTTY if it must control the caller's session and does
// not.
static int get_field(vaddr_t arg, const void *field, size_t size, bool controlling)
{
    char copy[sizeof(struct termios)];

    mutex_lock(&tty.lock);
    bool refused = controlling && (tty.session == 0 || tty.session != hooks->session());
    __builtin_memcpy(copy, field, size);
    mutex_unlock(&tty.lock);
    return refused ? ENOTTY : copyout(arg, copy, size);
}

static int input_waiting(vaddr_t arg)
{
    mutex_lock(&tty.lock);
    bool ready = tty_line_ready(&tty.line);
    int n = ready ? (int)(tty.line.tail - tty.line.head) : 0;
    mutex_unlock(&tty.lock);
    return copyout(arg, &n, sizeof(n));
}

static int control(unsigned long cmd)
{
    int err = 0;

    mutex_lock(&tty.lock);
    if (cmd == TIOCSCTTY)
        err = take_control();
    else if (cmd == TCFLSH)
        tty_line_flush(&tty.line);
    else if (tty.session != hooks->session())
        err = ENOTTY;
    else if (hooks->is_leader())
        tty.session = tty.group = 0;
    mutex_unlock(&tty.lock);
    return err;
}

static int tty_ioctl(struct vnode *v, unsigned long cmd, vaddr_t arg)
{
    (void)v;
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
        return copyin(&tty.winsize, arg, sizeof(tty.winsize));
    case FIONREAD:
        return input_waiting(arg);
    case TIOCSCTTY:
    case TIOCNOTTY:
    case TCFLSH:
        return control(cmd);
    case TCSBRK:
    case TCXONC:
        return 0;
    default:
        return ENOTTY;
    }
}

static int tty_getattr(struct vnode *v, struct vattr *va)
{
    *va = (struct vattr){.ino = v->ino, .mode = 0020620, .nlink = 1, .rdev = TTY_DEV};
    return 0;
}

const struct vnode_ops tty_vnode_ops = {
    .getattr = tty_getattr,
    .open = tty_open,
    .read = tty_read,
    .write = tty_write,
    .ioctl = tty_ioctl,
    .poll = tty_poll,
};
