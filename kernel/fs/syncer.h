// SPDX-License-Identifier: BSD-2-Clause
//
// The syncer: a kernel thread that writes to the disk what has changed in memory, some seconds
// after it changed, so that a crash costs no more than those seconds. It sleeps without a timer
// while nothing has changed.
#pragma once

#include "lib/types.h"

#define SYNCER_PERIOD_S 5

// Something that vfs_sync would write has changed. Any lock below LOCK_WAITQ may be held.
void syncer_changed(void);
// What is being written, perhaps by the syncer itself, may change unnoticed: it will be written
// again. Likewise.
void syncer_again(void);

// The body of its kernel thread; arg: struct syncer, which stays.
struct syncer {
    uint64_t period_s;          // from a change to its writing
    int (*sync)(void);          // vfs_sync
};
_Noreturn void syncer_daemon(void *arg);
