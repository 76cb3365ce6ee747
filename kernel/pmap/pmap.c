// SPDX-License-Identifier: BSD-2-Clause
//
// Address spaces: creation, loading, destruction; and start-up. The upper half of every root is a
// copy of the kernel's, whose entries all exist after pmap_init and never change, so kernel
// mappings show in all pmaps without further work.
// Locking: pmap_list_lock guards the list of pmaps; each pmap's lock its tables.

#include "lib/atomic.h"
#include "pmap/pmap_impl.h"

#include "lib/panic.h"
#include "lib/string.h"
#include "mem/pool.h"

static struct pool pmap_pool;

// ---- start-up ----

// Makes the tables that map [start, end) of the kernel's half, without mappings in them.
static void make_kernel_tables(vaddr_t start_va, vaddr_t end_va)
{
    for (vaddr_t va = start_va; va < end_va; va += pt_span(2)) {
        uint64_t *table = kernel_pmap.pml4;
        for (unsigned level = PT_LEVELS; level > 1; level--) {
            uint64_t *entry = &table[pt_index(va, level)];
            if (!(*entry & PTE_P)) {
                struct vm_page *pg = vm_page_alloc(PAGE_PT, PA_ZERO);
                KASSERT(pg, "no memory for the kernel's page tables at %lx", va);
                list_push_back(&kernel_pmap.tables, &pg->queue);
                kernel_pmap.pt_pages++;
                *entry = page_to_phys(pg) | PTE_P | PTE_W;
            }
            table = pte_table(*entry);
        }
    }
}

void pmap_init(uint64_t *boot_pml4, size_t kva_size)
{
    KASSERT(kva_size <= KVA_MAX, "kva_size %zu", kva_size);
    kernel_pmap.pml4 = boot_pml4;
    kernel_pmap.pml4_pa = dmap_to_phys(boot_pml4);
    pv_init();
    pv_pmap_init(&kernel_pmap);
    for (unsigned s = 0; s < vm_page_nsegs; s++) {
        struct vm_page_seg *seg = &vm_page_segs[s];
        uint64_t npages = (seg->end_pa - seg->start_pa) >> PAGE_SHIFT;
        for (uint64_t i = 0; i < npages; i++)
            pv_page_init(&seg->pages[i]);
    }
    vm_page_set_mapped_check(pv_is_mapped);
    pool_init(&pmap_pool, "pmap", sizeof(struct pmap), 0, NULL);
    make_kernel_tables(KVA_BASE, KVA_BASE + kva_size);
    list_push_back(&pmap_list, &kernel_pmap.all_link);
    tlb_init();
}

// ---- life of a pmap ----

static struct pmap *create(bool shared)
{
    struct pmap *pm = pool_get(&pmap_pool, PR_NOWAIT | PR_ZERO);
    struct vm_page *root = pm ? vm_page_alloc(PAGE_PT, 0) : NULL;

    if (!root) {
        if (pm)
            pool_put(&pmap_pool, pm);
        return NULL;
    }
    if (shared)
        spin_init(&pm->lock, "shared pmap", LOCK_PMAP_SHARED, 0);
    else
        spin_init(&pm->lock, "pmap", LOCK_PMAP, LOCK_NESTED);
    pm->shared = shared;
    list_init(&pm->tables);
    pm->pml4 = page_to_dmap(root);
    pm->pml4_pa = page_to_phys(root);
    memset(pm->pml4, 0, PAGE_SIZE / 2);
    memcpy(&pm->pml4[PT_ENTRIES / 2], &kernel_pmap.pml4[PT_ENTRIES / 2], PAGE_SIZE / 2);
    pv_pmap_init(pm);
    spin_lock(&pmap_list_lock);
    list_push_back(&pmap_list, &pm->all_link);
    spin_unlock(&pmap_list_lock);
    return pm;
}

struct pmap *pmap_create(void)
{
    return create(false);
}

struct pmap *pmap_create_shared(void)
{
    return create(true);
}

// Removes one mapping; all of them, or all that are not wired.
struct drop {
    struct tlb_batch batch;
    bool wired_too;
};

static bool drop_mapping(struct pmap *pm, vaddr_t va, struct vm_page *pg, void *arg)
{
    struct drop *d = arg;
    uint64_t *pte = pmap_pte(pm, va);

    KASSERT(spin_held(&pm->lock) && pte, "pmap %p va %lx", (void *)pm, va);
    if (*pte & PTE_WIRED && !d->wired_too)
        return false;
    pmap_drop(pm, va, pte, pg, &d->batch);
    return true;
}

// The one place where entries go before the flush: no thread runs in pm, so nothing stale is used.
static void drop_all(struct pmap *pm, bool wired_too)
{
    struct drop d;

    KASSERT(pm != &kernel_pmap, "pmap %p", (void *)pm);
    d.batch.n = 0;
    d.wired_too = wired_too;
    spin_lock(&pm->lock);
    pv_remove_pmap(pm, drop_mapping, &d);
    tlb_flush(pm, &d.batch);
    spin_unlock(&pm->lock);
}

void pmap_remove_all_user(struct pmap *pm)
{
    KASSERT(!spin_held(&pm->lock), "pmap %p", (void *)pm);
    drop_all(pm, false);
}

void pmap_destroy(struct pmap *pm)
{
    tlb_drop(pm);
    drop_all(pm, true);
    KASSERT(pm->resident == 0 && pm->wired == 0, "pmap %p: %lu mappings, %lu wired", (void *)pm,
            pm->resident, pm->wired);
    KASSERT(pm->nlinks == 0, "pmap %p: %lu links", (void *)pm, pm->nlinks);
    spin_lock(&pmap_list_lock);
    pmap_removes += pm->removed;
    list_remove(&pm->all_link);
    spin_unlock(&pmap_list_lock);
    pv_pmap_destroy(pm);
    KASSERT(!pm->active, "pmap %p is loaded: %lx", (void *)pm, pm->active);
    pmap_free_tables(&pm->tables);
    vm_page_free(dmap_to_page(pm->pml4));
    pool_put(&pmap_pool, pm);
}

void pmap_activate(struct pmap *pm)
{
    // Without a pmap of its own a thread may run in any: it keeps what is loaded, which saves
    // loading it again when the next user thread runs in it. But a CPU that comes up has none.
    if (pm)
        tlb_load(pm);
    else if (!tlb_loaded())
        tlb_load(&kernel_pmap);
}

// ---- figures ----

void pmap_get_stats(struct pmap_stats *st)
{
    *st = (struct pmap_stats){
        .enters = load_relaxed(&pmap_enters),
    };
    tlb_get_stats(&st->shootdowns, &st->shootdown_ipis);
    spin_lock(&pmap_list_lock);
    st->removes = pmap_removes;
    list_for_each (pm, &pmap_list, struct pmap, all_link) {
        st->pmaps++;
        st->removes += pm->removed;
        st->pt_pages += pm->pt_pages + (pm != &kernel_pmap);
    }
    spin_unlock(&pmap_list_lock);
}
