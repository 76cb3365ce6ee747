// SPDX-License-Identifier: BSD-2-Clause
//
// See syncer.h. What the syncer changes itself (writing data marks blocks as written, which is
// metadata) goes out with the same sync, and is no reason for another.
//
// Locking: none; `changed' is set before the wake-up and cleared before the sync.

#include "fs/syncer.h"

#include "amd64/clock.h"
#include "fs/vnode.h"
#include "lib/printf.h"
#include "sync/kctx.h"
#include "sync/waitq.h"

static struct waitq wait = WAITQ_INIT("syncer", wait);
static struct kctx *syncer;
static bool changed;

void syncer_changed(void)
{
    if (__atomic_load_n(&changed, __ATOMIC_RELAXED) || kctx_current() == syncer)
        return;
    __atomic_store_n(&changed, true, __ATOMIC_SEQ_CST);
    waitq_wake_one(&wait);
}

static void wait_for_change(void)
{
    struct waiter w;

    waitq_add(&wait, &w);
    if (!__atomic_load_n(&changed, __ATOMIC_SEQ_CST))
        waitq_block(WAIT_NOINTR, WAIT_FOREVER);
    waitq_remove(&w);
}

_Noreturn void syncer_daemon(void *arg)
{
    uint64_t period_ns = (uintptr_t)arg * NS_PER_SEC;

    syncer = kctx_current();
    for (;;) {
        wait_for_change();
        if (!__atomic_load_n(&changed, __ATOMIC_SEQ_CST))
            continue;
        for (uint64_t due_ns = clock_ns() + period_ns; clock_ns() < due_ns;)
            waitq_block(WAIT_NOINTR, due_ns);
        __atomic_store_n(&changed, false, __ATOMIC_SEQ_CST);
        // What could not be written waits for the next change: a broken disk is not asked again
        // and again.
        int error = vfs_sync();
        if (error)
            kprintf("syncer: error %d\n", error);
    }
}
