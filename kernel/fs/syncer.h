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

// The body of its kernel thread; arg: seconds from a change to its writing, as an integer.
_Noreturn void syncer_daemon(void *arg);
