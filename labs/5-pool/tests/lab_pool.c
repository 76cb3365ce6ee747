// SPDX-License-Identifier: BSD-2-Clause
//
// The common part of the lab's in-kernel tests: arenas, which note who asks for what; pools and
// their items; the report.

#include "lab_pool.h"

#include "amd64/cpu.h"
#include "dev/judge.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "main/cmdline.h"
#include "mem/memlayout.h"
#include "sync/kctx.h"
#include "vm/kmem.h"

struct lab_report lab_report;
struct lab_arena lab_arena[LAB_ARENAS];
struct pool lab_pool[LAB_POOLS];
uint64_t lab_made[LAB_POOLS], lab_align[LAB_POOLS], lab_size[LAB_POOLS];
struct lab_item lab_item[LAB_POOLS][LAB_ITEMS];

#define GONE 0xdb // what a pool is filled with that was destroyed

static uint64_t last_stamp;
static volatile unsigned npoints;
static unsigned leaver;            // 1 + the number of the pool that is being destroyed; 0: none
static unsigned lowest[LAB_POOLS]; // no item number below it is free
static bool gone[LAB_POOLS];       // destroyed, and filled with GONE

struct rng lab_rng(uint64_t part)
{
    struct rng r = {cmdline_number("seed", 1) + (part << 32)};
    return r;
}

// ---- arenas ----

static void wrong(const char *what, unsigned long got)
{
    if (lab_report.nwrong++ == 0)
        ksnprintf(lab_report.wrong, sizeof(lab_report.wrong), "%s: %lu", what, got);
}

// Each try of a get has the get's flags.
static void look_at_flag(unsigned wanted, unsigned got, unsigned flag, const char *name)
{
    if ((wanted ^ got) & flag && lab_report.nwrong++ == 0)
        ksnprintf(lab_report.wrong, sizeof(lab_report.wrong), "a try %s %s, which the get %s",
                  got & flag ? "with" : "without", name, wanted & flag ? "has" : "has not");
}

// Each try of a get is for the pool that it is a get of; with one CPU it is known which that is.
static void look_at_owner(const struct lab_arena *a, unsigned owner)
{
    if (ncpus == 1 && a->getter && a->ctx == kctx_current() && owner != a->getter &&
        lab_report.nwrong++ == 0)
        ksnprintf(lab_report.wrong, sizeof(lab_report.wrong),
                  "the owner that a page is for: pool %u's page_owner, and the get is of pool %u",
                  owner - 1, a->getter - 1);
}

// No pool counts a page that its backend has not given it, or not yet.
static void look_at_pages(const struct lab_arena *a)
{
    unsigned npages[LAB_NOBODY + 1] = {0};

    for (unsigned i = 0; i < LAB_PAGES; i++)
        npages[a->owner[i]]++;
    for (unsigned n = 0; n < LAB_POOLS && ncpus == 1; n++) {
        const struct pool *p = &lab_pool[n];
        if (lab_made[n] && !p->lock.taken && p->backend == &a->pa && p->npages > npages[n + 1] &&
            lab_report.nwrong++ == 0)
            ksnprintf(lab_report.wrong, sizeof(lab_report.wrong),
                      "pool %u counts %lu pages, and its backend has given it %u", n, p->npages,
                      npages[n + 1]);
    }
}

// Who was drained has counted that before anybody else can see that the page is gone.
static void look_at_drained(const struct lab_arena *a)
{
    for (unsigned n = 0; n < LAB_POOLS && a->only_drains && ncpus == 1; n++) {
        const struct pool *p = &lab_pool[n];
        if (lab_made[n] && !p->lock.taken && p->backend == &a->pa && p->drained != p->page_frees &&
            lab_report.nwrong++ == 0)
            ksnprintf(lab_report.wrong, sizeof(lab_report.wrong),
                      "pool %u counts %lu pages given back, each for another pool, and %lu drained",
                      n, p->page_frees, p->drained);
    }
}

// No lock of the pools is held, so their counts agree; with one CPU nobody else is at one.
static void look_at_counts(void)
{
    for (unsigned n = 0; n < LAB_POOLS && ncpus == 1; n++) {
        const struct pool *p = &lab_pool[n];
        if (!lab_made[n] || p->lock.taken)
            continue;
        uint64_t nitems = p->npages * p->items_per_page;
        if (p->page_allocs - p->page_frees != p->npages && lab_report.nwrong++ == 0)
            ksnprintf(lab_report.wrong, sizeof(lab_report.wrong),
                      "pool %u counts %lu pages got, %lu given back, and %lu pages", n,
                      p->page_allocs, p->page_frees, p->npages);
        if (p->nitems_free + p->nitems_out != nitems && lab_report.nwrong++ == 0)
            ksnprintf(lab_report.wrong, sizeof(lab_report.wrong),
                      "pool %u counts %lu free items, %lu out, and %lu pages of %u", n,
                      p->nitems_free, p->nitems_out, p->npages, p->items_per_page);
    }
}

// Who gives its last pages back, which needs its lock, is found by nobody who might have that lock.
static void look_at_leaver(const struct lab_arena *a)
{
    if (ncpus > 1 || !leaver)
        return;
    list_for_each (p, &a->pa.pools, struct pool, backend_link)
        if (p == &lab_pool[leaver - 1] && lab_report.nwrong++ == 0)
            ksnprintf(lab_report.wrong, sizeof(lab_report.wrong),
                      "a pool that is destroyed, %u, gives its pages back, and is on its backend's "
                      "list still",
                      leaver - 1);
}

static void look_at_call(struct lab_arena *a, unsigned flags)
{
    const struct kctx *ctx = kctx_current();

    for (size_t i = 1; i <= ctx->nheld; i++)
        if (ctx->held[i]->rank == LOCK_POOL || ctx->held[i]->rank == LOCK_POOL_BACKEND ||
            ctx->held[i]->rank == LOCK_POOL_LIST)
            wrong("the backend is called with a lock of the pools held; its rank",
                  ctx->held[i]->rank);
    if (!a->is_measured) {
        look_at_counts();
        look_at_pages(a);
        look_at_drained(a);
    }
    if (flags & PR_WAITOK)
        assert_may_sleep("the backend's alloc");
    if (a->says_flags) {
        look_at_flag(a->flags, flags, PR_WAITOK, "PR_WAITOK");
        look_at_flag(a->flags, flags, PR_RESERVE, "PR_RESERVE");
    }
}

static void *arena_alloc(struct pool_allocator *pa, unsigned flags)
{
    struct lab_arena *a = container_of(pa, struct lab_arena, pa);
    unsigned owner = flags >> PR_OWNER_SHIFT, i = LAB_PAGES;
    bool fail = fail_injected();

    look_at_call(a, flags);
    if (a->asked)
        a->asked();
    spin_lock(&a->lock);
    if (owner >= LAB_OWNER && owner < LAB_OWNER + LAB_POOLS) {
        owner = owner - LAB_OWNER + 1;
        look_at_owner(a, owner);
    } else {
        wrong("the owner that a page is for, which is no pool's page_owner", owner);
        owner = LAB_NOBODY;
    }
    uint64_t limit = flags & PR_RESERVE ? a->limit : a->limit - min(a->limit, a->reserve);
    if (!fail && a->nout < limit)
        for (i = 0; i < LAB_PAGES && a->owner[i]; i++)
            ;
    if (i < LAB_PAGES) {
        a->owner[i] = (uint8_t)owner;
        a->nout++;
        a->allocs++;
    } else {
        a->refusals++;
    }
    spin_unlock(&a->lock);
    return i < LAB_PAGES ? a->base + i * pa->page_size : NULL;
}

static void arena_free(struct pool_allocator *pa, void *page)
{
    struct lab_arena *a = container_of(pa, struct lab_arena, pa);
    size_t at = (size_t)((char *)page - a->base), i = at / pa->page_size;

    look_at_call(a, a->flags);
    look_at_leaver(a);
    if (a->given)
        a->given();
    KASSERT(at % pa->page_size == 0 && i < LAB_PAGES, "%p is given back to arena %s", page,
            pa->name);
    memset(page, 0xdb, pa->page_size);
    spin_lock(&a->lock);
    KASSERT(a->owner[i], "page %zu of arena %s is given back twice", i, pa->name);
    a->owner[i] = 0;
    a->nout--;
    a->frees++;
    if (a->takes_away)
        a->limit--;
    spin_unlock(&a->lock);
}

void lab_make_arena(unsigned n, size_t page_size, unsigned limit)
{
    static const char *const names[LAB_ARENAS] = {"lab 0", "lab 1", "lab 2"};
    struct lab_arena *a = &lab_arena[n];

    KASSERT(limit <= LAB_PAGES, "%u pages", limit);
    *a = (struct lab_arena){
        .pa = {.name = names[n], .alloc = arena_alloc, .free = arena_free, .page_size = page_size},
        .limit = limit};
    a->base = kmem_alloc(kernel_map, LAB_PAGES * page_size, page_size, KM_WAITOK);
    KASSERT(a->base, "no memory for an arena");
    memset(a->base, LAB_NEW_BYTE, LAB_PAGES * page_size);
    spin_init(&a->lock, "lab arena", LOCK_DISK, 0);
    pool_allocator_init(&a->pa);
}

// ---- pools and items ----

// Nobody has written to a pool that was destroyed.
static void look_at_gone(unsigned n)
{
    const unsigned char *byte = (unsigned char *)&lab_pool[n];

    for (size_t i = 0; gone[n] && i < sizeof(lab_pool[n]); i++)
        if (byte[i] != GONE) {
            ktest_fail("byte %zu of pool %u, which was destroyed, is %#x: it was written", i, n,
                       byte[i]);
            return;
        }
}

void lab_make_pool(unsigned n, unsigned arena, size_t size, size_t align)
{
    look_at_gone(n);
    gone[n] = false;
    pool_init(&lab_pool[n], "lab", size, align, &lab_arena[arena].pa);
    lab_pool[n].page_owner = (uint8_t)(LAB_OWNER + n);
    lab_made[n] = 1;
    lab_align[n] = max(align, sizeof(uint64_t));
    lab_size[n] = size;
    lowest[n] = 0;
}

void lab_destroy_pool(unsigned n)
{
    lab_made[n] = 0;
    leaver = n + 1;
    pool_destroy(&lab_pool[n]);
    leaver = 0;
    memset(&lab_pool[n], GONE, sizeof(lab_pool[n]));
    gone[n] = true;
}

static uint64_t *last_word(unsigned n, const struct lab_item *it)
{
    return (uint64_t *)it->address + max(lab_size[n] / sizeof(uint64_t), 1ul) - 1;
}

static struct lab_item *no_item(unsigned n)
{
    while (lowest[n] < LAB_ITEMS && lab_item[n][lowest[n]].address)
        lowest[n]++;
    KASSERT(lowest[n] < LAB_ITEMS, "pool %u has %u items", n, lowest[n]);
    return &lab_item[n][lowest[n]];
}

static void note(unsigned n, void *p, unsigned flags)
{
    struct lab_item *it = no_item(n);

    if (flags & PR_ZERO)
        for (size_t i = 0; i < lab_size[n]; i++)
            if (((unsigned char *)p)[i]) {
                ktest_fail("byte %zu of an item that was to be zeroed is %#x", i,
                           ((unsigned char *)p)[i]);
                break;
            }
    memset(p, 0xc3, lab_size[n]);
    *it = (struct lab_item){(uintptr_t)p, ++last_stamp};
    *(uint64_t *)p = *last_word(n, it) = it->stamp;
}

bool lab_get(unsigned n, unsigned flags)
{
    struct lab_arena *a = container_of(lab_pool[n].backend, struct lab_arena, pa);
    const unsigned getter = a->getter;
    const struct kctx *ctx = a->ctx;

    a->flags = flags & (PR_WAITOK | PR_RESERVE);
    a->getter = n + 1;
    a->ctx = kctx_current();
    void *p = pool_get(&lab_pool[n], flags);
    a->getter = getter;
    a->ctx = ctx;
    if (p)
        note(n, p, flags);
    return p;
}

void lab_put(unsigned n, unsigned i)
{
    struct lab_item *it = &lab_item[n][i];
    uint64_t first = *(uint64_t *)it->address;

    KTEST_CHECK(first == it->stamp && *last_word(n, it) == it->stamp,
                "item %#lx of pool %u holds %#lx and %#lx, not %#lx", it->address, n, first,
                *last_word(n, it), it->stamp);
    void *p = (void *)it->address;
    it->address = 0;
    lowest[n] = min(lowest[n], i);
    uint64_t npages = lab_pool[n].npages;
    pool_put(&lab_pool[n], p);
    KTEST_CHECK(ncpus > 1 || lab_pool[n].npages == npages,
                "a put leaves pool %u %lu pages, and it had %lu", n, lab_pool[n].npages, npages);
}

void lab_put_all(unsigned n)
{
    for (unsigned i = 0; i < LAB_ITEMS; i++)
        if (lab_item[n][i].address)
            lab_put(n, i);
}

unsigned lab_count(unsigned n)
{
    unsigned count = 0;

    for (unsigned i = 0; i < LAB_ITEMS; i++)
        count += lab_item[n][i].address != 0;
    return count;
}

void lab_fill(unsigned n, unsigned npages)
{
    for (unsigned i = 0; i < npages * lab_pool[n].items_per_page; i++)
        KASSERT(lab_get(n, PR_NOWAIT), "pool %u: item %u of %u pages", n, i, npages);
}

void lab_pages(unsigned n, unsigned npages, unsigned nempty, bool full)
{
    uint64_t base[LAB_PAGES];
    unsigned nseen[LAB_PAGES] = {0}, nbases = 0;

    lab_fill(n, npages);
    for (unsigned i = 0; i < LAB_ITEMS; i++) {
        uint64_t page = lab_item[n][i].address & ~(lab_pool[n].backend->page_size - 1);
        unsigned k = 0;
        if (!page)
            continue;
        while (k < nbases && base[k] != page)
            k++;
        if (k == nbases)
            base[nbases++] = page;
        if (k < nempty || (!full && nseen[k] % 2))
            lab_put(n, i);
        nseen[k]++;
    }
    KASSERT(nbases == npages, "pool %u: its items are in %u pages, not %u", n, nbases, npages);
}

// ---- the end ----

void lab_end(void)
{
    for (unsigned n = 0; n < LAB_POOLS; n++)
        if (lab_made[n]) {
            lab_put_all(n);
            lab_destroy_pool(n);
        }
    for (unsigned n = 0; n < LAB_POOLS; n++)
        look_at_gone(n);
    lab_point("end");
    for (unsigned n = 0; n < LAB_ARENAS; n++)
        if (lab_arena[n].base) {
            kmem_free(kernel_map, lab_arena[n].base, LAB_PAGES * lab_arena[n].pa.page_size);
            lab_arena[n].base = NULL;
        }
}

// ---- the report ----

void judge_report(void)
{
    struct strbuf out;

    lab_report.nheld = kctx_current()->nheld;
    lab_report.nfaults = 0;
    if (lab_report.nheld)
        return;
    strbuf_init(&out, lab_report.text, sizeof(lab_report.text));
    lab_report.nfaults = pool_check(NULL, &out);
}

// A CPU that others run beside stands still only once judge_point has returned: that must be in
// here.
__attribute__((noinline)) void lab_point(const char *name)
{
    judge_point("%s", name);
    npoints++;
}
