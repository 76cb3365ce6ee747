// SPDX-License-Identifier: BSD-2-Clause
//
// Pools of fixed-size objects: the pools, and their items. A page is cut into items from its start.
// Its header lies at its end and is found by truncating an item's address; or beside the page, and
// is found in a tree. Where pages come from, and who gives them up in need, is in pool_page.c.
// Locking: p->lock guards lists and counts; all_lock the list of all pools.

#include "lib/panic.h"
#include "lib/poison.h"
#include "lib/string.h"
#include "mem/pool.h"
#include "mem/pool_impl.h"
#include "mem/vm_page.h"
#include "sync/kctx.h"
#include "sync/waitq.h"

#define ITEM_POISON_WORDS 2 // at most so many are overwritten, if pages are not poisoned whole

static struct spinlock all_lock = SPINLOCK_INIT("pool list", LOCK_POOL_LIST, 0);
static struct list all_pools = LIST_INIT(all_pools);            // (all_lock) struct pool.all_link
static struct waitq walked = WAITQ_INIT("pool walked", walked); // a pool's nwalkers became 0

// ---- items in their pages ----

// The page that the item is in; p's lock held.
static struct pool_page *item_page(struct pool *p, const void *item)
{
    uintptr_t base = (uintptr_t)item & ~(p->backend->page_size - 1);
    struct pool_page *pp = (struct pool_page *)(base + pool_items_size(p->backend));

    KASSERT(spin_held(&p->lock), "pool %s", p->name);
    if (p->word[POOL_BESIDE]) {
        struct rb_node *n = rb_ceiling(pool_tree(p), base, POOL_PAGE_KEY);
        KASSERT(n && rb_key(n, POOL_PAGE_KEY) == base, "item %p is not of pool %s", item, p->name);
        pp = &rb_entry(n, struct pool_beside, node)->page;
    }
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

// An item of a page that has one. Items that were never taken are cut off one by one, so that a
// new page costs nothing to set up.
static struct pool_item *cut_item(struct pool *p, struct pool_page *pp)
{
    struct pool_item *it = pp->free;

    if (!it) {
        char *base = pool_page_of(p->backend, pp);
        KASSERT(pp->ntaken < p->items_per_page, "pool %s: page %p has %u items", p->name,
                (void *)base, pp->ntaken);
        return (struct pool_item *)(base + pp->ntaken++ * p->item_size);
    }
    size_t damage = pool_item_damage(p, it);
    KASSERT(damage == p->poison_words, "pool %s: %p was written after it was put: word %zu is %lx",
            p->name, (void *)it, damage + 1, it->poison[damage]);
    pp->free = it->next;
    return it;
}

// ---- life of a pool ----

// Where the headers lie: where an item takes fewer bytes, the headers' own counted.
static void lay_out(struct pool *p)
{
    size_t page = p->backend->page_size, n = pool_items_size(p->backend) / p->item_size;
    size_t nbeside = p == &pool_headers ? 0 : page / p->item_size;

    p->word[POOL_BESIDE] = nbeside * page > n * (page + sizeof(struct pool_beside));
    p->items_per_page = (unsigned)(p->word[POOL_BESIDE] ? nbeside : n);
}

void pool_init(struct pool *p, const char *name, size_t size, size_t align,
               struct pool_allocator *backend)
{
    align = max(align, sizeof(struct pool_item));
    KASSERT((align & (align - 1)) == 0, "pool %s: alignment %zu", name, align);
    if (p != &pool_headers && !pool_headers.name) // the first pool of all, while one CPU runs
        pool_init(&pool_headers, "pool header", sizeof(struct pool_beside), 0, NULL);
    *p = (struct pool){.name = name, .page_owner = PAGE_POOL};
    p->backend = backend ? backend : &pool_allocator_direct;
    p->item_size = (max(size, (size_t)1) + align - 1) & ~(align - 1);
    p->poison_words = (unsigned)poison_words(p->item_size);
    lay_out(p);
    KASSERT(p->items_per_page > 0, "pool %s: items of %zu do not fit a page of %zu", name,
            p->item_size, p->backend->page_size);
    spin_init(&p->lock, name, LOCK_POOL, 0);
    list_init(&p->empty);
    list_init(&p->partial);
    list_init(&p->full);
    pool_page_link(p);
    spin_lock(&all_lock);
    list_push_back(&all_pools, &p->all_link);
    spin_unlock(&all_lock);
}

void pool_destroy(struct pool *p)
{
    assert_may_sleep("pool_destroy");
    spin_lock(&all_lock);
    while (p->nwalkers > 0)
        waitq_await_spin(&walked, &all_lock);
    list_remove(&p->all_link);
    spin_unlock(&all_lock);
    pool_page_unlink(p);
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
    } while (!it && !fail && pool_page_grow(p, flags));
    if (!it)
        p->fails++;
    spin_unlock(&p->lock);
    if (it && flags & PR_ZERO)
        memset(it, 0, p->item_size);
    else if (it)
        poison_fill(it, p->item_size);
    return it;
}

// Panics if `it' was never taken, or is on its page's free list; p's lock held. That list is only
// looked at if the contents suggest it.
static void assert_not_free(const struct pool *p, const struct pool_page *pp,
                            const struct pool_item *it)
{
    KASSERT(spin_held(&p->lock), "pool %s", p->name);
    const char *untaken = (char *)pool_page_base(p->backend, it) + pp->ntaken * p->item_size;
    KASSERT((const char *)it < untaken, "pool %s: %p was never taken", p->name, (const void *)it);
    if (p->poison_words > 0 && pool_item_damage(p, it) < p->poison_words)
        return;
    for (const struct pool_item *f = pp->free; f; f = f->next)
        KASSERT(f != it, "pool %s: %p is put twice", p->name, (const void *)it);
}

void pool_put(struct pool *p, void *item)
{
    struct pool_item *it = item;

    spin_lock(&p->lock);
    struct pool_page *pp = item_page(p, item);
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

bool pool_reclaim(struct pool *p)
{
    return pool_page_shrink(p, UINT64_MAX) > 0;
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
        n += pool_page_shrink(p, UINT64_MAX);
    return n + pool_page_shrink(&pool_headers, UINT64_MAX); // of the pages that just went
}

void pool_for_each(void (*fn)(struct pool *p, void *arg), void *arg)
{
    for (struct pool *p = NULL; (p = next_pool(p));)
        fn(p, arg);
}
