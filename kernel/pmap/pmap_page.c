// SPDX-License-Identifier: BSD-2-Clause
//
// Operations on all mappings of one page, for the page daemon, copy-on-write and truncation.
// Locking: they come from pv_lock, which keeps the reported pmaps in being, and take each pmap by
// try-lock, against the order; if one is busy they let go of pv_lock and start over, which is right
// because each operation may be repeated. What the caller has locked stays so: the page queues are,
// and nobody asks for them with a pmap locked.

#include "lib/atomic.h"
#include "pmap/pmap_impl.h"

#include "lib/panic.h"
#include "sync/irq.h"

#define RETRY_PAUSES 32 // before another try when a pmap is busy

// What to do with each mapping, pv_lock and the pmap's lock held; true: it forgot the mapping.
typedef bool mapping_op(struct vm_page *pg, const struct pv_mapping *m, uint64_t *pte, void *arg);

// One round; false if a pmap was busy.
static bool try_each_mapping(struct vm_page *pg, mapping_op *op, void *arg)
{
    struct pv_mapping m;

    spin_lock(&pv_lock);
    bool more = pv_first(pg, &m);
    while (more) {
        struct pmap *pm = m.pmap;
        if (!spin_trylock(&pm->lock))
            break;
        uint64_t *pte = pmap_pte(pm, m.va);
        KASSERT(pte && (*pte & PTE_P) && phys_to_page(*pte & PTE_PA) == pg,
                "page %p is not mapped at %lx: pte %lx", (void *)pg, m.va, pte ? *pte : 0);
        more = op(pg, &m, pte, arg) ? pv_first(pg, &m) : pv_next(pg, &m);
        spin_unlock(&pm->lock);
    }
    spin_unlock(&pv_lock);
    return !more;
}

static void for_each_mapping(struct vm_page *pg, mapping_op *op, void *arg)
{
    while (!try_each_mapping(pg, op, arg)) {
        // Whoever holds the pmap may want pv_lock next: leave it alone for a while.
        for (unsigned i = 0; i < RETRY_PAUSES; i++) {
            cpu_relax();
            spin_poll();
        }
    }
}

// Clears bits of a PTE and flushes if a TLB may hold it; returns the old PTE.
static uint64_t clear_bits(const struct pv_mapping *m, uint64_t *pte, uint64_t bits)
{
    struct tlb_batch b;

    KASSERT(spin_held(&m->pmap->lock) && spin_held(&pv_lock), "va %lx", m->va);
    if (!(*pte & bits))
        return *pte;
    uint64_t old = fetch_and_relaxed(pte, ~bits);
    if (pte_cached(old)) {
        b.n = 1;
        b.va[0] = m->va;
        tlb_flush(m->pmap, &b);
    }
    return old;
}

// ---- protect ----

static bool op_write_protect(struct vm_page *pg UNUSED, const struct pv_mapping *m, uint64_t *pte,
                             void *arg UNUSED)
{
    clear_bits(m, pte, PTE_W);
    return false;
}

static bool op_remove(struct vm_page *pg, const struct pv_mapping *m, uint64_t *pte,
                      void *arg UNUSED)
{
    struct tlb_batch b;

    b.n = 0;
    pmap_drop(m->pmap, m->va, pte, pg, &b);
    if (b.n)
        tlb_flush(m->pmap, &b);
    pv_remove_mapping(pg, m);
    return true;
}

void pmap_page_protect(struct vm_page *pg, vm_prot_t prot)
{
    KASSERT(pg->owner > PAGE_KERNEL, "page %p of %s", (void *)pg, page_owner_name[pg->owner]);
    if (prot & PROT_WRITE || !pv_is_mapped(pg))
        return;
    for_each_mapping(pg, prot == PROT_NONE ? op_remove : op_write_protect, NULL);
}

bool pmap_page_mapped(struct vm_page *pg)
{
    return pv_is_mapped(pg);
}

// ---- referenced and modified ----

struct bit_query {
    uint64_t bit; // of the PTE
    bool found;
};

static bool op_test(struct vm_page *pg UNUSED, const struct pv_mapping *m UNUSED, uint64_t *pte,
                    void *arg)
{
    struct bit_query *q = arg;

    q->found |= (*pte & q->bit) != 0;
    return false;
}

static bool op_clear(struct vm_page *pg UNUSED, const struct pv_mapping *m, uint64_t *pte,
                     void *arg)
{
    struct bit_query *q = arg;

    q->found |= (clear_bits(m, pte, q->bit) & q->bit) != 0;
    return false;
}

static bool op_age(struct vm_page *pg UNUSED, const struct pv_mapping *m UNUSED, uint64_t *pte,
                   void *arg)
{
    struct bit_query *q = arg;

    if (*pte & q->bit)
        q->found |= (fetch_and_seq(pte, ~q->bit) & q->bit) != 0;
    return false;
}

static bool test_attr(struct vm_page *pg, uint32_t attr, uint64_t bit)
{
    struct bit_query q = {bit, load_relaxed(&pg->attrs) & attr};

    if (!q.found && pv_is_mapped(pg))
        for_each_mapping(pg, op_test, &q);
    return q.found;
}

static bool clear_attr(struct vm_page *pg, uint32_t attr, uint64_t bit, mapping_op *op)
{
    struct bit_query q = {bit, false};

    // The PTEs first: what a vanishing mapping leaves in the attributes meanwhile is seen, too.
    if (pv_is_mapped(pg))
        for_each_mapping(pg, op, &q);
    uint32_t old = fetch_and_relaxed(&pg->attrs, ~attr);
    return q.found || old & attr;
}

bool pmap_is_referenced(struct vm_page *pg)
{
    return test_attr(pg, PGA_REFERENCED, PTE_A);
}

bool pmap_clear_reference(struct vm_page *pg)
{
    return clear_attr(pg, PGA_REFERENCED, PTE_A, op_clear);
}

void pmap_age_begin(void)
{
    add_seq(&pmap_aging, 1);
}

bool pmap_age(struct vm_page *pg)
{
    KASSERT(load_relaxed(&pmap_aging), "page %p", (void *)pg);
    return clear_attr(pg, PGA_REFERENCED, PTE_A, op_age);
}

void pmap_age_end(void)
{
    struct tlb_batch b;

    KASSERT(load_relaxed(&pmap_aging), "no round is under way");
    b.n = 0;
    tlb_batch_all(&b);
    tlb_flush(&kernel_pmap, &b);
    sub_seq(&pmap_aging, 1);
}

bool pmap_is_modified(struct vm_page *pg)
{
    return test_attr(pg, PGA_MODIFIED, PTE_D);
}

bool pmap_clear_modify(struct vm_page *pg)
{
    return clear_attr(pg, PGA_MODIFIED, PTE_D, op_clear);
}
