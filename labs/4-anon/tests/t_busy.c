// SPDX-License-Identifier: BSD-2-Clause
//
// A page that somebody else reads or writes just now: a fault that wants it, or asks a pager for
// it, holds nothing meanwhile that another thread of its process may want.

#include "lab_anon.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "mem/memlayout.h"
#include "mem/vm_page.h"
#include "pmap/pmap.h"
#include "sync/lock_check.h"
#include "tests/kernel/watch.h"
#include "vm/anon.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"

enum { N = 12 };

static uint64_t words;

// ---- who sleeps ----

static struct vm_page *busy;
static struct mutex *owner;
static unsigned nwaits;
static bool forking;                   // which may hold the maps while it waits
static const struct lock *shared_lock; // of the amap that is forked

static void expect_held(size_t n, const char *what)
{
    static char held[LOCK_HELD_TEXT];
    const struct kctx *ctx = kctx_current();

    lock_format_held(ctx, held, sizeof(held));
    KTEST_CHECK(ctx->nheld == n, "%s, and holds %s", what, held);
}

// Instead of another thread: while this one sleeps, the work on the page ends.
static int end_work(unsigned flags UNUSED, uint64_t deadline_ns UNUSED)
{
    KASSERT(busy, "a thread sleeps, and not for the page");
    nwaits++;
    if (forking)
        KTEST_CHECK(!lock_held(shared_lock),
                    "a fork waits for a busy page, and holds the amap that others share for good");
    else
        expect_held(0, "a fault waits for a busy page");
    mutex_lock(owner);
    vm_page_unbusy(busy);
    mutex_unlock(owner);
    busy = NULL;
    return 0;
}

static void wake(struct kctx *who UNUSED)
{
}

static void yield(void)
{
}

static bool killed(void)
{
    return false;
}

// Somebody works on the page; a fault that wants it waits.
static void fault_busy(unsigned n, unsigned page, vm_prot_t access, struct vm_page *pg)
{
    static const struct wait_ops sleeper = {end_work, wake, yield, killed};

    busy = pg;
    owner = pg->anon ? &pg->anon->lock : &pg->object->lock;
    nwaits = 0;
    mutex_lock(owner);
    pmap_page_protect(pg, PROT_NONE);
    vm_page_busy(pg);
    mutex_unlock(owner);
    waitq_set_ops(&sleeper);
    int error = vm_fault(&lab_space[n]->map, lab_va(page), access);
    waitq_set_ops(NULL);
    KTEST_CHECK(!error && nwaits == 1,
                "a fault on busy page %u: error %d, and it waits for it %u times", page, error,
                nwaits);
}

// ---- a page of an object ----

static const struct vm_pager_ops *pager;

static int get_alone(struct vm_object *o, pgno_t pgno, vm_prot_t access, bool overwrite,
                     struct vm_page **pg)
{
    expect_held(1, "the pager is asked for a page"); // the object
    return pager->get(o, pgno, access, overwrite, pg);
}

static struct vm_page *object_page(struct vm_object *o, unsigned page)
{
    mutex_lock(&o->lock);
    struct vm_page *pg = vm_object_lookup(o, page);
    mutex_unlock(&o->lock);
    KASSERT(pg, "page %u was read, and is not there", page);
    return pg;
}

// kind: how it is mapped. written: the entry has an amap, for the last page.
static void fault_object_busy(unsigned kind, bool written)
{
    vaddr_t va = LAB_VA;

    lab_begin(0);
    lab_new_space(0);
    struct vm_object *o = anon_object_create(N);
    KASSERT(o, "no memory for an object");
    struct vm_pager_ops ops = *(pager = o->ops);
    ops.get = get_alone;
    o->ops = &ops;
    vm_object_ref(o);
    int error =
        vm_mmap(lab_space[0], &va, N * PAGE_SIZE, PROT_RW, PROT_ALL, kind | LINUX_MAP_FIXED, o, 0);
    KASSERT(!error, "mmap: error %d", error);
    if (written)
        error = vm_fault(&lab_space[0]->map, lab_va(N - 1), PROT_WRITE);
    for (unsigned i = 0; i + 1 < N && !error; i++)
        error = vm_fault(&lab_space[0]->map, lab_va(i), PROT_READ);
    KTEST_CHECK(!error, "faults on an object's pages: error %d", error);
    for (unsigned i = 0; i + 1 < N; i++)
        fault_busy(0, i, i % 2 ? PROT_WRITE : PROT_READ, object_page(o, i));
    lab_exit(0);
    o->ops = pager;
    vm_object_unref(o);
    lab_point("end");
}

// ---- a page of an anon ----

// Its space has it alone, or a child has it as well.
static void fault_anon_busy(bool forked)
{
    lab_begin(N);
    lab_new_space(0);
    lab_map(0, 0, N);
    lab_fill(0, 0, N, &words);
    if (forked)
        lab_fork(0, 1);
    for (unsigned i = 0; i < N; i++) {
        unsigned n = forked && i % 4 < 2;
        lab_read(n, i);
        struct vm_page *pg = dmap_to_page(lab_word(lab_space[n], lab_va(i)));
        fault_busy(n, i, i % 2 ? PROT_READ : PROT_WRITE, pg);
    }
    lab_read_all();
    lab_end();
}

// A page of memory that is shared for good is busy while one of them forks: the child has it all
// the same.
KTEST(lab_anon_fork_busy)
{
    static const struct wait_ops sleeper = {end_work, wake, yield, killed};

    lab_begin_full(N, &words);
    lab_inherit(0, 0, N, true);
    lab_fork(0, 1);
    lab_inherit(0, 0, N, false);
    shared_lock = lab_amap_lock(0);
    for (unsigned i = 0; i < N; i++) {
        busy = dmap_to_page(lab_word(lab_space[0], lab_va(i)));
        owner = &busy->anon->lock;
        mutex_lock(owner);
        pmap_page_protect(busy, PROT_NONE); // as for the pager
        vm_page_busy(busy);
        mutex_unlock(owner);
        waitq_set_ops(&sleeper);
        forking = true;
        lab_fork(0, 2);
        forking = false;
        waitq_set_ops(NULL);
        if (busy)
            end_work(0, 0);
        lab_read_all();
        lab_fill(1, i, i + 1, &words);
        lab_read_all();
        lab_exit(2);
    }
    lab_end();
}

KTEST(lab_anon_busy)
{
    fault_object_busy(LINUX_MAP_SHARED, false);
    fault_object_busy(LINUX_MAP_PRIVATE, false);
    fault_object_busy(LINUX_MAP_PRIVATE, true);
    fault_anon_busy(false);
    fault_anon_busy(true);
}

// ---- a new amap that the check has ----

static struct mutex *checked;

// amap_check may have any amap, for a moment: each one that is tried, until it is tried once more,
// or waited for.
static void see_try(unsigned fn, const uint64_t args[WATCH_ARGS])
{
    struct mutex *m = (struct mutex *)args[0];

    if (m == checked && m->state == MUTEX_HELD && !m->lock.owner) {
        m->state = 0;
    } else if (fn == 0 && m != checked && m->lock.rank == LOCK_AMAP && !m->state) {
        m->state = MUTEX_HELD;
        checked = m;
    }
}

static void fork_checked(bool wired)
{
    const vaddr_t tries[] = {(vaddr_t)mutex_trylock, (vaddr_t)mutex_lock};

    lab_begin(N);
    lab_new_space(0);
    lab_map(0, 0, N);
    lab_fill(0, 0, N, &words);
    if (wired)
        lab_wire(0, 0, N, true);
    checked = NULL;
    watch_calls(tries, array_len(tries), see_try);
    lab_fork(0, 1);
    lab_write(1, 0, ++words);
    watch_off();
    lab_read_all();
    lab_end();
}

KTEST(lab_anon_new_checked)
{
    fork_checked(false);
    fork_checked(true);
}
