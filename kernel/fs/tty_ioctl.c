// SPDX-License-Identifier: BSD-2-Clause
//
// The terminal's ioctls: settings, window size, the group in the foreground. Locks: tty.h; user
// memory is copied with the terminal unlocked.

#include "fs/tty_impl.h"

#include "amd64/usercopy.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "sync/scoped.h"

// clang-format off
enum {
    TCGETS = 0x5401, TCSETS, TCSETSW, TCSETSF, TCSBRK = 0x5409, TCXONC, TCFLSH, TIOCSCTTY = 0x540e,
    TIOCGPGRP, TIOCSPGRP, TIOCGWINSZ = 0x5413, TIOCSWINSZ, FIONREAD = 0x541b, TIOCNOTTY = 0x5422,
    TIOCGSID = 0x5429,
};
// clang-format on
enum { TCIFLUSH, TCOFLUSH, TCIOFLUSH };

static int set_termios(vaddr_t arg, bool flush)
{
    struct termios t;
    int error = copyin(&t, arg, sizeof(t));

    if (!error)
        error = tty_check_background(SIGTTOU);
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
        tty_hooks->signal_group(group, SIGWINCH);
    return 0;
}

static bool controls_caller(void)
{
    return tty.session != 0 && tty.session == tty_hooks->session();
}

static int set_group(vaddr_t arg)
{
    int32_t group;
    int error = copyin(&group, arg, sizeof(group));

    if (!error)
        error = tty_check_background(SIGTTOU);
    if (error)
        return error;
    // Asked before the lock is taken, which comes after those of processes.
    bool ours = tty_hooks->group_in_session(group, tty_hooks->session());
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
    return tty_take_control();
}

static int give_up_control(void)
{
    SCOPED_MUTEX(&tty.lock);
    if (tty.session != tty_hooks->session())
        return ENOTTY;
    if (tty_hooks->is_leader())
        tty.session = tty.group = 0;
    return 0;
}

int tty_ioctl(struct vnode *v, unsigned long cmd, vaddr_t arg)
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
