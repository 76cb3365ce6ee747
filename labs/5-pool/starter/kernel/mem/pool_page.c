// SPDX-License-Identifier: BSD-2-Clause
//
// The pages of pools: where they come from, and how they are taken away again. A pool copies its
// backend's page functions when it is made, and knows no other pool: when the function has no page,
// the get fails.
//
// Locking: p->lock guards lists and counts. No lock is held while a page is got or given back.

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

// What a pool copies of its backend, in struct pool's words.
enum { WORD_ALLOC, WORD_FREE };

void pool_page_functions(struct pool *p)
{
    p->word[WORD_ALLOC] = (uintptr_t)p->backend->alloc;
    p->word[WORD_FREE] = (uintptr_t)p->backend->free;
    list_init(&p->backend_link);
}

static void *page_get(struct pool *p, unsigned flags)
{
    void *(*alloc)(struct pool_allocator *, unsigned) = (void *)p->word[WORD_ALLOC];

    KASSERT(!spin_held(&p->lock), "pool %s", p->name);
    void *page = alloc(p->backend, flags | (unsigned)p->page_owner << PR_OWNER_SHIFT);
    KASSERT(page == pool_page_base(p->backend, page), "pool %s: page %p", p->name, page);
    return page;
}

static void page_put(struct pool *p, void *page)
{
    void (*free)(struct pool_allocator *, void *) = (void *)p->word[WORD_FREE];

    KASSERT(!spin_held(&p->lock), "pool %s", p->name);
    free(p->backend, page);
}

// ---- giving pages back ----

uint64_t pool_page_shrink(struct pool *p)
{
    struct pool_page *pp;
    struct list pages = LIST_INIT(pages);
    uint64_t n = 0;

    if (!spin_trylock(&p->lock))
        return 0;
    while (p->npages > p->min_pages && (pp = list_pop(&p->empty, struct pool_page, link))) {
        KASSERT(pp->pool == p && pp->nfree == p->items_per_page, "pool %s: page %p: %u free",
                p->name, (void *)pp, pp->nfree);
        list_push_back(&pages, &pp->link);
        p->npages--;
        p->page_frees++;
        p->nitems_free -= p->items_per_page;
        n++;
    }
    spin_unlock(&p->lock);
    while ((pp = list_pop(&pages, struct pool_page, link)))
        page_put(p, pool_page_base(p->backend, pp));
    return n;
}

bool pool_page_grow(struct pool *p, unsigned flags)
{
    KASSERT(spin_held(&p->lock), "pool %s", p->name);
    spin_unlock(&p->lock);
    void *page = page_get(p, flags);
    spin_lock(&p->lock);
    if (!page)
        return false;
    struct pool_page *pp = (struct pool_page *)((char *)page + pool_items_size(p->backend));
    *pp = (struct pool_page){.pool = p, .nfree = p->items_per_page};
    list_push_front(&p->empty, &pp->link);
    p->npages++;
    p->page_allocs++;
    p->nitems_free += p->items_per_page;
    return true;
}
