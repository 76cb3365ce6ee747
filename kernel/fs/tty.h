// SPDX-License-Identifier: BSD-2-Clause
//
// The terminal: a line discipline (echo, erase, word and line kill, ^C, ^\, ^Z, ^D, canonical and
// raw mode, Linux's termios) over the console's uart. Characters arrive in an interrupt, which only
// queues them; a kernel thread (tty_daemon) edits the line and sends the signals. Sessions and
// groups are reached through hooks, so that this floor need not know processes.
//
// Locks: LOCK_TTY, a mutex, guards the state; LOCK_TTY_RING, a spinlock, the queue that the
// interrupt fills.
#pragma once

#include "lib/types.h"

struct vnode_ops;

struct tty_ops {
    void (*signal_group)(int pgid, int sig);    // deliver to a process group
    int (*session)(void);                       // caller's session id
    int (*group)(void);                         // caller's process group
    bool (*is_leader)(void);                    // caller leads its session
    bool (*group_in_session)(int pgid, int sid);
    // A background process reads (SIGTTIN) or changes settings (SIGTTOU): sends it. 0: go on (it is
    // ignored or blocked), ERESTART, EIO.
    int (*background)(int sig);
};
void tty_init(const struct tty_ops *ops);
_Noreturn void tty_daemon(void *arg);           // the body of its kernel thread
// its leader exits: the terminal is free again, SIGHUP to the foreground
void tty_session_ends(int sid);
int tty_controlling_dev(int sid);               // device number for /proc/<pid>/stat, or 0

#define TTY_DEV 0x0501                          // 5:1, the console

extern const struct vnode_ops tty_vnode_ops;    // for /dev
struct vnode;
// of /dev/tty; ENXIO if the session has no terminal
int tty_open_controlling(struct vnode *v, unsigned flags);
