// SPDX-License-Identifier: BSD-2-Clause
//
// Shared page-table pages, the form that never shares: every pmap has tables of its own, and a
// gibibyte mapped by fifty processes costs a hundred mebibytes of page tables.
// Locking: as the contract says; the assertions hold callers to what sharing needs.

#include "pmap/ptshare.h"

#include "lib/panic.h"
#include "pmap/pmap.h"

bool ptshare_attach(struct pmap *pm, vaddr_t va, const struct ptshare_key *key)
{
    KASSERT(!spin_held(&pm->lock), "pmap %p is locked", (void *)pm);
    KASSERT(va % PTSHARE_SPAN == 0, "slot at %lx", va);
    KASSERT(key->object && key->pgno % (PTSHARE_SPAN / PAGE_SIZE) == 0,
            "slot at %lx: object %p page %lu", va, key->object, key->pgno);
    return false;
}

void ptshare_detach(struct pmap *pm, vaddr_t start_va, vaddr_t end_va)
{
    KASSERT(!spin_held(&pm->lock), "pmap %p is locked", (void *)pm);
    KASSERT(page_aligned(start_va) && page_aligned(end_va) && start_va <= end_va, "range %lx-%lx",
            start_va, end_va);
}

uint64_t ptshare_saved_pages(void)
{
    return 0;
}
