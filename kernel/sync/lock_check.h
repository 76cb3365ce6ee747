// SPDX-License-Identifier: BSD-2-Clause
//
// The part that all locks share, and the checker of the lock order. Each acquisition is checked
// against lock_rank.h and recorded in the running thread's kctx; a violation panics with both
// locks' names and the held list. Works alike on one CPU and on eight.
#pragma once

#include "lib/types.h"
#include "sync/lock_rank.h"

struct kctx;

enum lock_flags {
    LOCK_SPIN = 1,              // a spinlock
    LOCK_NESTED = 2,            // two of this rank may be held (see lock_rank.h for the order)
};

// The head of every lock.
struct lock {
    const char *name;           // constant
    struct kctx *owner;         // exclusive holder, or NULL; written by the holder
    uint8_t rank;               // enum lock_rank
    uint8_t flags;              // enum lock_flags
};

// For lock implementations: check then record an acquisition; forget one. `try' skips the order.
void lock_note_acquire(struct lock *l, bool try);
void lock_note_acquired(struct lock *l);
void lock_note_release(struct lock *l);

// True if the running thread has l on its held list (exclusively or shared).
bool lock_held(const struct lock *l);

// Panics unless no lock at all is held; called on return to user mode.
void lock_assert_none_held(const char *where);

// Prints the locks that a context holds and waits for, one line each, through kprintf.
void lock_print_held(const struct kctx *ctx);
