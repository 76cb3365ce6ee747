// SPDX-License-Identifier: BSD-2-Clause
//
// What tty.c (input, reading, writing, sessions) and tty_ioctl.c share. Locks: tty.h.
#pragma once

#include "fs/tty.h"
#include "fs/tty_line.h"
#include "sync/mutex.h"
#include "sync/waitq.h"

#define TTY_RING 256u // characters between the interrupt and the thread

enum { SIGHUP = 1, SIGCONT = 18, SIGTTIN = 21, SIGTTOU = 22, SIGWINCH = 28 };

struct winsize {
    uint16_t rows, cols, xpixel, ypixel;
};

// The one terminal.
struct tty {
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
};
extern struct tty tty;
extern const struct tty_ops *tty_hooks;

// A background caller is stopped by the signal unless it ignores it: 0: go on; ERESTART, EIO. Not
// locked.
int tty_check_background(int sig);
// Makes it the terminal of the caller's session; EPERM. tty.lock held.
int tty_take_control(void);
int tty_ioctl(struct vnode *v, unsigned long cmd, vaddr_t arg);
