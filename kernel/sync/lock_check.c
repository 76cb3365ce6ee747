// SPDX-License-Identifier: BSD-2-Clause
//
// What the lock checker does off the fast path: permit nested classes, panic over violations,
// keep the held list when locks are released out of order, and print it. A context's list is
// touched by its own thread only; the printing of another thread's is a racy look for reports.
#include "lib/panic.h"
#include "lib/printf.h"
#include "sync/lock_check.h"
#include "sync/spinlock.h"

uint64_t lock_contended;

_Static_assert(LOCK_RANKS <= UINT8_MAX, "a rank fits struct lock and top_rank");

bool lock_held_before(const struct lock *l)
{
    const struct kctx *ctx = kctx_current();
    size_t i = ctx->nheld;

    while (i > 0 && ctx->held[i] != l)
        i--;
    return i > 0;
}

void lock_format_held(const struct kctx *ctx, char *buf, size_t size)
{
    struct strbuf sb;

    strbuf_init(&sb, buf, size);
    for (size_t i = 1; i <= ctx->nheld && i <= KCTX_MAX_LOCKS; i++)
        if (ctx->held[i])
            strbuf_printf(&sb, "%s%s (rank %u)", i > 1 ? ", " : "", ctx->held[i]->name,
                          ctx->held[i]->rank);
    if (sb.len == 0)
        strbuf_printf(&sb, "no lock");
}

// Panics with what is wrong about l, and with the locks that the running thread holds.
static _Noreturn void lock_panic(const struct lock *l, const char *problem)
{
    const struct kctx *ctx = kctx_current();
    char held[LOCK_HELD_TEXT];

    lock_format_held(ctx, held, sizeof(held));
    panic("lock %s (rank %u) %s; thread %d (%s) holds %s", l->name ? l->name : "without a name",
          l->rank, problem, ctx->id, ctx->name, held);
}

void lock_check_order(struct lock *l)
{
    const struct kctx *ctx = kctx_current();
    const struct lock *highest = NULL;
    char problem[128];

    if (l->rank == LOCK_NONE)
        lock_panic(l, "was never initialised");
    if (lock_held(l))
        lock_panic(l, "is taken again by the thread that holds it");
    if (l->rank == ctx->top_rank[ctx->nheld] && l->flags & LOCK_NESTED)
        return;
    for (size_t i = 1; i <= ctx->nheld; i++)
        if (!highest || ctx->held[i]->rank > highest->rank)
            highest = ctx->held[i];
    ksnprintf(problem, sizeof(problem), "is taken after %s (rank %u), against the lock order",
              highest->name, highest->rank);
    lock_panic(l, problem);
}

void lock_forget(struct lock *l)
{
    struct kctx *ctx = kctx_current();
    size_t n = ctx->nheld, i = n;

    while (i > 0 && ctx->held[i] != l)
        i--;
    if (i == 0)
        lock_panic(l, "is released by a thread that does not hold it");
    for (; i < n; i++) {
        ctx->held[i] = ctx->held[i + 1];
        ctx->top_rank[i] = max(ctx->top_rank[i - 1], ctx->held[i]->rank);
    }
    ctx->nheld = n - 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    ctx->top_rank[n] = LOCK_NONE;
}

void lock_too_many(struct lock *l)
{
    lock_panic(l, "is one more than a thread may hold");
}

void lock_assert_none_held(const char *where)
{
    const struct kctx *ctx = kctx_current();

    if (__builtin_expect(ctx->nheld != 0, 0)) {
        char held[LOCK_HELD_TEXT];
        lock_format_held(ctx, held, sizeof(held));
        panic("%s: thread %d (%s) holds %s", where, ctx->id, ctx->name, held);
    }
}

void lock_print_held(const struct kctx *ctx, void (*place)(uintptr_t at))
{
    for (size_t i = 1; i <= ctx->nheld && i <= KCTX_MAX_LOCKS; i++) {
        struct lock *held = ctx->held[i];
        if (!held)
            continue;
        kprintf("  holds %s (rank %u, %p)", held->name, held->rank, (void *)held);
        if (held->flags & LOCK_SPIN)
            place(spin_place(container_of(held, struct spinlock, lock)));
        kprintf("\n");
    }
    const struct lock *l = ctx->waiting;
    if (l)
        kprintf("  waits for %s (rank %u, %p), owner %s\n", l->name, l->rank, (const void *)l,
                l->owner && l->owner->name ? l->owner->name : "-");
}
