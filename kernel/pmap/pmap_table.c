// SPDX-License-Identifier: BSD-2-Clause
//
// The page-table pages of user pmaps: made as mappings need them, found, and unlinked as soon as
// pmap_remove or pmap_unlink leaves them empty; one that the page daemon emptied waits for the next
// mapping, or for exit. All functions are called with the pmap's lock held, but for
// pmap_free_tables, which wants no lock.

#include "pmap/pmap_impl.h"

#include "lib/panic.h"

// Makes an empty table and links it into *entry of `parent'; false: no memory.
OFF_THE_WAY static bool make_table(struct pmap *pm, uint64_t *parent, uint64_t *entry)
{
    struct vm_page *pg = vm_page_alloc(PAGE_PT, PA_ZERO | PA_RESERVE);

    KASSERT(spin_held(&pm->lock) && !*entry, "pmap %p entry %lx", (void *)pm, *entry);
    if (!pg)
        return false;
    list_push_back(&pm->tables, &pg->queue);
    *pt_links(page_to_dmap(pg)) = (struct pt_links){.pmap = pm};
    pm->pt_pages++;
    ++*pt_live(parent);
    *entry = page_to_phys(pg) | PTE_P | PTE_W | PTE_U;
    return true;
}

void pmap_pte_undo(struct pmap *pm, vaddr_t va)
{
    struct tlb_batch b;
    struct list dead;

    b.n = 0;
    list_init(&dead);
    pmap_prune(pm, va, &b, &dead);
    tlb_flush(pm, &b);
    pmap_free_tables(&dead);
}

uint64_t *pmap_entry_make(struct pmap *pm, vaddr_t va, unsigned to_level)
{
    uint64_t *table = pm->pml4;

    KASSERT(spin_held(&pm->lock), "pmap %p va %lx", (void *)pm, va);
    for (unsigned level = PT_LEVELS; level > to_level; level--) {
        uint64_t *entry = &table[pt_index(va, level)];
        if (!(*entry & PTE_P) && !make_table(pm, table, entry)) {
            pmap_pte_undo(pm, va);
            return NULL;
        }
        table = pte_table(*entry);
    }
    return &table[pt_index(va, to_level)];
}

struct pt_links *pmap_link_at(const struct pmap *pm, vaddr_t va, uint64_t **entry)
{
    uint64_t *table = pm->pml4, *at = NULL;

    KASSERT(spin_held(&pm->lock), "pmap %p va %lx", (const void *)pm, va);
    for (unsigned level = PT_LEVELS; level > 1; level--) {
        at = &table[pt_index(va, level)];
        if (!(*at & PTE_P))
            return NULL;
        table = pte_table(*at);
    }
    if (entry)
        *entry = at;
    return *at & PTE_SHARED ? pt_links(table) : NULL;
}

uint64_t *pmap_next_table(const struct pmap *pm, vaddr_t *va, vaddr_t end)
{
    KASSERT(spin_held(&pm->lock), "pmap %p va %lx", (const void *)pm, *va);
    while (*va < end) {
        uint64_t *table = pm->pml4;
        unsigned level = PT_LEVELS;
        for (; level > 1; level--) {
            uint64_t entry = table[pt_index(*va, level)];
            if (!(entry & PTE_P))
                break;
            table = pte_table(entry);
        }
        if (level == 1)
            return table;
        *va = (*va | (pt_span(level) - 1)) + 1;
    }
    return NULL;
}

void pmap_prune(struct pmap *pm, vaddr_t va, struct tlb_batch *b, struct list *dead)
{
    uint64_t *path[PT_LEVELS + 1];
    unsigned level = PT_LEVELS;

    KASSERT(spin_held(&pm->lock), "pmap %p va %lx", (void *)pm, va);
    path[level] = pm->pml4;
    while (level > 1 && path[level][pt_index(va, level)] & PTE_P) {
        path[level - 1] = pte_table(path[level][pt_index(va, level)]);
        level--;
    }
    for (; level < PT_LEVELS && *pt_live(path[level]) == 0 && !pt_links(path[level])->n; level++) {
        struct vm_page *pg = dmap_to_page(path[level]);
        path[level + 1][pt_index(va, level + 1)] = 0;
        KASSERT(*pt_live(path[level + 1]) > 0, "pmap %p va %lx level %u", (void *)pm, va,
                level + 1);
        --*pt_live(path[level + 1]);
        list_remove(&pg->queue);
        list_push_back(dead, &pg->queue);
        pm->pt_pages--;
        // Flushing one address makes a CPU forget all tables that it has cached.
        tlb_batch_add(b, va);
    }
}

void pmap_free_tables(struct list *dead)
{
    struct vm_page *pg;

    while ((pg = list_pop(dead, struct vm_page, queue)))
        vm_page_free(pg);
}
