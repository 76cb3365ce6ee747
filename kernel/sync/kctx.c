// SPDX-License-Identifier: BSD-2-Clause
//
// The low floors' view of the running thread: whether it may sleep or allocate, and which of its
// allocations a test wants to fail. Only the running thread touches its own context, so there are
// no locks.
#include "lib/panic.h"
#include "sync/kctx.h"
#include "sync/lock_check.h"

void nosleep_exit(void)
{
    struct kctx *ctx = kctx_current();

    KASSERT(ctx->nosleep > 0, "thread %d (%s): nosleep depth is 0", ctx->id, ctx->name);
    ctx->nosleep--;
}

void kctx_sleep_panic(const char *what, const void *caller)
{
    const struct percpu *cpu = this_cpu();
    const struct kctx *ctx = cpu->kctx;
    char held[LOCK_HELD_TEXT];

    lock_format_held(ctx, held, sizeof(held));
    panic("%s may sleep, called from %p by thread %d (%s): nosleep depth %u, interrupts-off depth "
          "%u, %s; holds %s",
          what, caller, ctx->id, ctx->name, ctx->nosleep, cpu->irq_off_depth,
          cpu->in_interrupt ? "in an interrupt" : "not in an interrupt", held);
}
void kctx_memwait_panic(const char *what)
{
    const struct kctx *ctx = kctx_current();

    panic("%s may wait for memory, called by thread %d (%s) inside a change of a map", what,
          ctx->id, ctx->name);
}

bool fail_injected(void)
{
    struct kctx *ctx = kctx_current();

    if (this_cpu()->in_interrupt)
        return false;
    KASSERT(!ctx->noalloc, "thread %d (%s) may not allocate, and does", ctx->id, ctx->name);
    ctx->allocs++;
    return ctx->fail_nth > 0 && --ctx->fail_nth == 0;
}
