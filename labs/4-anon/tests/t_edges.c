// SPDX-License-Identifier: BSD-2-Clause
//
// What is rare: a pager during whose work somebody writes, or that has to make room; memory that
// runs out at every place of a fork.

#include "lab_anon.h"
#include "lib/errno.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "mem/vm_page.h"
#include "pmap/pmap.h"
#include "sync/kctx.h"
#include "vm/anon.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"

static uint64_t words;

// ---- a pager at work ----

// While it is, space `writer' writes to the page that it is asked for, once.
static const struct vm_pager_ops *pager;
static unsigned writer;
static bool armed;

static int get_while_written(struct vm_object *o, pgno_t pgno, vm_prot_t access, bool overwrite,
                             struct vm_page **pg)
{
    if (armed) {
        armed = false;
        mutex_unlock(&o->lock);
        lab_write_at(writer, lab_va((unsigned)pgno), ++words);
        mutex_lock(&o->lock);
    }
    return pager->get(o, pgno, access, overwrite, pg);
}

// Space 0 faults; meanwhile it, or who shares its memory, writes to the page. All see the same.
static void fault_while_written(vm_prot_t access, unsigned by)
{
    struct vm_object *o = lab_start_object(4);
    struct vm_pager_ops ops = *(pager = o->ops);

    ops.get = get_while_written;
    o->ops = &ops;
    lab_map_private(0, 4 * PAGE_SIZE, o);
    lab_inherit(0, 0, 4, true);
    lab_write_at(0, lab_va(1), ++words);
    lab_fork(0, 1);
    writer = by;
    armed = true;
    int error = vm_fault(&lab_space[0]->map, lab_va(2), access);
    KTEST_CHECK(!error && !armed, "fault: error %d", error);
    lab_expect_at(0, lab_va(2), words);
    lab_expect_at(1, lab_va(2), words);
    lab_exit(0);
    lab_exit(1);
    o->ops = pager;
    vm_object_unref(o);
    lab_point("end");
}

KTEST(lab_anon_pager)
{
    for (unsigned by = 0; by < 2; by++) {
        fault_while_written(PROT_READ, by);
        fault_while_written(PROT_WRITE, by);
    }
}

// ---- a pager that is asked again ----

static struct vm_pager_ops asked;

// A page that the fault before got: nobody has it any more. o locked.
static void expect_not_busy(struct vm_object *o, pgno_t pgno)
{
    struct vm_page *pg = vm_object_lookup(o, pgno);
    bool busy = pg && pg->flags & PG_BUSY;

    KTEST_CHECK(!busy, "the object's page %lu is busy still, though the fault that had it is over",
                pgno);
    if (busy)
        vm_page_unbusy(pg);
}

static int get_unless_busy(struct vm_object *o, pgno_t pgno, vm_prot_t access, bool overwrite,
                           struct vm_page **pg)
{
    expect_not_busy(o, pgno);
    return pager->get(o, pgno, access, overwrite, pg);
}

// Each allocation of a fault that gets a page fails in turn: when it comes again nobody has the
// page.
static void fault_again(vm_prot_t access, uint64_t nth)
{
    struct vm_object *o = lab_start_object(4);

    asked = *(pager = o->ops);
    asked.get = get_unless_busy;
    o->ops = &asked;
    lab_map_private(0, 4 * PAGE_SIZE, o);
    kctx_current()->fail_nth = nth;
    int error = vm_fault(&lab_space[0]->map, lab_va(2), access);
    kctx_current()->fail_nth = 0;
    KTEST_CHECK(!error, "fault whose allocation %lu fails: error %d", nth, error);
    mutex_lock(&o->lock);
    expect_not_busy(o, 2);
    mutex_unlock(&o->lock);
    lab_exit(0);
    o->ops = pager;
    vm_object_unref(o);
}

KTEST(lab_anon_pager_short)
{
    for (uint64_t nth = 1; nth <= 12; nth++) {
        fault_again(PROT_READ, nth);
        fault_again(PROT_WRITE, nth);
    }
    lab_point("end");
}

// Room for a page is made when it is got for writing, and not before.
static int get_with_room(struct vm_object *o, pgno_t pgno, vm_prot_t access, bool overwrite,
                         struct vm_page **pg)
{
    int error = pager->get(o, pgno, access, overwrite, pg);

    if (!error && access & PROT_WRITE)
        (*pg)->flags |= PG_BACKED;
    else if (!error)
        (*pg)->flags &= ~(unsigned)(PG_BACKED | PG_DIRTY);
    return error;
}

static unsigned ndirtied; // pages that were clean

static void count_dirtied(struct vm_object *o UNUSED)
{
    ndirtied++;
}

// As who has written the page back leaves it: it has room, and is clean.
static void clean(struct vm_object *o, pgno_t pgno, vm_prot_t prot)
{
    mutex_lock(&o->lock);
    struct vm_page *pg = vm_object_lookup(o, pgno);
    KASSERT(pg, "page %lu was written, and is not there", pgno);
    pmap_page_protect(pg, prot);
    pg->flags &= ~(unsigned)PG_DIRTY;
    mutex_unlock(&o->lock);
}

// Nobody can write to a page without its pager being told.
static void expect_dirty_if_writable(struct vm_object *o, const char *when)
{
    paddr_t pa;
    vm_prot_t prot;

    mutex_lock(&o->lock);
    for (unsigned i = 0; i < 4; i++) {
        struct vm_page *pg = vm_object_lookup(o, i);
        bool writable =
            pg && pmap_extract(lab_space[0]->pmap, lab_va(i), &pa, &prot) && prot & PROT_WRITE;
        KTEST_CHECK(!writable || pg->flags & PG_DIRTY,
                    "page %u of a shared mapping, %s, is mapped writable without PG_DIRTY", i,
                    when);
    }
    mutex_unlock(&o->lock);
}

// Pages of a shared mapping: some are there because they were read, and all are written, cleaned,
// read and written again.
KTEST(lab_anon_room)
{
    struct vm_object *o = lab_start_object(4);
    vaddr_t va = LAB_VA;

    asked = *(pager = o->ops);
    asked.get = get_with_room;
    asked.dirtied = count_dirtied;
    o->ops = &asked;
    vm_object_ref(o);
    int error = vm_mmap(lab_space[0], &va, 4 * PAGE_SIZE, PROT_RW, PROT_ALL,
                        LINUX_MAP_SHARED | LINUX_MAP_FIXED, o, 0);
    KASSERT(!error, "mmap: error %d", error);
    for (unsigned i = 0; i < 4; i += 2)
        lab_expect_at(0, lab_va(i), 0);
    expect_dirty_if_writable(o, "which was read");
    for (unsigned i = 0; i < 4; i++)
        lab_write_at(0, lab_va(i), ++words);
    for (unsigned i = 0; i < 4; i++)
        clean(o, i, i % 2 ? PROT_READ : PROT_NONE);
    for (unsigned i = 0; i < 4; i++)
        lab_expect_at(0, lab_va(i), words - 3 + i);
    expect_dirty_if_writable(o, "which was written, cleaned and read");
    ndirtied = 0;
    for (unsigned i = 0; i < 4; i++)
        lab_write_at(0, lab_va(i), ++words);
    expect_dirty_if_writable(o, "which was written again");
    KTEST_CHECK(ndirtied == 4,
                "4 clean pages are written: %u times the pager hears it is dirty now", ndirtied);
    lab_exit(0);
    o->ops = pager;
    vm_object_unref(o);
    lab_point("end");
}

// ---- memory runs out ----

// Wired pages, pages whose copy is deferred, few of them, and what is shared for good.
static void start_kinds(void)
{
    lab_begin(80);
    lab_new_space(0);
    lab_map(0, 0, 76);
    for (unsigned i = 0; i < 76; i++)
        if (i < 40 || i >= 64 || i % 8 == 0)
            lab_write(0, i, ++words);
    lab_wire(0, 0, 16, true);
    lab_inherit(0, 48, 64, true);
    lab_fork(0, 1);
    lab_exit(1);
}

// Pages all over a region of several tables of counts, whatever their size.
static void start_long(void)
{
    lab_begin(LAB_PAGES);
    lab_new_space(0);
    lab_map(0, 0, LAB_PAGES);
    for (unsigned i = 0; i < LAB_PAGES; i += 3)
        lab_write(0, i, ++words);
    lab_fork(0, 1);
    lab_exit(1);
}

// Each allocation of a fork fails in turn, until none is left that could, or `most' did.
static void fail_forks(uint64_t most)
{
    uint64_t n = 0;
    struct kctx *ctx = kctx_current();
    bool failed;

    lab_mark();
    do {
        ctx->fail_nth = ++n;
        struct vm_space *child = NULL;
        int error = vm_space_fork(lab_space[0], &child);
        failed = !ctx->fail_nth;
        ctx->fail_nth = 0;
        KTEST_CHECK(!error || (failed && error == ENOMEM), "fork %lu: error %d", n, error);
        KTEST_CHECK(!ctx->nheld, "fork %lu leaves a lock taken", n);
        if (child)
            vm_space_unref(child);
        lab_expect_marked("a fork whose allocation fails, number", n);
    } while (failed && n < most);
}

// The same with n pages left, for every n that is too few; beyond 100 for each step'th.
static void starve_forks(uint64_t step)
{
    int error = ENOMEM;

    lab_mark();
    for (uint64_t n = 0; error && n < 1000; n += n < 100 ? 1 : step) {
        struct vm_space *child = NULL;
        lab_leave(n);
        error = vm_space_fork(lab_space[0], &child);
        lab_give_back();
        KTEST_CHECK(!error || error == ENOMEM, "fork with %lu pages left: error %d", n, error);
        KTEST_CHECK(!kctx_current()->nheld, "fork with %lu pages left leaves a lock taken", n);
        if (child)
            vm_space_unref(child);
        lab_expect_marked("a fork with so few pages to be had:", n);
    }
}

// A fault that has one page that anybody may have needs no other: what describes it may come from
// the reserve.
static void starve_faults(void)
{
    enum { N = 4 * 512 };

    lab_map_private(0, N * PAGE_SIZE, lab_start_object(0));
    for (unsigned i = 0; i < N; i += 512)
        lab_write_at(0, lab_va(i), ++words); // page tables and the amap
    for (unsigned i = 0; i < N; i += 32) {
        if (i % 512 == 0)
            continue;
        uint64_t waits = vm_fault_stats.waits;
        lab_leave(1);
        lab_write_at(0, lab_va(i), ++words);
        lab_give_back();
        KTEST_CHECK(vm_fault_stats.waits == waits,
                    "a fault with one page left waits for memory %lu times",
                    vm_fault_stats.waits - waits);
    }
    lab_end();
}

KTEST(lab_anon_short)
{
    start_kinds();
    fail_forks(1000);
    starve_forks(1);
    lab_fork(0, 1); // it shares what it can, whatever became of those that failed
    lab_fill(0, 16, 40, &words);
    lab_read_all();
    lab_end();
    start_long();
    fail_forks(40);
    starve_forks(20);
    lab_end();
    starve_faults();
}
