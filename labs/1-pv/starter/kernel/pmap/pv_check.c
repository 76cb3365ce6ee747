// SPDX-License-Identifier: BSD-2-Clause
//
// Verifies the reverse map from scratch: every entry against its PTE, the pages' counts, the pool.
// Locking: pv_lock for each page in turn; the entries' pmaps by try-lock, against the order, and
// all over again for that page if one is busy.

#include "pmap/pv_impl.h"

#include "lib/printf.h"
#include "sync/irq.h"

#define FAULT(fmt, ...) (faults++, strbuf_printf(out, "pv_check: " fmt "\n", ##__VA_ARGS__))

// An entry against its PTE. The pmap can be had only by try-lock: false if it is busy.
static bool check_entry(struct vm_page *pg, struct pv_entry *pv, unsigned *nfaults,
                        struct strbuf *out)
{
    unsigned faults = 0;

    if (!spin_trylock(&pv->pmap->lock))
        return false;
    struct vm_page *mapped = pmap_page_at(pv->pmap, pv->va);
    if (mapped != pg)
        FAULT("page %p has an entry (pmap %p, va %lx), but page %p is mapped there", (void *)pg,
              (void *)pv->pmap, pv->va, (void *)mapped);
    list_for_each (other, &page_part(pg)->entries, struct pv_entry, page_link) {
        if (other != pv && other->pmap == pv->pmap && other->va == pv->va)
            FAULT("page %p: two entries (pmap %p, va %lx)", (void *)pg, (void *)pv->pmap, pv->va);
    }
    spin_unlock(&pv->pmap->lock);
    *nfaults += faults;
    return true;
}

// All entries of one page; false if a pmap was busy: nothing is counted then. pv_lock held.
static bool check_page(struct vm_page *pg, unsigned *nfaults, struct strbuf *out)
{
    unsigned faults = 0;
    uint64_t n = 0;

    list_for_each (pv, &page_part(pg)->entries, struct pv_entry, page_link) {
        if (!check_entry(pg, pv, &faults, out))
            return false;
        n++;
    }
    if (n != page_part(pg)->count)
        FAULT("page %p has %lu entries, counted %lu", (void *)pg, n, page_part(pg)->count);
    if (n && pg->owner == PAGE_FREE)
        FAULT("page %p is free and mapped %lu times", (void *)pg, n);
    *nfaults += faults;
    return true;
}

unsigned pv_check(struct strbuf *out)
{
    unsigned faults = 0;

    for (unsigned s = 0; s < vm_page_nsegs; s++) {
        struct vm_page_seg *seg = &vm_page_segs[s];
        uint64_t npages = (seg->end_pa - seg->start_pa) >> PAGE_SHIFT;
        for (struct vm_page *pg = seg->pages; pg < seg->pages + npages;) {
            if (!pv_is_mapped(pg)) {
                pg++;
                continue;
            }
            spin_lock(&pv_lock);
            if (check_page(pg, &faults, out))
                pg++;
            spin_unlock(&pv_lock);
            spin_poll();
        }
    }
    return faults + pool_check(&pv_pool, out);
}
