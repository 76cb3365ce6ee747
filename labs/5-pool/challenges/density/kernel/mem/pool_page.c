// SPDX-License-Identifier: BSD-2-Clause
//
// The pages of pools: where they come from, and how they are taken away again. When the backend
// has none, its other pools are asked one after the other until one gives an empty page up; a get
// asks each of them once at most, so two pools that starve cannot keep each other busy.
//
// A header that lies beside its page is got before the page: what fails then leaves nothing to be
// given back to a backend. Want of either is a shortage; a page that another pool gives up brings a
// header along, or the memory for one. pool_headers itself asks nobody, and nobody asks it.
//
// Locking: p->lock guards lists and counts. The backend's lock is held from the moment that a pool
// is found on its list until its page has left it, so that who destroys the pool, and takes it off
// that list first, need not wait for anybody. As it comes after the pools' own locks, these are
// only tried. No lock is held while a page is got or given back.

#include "lib/panic.h"
#include "mem/pool.h"
#include "mem/pool_impl.h"
#include "mem/vm_page.h"

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

struct pool pool_headers;

void pool_page_link(struct pool *p)
{
    if (p == &pool_headers)
        return;
    spin_lock(&p->backend->lock);
    list_push_back(&p->backend->pools, &p->backend_link);
    spin_unlock(&p->backend->lock);
}

void pool_page_unlink(struct pool *p)
{
    spin_lock(&p->backend->lock);
    list_remove(&p->backend_link);
    spin_unlock(&p->backend->lock);
}

// ---- giving pages back ----

// Moves up to `most' empty pages that p may lose to `pages'; returns how many.
static uint64_t detach(struct pool *p, uint64_t most, bool for_other, struct list *pages)
{
    struct pool_page *pp;
    uint64_t n = 0;

    if (!spin_trylock(&p->lock))
        return 0;
    while (n < most && p->npages > p->min_pages &&
           (pp = list_pop(&p->empty, struct pool_page, link))) {
        KASSERT(pp->pool == p && pp->nfree == p->items_per_page, "pool %s: page %p: %u free",
                p->name, (void *)pp, pp->nfree);
        list_push_back(pages, &pp->link);
        if (pp->beside)
            rb_remove(pool_tree(p), &container_of(pp, struct pool_beside, page)->node);
        p->npages--;
        p->page_frees++;
        p->nitems_free -= p->items_per_page;
        p->drained += for_other;
        n++;
    }
    spin_unlock(&p->lock);
    return n;
}

// The pages belong to no pool any more; theirs may be gone.
static void give_back(struct pool_allocator *pa, struct list *pages)
{
    struct pool_page *pp;

    KASSERT(!spin_held(&pa->lock), "backend %s", pa->name);
    while ((pp = list_pop(pages, struct pool_page, link))) {
        bool beside = pp->beside;
        pa->free(pa, pool_page_of(pa, pp));
        if (beside)
            pool_put(&pool_headers, container_of(pp, struct pool_beside, page));
    }
}

uint64_t pool_page_shrink(struct pool *p, uint64_t most)
{
    struct list pages = LIST_INIT(pages);
    uint64_t n = detach(p, most, false, &pages);

    give_back(p->backend, &pages);
    return n;
}

// ---- shortage ----

// Takes one page from a pool of the backend that is not p, and gives it back; false if none has one
// to lose. *nvisits counts down the pools that are asked. Who was asked is asked last next time.
static bool drain_other(struct pool *p, uint64_t *nvisits)
{
    struct pool_allocator *pa = p->backend;
    struct list pages = LIST_INIT(pages);

    KASSERT(!spin_held(&p->lock), "pool %s", p->name);
    spin_lock(&pa->lock);
    while (list_empty(&pages) && *nvisits > 0) {
        struct pool *other = list_pop(&pa->pools, struct pool, backend_link);
        KASSERT(other && other->backend == pa, "pool %s: backend %s has no pools", p->name,
                pa->name);
        list_push_back(&pa->pools, &other->backend_link);
        --*nvisits;
        if (other != p)
            detach(other, 1, true, &pages);
    }
    spin_unlock(&pa->lock);
    bool found = !list_empty(&pages);
    give_back(pa, &pages);
    return found;
}

static uint64_t count_pools(struct pool_allocator *pa)
{
    uint64_t n = 0;

    spin_lock(&pa->lock);
    list_for_each (p, &pa->pools, struct pool, backend_link)
        n++;
    spin_unlock(&pa->lock);
    return n;
}

// A page for p from its backend, by its header; NULL if there is none, or no header for it.
static struct pool_page *try_page(struct pool *p, unsigned flags)
{
    struct pool_allocator *pa = p->backend;
    struct pool_beside *b = NULL;

    if (p->word[POOL_BESIDE]) {
        b = pool_get(&pool_headers, flags & (PR_WAITOK | PR_RESERVE));
        if (!b)
            return NULL;
    }
    char *page = pa->alloc(pa, flags | (unsigned)p->page_owner << PR_OWNER_SHIFT);
    KASSERT(page == pool_page_base(pa, page), "pool %s: page %p", p->name, (void *)page);
    if (!page) {
        if (b)
            pool_put(&pool_headers, b);
        return NULL;
    }
    if (b)
        b->base = (uint64_t)page;
    struct pool_page *pp = b ? &b->page : (struct pool_page *)(page + pool_items_size(pa));
    *pp = (struct pool_page){.pool = p, .nfree = p->items_per_page, .beside = b != NULL};
    return pp;
}

// The same, at the cost of other pools if need be.
static struct pool_page *get_page(struct pool *p, unsigned flags)
{
    uint64_t nvisits = 0;
    struct pool_page *pp = try_page(p, flags);

    if (!pp && p != &pool_headers)
        nvisits = count_pools(p->backend);
    while (!pp && drain_other(p, &nvisits))
        pp = try_page(p, flags);
    return pp;
}

bool pool_page_grow(struct pool *p, unsigned flags)
{
    KASSERT(spin_held(&p->lock), "pool %s", p->name);
    spin_unlock(&p->lock);
    struct pool_page *pp = get_page(p, flags);
    spin_lock(&p->lock);
    if (!pp)
        return false;
    if (pp->beside)
        rb_add(pool_tree(p), &container_of(pp, struct pool_beside, page)->node, POOL_PAGE_KEY);
    list_push_front(&p->empty, &pp->link);
    p->npages++;
    p->page_allocs++;
    p->nitems_free += p->items_per_page;
    return true;
}
