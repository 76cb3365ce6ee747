// SPDX-License-Identifier: BSD-2-Clause
//
// Verifies the reverse map from scratch. The first part says what is wrong with an entry, a page
// or the store, and changes with the form; the second goes through all pages, locks, and reports.
// Locking: pv_lock for each page in turn; the entries' pmaps by try-lock, against the order, and
// all over again for that page if one is busy.

#include "pmap/pv_impl.h"

#include "lib/printf.h"
#include "sync/irq.h"

// ---- what is wrong ----

static struct pmap *pmap_of(const struct pv_entry *pv)
{
    return pv->pmap;
}

// An entry on pg's list, at whose address its pmap maps `mapped' (NULL: no page). NULL: nothing is
// wrong. pv_lock and the pmap's lock held.
static const char *entry_wrong(struct vm_page *pg, struct pv_entry *pv, struct vm_page *mapped)
{
    if (mapped != pg)
        return mapped ? "another page is mapped there" : "no page is mapped there";
    list_for_each (other, &page_part(pg)->entries, struct pv_entry, page_link) {
        if (other != pv && pmap_of(other) == pmap_of(pv) && other->va == pv->va)
            return "there are two";
    }
    return NULL;
}

// A page with n entries on its list. pv_lock held.
static const char *page_wrong(const struct vm_page *pg, uint64_t n)
{
    if (n != page_part(pg)->count)
        return "that is not what is counted";
    return n && pg->owner == PAGE_FREE ? "the page is free" : NULL;
}

// Where entries come from; says itself what is wrong, and how many faults that is. No lock held.
static unsigned store_faults(struct strbuf *out)
{
    return pool_check(&pv_pool, out);
}

// ---- the walk, and what is said ----

#define FAULT(fmt, ...) (faults++, strbuf_printf(out, "pv_check: " fmt "\n", ##__VA_ARGS__))

// An entry against its PTE. The pmap can be had only by try-lock: false if it is busy.
static bool check_entry(struct vm_page *pg, struct pv_entry *pv, unsigned *nfaults,
                        struct strbuf *out)
{
    struct pmap *pm = pmap_of(pv);
    unsigned faults = 0;

    if (!spin_trylock(&pm->lock))
        return false;
    const char *wrong = entry_wrong(pg, pv, pmap_page_at(pm, pv->va));
    spin_unlock(&pm->lock);
    if (wrong)
        FAULT("page %p has an entry (pmap %p, va %lx): %s", (void *)pg, (void *)pm, pv->va, wrong);
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
    const char *wrong = page_wrong(pg, n);
    if (wrong)
        FAULT("page %p has %lu entries: %s", (void *)pg, n, wrong);
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
    return faults + store_faults(out);
}
