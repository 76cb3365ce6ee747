// SPDX-License-Identifier: BSD-2-Clause
//
// What is rare: a pager during whose work somebody writes, or that has to make room; memory that
// runs out at every place of a fork; counts in several tables, page numbers beyond 32 bits.

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

// A new space, and an object of so many pages, if any.
static struct vm_object *start_object(pgno_t npages)
{
    lab_begin(0);
    lab_new_space(0);
    struct vm_object *o = npages ? anon_object_create(npages) : NULL;
    KASSERT(o || !npages, "no memory for an object");
    return o;
}

// Private memory at LAB_VA, NULL or an object below.
static void map_private(unsigned n, size_t len, struct vm_object *o)
{
    vaddr_t va = LAB_VA;

    if (o)
        vm_object_ref(o);
    int error = vm_mmap(lab_space[n], &va, len, PROT_RW, PROT_ALL,
                        LINUX_MAP_PRIVATE | LINUX_MAP_FIXED | (o ? 0 : LINUX_MAP_ANONYMOUS), o, 0);
    KASSERT(!error, "%zu bytes: error %d", len, error);
}

static void write_at(unsigned n, vaddr_t va, uint64_t word)
{
    int error = vm_fault(&lab_space[n]->map, va, PROT_WRITE);
    uint64_t *at = lab_word(lab_space[n], va);

    KTEST_CHECK(!error && at, "writing %#lx of space %u: error %d", va, n, error);
    if (at)
        *at = word;
}

// The page shows the word, to who reads it now and to who read it before.
static void expect_at(unsigned n, vaddr_t va, uint64_t word)
{
    const uint64_t *at = lab_word(lab_space[n], va);
    int error = at ? 0 : vm_fault(&lab_space[n]->map, va, PROT_READ);

    at = lab_word(lab_space[n], va);
    KTEST_CHECK(!error && at && *at == word, "%#lx of space %u: error %d, %#lx, not %#lx%s", va, n,
                error, at ? *at : 0, word, lab_why(at ? *at : word, word, lab_space[1]));
}

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
        write_at(writer, lab_va((unsigned)pgno), ++words);
        mutex_lock(&o->lock);
    }
    return pager->get(o, pgno, access, overwrite, pg);
}

// Space 0 faults; meanwhile it, or who shares its memory, writes to the page. All see the same.
static void fault_while_written(vm_prot_t access, unsigned by)
{
    struct vm_object *o = start_object(4);
    struct vm_pager_ops ops = *(pager = o->ops);

    ops.get = get_while_written;
    o->ops = &ops;
    map_private(0, 4 * PAGE_SIZE, o);
    lab_inherit(0, 0, 4, true);
    write_at(0, lab_va(1), ++words);
    lab_fork(0, 1);
    writer = by;
    armed = true;
    int error = vm_fault(&lab_space[0]->map, lab_va(2), access);
    KTEST_CHECK(!error && !armed, "fault: error %d", error);
    expect_at(0, lab_va(2), words);
    expect_at(1, lab_va(2), words);
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
    struct vm_object *o = start_object(4);

    asked = *(pager = o->ops);
    asked.get = get_unless_busy;
    o->ops = &asked;
    map_private(0, 4 * PAGE_SIZE, o);
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
    struct vm_object *o = start_object(4);
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
        expect_at(0, lab_va(i), 0);
    expect_dirty_if_writable(o, "which was read");
    for (unsigned i = 0; i < 4; i++)
        write_at(0, lab_va(i), ++words);
    for (unsigned i = 0; i < 4; i++)
        clean(o, i, i % 2 ? PROT_READ : PROT_NONE);
    for (unsigned i = 0; i < 4; i++)
        expect_at(0, lab_va(i), words - 3 + i);
    expect_dirty_if_writable(o, "which was written, cleaned and read");
    ndirtied = 0;
    for (unsigned i = 0; i < 4; i++)
        write_at(0, lab_va(i), ++words);
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

// Each allocation of a fork fails in turn, until none is left that could.
static void fail_forks(void)
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
    } while (failed && n < 1000);
}

// The same with n pages left, for every n that is too few.
static void starve_forks(void)
{
    int error = ENOMEM;

    lab_mark();
    for (uint64_t n = 0; error && n < 1000; n++) {
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

    map_private(0, N * PAGE_SIZE, start_object(0));
    for (unsigned i = 0; i < N; i += 512)
        write_at(0, lab_va(i), ++words); // page tables and the amap
    for (unsigned i = 0; i < N; i += 32) {
        if (i % 512 == 0)
            continue;
        uint64_t waits = vm_fault_stats.waits;
        lab_leave(1);
        write_at(0, lab_va(i), ++words);
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
    fail_forks();
    starve_forks();
    lab_fork(0, 1); // it shares what it can, whatever became of those that failed
    lab_fill(0, 16, 40, &words);
    lab_read_all();
    lab_end();
    starve_faults();
}

// ---- large numbers ----

// Two pages whose numbers are the same in 32 bits.
static void far_apart(bool file)
{
    vaddr_t far_va = LAB_VA + (PAGE_SIZE << 32);
    struct vm_object *o = start_object(file ? (1ul << 32) + 4 : 0);

    map_private(0, (PAGE_SIZE << 32) + 4 * PAGE_SIZE, o);
    expect_at(0, LAB_VA, 0);
    expect_at(0, far_va, 0);
    KTEST_CHECK(!o || lab_word(lab_space[0], LAB_VA) != lab_word(lab_space[0], far_va),
                "two pages of an object are one");
    write_at(0, LAB_VA, 1);
    expect_at(0, far_va, 0);
    write_at(0, far_va, 2);
    int error = vm_munmap(lab_space[0], LAB_VA + PAGE_SIZE, (PAGE_SIZE << 32) - PAGE_SIZE);
    KTEST_CHECK(!error, "munmap: error %d", error);
    expect_at(0, LAB_VA, 1);
    expect_at(0, far_va, 2);
    lab_exit(0);
    if (o)
        vm_object_unref(o);
    lab_point("end");
}

// A region that is too long for one table of counts, of which a child keeps the pages [first, end)
// alone: its parent writes, first of all at an end that is not shared, and they stay as they were.
static void far_shared(unsigned first, unsigned end)
{
    enum { N = 3 << 12, EACH = N / 24 };
    uint64_t before = words + 1;

    map_private(0, N * PAGE_SIZE, start_object(0));
    for (unsigned i = 0; i < N; i += EACH)
        write_at(0, lab_va(i), ++words);
    lab_fork(0, 1);
    int error = first ? vm_munmap(lab_space[1], LAB_VA, first * PAGE_SIZE) : 0;
    KTEST_CHECK(!error, "munmap: error %d", error);
    error = end < N ? vm_munmap(lab_space[1], lab_va(end), (N - end) * PAGE_SIZE) : 0;
    KTEST_CHECK(!error, "munmap: error %d", error);
    for (unsigned i = 0; i < N; i += EACH)
        write_at(0, lab_va(first ? i : N - EACH - i), ++words);
    for (unsigned i = first; i < end; i += EACH)
        expect_at(1, lab_va(i), before + i / EACH);
    lab_end();
}

KTEST(lab_anon_far_shared)
{
    enum { THIRD = 1 << 12 };

    far_shared(2 * THIRD, 3 * THIRD);
    far_shared(0, THIRD);
    far_shared(THIRD + THIRD / 2, THIRD + THIRD / 2 + 1);
}

// What a child has read there goes with the last who can reach it.
KTEST(lab_anon_far_gone)
{
    enum { N = 3 << 14, MID = N / 2, READ = 200 };
    map_private(0, N * PAGE_SIZE, start_object(0));
    write_at(0, LAB_VA, ++words);
    lab_fork(0, 1);
    uint64_t before = anon_count();
    for (unsigned i = MID; i < MID + READ; i++)
        expect_at(1, lab_va(i), 0);
    for (unsigned n = 0; n < 2; n++)
        KTEST_CHECK(!vm_munmap(lab_space[n], lab_va(MID), READ * PAGE_SIZE), "munmap fails");
    KTEST_CHECK(anon_count() == before, "%lu anons of nobody", anon_count() - before);
    lab_end();
}

KTEST(lab_anon_far)
{
    far_apart(false);
    far_apart(true);
}

// A terabyte in which little was touched: a fork has little to do.
KTEST(lab_anon_sparse)
{
    enum { TOUCHED = 40, EACH = 6 }; // pages
    size_t len = 1ul << 40, step = len / TOUCHED / PAGE_SIZE * PAGE_SIZE;
    struct vm_page_stats before, after;

    map_private(0, len, start_object(0));
    for (unsigned i = 0; i < TOUCHED; i++)
        write_at(0, LAB_VA + i * step, ++words);
    vm_page_get_stats(&before);
    lab_fork(0, 1);
    if (!lab_space[1])
        return;
    vm_page_get_stats(&after);
    KTEST_CHECK(before.nfree - after.nfree <= EACH * TOUCHED,
                "a fork of %zu bytes, of which %u pages were touched, takes %lu pages, and not at "
                "most %u for each",
                len, TOUCHED, before.nfree - after.nfree, EACH);
    for (unsigned i = 0; i < TOUCHED; i++)
        write_at(0, LAB_VA + i * step, ++words);
    for (unsigned i = 0; i < TOUCHED; i++)
        expect_at(1, LAB_VA + i * step, words - 2 * TOUCHED + 1 + i);
    lab_end();
}
