// SPDX-License-Identifier: BSD-2-Clause
//
// Verifies the reverse map from scratch: every chunk and its bitmap, every entry against its PTE
// and its page's list, and the totals. Locking: the list of pmaps, then each pmap in turn and
// pv_lock; the totals are compared only if nothing changed from the first pmap to the last.

#include "pmap/pv_impl.h"

#include "lib/printf.h"
#include "pmap/pmap_impl.h"

#define FAULT(fmt, ...) (faults++, strbuf_printf(out, "pv_check: " fmt "\n", ##__VA_ARGS__))

// An entry in use: its mapping, and its place on the page's list.
static unsigned check_entry(struct pv_chunk *pc, struct pv_entry *pv, struct strbuf *out)
{
    struct vm_page *pg = pmap_page_at(pc->pmap, pv->va);
    unsigned faults = 0, found = 0, same = 0;

    if (!pg) {
        FAULT("pmap %p has an entry at %lx, but no mapping", (void *)pc->pmap, pv->va);
        return faults;
    }
    struct pv_entry *other = link_to(page_part(pg)->first), *prev = NULL;
    for (; other; prev = other, other = link_to(other->next)) {
        found += other == pv && other->prev == link_of(prev);
        same += other->va == pv->va && chunk_of(other)->pmap == pc->pmap;
    }
    if (found != 1 || same != 1)
        FAULT("page %p, pmap %p, va %lx: the entry is %u times on the page's list, %u like it",
              (void *)pg, (void *)pc->pmap, pv->va, found, same);
    return faults;
}

// One chunk; adds its entries in use to *used.
static unsigned check_chunk(struct pmap *pm, struct pv_chunk *pc, uint64_t *used,
                            struct strbuf *out)
{
    unsigned faults = 0;

    if (pc->pmap != pm)
        FAULT("chunk %p on the list of pmap %p says pmap %p", (void *)pc, (void *)pm,
              (void *)pc->pmap);
    if (pc->free[CHUNK_WORDS - 1] & ~LAST_WORD_FREE)
        FAULT("chunk %p: phantom bits %lx are free", (void *)pc, pc->free[CHUNK_WORDS - 1]);
    if (chunk_empty(pc))
        FAULT("chunk %p of pmap %p is empty", (void *)pc, (void *)pm);
    if (dmap_to_page(pc)->owner != PAGE_PV)
        FAULT("chunk %p: its page belongs to %s", (void *)pc,
              page_owner_name[dmap_to_page(pc)->owner]);
    for (size_t i = 0; i < CHUNK_ENTRIES; i++) {
        if (!bitmap_test(pc->free, i)) {
            faults += check_entry(pc, &pc->entries[i], out);
            ++*used;
        }
    }
    return faults;
}

// One pmap's chunks, their order and count; adds them to *nchunks and *nentries.
static unsigned check_pmap(struct pmap *pm, uint64_t *nchunks, uint64_t *nentries,
                           struct strbuf *out)
{
    unsigned faults = 0;
    uint64_t used = 0;
    bool full_seen = false;

    struct pv_chunk *pc = link_to(pmap_part(pm)->chunks.first);
    for (; pc; pc = link_to(pc->link[BY_PMAP].next)) {
        bool full = chunk_full(pc);
        if (full_seen && !full)
            FAULT("pmap %p: chunk %p has room but comes after a full one", (void *)pm, (void *)pc);
        full_seen |= full;
        faults += check_chunk(pm, pc, &used, out);
        ++*nchunks;
    }
    if (used != pmap_part(pm)->count)
        FAULT("pmap %p has %lu entries, counted %lu", (void *)pm, used, pmap_part(pm)->count);
    *nentries += used;
    return faults;
}

// The totals against what the walk found and against the LRU list. pv_lock held.
static unsigned check_totals(uint64_t nchunks, uint64_t nentries, struct strbuf *out)
{
    struct pv_stats st = pv_count_up();
    unsigned faults = 0;
    uint64_t listed = 0, on_pages = 0;

    for (struct pv_chunk *pc = link_to(pv_lru.first); pc; pc = link_to(pc->link[BY_USE].next))
        listed++;
    for (unsigned s = 0; s < vm_page_nsegs; s++) {
        struct vm_page_seg *seg = &vm_page_segs[s];
        for (uint64_t i = 0; i < (seg->end_pa - seg->start_pa) >> PAGE_SHIFT; i++)
            on_pages += page_part(&seg->pages[i])->count;
    }
    if (nchunks != st.pc_chunk_count || listed != nchunks)
        FAULT("%lu chunks in pmaps, %lu on the LRU list, counted %lu", nchunks, listed,
              st.pc_chunk_count);
    if (nentries != st.pv_entry_count || on_pages != nentries)
        FAULT("%lu entries in chunks, %lu on pages, counted %lu", nentries, on_pages,
              st.pv_entry_count);
    return faults;
}

// Changes so far: who finds it the same before and after looked at one state. pv_lock held.
static uint64_t changes(void)
{
    struct pv_stats st = pv_count_up();

    KASSERT(spin_held(&pv_lock), "%lu entries", st.pv_entry_count);
    return st.pv_entry_allocs + st.pv_entry_frees + st.pc_chunk_allocs + st.pc_chunk_frees;
}

unsigned pv_check(struct strbuf *out)
{
    uint64_t nchunks = 0, nentries = 0;
    unsigned faults = 0;

    spin_lock(&pmap_list_lock);
    spin_lock(&pv_lock);
    uint64_t before = changes();
    spin_unlock(&pv_lock);
    list_for_each (pm, &pmap_list, struct pmap, all_link) {
        spin_lock(&pm->lock);
        spin_lock(&pv_lock);
        faults += check_pmap(pm, &nchunks, &nentries, out);
        spin_unlock(&pv_lock);
        spin_unlock(&pm->lock);
    }
    spin_lock(&pv_lock);
    if (changes() == before) // else the totals are of different moments
        faults += check_totals(nchunks, nentries, out);
    spin_unlock(&pv_lock);
    spin_unlock(&pmap_list_lock);
    return faults;
}
