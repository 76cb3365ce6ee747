// SPDX-License-Identifier: BSD-2-Clause
//
// Memory that was refused, once: a fork and a fault wait for it, go on, and have done all that they
// would have done at once.

#include "lab_anon.h"
#include "lib/errno.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "pmap/pmap.h"
#include "pmap/pmap_impl.h"
#include "sync/kctx.h"
#include "sync/lock_check.h"
#include "tests/kernel/watch.h"
#include "vm/amap.h"
#include "vm/anon.h"
#include "vm/map_change.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"

enum { N = 64, MOST = 16 };

static uint64_t words;

// What a child has, too, its parent may not write to without a fault.
static void expect_protected(uint64_t nth)
{
    for (unsigned i = 0; i < N; i++) {
        const uint64_t *pte = pmap_pte(lab_space[0]->pmap, lab_va(i));
        KTEST_CHECK(!pte || !(*pte & PTE_W),
                    "a fork whose allocation %lu failed is done, and page %u, which the child has, "
                    "is mapped writable by its parent",
                    nth, i);
    }
}

// How many of a fork's allocations make it fail if they fail, each in turn.
static unsigned refusals(bool written)
{
    unsigned n = 0;

    for (uint64_t nth = 1; nth <= MOST; nth++) {
        lab_begin(N);
        lab_new_space(0);
        lab_map(0, 0, N);
        if (written) {
            lab_fill(0, 0, N, &words);
            lab_fork(0, 1);
            lab_fill(0, 0, N, &words);
        }
        kctx_current()->fail_nth = nth;
        int error = vm_space_fork(lab_space[0], &lab_space[2]);
        kctx_current()->fail_nth = 0;
        if (!error) {
            expect_protected(nth);
            vm_space_unref(lab_space[2]);
        }
        lab_space[2] = NULL;
        n += error != 0;
        lab_end();
    }
    return n;
}

// A space and its entries may be refused; what the amaps need is waited for.
KTEST(lab_anon_fork_refused)
{
    unsigned always = refusals(false), written = refusals(true);

    KTEST_CHECK(written <= always,
                "a fork of written memory fails at %u of its allocations, and at %u of them if "
                "nothing is written: it does not wait for what the copy of an amap needs",
                written, always);
}

// ---- a fork that waits ----

static const struct lock *forked; // of the amap that it copies, or refers to
static uint64_t refused;          // the allocation that fails

static void see_wait(unsigned fn UNUSED, const uint64_t args[WATCH_ARGS] UNUSED)
{
    static char held[LOCK_HELD_TEXT];

    lock_format_held(kctx_current(), held, sizeof(held));
    KTEST_CHECK(!forked || !lock_held(forked),
                "a fork whose allocation %lu fails waits for memory, or for a page, and holds the "
                "amap that it inherits: %s",
                refused, held);
}

// What the memory is that is inherited.
enum inherited { WRITTEN = 1, NEEDS_COPY = 2, WIRED = 4, FOR_GOOD = 8, SHARE = 16, KINDS = 32 };

// False: the fork asks for memory less often.
static bool fork_waits(unsigned npages, unsigned what, uint64_t nth)
{
    const vaddr_t waits[] = {(vaddr_t)vm_page_wait, (vaddr_t)vm_page_wait_starved,
                             (vaddr_t)vm_page_alloc_wait, (vaddr_t)anon_fetch_unlock};

    lab_new_space(0);
    lab_map(0, 0, npages);
    if (what & WRITTEN)
        lab_fill(0, 0, npages, &words);
    if (what & FOR_GOOD) {
        lab_inherit(0, 0, npages, true);
        lab_fork(0, 1);
    }
    lab_inherit(0, 0, npages, false);
    if (what & NEEDS_COPY) {
        lab_fork(0, 2);
        lab_protect(0, 0, npages, false); // to be wired as it is
    }
    if (what & WIRED)
        lab_wire(0, 0, npages, true);
    lab_inherit(0, 0, npages, what & SHARE);
    forked = lab_amap_lock(0);
    refused = nth;
    watch_calls(waits, array_len(waits), see_wait);
    uint64_t asked = kctx_current()->allocs;
    lab_fail_nth = nth;
    lab_fork(0, 3);
    lab_fail_nth = 0;
    asked = kctx_current()->allocs - asked;
    watch_off();
    lab_read_all();
    for (unsigned n = 0; n < LAB_SPACES; n++)
        if (lab_space[n])
            lab_exit(n);
    return asked >= nth;
}

KTEST(lab_anon_fork_waits)
{
    static const unsigned lengths[] = {6, 40}; // few, which a fork may copy at once, and many

    lab_begin(40);
    for (unsigned i = 0; i < array_len(lengths); i++)
        for (unsigned what = 0; what < KINDS; what++)
            for (uint64_t nth = 1; nth < 300 && !ktest_failed(); nth++)
                if (!fork_waits(lengths[i], what, nth))
                    break;
    lab_end();
}

// ---- a fault that waits ----

// Of each fault that copies a page or makes one the nth allocation fails: it is waited for, once.
static void expect_wait(unsigned page, const char *what)
{
    for (uint64_t nth = 1; nth <= 2; nth++, page++) {
        uint64_t waits = vm_fault_stats.waits, asked = kctx_current()->allocs;
        lab_fail_nth = nth;
        lab_write(0, page, ++words);
        lab_fail_nth = 0;
        asked = kctx_current()->allocs - asked;
        KTEST_CHECK(asked < nth || vm_fault_stats.waits == waits + 1,
                    "a write to %s whose allocation %lu fails: it waits for memory %lu times, "
                    "not once",
                    what, nth, vm_fault_stats.waits - waits);
    }
}

KTEST(lab_anon_fault_refused)
{
    lab_begin_full(N, &words);
    lab_fork(0, 1);
    lab_write(0, 0, ++words); // the amap is copied
    expect_wait(1, "a page that a child has, too");
    lab_exit(1);
    lab_discard(0, 0, N);
    lab_write(0, 0, ++words);
    expect_wait(1, "a page that nobody has touched");
    lab_end();
}

// A child's first write finds no page tables, and one of the last things that it asks for fails:
// what the mapping needs is asked for again, and nothing else. The page that was made stays.
static uint64_t first_write(uint64_t nth)
{
    lab_begin_full(N, &words);
    lab_fork(0, 1);
    uint64_t asked = kctx_current()->allocs;
    lab_fail_nth = nth;
    lab_write(1, 0, ++words);
    lab_fail_nth = 0;
    asked = kctx_current()->allocs - asked;
    lab_read_all();
    lab_end();
    return asked;
}

KTEST(lab_anon_map_refused)
{
    enum { MAPPING = 4 }; // a table on each of three levels, and an entry of the reverse map
    uint64_t right = first_write(0);

    for (uint64_t nth = right - 1; nth <= right; nth++) {
        uint64_t again = first_write(nth);
        KTEST_CHECK(again <= right + MAPPING,
                    "a write asks for memory %lu times, and %lu times if number %lu of them fails, "
                    "which is for the mapping: the copy of the page is in its slot already",
                    right, again, nth);
    }
}

// ---- what never waits ----

static int copy_amap(struct map_change *c, struct vm_map_entry *e)
{
    return amap_copy(c, c->map, e, e->start_va);
}

static int discard_page(struct map_change *c, struct vm_map_entry *e)
{
    pmap_remove(c->map->pmap, e->start_va, e->start_va + PAGE_SIZE);
    return amap_discard(c, e, e->start_va, e->start_va + PAGE_SIZE);
}

// Its nth allocation fails, for each n. The map is locked: who asked waits, once it is not.
static void expect_no_wait(int (*act)(struct map_change *c, struct vm_map_entry *e),
                           const char *what)
{
    struct vm_page_stats before, after;

    for (unsigned nth = 1; nth <= 4; nth++) {
        struct map_change c;
        struct vm_map_entry *e;
        lab_begin_full(N, &words);
        lab_fork(0, 1);
        int error = map_change_begin(&c, &lab_space[0]->map, 0, PR_WAITOK);
        KASSERT(!error && vm_map_lookup(c.map, LAB_VA, &e), "error %d", error);
        vm_page_get_stats(&before);
        kctx_current()->fail_nth = nth;
        error = act(&c, e);
        kctx_current()->fail_nth = 0;
        vm_page_get_stats(&after);
        map_change_end(&c);
        KTEST_CHECK(after.waits == before.waits && (!error || error == ENOMEM),
                    "%s whose allocation %u fails: error %d, and it waits for memory %lu times, "
                    "with the map locked",
                    what, nth, error, after.waits - before.waits);
        lab_end();
    }
}

KTEST(lab_anon_never_waits)
{
    expect_no_wait(copy_amap, "amap_copy");
    expect_no_wait(discard_page, "amap_discard");
}

// ---- what was done, and what could not be ----

struct done {
    uint64_t copies, pages; // of amaps; that faults have copied or made
};

static struct done done_now(void)
{
    const struct vm_fault_stats *st = &vm_fault_stats;

    return (struct done){amap_stats.copies, st->anon_copies + st->promotes + st->zero_fills};
}

static void fork_once(unsigned n)
{
    lab_fork(n, 2);
}

static void write_page(unsigned n)
{
    lab_write(n, 20, ++words);
}

static void write_far(unsigned n) // where the amap has no slot yet
{
    lab_write(n, 60, ++words);
}

// What is counted of it if its nth allocation fails; 0: none. False: it was refused.
static bool count_one(void (*act)(unsigned n), unsigned nwritten, unsigned nth, struct done *done)
{
    lab_new_space(0);
    lab_map(0, 0, 64);
    lab_fill(0, 0, nwritten, &words);
    lab_fork(0, 1);
    struct done before = done_now();
    lab_fail_nth = nth;
    act(0);
    lab_fail_nth = 0;
    struct done after = done_now();
    lab_read_all(); // what it shows matters more than what was counted
    bool refused = act == fork_once && !lab_space[2];
    for (unsigned n = 0; n < LAB_SPACES; n++)
        if (lab_space[n])
            lab_exit(n);
    *done = (struct done){after.copies - before.copies, after.pages - before.pages};
    return !refused;
}

static void count_all(void (*act)(unsigned n), unsigned nwritten, const char *what)
{
    struct done right, done;

    count_one(act, nwritten, 0, &right);
    for (unsigned nth = 1; nth <= 16; nth++) {
        if (!count_one(act, nwritten, nth, &done))
            continue;
        KTEST_CHECK(done.copies == right.copies,
                    "a %s whose allocation fails, number %u, leaves amap_stats wrong: copies is "
                    "%lu, not %lu",
                    what, nth, done.copies, right.copies);
        KTEST_CHECK(done.pages <= right.pages,
                    "a %s whose allocation fails, number %u, leaves vm_fault_stats wrong: the sum "
                    "of anon_copies, promotes and zero_fills is %lu, not %lu",
                    what, nth, done.pages, right.pages);
    }
}

// A page that is there, one that nobody has touched, and one of a file; forks that defer or not.
KTEST(lab_anon_counted)
{
    lab_begin(64);
    count_all(write_page, 64, "write");
    count_all(write_page, 12, "write");
    count_all(write_far, 12, "write");
    count_all(fork_once, 4, "fork");
    count_all(fork_once, 64, "fork");
    lab_below = anon_object_create(64);
    KASSERT(lab_below, "no memory for an object");
    count_all(write_page, 12, "write");
    vm_object_unref(lab_below);
    lab_below = NULL;
    lab_end();
}
