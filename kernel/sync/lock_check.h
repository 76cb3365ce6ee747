// SPDX-License-Identifier: BSD-2-Clause
//
// The part that all locks share, and the checker of the lock order. Each acquisition is checked
// against lock_rank.h and recorded in the running thread's kctx; a violation panics with both
// locks' names and the held list. Works alike on one CPU and on eight.
#pragma once

#include "lib/types.h"
#include "sync/kctx.h"
#include "sync/lock_rank.h"

enum lock_flags {
    LOCK_SPIN = 1,              // a spinlock
    LOCK_NESTED = 2,            // two of this rank may be held (see lock_rank.h for the order)
};

// The head of every lock.
struct lock {
    const char *name;           // constant
    struct kctx *owner;         // exclusive holder, or NULL; written by it or who hands over to it
    uint8_t rank;               // enum lock_rank
    uint8_t flags;              // enum lock_flags
};

void lock_init(struct lock *l, const char *name, enum lock_rank rank, unsigned flags);

// True if the running thread holds l exclusively.
static inline bool lock_owned(const struct lock *l)
{
    return __atomic_load_n(&l->owner, __ATOMIC_RELAXED) == kctx_current();
}

// True if the running thread has l on its held list (exclusively or shared).
bool lock_held(const struct lock *l);

// Panics unless no lock at all is held; called on return to user mode, and before waits that others
// end.
void lock_assert_none_held(const char *where);

// Writes the held list as one line of text, cut at `size'.
#define LOCK_HELD_TEXT 256
void lock_format_held(const struct kctx *ctx, char *buf, size_t size);

// Prints the locks that a context holds and waits for, one line each, through kprintf. `place'
// prints the rest of a spinlock's line: where it was taken.
void lock_print_held(const struct kctx *ctx, void (*place)(uintptr_t at));

// ---- For lock implementations ----
//
// The bookkeeping of an acquisition. These are inline because every lock operation passes here;
// what goes wrong is dealt with out of line. An interrupt may come between any two stores, and
// its handler takes and releases spinlocks on top of the same list: so nheld is raised before the
// slot is filled and the slot is cleared after it is lowered, and a handler's own slots are
// always above ours.

// The running thread wants l and its rank is not above all held ones: returns if the order
// permits it nevertheless (nested class), else panics.
void lock_check_order(struct lock *l);
// Takes l off the held list although it is not the last one taken; panics if it is not held.
void lock_forget(struct lock *l);
_Noreturn void lock_too_many(struct lock *l);

// Checks l against the order, before waiting for it. A try-lock does without. ctx is the running
// thread's, here and below.
static inline void lock_note_acquire(struct kctx *ctx, struct lock *l)
{
    if (__builtin_expect(l->rank <= ctx->top_rank[ctx->nheld], 0))
        lock_check_order(l);
}

static inline void lock_push(struct kctx *ctx, struct lock *l, uint8_t top)
{
    size_t n = ctx->nheld;

    if (__builtin_expect(n >= KCTX_MAX_LOCKS, 0))
        lock_too_many(l);
    ctx->nheld = n + 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    ctx->held[n] = l;
    ctx->top_rank[n + 1] = top;
}

// Records that the thread got l; after lock_note_acquire, so that no held lock ranks higher.
static inline void lock_note_acquired(struct kctx *ctx, struct lock *l)
{
    lock_push(ctx, l, l->rank);
}

// The same for a try-lock.
static inline void lock_note_tried(struct kctx *ctx, struct lock *l)
{
    lock_push(ctx, l, max(ctx->top_rank[ctx->nheld], l->rank));
}

// Records that the thread gives l up; panics if it does not hold it.
static inline void lock_note_release(struct kctx *ctx, struct lock *l)
{
    size_t n = ctx->nheld;

    if (__builtin_expect(n == 0 || ctx->held[n - 1] != l, 0)) {
        lock_forget(l);
        return;
    }
    ctx->nheld = n - 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    ctx->top_rank[n] = LOCK_NONE;
}
