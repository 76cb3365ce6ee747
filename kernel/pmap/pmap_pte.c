// SPDX-License-Identifier: BSD-2-Clause
//
// Single entries of a user's tables, for the files above and for the reverse map, which calls
// nothing else of pmap: what is mapped at an address, and how a mapping goes.
// Locking: the pmap's lock is held; pmap_steal says more.

#include "lib/atomic.h"
#include "pmap/pmap_impl.h"

#include "lib/errno.h"
#include "lib/panic.h"

struct spinlock pv_lock = SPINLOCK_INIT("pv", LOCK_PV, 0);

unsigned pmap_aging;
uint64_t pmap_enters, pmap_removes;

void pmap_forget(struct pmap *pm, struct vm_page *pg, uint64_t old)
{
    uint32_t attrs = (old & PTE_A ? PGA_REFERENCED : 0) | (old & PTE_D ? PGA_MODIFIED : 0);

    KASSERT(spin_held(&pm->lock), "pmap %p", (void *)pm);
    KASSERT(pm->resident > 0, "pmap %p has no mappings", (void *)pm);
    if (attrs & ~load_relaxed(&pg->attrs))
        or_relaxed(&pg->attrs, attrs);
    pm->resident--;
    pm->removed++;
    if (old & PTE_WIRED)
        pm->wired--;
}

struct vm_page *pmap_page_at(struct pmap *pm, vaddr_t va)
{
    const uint64_t *pte = pmap_pte(pm, va);
    uint64_t entry = pte ? pte_load(pte) : 0;

    KASSERT(spin_held(&pm->lock), "pmap %p va %lx", (void *)pm, va);
    if ((entry & (PTE_P | PTE_MANAGED)) != (PTE_P | PTE_MANAGED))
        return NULL;
    return phys_to_page(entry & PTE_PA);
}

int pmap_steal(struct pmap *pm, vaddr_t va, struct vm_page *pg)
{
    uint64_t *pte = pmap_pte(pm, va);

    KASSERT(spin_held(&pm->lock) && spin_held(&pv_lock), "pmap %p va %lx", (void *)pm, va);
    KASSERT(pte && *pte & PTE_P && phys_to_page(*pte & PTE_PA) == pg,
            "page %p is not mapped at %lx: pte %lx", (void *)pg, va, pte ? *pte : 0);
    if (*pte & PTE_WIRED)
        return EBUSY;
    pmap_forget(pm, pg, pte_take(pte));
    return 0;
}

void pmap_flush_all(struct pmap *pm)
{
    struct tlb_batch b;

    KASSERT(spin_held(&pm->lock), "pmap %p", (void *)pm);
    b.n = 0;
    tlb_batch_all(&b);
    tlb_flush(pm, &b);
}
