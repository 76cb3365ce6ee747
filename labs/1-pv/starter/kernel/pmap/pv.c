// SPDX-License-Identifier: BSD-2-Clause
//
// The reverse map with an entry of 48 bytes for each mapping, on a list of its page and on a list
// of its pmap. Entries come from a pool; without memory for one, pv_enter fails.
// Locking: pv_lock guards the pages' lists. A pmap's list changes only with that pmap's lock held,
// too, so whoever holds it may walk the list. Entries are got before pv_lock is taken.

#include "pmap/pv_impl.h"

#include "lib/errno.h"
#include "lib/panic.h"

struct pool pv_pool;
static uint64_t entry_allocs, entry_frees; // (v)

// ---- start-up, pmaps ----

void pv_init(void)
{
    pool_init(&pv_pool, "pv", sizeof(struct pv_entry), 0, NULL);
    pv_pool.page_owner = PAGE_PV;
}

void pv_page_init(struct vm_page *pg)
{
    list_init(&page_part(pg)->entries);
    page_part(pg)->count = 0;
}

void pv_pmap_init(struct pmap *pm)
{
    list_init(&pmap_part(pm)->entries);
    pmap_part(pm)->count = 0;
}

uint64_t pv_pmap_count(struct pmap *pm)
{
    KASSERT(spin_held(&pm->lock), "pmap %p", (void *)pm);
    return pmap_part(pm)->count;
}

void pv_pmap_destroy(struct pmap *pm)
{
    KASSERT(pmap_part(pm)->count == 0, "pmap %p has %lu mappings", (void *)pm,
            pmap_part(pm)->count);
    pool_reclaim(&pv_pool);
}

// ---- one mapping ----

int pv_enter(struct pmap *pm, vaddr_t va, struct vm_page *pg)
{
    KASSERT(spin_held(&pm->lock), "pmap %p va %lx", (void *)pm, va);
    struct pv_entry *pv = pool_get(&pv_pool, PR_NOWAIT | PR_RESERVE);
    if (!pv)
        return ENOMEM;
    pv->va = va;
    pv->pmap = pm;
    spin_lock(&pv_lock);
    list_push_front(&page_part(pg)->entries, &pv->page_link);
    page_part(pg)->count++;
    list_push_back(&pmap_part(pm)->entries, &pv->pmap_link);
    pmap_part(pm)->count++;
    entry_allocs++;
    spin_unlock(&pv_lock);
    return 0;
}

// Takes an entry off its lists; pv_lock and its pmap's lock held.
static void unlink_entry(struct pv_entry *pv, struct vm_page *pg)
{
    KASSERT(page_part(pg)->count > 0 && pmap_part(pv->pmap)->count > 0, "va %lx: counts %lu %lu",
            pv->va, page_part(pg)->count, pmap_part(pv->pmap)->count);
    list_remove(&pv->page_link);
    page_part(pg)->count--;
    list_remove(&pv->pmap_link);
    pmap_part(pv->pmap)->count--;
    entry_frees++;
}

static struct pv_entry *find_entry(struct pmap *pm, vaddr_t va, struct vm_page *pg)
{
    list_for_each (pv, &page_part(pg)->entries, struct pv_entry, page_link) {
        if (pv->pmap == pm && pv->va == va)
            return pv;
    }
    return NULL;
}

void pv_remove(struct pmap *pm, vaddr_t va, struct vm_page *pg)
{
    KASSERT(spin_held(&pm->lock), "pmap %p va %lx", (void *)pm, va);
    spin_lock(&pv_lock);
    struct pv_entry *pv = find_entry(pm, va, pg);
    KASSERT(pv, "no entry for page %p in pmap %p at %lx", (void *)pg, (void *)pm, va);
    unlink_entry(pv, pg);
    spin_unlock(&pv_lock);
    pool_put(&pv_pool, pv);
}

void pv_remove_pmap(struct pmap *pm,
                    bool (*fn)(struct pmap *pm, vaddr_t va, struct vm_page *pg, void *arg),
                    void *arg)
{
    KASSERT(spin_held(&pm->lock), "pmap %p", (void *)pm);
    list_for_each_safe (pv, &pmap_part(pm)->entries, struct pv_entry, pmap_link) {
        struct vm_page *pg = pmap_page_at(pm, pv->va);
        KASSERT(pg, "an entry at %lx, but no mapping", pv->va);
        if (!fn(pm, pv->va, pg, arg))
            continue;
        spin_lock(&pv_lock);
        unlink_entry(pv, pg);
        spin_unlock(&pv_lock);
        pool_put(&pv_pool, pv);
    }
}

// ---- the mappings of a page ----

static bool report(struct vm_page *pg, struct list *link, struct pv_mapping *m)
{
    KASSERT(spin_held(&pv_lock), "page %p", (void *)pg);
    if (link == &page_part(pg)->entries)
        return false;
    struct pv_entry *pv = list_entry(link, struct pv_entry, page_link);
    *m = (struct pv_mapping){.pmap = pv->pmap, .va = pv->va, .cookie = pv};
    return true;
}

bool pv_first(struct vm_page *pg, struct pv_mapping *m)
{
    return report(pg, page_part(pg)->entries.next, m);
}

bool pv_next(struct vm_page *pg, struct pv_mapping *m)
{
    return report(pg, ((struct pv_entry *)m->cookie)->page_link.next, m);
}

unsigned pv_count(struct vm_page *pg)
{
    return (unsigned)page_part(pg)->count;
}

bool pv_is_mapped(const struct vm_page *pg)
{
    return __atomic_load_n(&page_part(pg)->count, __ATOMIC_RELAXED) > 0;
}

void pv_remove_mapping(struct vm_page *pg, const struct pv_mapping *m)
{
    struct pv_entry *pv = m->cookie;

    KASSERT(spin_held(&pv_lock) && spin_held(&pv->pmap->lock), "va %lx", pv->va);
    unlink_entry(pv, pg);
    pool_put(&pv_pool, pv);
}

// ---- figures ----

void pv_get_stats(struct pv_stats *st)
{
    spin_lock(&pv_lock);
    *st = (struct pv_stats){
        .pv_entry_count = entry_allocs - entry_frees,
        .pv_entry_allocs = entry_allocs,
        .pv_entry_frees = entry_frees,
    };
    spin_unlock(&pv_lock);
    spin_lock(&pv_pool.lock);
    st->pv_entry_spare = pv_pool.nitems_free;
    st->pv_bytes = pv_pool.npages * PAGE_SIZE;
    spin_unlock(&pv_pool.lock);
}
