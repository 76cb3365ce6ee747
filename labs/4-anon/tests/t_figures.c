// SPDX-License-Identifier: BSD-2-Clause
//
// What amap_stats and vm_fault_stats count: each case of a fault, also where memory is refused or
// the pager fails; the pages and amaps that fork copies, also where it gives up; and what is no
// copy of an amap.

#include "lab_anon.h"
#include "lib/errno.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "mem/vm_page.h"
#include "sync/kctx.h"
#include "vm/amap.h"
#include "vm/anon.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"

static uint64_t words;

// ---- faults ----

enum { N = 64, PAGE = 3 };

// What is below the mapping, and how the fault comes to it.
enum kind { NOTHING, PRIVATE, SHARED };
enum family { NONE, CHILD, ALONE }; // the child faults; its parent is gone

static const struct fault_case {
    const char *what;
    enum kind kind;
    unsigned nwritten;
    enum family family;
    vm_prot_t access;
} cases[] = {
    {"read of a page that a parent has, too", NOTHING, N, CHILD, PROT_READ},
    {"read of a page that a parent had", NOTHING, N, ALONE, PROT_READ},
    {"write to a page that a parent has, too", NOTHING, N, CHILD, PROT_WRITE},
    {"write to a page that a parent had", NOTHING, N, ALONE, PROT_WRITE},
    {"read of one of few pages that a parent has, too", NOTHING, 6, CHILD, PROT_READ},
    {"write to one of few pages that a parent has, too", NOTHING, 6, CHILD, PROT_WRITE},
    {"read of a page that nobody has touched", NOTHING, 0, NONE, PROT_READ},
    {"write to a page that nobody has touched", NOTHING, 0, NONE, PROT_WRITE},
    {"read of a file's page, mapped private", PRIVATE, 0, NONE, PROT_READ},
    {"write to a file's page, mapped private", PRIVATE, 0, NONE, PROT_WRITE},
    {"read of a file's page, mapped shared", SHARED, 0, NONE, PROT_READ},
    {"write to a file's page, mapped shared", SHARED, 0, NONE, PROT_WRITE},
};

enum { HITS, COPIES, OBJECTS, PROMOTES, ZEROES, FIGURES };
static const char *const names[FIGURES] = {"anon_hits", "anon_copies", "object_maps", "promotes",
                                           "zero_fills"};

static void look(int64_t figures[FIGURES], int64_t sign)
{
    const struct vm_fault_stats *st = &vm_fault_stats;
    const uint64_t now[FIGURES] = {st->anon_hits, st->anon_copies, st->object_maps, st->promotes,
                                   st->zero_fills};

    for (unsigned i = 0; i < FIGURES; i++)
        figures[i] += sign * (int64_t)now[i];
}

// ---- a pager that fails, or during whose work the map changes ----

enum mishap { NO_MISHAP, PAGER_FAILS, MAP_CHANGES };

static const struct vm_pager_ops *pager;
static struct vm_pager_ops ops;
static enum mishap mishap;

static int get_page(struct vm_object *o, pgno_t pgno, vm_prot_t access, bool overwrite,
                    struct vm_page **pg)
{
    enum mishap now = mishap;

    mishap = NO_MISHAP;
    if (now == PAGER_FAILS)
        return EIO;
    if (now == MAP_CHANGES) {
        mutex_unlock(&o->lock);
        int error = vm_mprotect(lab_space[0], lab_va(N - 1), PAGE_SIZE, PROT_READ);
        KASSERT(!error, "mprotect: error %d", error);
        mutex_lock(&o->lock);
    }
    return pager->get(o, pgno, access, overwrite, pg);
}

static struct vm_object *start(const struct fault_case *c)
{
    struct vm_object *o = lab_start_object(c->kind == NOTHING ? 0 : N);
    vaddr_t va = LAB_VA;

    if (o) {
        ops = *(pager = o->ops);
        ops.get = get_page;
        o->ops = &ops;
    }
    if (c->kind == SHARED) {
        vm_object_ref(o);
        int error = vm_mmap(lab_space[0], &va, N * PAGE_SIZE, PROT_RW, PROT_ALL,
                            LINUX_MAP_SHARED | LINUX_MAP_FIXED, o, 0);
        KASSERT(!error, "mmap: error %d", error);
    } else {
        lab_map_private(0, N * PAGE_SIZE, o);
    }
    for (unsigned i = 0; i < c->nwritten; i++)
        lab_write_at(0, lab_va(i), ++words);
    if (c->family != NONE)
        lab_fork(0, 1);
    if (c->family == ALONE)
        lab_exit(0);
    return o;
}

static void end(struct vm_object *o)
{
    for (unsigned n = 0; n < 2; n++)
        if (lab_space[n])
            lab_exit(n);
    if (o) {
        o->ops = pager;
        vm_object_unref(o);
    }
}

// What there is of one mapping that nobody shares: a slot and an anon for each page that was made.
static void expect_slots(const struct amap_stats *before, int64_t made, const char *what)
{
    struct amap_stats now;

    amap_get_stats(&now);
    KTEST_CHECK((int64_t)(now.slots_used - before->slots_used) == made,
                "a %s leaves amap_stats wrong: slots_used is %lu, not %lu", what, now.slots_used,
                before->slots_used + (uint64_t)made);
    KTEST_CHECK((int64_t)(now.anons - before->anons) == made && now.anons == anon_count(),
                "a %s leaves amap_stats wrong: anons is %lu, not %lu", what, now.anons,
                anon_count());
    KTEST_CHECK(now.amaps == amap_stats.amaps && now.copies == amap_stats.copies &&
                    now.ppref_tables == amap_stats.ppref_tables &&
                    now.eager_pages == amap_stats.eager_pages,
                "a %s: amap_get_stats gives other figures than amap_stats has", what);
}

// Of one fault: what it counts, if its nth allocation fails (0: none) or the pager has a mishap.
// False: it had no nth allocation.
static bool count(const struct fault_case *c, uint64_t nth, enum mishap what, int *error,
                  int64_t figures[FIGURES])
{
    struct vm_object *o = start(c);
    struct kctx *ctx = kctx_current();
    struct vm_map *map = &lab_space[c->family != NONE]->map;
    struct amap_stats before;

    amap_get_stats(&before);
    for (unsigned i = 0; i < FIGURES; i++)
        figures[i] = 0;
    look(figures, -1);
    mishap = o ? what : NO_MISHAP;
    ctx->fail_nth = nth;
    *error = vm_fault(map, lab_va(PAGE), c->access);
    bool failed = nth && !ctx->fail_nth;
    ctx->fail_nth = 0;
    look(figures, 1);
    if (c->family == NONE && !*error)
        expect_slots(&before, c->kind == NOTHING || (c->kind == PRIVATE && c->access == PROT_WRITE),
                     c->what);
    end(o);
    return failed;
}

static int64_t made(const int64_t figures[FIGURES])
{
    return figures[COPIES] + figures[PROMOTES] + figures[ZEROES];
}

// One page is mapped: one figure says so. (Whose parent has a page may have a copy of it already.)
static void expect_one(const struct fault_case *c, const int64_t figures[FIGURES])
{
    bool write = c->access & PROT_WRITE;
    unsigned which = c->family != NONE             ? HITS
                     : c->kind == NOTHING          ? ZEROES
                     : c->kind == PRIVATE && write ? PROMOTES
                                                   : OBJECTS;

    if (c->family == CHILD && write && figures[COPIES])
        which = COPIES;
    for (unsigned i = 0; i < FIGURES; i++)
        KTEST_CHECK(i == which ? figures[i] == 1 || (i == COPIES && figures[i] == lab_granule)
                               : !figures[i],
                    "a %s leaves vm_fault_stats wrong: %s is %ld, not %d, by one fault", c->what,
                    names[i], figures[i], i == which);
}

// A page that was made, and could not be mapped, is in its slot: the next try is a hit.
static void expect_no_more(const struct fault_case *c, uint64_t nth, const int64_t figures[FIGURES],
                           const int64_t right[FIGURES])
{
    for (unsigned i = 0; i < FIGURES; i++) {
        int64_t most = i == HITS && made(right) ? 1 : right[i];
        int64_t least = made(right) && i != OBJECTS ? 0 : right[i];
        KTEST_CHECK(least <= figures[i] && figures[i] <= most,
                    "a %s whose allocation fails, number %lu, leaves vm_fault_stats wrong: %s is "
                    "%ld, not %ld",
                    c->what, nth, names[i], figures[i], most);
    }
    KTEST_CHECK(made(figures) || figures[HITS] || figures[OBJECTS],
                "a %s whose allocation fails, number %lu, leaves vm_fault_stats wrong: no figure "
                "counts it",
                c->what, nth);
}

static void count_case(const struct fault_case *c)
{
    int64_t right[FIGURES], figures[FIGURES];
    int error;

    count(c, 0, NO_MISHAP, &error, right);
    KTEST_CHECK(!error, "a %s: error %d", c->what, error);
    expect_one(c, right);
    for (uint64_t nth = 1; nth < 40 && count(c, nth, NO_MISHAP, &error, figures); nth++)
        if (!error)
            expect_no_more(c, nth, figures, right);
    if (c->kind == NOTHING)
        return;
    count(c, 0, MAP_CHANGES, &error, figures);
    KTEST_CHECK(!error, "a %s while the map changes: error %d", c->what, error);
    expect_one(c, figures);
    count(c, 0, PAGER_FAILS, &error, figures);
    KTEST_CHECK(error == EIO, "a %s whose pager fails: error %d", c->what, error);
    for (unsigned i = 0; i < FIGURES; i++)
        KTEST_CHECK(!figures[i],
                    "a %s whose pager fails leaves vm_fault_stats wrong: %s is %ld, not 0", c->what,
                    names[i], figures[i]);
}

KTEST(lab_anon_figures)
{
    for (unsigned i = 0; i < array_len(cases); i++)
        count_case(&cases[i]);
    lab_point("end");
}

// ---- forks ----

enum { WIRED = 16 };

// Space 0's pages, which are wired: by itself, or by who shares them for good.
static void start_wired(bool by_sharer)
{
    lab_start_object(0);
    lab_map_private(0, WIRED * PAGE_SIZE, NULL);
    struct vm_map *map = &lab_space[0]->map;
    for (unsigned i = 0; i < WIRED; i++)
        lab_write_at(0, lab_va(i), ++words);
    int error = 0;
    if (by_sharer) {
        error = vm_map_inherit(map, LAB_VA, lab_va(WIRED), INHERIT_SHARE);
        lab_fork(0, 1);
    }
    error = error ? error : vm_mlock(lab_space[by_sharer], LAB_VA, WIRED * PAGE_SIZE, true);
    error = error ? error : vm_map_inherit(map, LAB_VA, lab_va(WIRED), INHERIT_COPY);
    KASSERT(!error, "error %d", error);
}

// A fork whose nth allocation fails, or for which so few pages are left. False: it was refused.
static bool fork_wired(bool by_sharer, uint64_t nth, bool leave)
{
    struct vm_space *child = NULL;

    start_wired(by_sharer);
    struct amap_stats before = amap_stats;
    if (leave)
        lab_leave(nth);
    else
        kctx_current()->fail_nth = nth;
    int error = vm_space_fork(lab_space[0], &child);
    kctx_current()->fail_nth = 0;
    if (leave)
        lab_give_back();
    uint64_t pages = amap_stats.eager_pages - before.eager_pages;
    uint64_t copies = amap_stats.copies - before.copies, npages = error ? 0 : WIRED;
    KTEST_CHECK(pages == npages && copies == !error,
                "a fork of %d wired pages, %s %lu: error %d, leaves amap_stats wrong: eager_pages "
                "is %lu, not %lu, and copies %lu, not %d",
                WIRED, leave ? "pages that are left:" : "allocation that fails:", nth, error, pages,
                npages, copies, !error);
    if (child)
        vm_space_unref(child);
    end(NULL);
    return !error;
}

KTEST(lab_anon_fork_figures)
{
    for (unsigned by_sharer = 0; by_sharer < 2; by_sharer++) {
        for (uint64_t nth = 0; nth <= 2 * WIRED; nth++)
            fork_wired(by_sharer, nth, false);
        uint64_t left = 0;
        while (!fork_wired(by_sharer, left, true) && !ktest_failed() && left < 10 * WIRED)
            left++;
    }
    lab_point("end");
}

// ---- what is no copy of an amap ----

static uint64_t copies_since(uint64_t *before)
{
    uint64_t n = amap_stats.copies - *before;

    *before = amap_stats.copies;
    return n;
}

static void expect_none(uint64_t *before, unsigned npages, const char *what)
{
    uint64_t n = copies_since(before);

    KTEST_CHECK(!n, "%s, %u pages, leaves amap_stats wrong: copies is %lu, not 0", what, npages, n);
}

// Two have the same pages, and each writes to all: one copies the amap, if fork did not, and the
// other one takes it over. Where it has several windows, each of them is copied once.
static void write_both(unsigned npages, bool share)
{
    uint64_t before = amap_stats.copies;

    lab_begin_full(npages, &words);
    expect_none(&before, npages, "memory that is new");
    lab_fork(0, 1);
    if (share) {
        lab_inherit(0, 0, npages, true);
        lab_fork(0, 2);
    }
    lab_fill(0, 0, npages, &words);
    uint64_t n = copies_since(&before), most = npages <= 64 ? 1 : npages / 16;
    KTEST_CHECK(1 <= n && n <= most,
                "a fork, %u pages, and its parent's writes leave amap_stats wrong: copies is %lu, "
                "not %lu",
                npages, n, n < 1 ? 1 : most);
    lab_fill(1, 0, npages, &words);
    expect_none(&before, npages, "what a child takes over");
    if (share) {
        lab_fill(2, 0, npages, &words);
        expect_none(&before, npages, "what is shared for good");
    }
    lab_exit(1);
    lab_fill(0, 0, npages, &words);
    expect_none(&before, npages, "what nobody else has");
    lab_end();
}

// Whoever of the two is gone, the other one takes over, at its first write or by what it discards.
static void take_over(unsigned npages, unsigned gone, bool discards)
{
    lab_begin_full(npages, &words);
    lab_fork(0, 1);
    lab_exit(gone);
    uint64_t before = amap_stats.copies;
    if (discards)
        lab_discard(!gone, 0, npages / 2);
    lab_fill(!gone, 0, npages, &words);
    expect_none(&before, npages, gone ? "what a parent takes over" : "what a child takes over");
    lab_end();
}

KTEST(lab_anon_copied)
{
    static const unsigned npages[] = {4, 12, 60, 600};

    for (unsigned i = 0; i < array_len(npages); i++) {
        write_both(npages[i], false);
        write_both(npages[i], true);
        for (unsigned n = 0; n < 4; n++)
            take_over(npages[i], n % 2, n / 2);
    }
}
