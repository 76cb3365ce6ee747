// SPDX-License-Identifier: BSD-2-Clause
//
// Shortage: threads wait for free pages, and the page daemon makes passes for them. A waiter gives
// up only after a whole pass that began once it waited, and that gained nothing, or at whose end
// the last resort said no to somebody who starves; passes are numbered for that. Nothing is lost
// between check and sleep: all of it is decided under page_free.lock.

#include "lib/errno.h"
#include "lib/panic.h"
#include "mem/vm_page.h"
#include "mem/vm_page_impl.h"
#include "sync/kctx.h"

static int wait_for_pages(bool starved)
{
    int error = 0;

    assert_may_sleep("vm_page_wait");
    assert_may_wait_for_memory("vm_page_wait");
    spin_lock(&page_free.lock);
    KASSERT(kctx_current() != page_free.daemon, "the page daemon waits for itself, %lu pages free",
            page_free.nfree);
    page_free.waits++;
    uint64_t seen = page_free.passes_begun, resorts = page_free.resorts;
    while (!error &&
           (starved ? page_free.resorts == resorts : page_free.nfree <= vm_page_reserve_kernel)) {
        if (!page_free.daemon || page_free.failed_pass > seen) {
            error = ENOMEM;
            break;
        }
        // A pass under way will do, if it began after this wait.
        if (!page_free.pass_running || page_free.passes_begun == seen)
            page_free.pass_wanted = true;
        page_free.starving |= starved;
        page_daemon_kick();
        page_free.nwaiting++;
        error =
            waitq_wait_spin(&page_free.free_waitq, &page_free.lock, WAIT_KILLABLE, WAIT_FOREVER);
        page_free.nwaiting--;
    }
    if (error)
        page_free.wait_failures++;
    spin_unlock(&page_free.lock);
    return error;
}

int vm_page_wait(void)
{
    return wait_for_pages(false);
}

int vm_page_wait_starved(void)
{
    return wait_for_pages(true);
}

int vm_page_alloc_wait(enum page_owner owner, unsigned flags, struct vm_page **out)
{
    int error = 0;

    assert_may_sleep("vm_page_alloc_wait");
    assert_may_wait_for_memory("vm_page_alloc_wait");
    // An injected failure must reach the caller: it would only make the loop go round once more.
    if (fail_injected())
        return ENOMEM;
    while (!(*out = page_take(owner, flags)) && !error)
        error = vm_page_wait();
    return *out ? 0 : error;
}

// ---- the page daemon's side ----

void vm_page_daemon_sleep(void)
{
    assert_may_sleep("vm_page_daemon_sleep");
    spin_lock(&page_free.lock);
    KASSERT(!page_free.pass_running, "pass %lu is not reported", page_free.passes_begun);
    page_free.daemon = kctx_current();
    while (!page_pass_due())
        waitq_await_spin(&page_free.daemon_waitq, &page_free.lock);
    page_free.pass_wanted = page_free.daemon_woken = false;
    page_free.pass_running = true;
    page_free.passes_begun++;
    spin_unlock(&page_free.lock);
}

void vm_page_daemon_wake(void)
{
    spin_lock(&page_free.lock);
    page_free.daemon_woken = true;
    page_daemon_kick();
    spin_unlock(&page_free.lock);
}

void vm_page_set_last_resort(bool (*last_resort)(void))
{
    page_free.last_resort = last_resort;
}

void vm_page_daemon_report(uint64_t nfreed)
{
    bool coming = false;

    assert_may_sleep("vm_page_daemon_report");
    spin_lock(&page_free.lock);
    KASSERT(page_free.pass_running && page_free.daemon == kctx_current(), "pass %lu runs: %d",
            page_free.passes_begun, page_free.pass_running);
    bool last = page_free.nwaiting &&
                (page_free.starving || (!nfreed && page_free.nfree <= vm_page_reserve_kernel));
    page_free.starving = false;
    spin_unlock(&page_free.lock);
    if (last && page_free.last_resort)
        coming = page_free.last_resort();
    spin_lock(&page_free.lock);
    page_free.pass_running = false;
    page_free.fruitless = nfreed == 0 && page_free.nfree < vm_page_free_min;
    page_free.resorts += coming;
    if (last && !coming)
        page_free.failed_pass = page_free.passes_begun;
    waitq_wake_all(&page_free.free_waitq);
    spin_unlock(&page_free.lock);
}
