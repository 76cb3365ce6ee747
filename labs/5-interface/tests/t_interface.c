// SPDX-License-Identifier: BSD-2-Clause
//
// Pools behind either interface: what the kernel's own pools do, which both forms must; and
// backends, which the new one has. As long as pool.h defines POOL_PAGE_FUNCTIONS, it is the old
// one.

#include "dev/judge.h"
#include "dev/record.h"
#include "fs/vfs_mounts.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mem/memlayout.h"
#include "mem/pool.h"
#include "proc/process.h"
#include "proc/signal.h"
#include "proc/thread.h"
#include "sync/kctx.h"
#include "vm/kmem.h"
#include "vm/vm_map.h"

static volatile unsigned npoints;

static __attribute__((noinline)) void lab_point(const char *name)
{
    judge_point("%s", name);
    npoints++;
}

static bool in_map(const struct vm_map *map, const void *p)
{
    return (vaddr_t)p >= map->min_va && (vaddr_t)p < map->max_va;
}

static const char *place_of(const void *p)
{
    return in_dmap(p) ? "direct" : in_map(pool_map, p) ? "kva" : "elsewhere";
}

// ---- the kernel's own pools ----

struct named {
    const char *name;
    struct pool *found;
};

static void look_for(struct pool *p, void *arg)
{
    struct named *named = arg;

    if (!strcmp(p->name, named->name))
        named->found = p;
}

static struct pool *pool_named(const char *name)
{
    struct named named = {.name = name};

    pool_for_each(look_for, &named);
    KASSERT(named.found, "no pool %s", name);
    return named.found;
}

// The pools of what a start without tests sets up later.
static void start_callers(void)
{
    thread_init();
    process_init();
    signal_init();
    vfs_init();
    file_init();
    fdtable_init();
    file_lock_init();
    pipe_init();
}

// What a pool is, by its counts and by an item of it.
static void show(struct pool *p, void *arg)
{
    char name[32] = "";

    (void)arg;
    for (size_t i = 0; p->name[i] && i < sizeof(name) - 1; i++)
        name[i] = p->name[i] == ' ' ? '-' : p->name[i];
    void *item = pool_get(p, PR_WAITOK | PR_ZERO);
    KTEST_CHECK(item, "pool %s has no item", p->name);
    if (!item)
        return;
    record_printf("pool %s %zu %u %s %u", name, p->item_size, p->items_per_page, place_of(item),
                  p->max_items != 0);
    pool_put(p, item);
}

KTEST(lab_interface_kernel)
{
    start_callers();
    pool_for_each(show, NULL);
    lab_point("end");
}

struct chain {
    struct chain *next;
};

static unsigned take_all(struct pool *p, struct chain **items)
{
    struct chain *it;
    unsigned n = 0;

    while ((it = pool_get(p, PR_NOWAIT))) {
        it->next = *items;
        *items = it;
        n++;
    }
    return n;
}

static void give_all(struct pool *p, struct chain **items)
{
    struct chain *it;

    while ((it = *items)) {
        *items = it->next;
        pool_put(p, it);
    }
}

// Address space for pools is bounded, and what is given back is there again.
KTEST(lab_interface_bounded)
{
    start_callers();
    struct pool *p = pool_named("path");
    pool_reclaim_all();
    for (unsigned round = 0; round < 2; round++) {
        struct chain *items = NULL;
        unsigned n = take_all(p, &items);
        record_printf("paths %u %lu", n, p->npages);
        give_all(p, &items);
        bool gave = pool_reclaim(p);
        KTEST_CHECK(gave && p->npages == 0, "%lu pages are left", p->npages);
    }
    lab_point("end");
}

// ---- backends ----

#ifdef POOL_PAGE_FUNCTIONS

static void no_backends(void)
{
    ktest_fail("pool.h defines POOL_PAGE_FUNCTIONS: it is the old one");
    lab_point("end");
}

KTEST(lab_interface_backend)
{
    no_backends();
}

KTEST(lab_interface_sizes)
{
    no_backends();
}

KTEST(lab_interface_flags)
{
    no_backends();
}

KTEST(lab_interface_life)
{
    no_backends();
}

KTEST(lab_interface_same)
{
    no_backends();
}

#else

#define STORE_PAGES 8u

// A backend that notes what it is asked.
struct store {
    uint64_t before; // the backend is not what the structure begins with
    struct pool_allocator pa;
    char *base;
    bool taken[STORE_PAGES];
    unsigned nallocs, nfrees, nrefused, nwrong;
    unsigned flags; // of the last alloc
};

static struct store stores[3];

static struct store *store_of(struct pool_allocator *pa)
{
    struct store *s = container_of(pa, struct store, pa);

    KASSERT(s >= stores && s < stores + array_len(stores) && pa == &s->pa,
            "a backend's function gets %p for its backend", (void *)pa);
    return s;
}

static void *store_alloc(struct pool_allocator *pa, unsigned flags)
{
    struct store *s = store_of(pa);

    s->flags = flags;
    s->nwrong += kctx_current()->nheld > 0;
    for (unsigned i = 0; i < STORE_PAGES; i++)
        if (!s->taken[i]) {
            s->taken[i] = true;
            s->nallocs++;
            return s->base + i * pa->page_size;
        }
    s->nrefused++;
    return NULL;
}

static void store_free(struct pool_allocator *pa, void *page)
{
    struct store *s = store_of(pa);
    size_t i = (size_t)((char *)page - s->base) / pa->page_size;

    s->nwrong += kctx_current()->nheld > 0;
    KASSERT(i < STORE_PAGES && s->taken[i] && page == s->base + i * pa->page_size,
            "%p goes back to backend %s", page, pa->name);
    s->taken[i] = false;
    s->nfrees++;
}

static struct store *open_store(unsigned n, size_t page_size)
{
    static const char *const names[] = {"store 0", "store 1", "store 2"};
    struct store *s = &stores[n];

    *s = (struct store){
        .pa = {.name = names[n], .alloc = store_alloc, .free = store_free, .page_size = page_size}};
    s->base = kmem_alloc(kernel_map, STORE_PAGES * page_size, page_size, KM_WAITOK);
    KASSERT(s->base, "no memory for a store");
    pool_allocator_init(&s->pa);
    return s;
}

static void close_store(struct store *s)
{
    KTEST_CHECK(s->nallocs == s->nfrees, "%s: %u pages got, %u given back", s->pa.name, s->nallocs,
                s->nfrees);
    KTEST_CHECK(s->nwrong == 0, "%s: asked %u times with a lock held", s->pa.name, s->nwrong);
    kmem_free(kernel_map, s->base, STORE_PAGES * s->pa.page_size);
}

static bool in_store(const struct store *s, const void *p)
{
    return (char *)p >= s->base && (char *)p < s->base + STORE_PAGES * s->pa.page_size;
}

// A backend's functions get the backend; two that share functions share nothing else.
KTEST(lab_interface_backend)
{
    struct store *a = open_store(0, PAGE_SIZE), *b = open_store(1, PAGE_SIZE);
    struct chain *items[4] = {0};
    static struct pool p[4];

    pool_init(&p[0], "lab", 1000, 0, &a->pa);
    pool_init(&p[1], "lab", 500, 0, &a->pa);
    pool_init(&p[2], "lab", 1000, 0, &b->pa);
    pool_init(&p[3], "lab", 64, 0, NULL);
    KTEST_CHECK(p[0].backend == &a->pa && p[1].backend == &a->pa && p[2].backend == &b->pa,
                "a pool names another backend than its own");
    KTEST_CHECK(p[3].backend == &pool_allocator_direct, "without a backend it is direct");
    for (unsigned round = 0; round < 30; round++)
        for (unsigned i = 0; i < 4; i++) {
            struct chain *it = pool_get(&p[i], PR_WAITOK);
            if (!it)
                continue;
            KTEST_CHECK(i == 3 ? in_dmap(it) : in_store(i == 2 ? b : a, it), "item %p of pool %u",
                        (void *)it, i);
            it->next = items[i];
            items[i] = it;
        }
    KTEST_CHECK(a->nallocs == STORE_PAGES && a->nrefused > 0, "%u pages of the first", a->nallocs);
    KTEST_CHECK(b->nallocs == 8 && b->nrefused == 0, "%u pages of the second", b->nallocs);
    KTEST_CHECK(p[0].fails > 0 && p[2].fails == 0 && p[3].fails == 0, "%lu, %lu, %lu gets failed",
                p[0].fails, p[2].fails, p[3].fails);
    for (unsigned i = 0; i < 4; i++) {
        give_all(&p[i], &items[i]);
        pool_destroy(&p[i]);
    }
    close_store(a);
    close_store(b);
    lab_point("end");
}

// The page's size is the backend's.
KTEST(lab_interface_sizes)
{
    for (unsigned n = 0; n < 3; n++) {
        size_t page_size = PAGE_SIZE << n;
        struct store *s = open_store(n, page_size);
        static struct pool p;
        struct chain *items = NULL;
        pool_init(&p, "lab", 1000, 64, &s->pa);
        unsigned per_page = (unsigned)((page_size - 64) / 1024);
        KTEST_CHECK(p.items_per_page >= per_page, "%u items of 1024 bytes in %zu", p.items_per_page,
                    page_size);
        unsigned nitems = take_all(&p, &items);
        KTEST_CHECK(nitems == STORE_PAGES * p.items_per_page && s->nallocs == STORE_PAGES,
                    "%u items in %u pages", nitems, s->nallocs);
        for (struct chain *it = items; it; it = it->next)
            KTEST_CHECK(in_store(s, it) && (uintptr_t)it % 64 == 0, "item %p", (void *)it);
        give_all(&p, &items);
        pool_destroy(&p);
        close_store(s);
    }
    lab_point("end");
}

// Flags and owner come through to whom they are for.
KTEST(lab_interface_flags)
{
    static const unsigned flags[] = {PR_NOWAIT, PR_WAITOK, PR_RESERVE, PR_RESERVE | PR_WAITOK};
    struct store *s = open_store(0, PAGE_SIZE);
    static struct pool p;

    pool_init(&p, "lab", 3000, 0, &s->pa);
    for (unsigned i = 0; i < array_len(flags); i++) {
        p.page_owner = (uint8_t)(i + 1);
        void *item = pool_get(&p, flags[i] | PR_ZERO);
        KTEST_CHECK(item, "item %u", i);
        KTEST_CHECK((s->flags & (PR_WAITOK | PR_RESERVE)) == flags[i], "flags %#x, not %#x",
                    s->flags, flags[i]);
        KTEST_CHECK(s->flags >> PR_OWNER_SHIFT == i + 1, "owner %u, not %u",
                    s->flags >> PR_OWNER_SHIFT, i + 1);
        if (item)
            pool_put(&p, item);
        pool_reclaim(&p);
    }
    pool_destroy(&p);
    close_store(s);
    lab_point("end");
}

// Backends come and go; what one lacks another one does not give.
KTEST(lab_interface_life)
{
    for (unsigned round = 0; round < 3; round++) {
        struct store *s = open_store(round % 2, PAGE_SIZE << round % 2);
        static struct pool mine, other;
        struct chain *items = NULL;
        pool_init(&mine, "lab mine", 700, 0, &s->pa);
        pool_init(&other, "lab other", 700, 0, NULL);
        unsigned nfirst = take_all(&mine, &items);
        void *item = pool_get(&other, PR_WAITOK);
        KTEST_CHECK(item && in_dmap(item), "the other backend has pages");
        KTEST_CHECK(s->nallocs == STORE_PAGES, "%u pages of %u", s->nallocs, STORE_PAGES);
        give_all(&mine, &items);
        bool gave = pool_reclaim(&mine), again = pool_reclaim(&mine);
        KTEST_CHECK(gave && !again && s->nfrees == STORE_PAGES, "%u pages came back", s->nfrees);
        unsigned nsecond = take_all(&mine, &items);
        KTEST_CHECK(nfirst == nsecond, "%u items, then %u", nfirst, nsecond);
        give_all(&mine, &items);
        if (item)
            pool_put(&other, item);
        pool_destroy(&mine);
        pool_destroy(&other);
        close_store(s);
    }
    lab_point("end");
}

static void is_known(struct pool *p, void *arg)
{
    (void)arg;
    KTEST_CHECK(p->backend == &pool_allocator_direct || p->backend == &pool_allocator_kva,
                "pool %s has backend %s of its own", p->name, p->backend->name);
}

// All pools of a backend name the same one, which works by itself, too.
KTEST(lab_interface_same)
{
    static const char *const large[] = {"thread", "process", "path", "pipe ring"};
    struct pool_allocator *both[] = {&pool_allocator_direct, &pool_allocator_kva};

    start_callers();
    pool_for_each(is_known, NULL);
    for (unsigned i = 0; i < array_len(large); i++)
        KTEST_CHECK(pool_named(large[i])->backend == &pool_allocator_kva, "pool %s", large[i]);
    for (unsigned i = 0; i < array_len(both); i++) {
        unsigned flags = PR_WAITOK | (unsigned)pool_named("path")->page_owner << PR_OWNER_SHIFT;
        void *page = both[i]->alloc(both[i], flags);
        KTEST_CHECK(page && (uintptr_t)page % both[i]->page_size == 0, "page %p of %s", page,
                    both[i]->name);
        KTEST_CHECK(both[i]->page_size == (i ? 4 : 1) * PAGE_SIZE, "pages of %zu",
                    both[i]->page_size);
        KTEST_CHECK(i ? in_map(pool_map, page) : in_dmap(page), "page %p of %s", page,
                    both[i]->name);
        if (page)
            both[i]->free(both[i], page);
    }
    lab_point("end");
}

#endif
