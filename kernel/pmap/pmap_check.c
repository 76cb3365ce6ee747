// SPDX-License-Identifier: BSD-2-Clause
//
// Verifies all page tables from scratch: against their own counts, the pages and the reverse map;
// for the kernel's half, that nothing is writable and executable. Locking: the list of pmaps, then
// each pmap in turn, shared ones last, and pv_lock for each page.

#include "pmap/pmap_impl.h"

#include "lib/panic.h"
#include "lib/printf.h"
#include "sync/scoped.h"

struct tally {
    struct strbuf *out;
    struct pmap *pm;
    unsigned faults;
    uint64_t resident, wired, tables, links;
};

#define FAULT(t, fmt, ...)                                                                         \
    do {                                                                                           \
        (t)->faults++;                                                                             \
        strbuf_printf((t)->out, "pmap_check: pmap %p: " fmt "\n", (void *)(t)->pm, ##__VA_ARGS__); \
    } while (0)

// How many entries the reverse map has for (pm, va) and pg.
static unsigned count_entries(struct pmap *pm, vaddr_t va, struct vm_page *pg)
{
    struct pv_mapping m;
    unsigned n = 0;

    spin_lock(&pv_lock);
    for (bool more = pv_first(pg, &m); more; more = pv_next(pg, &m))
        n += m.pmap == pm && m.va == va;
    spin_unlock(&pv_lock);
    return n;
}

static void check_pte(struct tally *t, vaddr_t va, uint64_t pte)
{
    const uint64_t must = PTE_P | PTE_U | PTE_MANAGED;
    struct vm_page *pg = phys_to_page(pte & PTE_PA);

    t->resident++;
    t->wired += (pte & PTE_WIRED) != 0;
    if ((pte & must) != must || !pg || pg->owner <= PAGE_KERNEL) {
        FAULT(t, "va %lx: pte %lx, page %p of %s", va, pte, (void *)pg,
              pg ? page_owner_name[pg->owner] : "nobody");
        return;
    }
    unsigned n = count_entries(t->pm, va, pg);
    if (n != 1)
        FAULT(t, "va %lx: page %p has %u entries in the reverse map", va, (void *)pg, n);
}

// A table of a shared pmap, which t's pmap links.
static void check_link(struct tally *t, vaddr_t va, uint64_t entry)
{
    const struct vm_page *pg = phys_to_page(entry & PTE_PA);
    struct pt_links *links = pg && pg->owner == PAGE_PT ? pt_links(pte_table(entry)) : NULL;

    t->links++;
    if (!links || !links->pmap->shared || !links->n || t->pm->shared)
        FAULT(t, "va %lx: entry %lx links no shared table", va, entry);
    else
        links->seen++;
}

// A table that others link: all of them have been checked.
static void check_linked(struct tally *t, vaddr_t va, struct pt_links *links)
{
    t->links += links->n;
    if (links->seen != links->n || (links->n && links->va != va) || links->pmap != t->pm)
        FAULT(t, "table for va %lx: %u links, counted %u; of pmap %p, va %lx", va, links->seen,
              links->n, (void *)links->pmap, links->va);
    links->seen = 0;
}

// A user table of the given level, whose first entry is for va, and all below it.
static void check_table(struct tally *t, const uint64_t *table, unsigned level, vaddr_t va)
{
    const struct vm_page *pg = dmap_to_page(table);
    uint64_t live = 0;
    unsigned nentries = level == PT_LEVELS ? PT_ENTRIES / 2 : PT_ENTRIES;

    if (!pg || pg->owner != PAGE_PT) {
        FAULT(t, "table of level %u for va %lx lies in page %p", level, va, (const void *)pg);
        return;
    }
    if (level == 1)
        check_linked(t, va, pt_links(table));
    for (unsigned i = 0; i < nentries; i++, va += pt_span(level)) {
        if (!table[i])
            continue;
        live++;
        if (level == 1) {
            check_pte(t, va, table[i]);
        } else if (level == 2 && table[i] & PTE_SHARED) {
            check_link(t, va, table[i]);
        } else if ((table[i] & (PTE_P | PTE_PS)) != PTE_P) {
            FAULT(t, "va %lx: entry %lx of level %u", va, table[i], level);
        } else {
            t->tables++;
            check_table(t, pte_table(table[i]), level - 1, va);
        }
    }
    if (live != pg->pgno)
        FAULT(t, "table of level %u below va %lx has %lu entries, counted %lu", level, va, live,
              pg->pgno);
}

static void check_user_pmap(struct tally *t)
{
    struct pmap *pm = t->pm;

    spin_lock(&pm->lock);
    check_table(t, pm->pml4, PT_LEVELS, 0);
    for (unsigned i = PT_ENTRIES / 2; i < PT_ENTRIES; i++)
        if (pm->pml4[i] != kernel_pmap.pml4[i])
            FAULT(t, "root entry %u is %lx, the kernel's %lx", i, pm->pml4[i], kernel_pmap.pml4[i]);
    if (t->resident != pm->resident || t->wired != pm->wired || t->tables != pm->pt_pages ||
        t->links != pm->nlinks)
        FAULT(t,
              "%lu mappings, counted %lu; %lu wired, counted %lu; %lu tables, counted %lu; "
              "%lu links, counted %lu",
              t->resident, pm->resident, t->wired, pm->wired, t->tables, pm->pt_pages, t->links,
              pm->nlinks);
    uint64_t nentries = pv_pmap_count(pm);
    if (nentries != t->resident)
        FAULT(t, "%lu mappings, %lu entries in the reverse map", t->resident, nentries);
    spin_unlock(&pm->lock);
}

// The kernel's half from entry `first' of a table on. W on the way down counts only at the leaf:
// tables are all writable.
static void check_kernel_table(struct tally *t, const uint64_t *table, unsigned level,
                               unsigned first, vaddr_t va)
{
    for (unsigned i = first; i < PT_ENTRIES; i++, va += pt_span(level)) {
        uint64_t entry = table[i];
        if (!(entry & PTE_P))
            continue;
        if (entry & PTE_U)
            FAULT(t, "va %lx: entry %lx is for user mode", va, entry);
        if (level > 1 && !(entry & PTE_PS)) {
            check_kernel_table(t, pte_table(entry), level - 1, 0, va);
            continue;
        }
        if (entry & PTE_W && !(entry & PTE_NX))
            FAULT(t, "va %lx: entry %lx is writable and executable", va, entry);
        t->resident += va >= KVA_BASE && va < KVA_BASE + KVA_MAX;
    }
}

// The pmaps that are shared, or those that are not.
static unsigned check_pmaps(struct strbuf *out, bool shared)
{
    unsigned faults = 0;

    KASSERT(spin_held(&pmap_list_lock), "pmaps that are shared: %d", shared);
    list_for_each (pm, &pmap_list, struct pmap, all_link) {
        struct tally t = {.out = out, .pm = pm};
        if (pm->shared != shared)
            continue;
        if (pm == &kernel_pmap)
            check_kernel_table(&t, pm->pml4, PT_LEVELS, PT_ENTRIES / 2, ~0ul << 47);
        else
            check_user_pmap(&t);
        faults += t.faults;
    }
    return faults;
}

unsigned pmap_check(struct strbuf *out)
{
    SCOPED_SPIN(&pmap_list_lock);
    unsigned faults = check_pmaps(out, false);
    return faults + check_pmaps(out, true);
}
