// SPDX-License-Identifier: BSD-2-Clause
//
// The terminal: a line discipline (echo, erase, line kill, ^C, ^\, ^Z, ^D, canonical and raw mode, Linux's termios) over
// the console's uart. Signals go through a hook, so that this floor need not know processes.
//
// Locks: LOCK_TTY, a mutex; input arrives from the interrupt in a ring of its own.
#pragma once

#include "lib/types.h"

struct tty_ops {
    void (*signal_group)(int pgid, int sig);    // deliver to a process group
    int (*session)(void);                       // caller's session id
    int (*group)(void);                         // caller's process group
    bool (*is_leader)(void);                    // caller leads its session
    bool (*group_in_session)(int pgid, int sid);
    // A background process reads (SIGTTIN) or changes settings (SIGTTOU): sends it; 0: go on (ignored or blocked), ERESTART, EIO.
    int (*background)(int sig);
};
void tty_init(const struct tty_ops *ops);
void tty_session_ends(int sid);                 // its leader exits: the terminal is free again, SIGHUP to the foreground
int tty_controlling_dev(int sid);               // device number for /proc/<pid>/stat, or 0
