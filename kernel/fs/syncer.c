// SPDX-License-Identifier: BSD-2-Clause
//
// See syncer.h. What the syncer changes itself (writing data marks blocks as written, which is
// metadata) goes out with the same sync, and is no reason for another.
//
// Locking: none; `changed' is set before the wake-up and cleared before the sync.

#include "fs/syncer.h"

#include "amd64/clock.h"
#include "lib/atomic.h"
#include "lib/printf.h"
#include "sync/kctx.h"
#include "sync/waitq.h"

static struct waitq wait = WAITQ_INIT("syncer", wait);
static struct kctx *syncer;
static bool changed;

void syncer_changed(void)
{
    if (load_relaxed(&changed) || kctx_current() == syncer)
        return;
    syncer_again();
}

void syncer_again(void)
{
    store_seq(&changed, true);
    waitq_wake_one(&wait);
}

static void wait_for_change(void)
{
    struct waiter w;

    waitq_add(&wait, &w);
    if (!load_seq(&changed))
        waitq_block(WAIT_NOINTR, WAIT_FOREVER);
    waitq_remove(&w);
}

_Noreturn void syncer_daemon(void *arg)
{
    const struct syncer *s = arg;
    uint64_t period_ns = s->period_s * NS_PER_SEC;

    syncer = kctx_current();
    for (;;) {
        wait_for_change();
        if (!load_seq(&changed))
            continue;
        for (uint64_t due_ns = clock_ns() + period_ns; clock_ns() < due_ns;)
            waitq_block(WAIT_NOINTR, due_ns);
        store_seq(&changed, false);
        // What could not be written waits for the next change: a broken disk is not asked again
        // and again.
        int error = s->sync();
        if (error)
            kprintf("syncer: error %d\n", error);
    }
}
