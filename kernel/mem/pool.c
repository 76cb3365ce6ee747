// SPDX-License-Identifier: BSD-2-Clause
//
// Pools of fixed-size objects. A page is cut into items from its start; its header lies at its end
// and is found by truncating an item's address. Each pool gets and gives its pages by itself: when
// the backend has none, pool_get fails, even if other pools of the backend sit on empty pages.
// Locking: p->lock guards lists and counts; pages are got, cut and given back outside it.

#include "lib/panic.h"
#include "lib/poison.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "sync/kctx.h"
#include "sync/waitq.h"

#define ITEM_POISON       0xdeadbeefdeadbeeful
#define ITEM_POISON_WORDS 2 // at most so many are overwritten, if pages are not poisoned whole

// A free item. Behind the link it is poison.
struct pool_item {
    struct pool_item *next;
    uint64_t poison[];
};

// The header of a page.
struct pool_page {
    struct list link; // on the pool's empty, partial or full list
    struct pool *pool;
    struct pool_item *free; // items that were put back, the last one first
    unsigned nfree;         // those, and the ones never taken yet
    unsigned ntaken;        // the first so many items have been taken at least once
};

static struct spinlock all_lock = SPINLOCK_INIT("pool list", LOCK_POOL_LIST, 0);
static struct list all_pools = LIST_INIT(all_pools);            // (all_lock) struct pool.all_link
static struct waitq walked = WAITQ_INIT("pool walked", walked); // a pool's nwalkers became 0

// ---- the direct map's pages as a backend ----

static void *direct_alloc(struct pool_allocator *pa, unsigned flags)
{
    struct vm_page *pg;
    unsigned page_flags = flags & PR_RESERVE ? PA_RESERVE : 0;
    enum page_owner owner = flags >> PR_OWNER_SHIFT;

    (void)pa;
    if (!(flags & PR_WAITOK))
        pg = vm_page_alloc(owner, page_flags);
    else if (vm_page_alloc_wait(owner, page_flags, &pg))
        return NULL;
    return pg ? page_to_dmap(pg) : NULL;
}

static void direct_free(struct pool_allocator *pa, void *page)
{
    (void)pa;
    vm_page_free(dmap_to_page(page));
}

struct pool_allocator pool_allocator_direct = {
    .name = "direct",
    .alloc = direct_alloc,
    .free = direct_free,
    .page_size = PAGE_SIZE,
    .lock = SPINLOCK_INIT("pool backend", LOCK_POOL_BACKEND, 0),
    .pools = LIST_INIT(pool_allocator_direct.pools),
};

void pool_allocator_init(struct pool_allocator *pa)
{
    KASSERT(pa->page_size && (pa->page_size & (pa->page_size - 1)) == 0, "pages of %zu",
            pa->page_size);
    spin_init(&pa->lock, "pool backend", LOCK_POOL_BACKEND, 0);
    list_init(&pa->pools);
}

// ---- pages and their items ----

static size_t items_size(const struct pool *p)
{
    return p->backend->page_size - sizeof(struct pool_page);
}

static void *page_base(const struct pool *p, const struct pool_page *pp)
{
    return (void *)((uintptr_t)pp & ~(p->backend->page_size - 1));
}

static struct pool_page *item_page(const struct pool *p, const void *item)
{
    uintptr_t base = (uintptr_t)item & ~(p->backend->page_size - 1);
    struct pool_page *pp = (struct pool_page *)(base + items_size(p));

    KASSERT(pp->pool == p, "item %p is not of pool %s", item, p->name);
    KASSERT(((uintptr_t)item - base) % p->item_size == 0 &&
                (uintptr_t)item - base < p->items_per_page * p->item_size,
            "pool %s: %p is not the start of an item", p->name, item);
    return pp;
}

static size_t poison_words(size_t item_size)
{
    size_t nwords = (item_size - sizeof(struct pool_item)) / sizeof(uint64_t);

    if (vm_page_poison == POISON_OFF)
        return 0;
    return vm_page_poison == POISON_ALL ? nwords : min(nwords, (size_t)ITEM_POISON_WORDS);
}

static void poison_item(const struct pool *p, struct pool_item *it)
{
    for (size_t i = 0; i < p->poison_words; i++)
        it->poison[i] = ITEM_POISON;
}

// The index of the first word of a free item that is not poison, or the number of words looked at.
static size_t poison_damage(const struct pool *p, const struct pool_item *it)
{
    size_t i = 0;

    while (i < p->poison_words && it->poison[i] == ITEM_POISON)
        i++;
    return i;
}

// An item of a page that has one. Items that were never taken are cut off one by one, so that a
// new page costs nothing to set up.
static struct pool_item *cut_item(struct pool *p, struct pool_page *pp)
{
    struct pool_item *it = pp->free;

    if (!it)
        return (struct pool_item *)((char *)page_base(p, pp) + pp->ntaken++ * p->item_size);
    size_t damage = poison_damage(p, it);
    KASSERT(damage == p->poison_words, "pool %s: %p was written after it was put: word %zu is %lx",
            p->name, (void *)it, damage + 1, it->poison[damage]);
    pp->free = it->next;
    return it;
}

// ---- life of a pool ----

void pool_init(struct pool *p, const char *name, size_t size, size_t align,
               struct pool_allocator *backend)
{
    align = max(align, sizeof(struct pool_item));
    KASSERT((align & (align - 1)) == 0, "pool %s: alignment %zu", name, align);
    *p = (struct pool){.name = name, .page_owner = PAGE_POOL};
    p->backend = backend ? backend : &pool_allocator_direct;
    p->item_size = (max(size, (size_t)1) + align - 1) & ~(align - 1);
    p->poison_words = (unsigned)poison_words(p->item_size);
    p->items_per_page = (unsigned)(items_size(p) / p->item_size);
    KASSERT(p->items_per_page > 0, "pool %s: items of %zu do not fit a page of %zu", name,
            p->item_size, p->backend->page_size);
    spin_init(&p->lock, name, LOCK_POOL, 0);
    list_init(&p->empty);
    list_init(&p->partial);
    list_init(&p->full);
    spin_lock(&all_lock);
    list_push_back(&all_pools, &p->all_link);
    spin_unlock(&all_lock);
    spin_lock(&p->backend->lock);
    list_push_back(&p->backend->pools, &p->backend_link);
    spin_unlock(&p->backend->lock);
}

void pool_destroy(struct pool *p)
{
    assert_may_sleep("pool_destroy");
    spin_lock(&all_lock);
    while (p->nwalkers > 0)
        waitq_await_spin(&walked, &all_lock);
    list_remove(&p->all_link);
    spin_unlock(&all_lock);
    spin_lock(&p->backend->lock);
    list_remove(&p->backend_link);
    spin_unlock(&p->backend->lock);
    KASSERT(p->nitems_out == 0, "pool %s: %lu items are out", p->name, p->nitems_out);
    p->min_pages = 0;
    pool_reclaim(p);
    KASSERT(p->npages == 0, "pool %s: %lu pages left", p->name, p->npages);
}

void pool_set_limits(struct pool *p, uint64_t min_pages, uint64_t max_items)
{
    spin_lock(&p->lock);
    p->min_pages = min_pages;
    p->max_items = max_items;
    spin_unlock(&p->lock);
}

// ---- items ----

// A free item of the pages at hand, or NULL; p's lock held.
static struct pool_item *take_item(struct pool *p)
{
    struct pool_page *pp = list_first(&p->partial, struct pool_page, link);

    KASSERT(spin_held(&p->lock), "pool %s", p->name);
    if (!pp)
        pp = list_first(&p->empty, struct pool_page, link);
    if (!pp)
        return NULL;
    struct pool_item *it = cut_item(p, pp);
    if (pp->nfree-- == p->items_per_page || pp->nfree == 0) {
        list_remove(&pp->link);
        list_push_front(pp->nfree ? &p->partial : &p->full, &pp->link);
    }
    p->nitems_free--;
    p->nitems_out++;
    p->gets++;
    return it;
}

// Adds a page from the backend; false if it has none. p's lock held, released meanwhile.
static bool grow(struct pool *p, unsigned flags)
{
    KASSERT(spin_held(&p->lock), "pool %s", p->name);
    spin_unlock(&p->lock);
    void *page = p->backend->alloc(p->backend, flags | (unsigned)p->page_owner << PR_OWNER_SHIFT);
    spin_lock(&p->lock);
    if (!page)
        return false;
    KASSERT((uintptr_t)page % p->backend->page_size == 0, "pool %s: page %p", p->name, page);
    struct pool_page *pp = (struct pool_page *)((char *)page + items_size(p));
    *pp = (struct pool_page){.pool = p, .nfree = p->items_per_page};
    list_push_front(&p->empty, &pp->link);
    p->npages++;
    p->page_allocs++;
    p->nitems_free += p->items_per_page;
    return true;
}

void *pool_get(struct pool *p, unsigned flags)
{
    struct pool_item *it = NULL;

    if (flags & PR_WAITOK) {
        assert_may_sleep("pool_get");
        assert_may_wait_for_memory("pool_get");
    }
    bool fail = fail_injected();
    spin_lock(&p->lock);
    do {
        fail = fail || (p->max_items && p->nitems_out >= p->max_items);
        if (!fail)
            it = take_item(p);
    } while (!it && !fail && grow(p, flags));
    if (!it)
        p->fails++;
    spin_unlock(&p->lock);
    if (it && flags & PR_ZERO)
        memset(it, 0, p->item_size);
    else if (it)
        poison_fill(it, p->item_size);
    return it;
}

// Panics if `it' is on its page's free list; p's lock held. Only looks if the contents suggest it.
static void assert_not_free(const struct pool *p, const struct pool_page *pp,
                            const struct pool_item *it)
{
    KASSERT(spin_held(&p->lock), "pool %s", p->name);
    if (p->poison_words > 0 && poison_damage(p, it) < p->poison_words)
        return;
    for (const struct pool_item *f = pp->free; f; f = f->next)
        KASSERT(f != it, "pool %s: %p is put twice", p->name, (const void *)it);
}

void pool_put(struct pool *p, void *item)
{
    struct pool_item *it = item;
    struct pool_page *pp = item_page(p, item);

    spin_lock(&p->lock);
    assert_not_free(p, pp, it);
    poison_item(p, it);
    it->next = pp->free;
    pp->free = it;
    if (pp->nfree++ == 0 || pp->nfree == p->items_per_page) {
        list_remove(&pp->link);
        list_push_front(pp->nfree < p->items_per_page ? &p->partial : &p->empty, &pp->link);
    }
    p->nitems_free++;
    p->nitems_out--;
    p->puts++;
    spin_unlock(&p->lock);
}

// ---- reclaim ----

static uint64_t reclaim(struct pool *p)
{
    struct pool_page *pp;
    struct list victims;
    uint64_t n = 0;

    if (!spin_trylock(&p->lock))
        return 0;
    list_init(&victims);
    while (p->npages > p->min_pages && (pp = list_pop(&p->empty, struct pool_page, link))) {
        list_push_back(&victims, &pp->link);
        p->npages--;
        p->page_frees++;
        p->nitems_free -= p->items_per_page;
        n++;
    }
    spin_unlock(&p->lock);
    while ((pp = list_pop(&victims, struct pool_page, link)))
        p->backend->free(p->backend, page_base(p, pp));
    return n;
}

bool pool_reclaim(struct pool *p)
{
    return reclaim(p) > 0;
}

// The pool behind p (NULL: the first one), in order of creation; NULL behind the last one. It is
// not destroyed before the walk goes on from it. The list's lock is not held meanwhile, as no lock
// may be held while a backend takes pages back.
static struct pool *next_pool(struct pool *p)
{
    spin_lock(&all_lock);
    struct list *at = p ? p->all_link.next : all_pools.next;
    struct pool *next = at == &all_pools ? NULL : list_entry(at, struct pool, all_link);

    KASSERT(!p || p->nwalkers > 0, "pool %s: no walk is at it", p->name);
    if (next)
        next->nwalkers++;
    if (p && --p->nwalkers == 0)
        waitq_wake_all(&walked);
    spin_unlock(&all_lock);
    return next;
}

uint64_t pool_reclaim_all(void)
{
    uint64_t n = 0;

    for (struct pool *p = NULL; (p = next_pool(p));)
        n += reclaim(p);
    return n;
}

void pool_for_each(void (*fn)(struct pool *p, void *arg), void *arg)
{
    for (struct pool *p = NULL; (p = next_pool(p));)
        fn(p, arg);
}

// ---- checks ----

#define FAULT(p, fmt, ...)                                                                         \
    (faults++, strbuf_printf(out, "pool_check: %s: " fmt "\n", (p)->name, ##__VA_ARGS__))

// One page of the list whose pages have min_free to max_free free items.
static unsigned check_page(struct pool *p, struct pool_page *pp, unsigned min_free,
                           unsigned max_free, struct strbuf *out)
{
    unsigned faults = 0, n = p->items_per_page - pp->ntaken;
    char *base = page_base(p, pp);

    if (pp->pool != p || (char *)pp != base + items_size(p)) {
        FAULT(p, "header %p of page %p names pool %p", (void *)pp, base, (void *)pp->pool);
        return faults;
    }
    if (pp->nfree < min_free || pp->nfree > max_free)
        FAULT(p, "page %p has %u free of %u: wrong list", base, pp->nfree, p->items_per_page);
    for (struct pool_item *it = pp->free; it && n <= p->items_per_page; it = it->next, n++) {
        size_t at = (size_t)((char *)it - base);
        if (at % p->item_size || at / p->item_size >= pp->ntaken) {
            FAULT(p, "free item %p lies wrong in page %p", (void *)it, base);
            return faults;
        }
        if (poison_damage(p, it) < p->poison_words)
            FAULT(p, "free item %p was written", (void *)it);
    }
    if (n != pp->nfree)
        FAULT(p, "page %p: %u free items, counted %u", base, n, pp->nfree);
    return faults;
}

static unsigned check_pool(struct pool *p, struct strbuf *out)
{
    unsigned faults = 0, per = p->items_per_page;
    uint64_t npages = 0, nfree = 0;
    struct {
        struct list *head;
        unsigned min_free, max_free;
    } lists[] = {{&p->empty, per, per}, {&p->partial, 1, per - 1}, {&p->full, 0, 0}};

    spin_lock(&p->lock);
    for (unsigned i = 0; i < array_len(lists); i++)
        list_for_each (pp, lists[i].head, struct pool_page, link) {
            faults += check_page(p, pp, lists[i].min_free, lists[i].max_free, out);
            npages++;
            nfree += pp->nfree;
        }
    if (npages != p->npages || p->page_allocs - p->page_frees != npages)
        FAULT(p, "%lu pages, counted %lu; %lu got, %lu given back", npages, p->npages,
              p->page_allocs, p->page_frees);
    if (nfree != p->nitems_free || p->nitems_free + p->nitems_out != npages * per)
        FAULT(p, "%lu free items, counted %lu free, %lu out, %lu pages of %u", nfree,
              p->nitems_free, p->nitems_out, npages, per);
    if (p->gets - p->puts != p->nitems_out)
        FAULT(p, "%lu gets, %lu puts, %lu items out", p->gets, p->puts, p->nitems_out);
    spin_unlock(&p->lock);
    return faults;
}

unsigned pool_check(struct pool *p, struct strbuf *out)
{
    unsigned faults = 0;

    if (p)
        return check_pool(p, out);
    while ((p = next_pool(p)))
        faults += check_pool(p, out);
    return faults;
}
