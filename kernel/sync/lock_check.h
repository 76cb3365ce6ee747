// SPDX-License-Identifier: BSD-2-Clause
//
// The part that all locks share, and the checker of the lock order. Each acquisition is checked
// against lock_rank.h and recorded in the running thread's kctx; a violation panics with both
// locks' names and the held list. Works alike on one CPU and on eight.
#pragma once

#include "lib/atomic.h"
#include "lib/panic.h"
#include "lib/types.h"
#include "sync/jitter.h"
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

// Inline, as all but the lock are constants.
static inline void lock_init(struct lock *l, const char *name, enum lock_rank rank, unsigned flags)
{
    KASSERT(rank > LOCK_NONE && rank < LOCK_RANKS, "lock %s: rank %d", name, (int)rank);
    KASSERT((rank >= LOCK_SPIN_FIRST) == ((flags & LOCK_SPIN) != 0),
            "lock %s: rank %d, flags %#x: spinlocks rank from %d on, sleeping locks below", name,
            (int)rank, flags, (int)LOCK_SPIN_FIRST);
    *l = (struct lock){.name = name, .rank = rank, .flags = flags};
}

// True if the running thread holds l exclusively.
static inline bool lock_owned(const struct lock *l)
{
    return load_relaxed(&l->owner) == kctx_current();
}

// True if the running thread has l on its held list (exclusively or shared). Mostly it is the one
// that was taken last.
OFF_THE_WAY bool lock_held_before(const struct lock *l);
static inline bool lock_held(const struct lock *l)
{
    const struct kctx *ctx = kctx_current();

    return __builtin_expect(ctx->held[ctx->nheld] == l, 1) || lock_held_before(l);
}

// Panics if the thread holds any lock; called on return to user mode, and before waits that others
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
// what goes wrong is dealt with out of line, and so is all that is not usual: a lock's functions
// ask lock_in_order, or lock_is_last, and leave the rest to a function OFF_THE_WAY. An interrupt
// may come between any two stores, and its handler takes and releases spinlocks on top of the same
// list: so nheld is raised before the slot is filled and the slot is cleared after it is lowered,
// and a handler's own slots are always above ours.

// The running thread wants l and its rank is not above all held ones: returns if the order
// permits it nevertheless (nested class), else panics.
OFF_THE_WAY void lock_check_order(struct lock *l);
// Acquisitions that found the lock taken, of all CPUs. For /proc/vm/locks.
extern uint64_t lock_contended;
static inline void lock_count_contended(void)
{
    __atomic_fetch_add(&lock_contended, 1, __ATOMIC_RELAXED);
}
// Takes l off the held list although it is not the last one taken; panics if it is not on it.
OFF_THE_WAY void lock_forget(struct lock *l);
_Noreturn void lock_too_many(struct lock *l) __attribute__((cold));

// If l ranks above all that is held: else lock_check_order must be asked, before waiting for it. A
// try-lock does without. ctx is the running thread's, here and below.
static inline bool lock_in_order(const struct kctx *ctx, const struct lock *l)
{
    return __builtin_expect(l->rank > ctx->top_rank[ctx->nheld], 1);
}

// If l is what was taken last, and nothing else is to be done where it is released.
static inline bool lock_is_last(const struct kctx *ctx, const struct lock *l)
{
    return __builtin_expect(ctx->held[ctx->nheld] == l && !jitter_one_in, 1);
}

static inline void lock_push(struct kctx *ctx, struct lock *l, uint8_t top)
{
    size_t n = ctx->nheld + 1;

    if (__builtin_expect(n > KCTX_MAX_LOCKS, 0))
        lock_too_many(l);
    ctx->nheld = n;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    ctx->held[n] = l;
    ctx->top_rank[n] = top;
}

// Records that the thread got l; after lock_in_order or lock_check_order, so that no held lock
// ranks higher.
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

    if (__builtin_expect(ctx->held[n] != l, 0)) {
        lock_forget(l);
        return;
    }
    ctx->nheld = n - 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    ctx->top_rank[n] = LOCK_NONE;
}
