// SPDX-License-Identifier: BSD-2-Clause
//
// Tables of a shared pmap among those of others: links are made and taken off here.
// Locking: the pmap's lock, and then that of the shared one.

#include "pmap/pmap_impl.h"

#include "lib/errno.h"
#include "lib/panic.h"
#include "sync/scoped.h"

static void assert_link(const struct pmap *pm, vaddr_t va, const struct pmap *shared,
                        vaddr_t shared_va)
{
    KASSERT(pm != &kernel_pmap && !pm->shared && shared->shared, "pmaps %p %p", (const void *)pm,
            (const void *)shared);
    KASSERT((va | shared_va) % pt_span(2) == 0 && max(va, shared_va) < USER_MAX, "va %lx %lx", va,
            shared_va);
}

// Makes *entry of level 2 a link; ENOMEM. pm's lock held.
static int link_table(struct pmap *pm, uint64_t *entry, struct pmap *shared, vaddr_t shared_va)
{
    KASSERT(spin_held(&pm->lock) && !*entry, "pmap %p entry %lx", (void *)pm, *entry);
    SCOPED_SPIN(&shared->lock);
    uint64_t *table = pmap_entry_make(shared, shared_va, 1);
    if (!table)
        return ENOMEM;
    pt_links(table)->va = shared_va;
    pt_links(table)->n++;
    shared->nlinks++;
    *entry = dmap_to_phys(table) | PTE_P | PTE_W | PTE_U | PTE_SHARED;
    ++*pt_live((uint64_t *)page_trunc((uintptr_t)entry));
    pm->nlinks++;
    return 0;
}

int pmap_link(struct pmap *pm, vaddr_t va, struct pmap *shared, vaddr_t shared_va)
{
    assert_link(pm, va, shared, shared_va);
    SCOPED_SPIN(&pm->lock);
    uint64_t *entry = pmap_entry_make(pm, va, 2);
    int error = !entry ? ENOMEM : *entry ? EEXIST : link_table(pm, entry, shared, shared_va);
    if (entry && error == ENOMEM)
        pmap_pte_undo(pm, va);
    return error;
}

// One link less to a table, which goes if it was the last and nothing is mapped. No CPU uses the
// link any more.
static void drop_link(struct pt_links *links, struct list *dead)
{
    struct pmap *shared = links->pmap;
    struct tlb_batch b;

    SCOPED_SPIN(&shared->lock);
    KASSERT(links->n > 0 && shared->nlinks >= links->n, "va %lx: %u links, %lu in all", links->va,
            links->n, shared->nlinks);
    links->n--;
    shared->nlinks--;
    b.n = 0;
    pmap_prune(shared, links->va, &b, dead);
    tlb_flush(shared, &b);
}

struct pmap *pmap_unlink(struct pmap *pm, vaddr_t va)
{
    struct pmap *shared = NULL;
    struct tlb_batch b;
    struct list dead;
    uint64_t *entry;

    list_init(&dead);
    spin_lock(&pm->lock);
    struct pt_links *links = pm->nlinks ? pmap_link_at(pm, va, &entry) : NULL;
    if (links) {
        shared = links->pmap;
        pte_take(entry);
        pm->nlinks--;
        b.n = 0;
        pmap_prune(pm, va, &b, &dead);
        tlb_batch_all(&b);
        tlb_flush(pm, &b);
        drop_link(links, &dead);
    }
    spin_unlock(&pm->lock);
    pmap_free_tables(&dead);
    return shared;
}
