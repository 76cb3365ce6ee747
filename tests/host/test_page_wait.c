// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of the protocol between threads that wait for free pages and the page daemon: nobody
// sleeps through a free page, and nobody fails before a whole pass was made for him.
//
// link: kernel/mem/*.c tests/host/lib/ram.c tests/host/lib/shim.c tests/host/lib/kstring.c
// link: kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include "lib/shim.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "mem/vm_page.h"
#include "tests/host/lib/ram.h"

#define RAM_PAGES 600

static struct vm_page *taken[RAM_PAGES];
static unsigned ntaken;
static uint64_t total_free;

static struct vm_page_stats stats(void)
{
    struct vm_page_stats st;

    vm_page_get_stats(&st);
    return st;
}

static void check(void)
{
    static char text[1024];
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    CHECK(page_check(&out) == 0, "%s", text);
}

// Takes all pages that the flags allow.
static void take_all(unsigned flags)
{
    struct vm_page *pg;

    while ((pg = vm_page_alloc(PAGE_KMEM, flags)))
        taken[ntaken++] = pg;
}

static void give_back(unsigned n)
{
    while (n-- > 0)
        vm_page_free(taken[--ntaken]);
}

static void init(void)
{
    ram_map(DMAP_BASE, RAM_PAGES * PAGE_SIZE);
    vm_page_init(&(struct phys_range){0, RAM_PAGES * PAGE_SIZE}, 1);
    total_free = stats().nfree;
}

static struct shim_thread *daemon_thread;
static bool daemon_stop;
static unsigned daemon_gain;            // pages that each pass frees
static unsigned passes, passes_allowed; // atomic; a pass ends only when it is allowed to

static void daemon_body(void *arg)
{
    (void)arg;
    kctx_current()->reserve = true;
    for (;;) {
        vm_page_daemon_sleep();
        if (__atomic_load_n(&daemon_stop, __ATOMIC_ACQUIRE))
            break;
        unsigned pass = __atomic_add_fetch(&passes, 1, __ATOMIC_ACQ_REL);
        while (__atomic_load_n(&passes_allowed, __ATOMIC_ACQUIRE) < pass)
            shim_sleep(10000);
        unsigned n = min(daemon_gain, ntaken);
        give_back(n);
        vm_page_daemon_report(n);
    }
    vm_page_daemon_report(0);
}

static int wait_result;

static void wait_body(void *arg)
{
    struct vm_page *pg;

    wait_result = vm_page_alloc_wait(PAGE_ANON, 0, &pg);
    if (wait_result == 0)
        vm_page_free(pg);
    *(bool *)arg = true;
}

static void allow_passes(unsigned n)
{
    __atomic_store_n(&passes_allowed, n, __ATOMIC_RELEASE);
}

static void wait_passes(unsigned n)
{
    while (__atomic_load_n(&passes, __ATOMIC_ACQUIRE) < n)
        shim_sleep(10000);
}

static void test_without_daemon(void)
{
    take_all(0);
    CHECK(vm_page_wait() == ENOMEM, "nobody frees pages");
    give_back(1);
    CHECK(vm_page_wait() == 0, "a page is free");
    give_back(ntaken);
    CHECK(vm_page_wait() == 0, "pages are free");
}

static void test_gains(void)
{
    bool done = false;

    allow_passes(~0u);
    daemon_gain = 1;
    daemon_thread = shim_spawn("daemon", daemon_body, NULL);
    shim_wait_blocked(daemon_thread);
    // The daemon frees as we take: it is woken below free_min, without waiters.
    while (ntaken < total_free - vm_page_free_min)
        taken[ntaken++] = vm_page_alloc(PAGE_KMEM, 0);
    CHECK(passes == 0, "%u passes too early", passes);
    daemon_gain = 0;
    take_all(0);
    shim_wait_blocked(daemon_thread);
    CHECK(passes == 1, "%u passes: a fruitless one is not repeated for nobody", passes);
    daemon_gain = 3;
    struct shim_thread *t = shim_spawn("waiter", wait_body, &done);
    shim_join(t);
    CHECK(wait_result == 0 && passes >= 2, "error %d after %u passes", wait_result, passes);
    shim_wait_blocked(daemon_thread);
    give_back(ntaken);
}

// Asked for a pass, with a spinlock held, the daemon makes one and no more.
static void test_woken(void)
{
    static struct spinlock lock;

    spin_init(&lock, "test", LOCK_PMAP, 0);
    shim_wait_blocked(daemon_thread);
    daemon_gain = 0;
    unsigned start = passes;
    allow_passes(~0u);
    for (unsigned i = 1; i <= 3; i++) {
        spin_lock(&lock);
        vm_page_daemon_wake();
        spin_unlock(&lock);
        wait_passes(start + i);
        shim_wait_blocked(daemon_thread);
        CHECK(passes == start + i, "%u passes for %u calls", passes - start, i);
    }
}

// A waiter that comes in the middle of a pass is failed only by the next one.
static void test_whole_pass(void)
{
    bool first_done = false, second_done = false;

    shim_wait_blocked(daemon_thread);
    daemon_gain = 0;
    unsigned start = passes;
    allow_passes(start + 1);
    take_all(0);
    wait_passes(start + 1); // nobody waited: the shortage alone
    shim_wait_blocked(daemon_thread);
    struct shim_thread *first = shim_spawn("first", wait_body, &first_done);
    wait_passes(start + 2); // begun for the first waiter, and not allowed to end
    struct shim_thread *second = shim_spawn("second", wait_body, &second_done);
    shim_wait_blocked(second);
    allow_passes(start + 2);
    shim_join(first);
    CHECK(wait_result == ENOMEM && first_done, "error %d", wait_result);
    wait_passes(start + 3);
    shim_sleep(2000000);
    while (!second_done && !shim_blocked(second)) // woken by the pass, it looks and sleeps again
        shim_sleep(100000);
    CHECK(!second_done, "failed by a pass that began before it waited");
    allow_passes(start + 3);
    shim_join(second);
    CHECK(wait_result == ENOMEM && second_done, "error %d", wait_result);
    CHECK(stats().wait_failures >= 2, "%lu failures", stats().wait_failures);
}

static void test_killed_and_freed(void)
{
    bool done = false;

    shim_wait_blocked(daemon_thread);
    unsigned start = passes;
    struct shim_thread *t = shim_spawn("killed", wait_body, &done);
    wait_passes(start + 1);
    shim_wait_blocked(t);
    shim_signal(t, SHIM_FATAL);
    shim_join(t);
    CHECK(wait_result == EINTR, "error %d", wait_result);
    // Another thread's free serves a waiter while the pass is still going on.
    done = false;
    t = shim_spawn("served", wait_body, &done);
    shim_wait_blocked(t);
    give_back(1);
    shim_join(t);
    CHECK(wait_result == 0, "error %d", wait_result);
    __atomic_store_n(&daemon_stop, true, __ATOMIC_RELEASE);
    give_back(ntaken);
    allow_passes(~0u);
    take_all(0); // wakes the daemon for the last time
    shim_join(daemon_thread);
    give_back(ntaken);
    check();
    CHECK(stats().nfree == total_free, "%lu free", stats().nfree);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    init();
    RUN(test_without_daemon);
    RUN(test_gains);
    RUN(test_woken);
    RUN(test_whole_pass);
    RUN(test_killed_and_freed);
    return shim_done();
}
