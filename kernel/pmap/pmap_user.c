// SPDX-License-Identifier: BSD-2-Clause
//
// Mappings of user pages: enter, remove, protect, look up. All of them are managed. Ranges are
// worked through one table of PTEs (2 MiB) at a time, and the pmap's lock is released in between,
// so that interrupts are not off for long.
// Locking: the pmap's lock; pv_lock is taken by the reverse map's functions.

#include "lib/atomic.h"
#include "pmap/pmap_impl.h"

#include "lib/errno.h"
#include "lib/panic.h"
#include "sync/kctx.h"

static void assert_user_range(const struct pmap *pm, vaddr_t start_va, vaddr_t end_va)
{
    KASSERT(pm != &kernel_pmap && page_aligned(start_va | end_va) && start_va <= end_va &&
                end_va <= USER_MAX,
            "pmap %p range %lx-%lx", (const void *)pm, start_va, end_va);
}

// What is done for pm alone must not be done in a table that others link as well.
static void assert_own_table(const struct pmap *pm, vaddr_t va)
{
    KASSERT(!pm->nlinks || !pmap_link_at(pm, va, NULL), "pmap %p links the table at %lx",
            (const void *)pm, va);
}

static void flush_one(struct pmap *pm, vaddr_t va)
{
    struct tlb_batch b;

    b.n = 1;
    b.va[0] = va;
    tlb_flush(pm, &b);
}

// If a CPU that caches the old entry may do what the new one forbids.
static bool narrows(uint64_t old, uint64_t new)
{
    return pte_cached(old) && ((old & ~new &PTE_W) || (new & ~old &PTE_NX));
}

// ---- enter ----

// Takes away what *pte maps at va.
static void displace(struct pmap *pm, vaddr_t va, uint64_t *pte)
{
    struct vm_page *pg = phys_to_page(*pte & PTE_PA);
    struct tlb_batch b;

    KASSERT(pg, "va %lx pte %lx", va, *pte);
    b.n = 0;
    pmap_drop(pm, va, pte, pg, &b);
    if (b.n)
        tlb_flush(pm, &b);
    pv_remove(pm, va, pg);
}

// The same page again: protection and wiring change, what the hardware noted stays.
static void reprotect(struct pmap *pm, vaddr_t va, uint64_t *pte, uint64_t new)
{
    uint64_t old = pte_load(pte), next;

    do
        next = new | (old & (PTE_A | PTE_D));
    while (!compare_swap_relaxed(pte, &old, next));
    if (old == next)
        kctx_current()->refault = true;
    pm->wired += !!(next & PTE_WIRED);
    pm->wired -= !!(old & PTE_WIRED);
    if (narrows(old, next))
        flush_one(pm, va);
}

static int enter_locked(struct pmap *pm, vaddr_t va, struct vm_page *pg, uint64_t new)
{
    uint64_t *pte = pmap_entry_make(pm, va, 1);

    KASSERT(spin_held(&pm->lock), "pmap %p va %lx", (void *)pm, va);
    if (!pte)
        return ENOMEM;
    if (*pte & PTE_P) {
        if (!((*pte ^ new) & PTE_PA)) {
            reprotect(pm, va, pte, new);
            return 0;
        }
        displace(pm, va, pte);
    }
    // This may steal other mappings of pm, but leaves the tables where they are.
    if (pv_enter(pm, va, pg)) {
        pmap_pte_undo(pm, va);
        return ENOMEM;
    }
    KASSERT(*pte == 0, "va %lx pte %lx", va, *pte);
    store_relaxed(pte, new);
    ++*pt_live((uint64_t *)page_trunc((uintptr_t)pte));
    pm->resident++;
    if (new &PTE_WIRED)
        pm->wired++;
    return 0;
}

// Where the mapping `new' of *va goes: if pm links a table there, to the shared pmap, which is
// locked then, and to an address of that.
OFF_THE_WAY static struct pmap *follow_link(struct pmap *pm, vaddr_t *va, uint64_t new)
{
    struct pt_links *links = pmap_link_at(pm, *va, NULL);

    if (!links)
        return pm;
    KASSERT(!(new &PTE_WIRED), "va %lx is wired in a table that others link", *va);
    *va = links->va + *va % pt_span(2);
    spin_lock(&links->pmap->lock);
    return links->pmap;
}

int pmap_enter(struct pmap *pm, vaddr_t va, struct vm_page *pg, vm_prot_t prot, unsigned flags)
{
    assert_user_range(pm, va, va + PAGE_SIZE);
    KASSERT(pg->owner > PAGE_KERNEL, "page %p of %s at %lx", (void *)pg, page_owner_name[pg->owner],
            va);
    KASSERT(!(flags & PROT_ALL & ~prot & ~PROT_READ), "access %x with protection %x at %lx", flags,
            prot, va);
    if (prot == PROT_NONE) {
        pmap_remove(pm, va, va + PAGE_SIZE);
        return 0;
    }
    uint64_t new = page_to_phys(pg) | pte_prot(prot) | PTE_U | PTE_MANAGED;
    if (flags & PROT_ALL)
        new |= PTE_A | (flags & PROT_WRITE ? PTE_D : 0);
    if (flags & PMAP_WIRED)
        new |= PTE_WIRED;
    spin_lock(&pm->lock);
    struct pmap *in = __builtin_expect(pm->nlinks != 0, 0) ? follow_link(pm, &va, new) : pm;
    int error = enter_locked(in, va, pg, new);
    if (in != pm)
        spin_unlock(&in->lock);
    spin_unlock(&pm->lock);
    add_relaxed(&pmap_enters, 1);
    return error;
}

// ---- remove ----

// First pass: makes the PTEs of [va, stop) invalid and leaves their contents; collects what TLBs
// may hold. Returns how many there were.
static uint64_t invalidate(uint64_t *table, vaddr_t va, vaddr_t stop, struct tlb_batch *b)
{
    uint64_t live = *pt_live(table), n = 0;

    for (; va < stop && n < live; va += PAGE_SIZE) {
        uint64_t *pte = &table[pt_index(va, 1)];
        if (!*pte)
            continue;
        uint64_t old = fetch_and_relaxed(pte, ~PTE_P);
        if (pte_cached(old))
            tlb_batch_add(b, va);
        n++;
    }
    return n;
}

// Second pass, after the flush: forgets the n mappings that the first one made invalid.
static void forget(struct pmap *pm, uint64_t *table, vaddr_t va, uint64_t n)
{
    for (; n > 0; va += PAGE_SIZE) {
        uint64_t *pte = &table[pt_index(va, 1)], old = *pte;
        if (!old)
            continue;
        struct vm_page *pg = phys_to_page(old & PTE_PA);
        KASSERT(pg && !(old & PTE_P), "va %lx pte %lx", va, old);
        pmap_forget(pm, pg, old);
        pv_remove(pm, va, pg);
        *pte = 0;
        n--;
    }
}

// Removes the mappings of the first table at or after va; returns where to go on.
static vaddr_t remove_some(struct pmap *pm, vaddr_t va, vaddr_t end_va, struct list *dead)
{
    uint64_t *table = pmap_next_table(pm, &va, end_va);
    struct tlb_batch b;

    if (!table)
        return end_va;
    assert_own_table(pm, va);
    vaddr_t stop = min(end_va, (va | (pt_span(2) - 1)) + 1);
    b.n = 0;
    uint64_t n = invalidate(table, va, stop, &b);
    KASSERT(n <= *pt_live(table), "%lu entries of %lu", n, *pt_live(table));
    *pt_live(table) -= n;
    pmap_prune(pm, va, &b, dead);
    tlb_flush(pm, &b);
    forget(pm, table, va, n);
    return stop;
}

void pmap_remove(struct pmap *pm, vaddr_t start_va, vaddr_t end_va)
{
    struct list dead;

    assert_user_range(pm, start_va, end_va);
    list_init(&dead);
    while (start_va < end_va) {
        spin_lock(&pm->lock);
        start_va = remove_some(pm, start_va, end_va, &dead);
        spin_unlock(&pm->lock);
    }
    pmap_free_tables(&dead);
}

// ---- protect, unwire, look up ----

static void protect_table(uint64_t *table, vaddr_t va, vaddr_t stop, vm_prot_t prot,
                          struct tlb_batch *b)
{
    uint64_t keep = prot & PROT_WRITE ? ~0ul : ~PTE_W, set = prot & PROT_EXEC ? 0 : PTE_NX;

    for (; va < stop; va += PAGE_SIZE) {
        uint64_t *pte = &table[pt_index(va, 1)], old = pte_load(pte);
        if (!old || ((old & keep) | set) == old)
            continue;
        while (!compare_swap_relaxed(pte, &old, (old & keep) | set))
            ;
        if (pte_cached(old))
            tlb_batch_add(b, va);
    }
}

void pmap_protect(struct pmap *pm, vaddr_t start_va, vaddr_t end_va, vm_prot_t prot)
{
    struct tlb_batch b;
    uint64_t *table;

    if (prot == PROT_NONE) {
        pmap_remove(pm, start_va, end_va);
        return;
    }
    assert_user_range(pm, start_va, end_va);
    KASSERT(!(prot & ~PROT_ALL), "protection %#x", prot);
    for (vaddr_t va = start_va; va < end_va;) {
        spin_lock(&pm->lock);
        b.n = 0;
        table = pmap_next_table(pm, &va, end_va);
        if (table) {
            assert_own_table(pm, va);
            vaddr_t stop = min(end_va, (va | (pt_span(2) - 1)) + 1);
            protect_table(table, va, stop, prot, &b);
            va = stop;
        }
        tlb_flush(pm, &b);
        spin_unlock(&pm->lock);
    }
}

void pmap_unwire(struct pmap *pm, vaddr_t va)
{
    assert_user_range(pm, va, va + PAGE_SIZE);
    spin_lock(&pm->lock);
    assert_own_table(pm, va);
    uint64_t *pte = pmap_pte(pm, va);
    KASSERT(pte && *pte & PTE_WIRED, "va %lx pte %lx is not wired", va, pte ? *pte : 0);
    and_relaxed(pte, ~PTE_WIRED);
    pm->wired--;
    spin_unlock(&pm->lock);
}

bool pmap_next(struct pmap *pm, vaddr_t *va, vaddr_t end_va, paddr_t *pa)
{
    const uint64_t *table;
    uint64_t entry = 0;

    assert_user_range(pm, *va, end_va);
    spin_lock(&pm->lock);
    while (!entry && *va < end_va && (table = pmap_next_table(pm, va, end_va))) {
        vaddr_t stop = min(end_va, (*va | (pt_span(2) - 1)) + 1);
        while (*va < stop && !(entry = pte_load(&table[pt_index(*va, 1)])))
            *va += PAGE_SIZE;
    }
    spin_unlock(&pm->lock);
    *pa = entry & PTE_PA;
    return entry;
}

bool pmap_extract(struct pmap *pm, vaddr_t va, paddr_t *pa, vm_prot_t *prot)
{
    KASSERT(pm != &kernel_pmap && va < USER_MAX, "pmap %p va %lx", (void *)pm, va);
    spin_lock(&pm->lock);
    const uint64_t *pte = pmap_pte(pm, va);
    uint64_t entry = pte ? pte_load(pte) : 0;
    spin_unlock(&pm->lock);
    if (!(entry & PTE_P))
        return false;
    *pa = (entry & PTE_PA) | (va & PAGE_MASK);
    *prot = PROT_READ | (entry & PTE_W ? PROT_WRITE : 0) | (entry & PTE_NX ? 0 : PROT_EXEC);
    return true;
}
