// SPDX-License-Identifier: BSD-2-Clause
//
// The reverse map: for every managed page, all (pmap, va) that map it. Lab 1 owns its
// implementation. First form: an entry of 48 bytes on a list of its page and on a list of its
// pmap. Final form: pages of 168 entries per pmap (FreeBSD 2006).
//
// Question: the page daemon takes a frame away; which tables show it?
//
//      struct vm_page                              struct pmap
//        pv[] --> (pm1, va) --> (pm2, va)            pv --> its entries, for exit
//                    one entry for each managed PTE
//
// A typical sequence is: pmap_enter calls pv_enter before it writes the PTE, pmap_remove calls
// pv_remove after the PTE is gone and the TLBs are flushed; for a page: spin_lock(&pv_lock); for
// (more = pv_first(pg, &m); more; more = pv_next(pg, &m)) ...; exit: pv_remove_pmap,
// pv_pmap_destroy.
//
// Invariant: the entries are exactly the managed PTEs: one for each, none besides.
//
// Locks: pv_lock (a spinlock, after pmap) guards everything here. pv_enter, pv_remove and
// pv_remove_pmap are called with the pmap's lock held and take pv_lock themselves; page-wise
// functions but pv_is_mapped are called with pv_lock held. Nothing here sleeps; pv_remove never
// allocates.
#pragma once

#include "lib/types.h"
#include "sync/spinlock.h"

struct pmap;
struct vm_page;
struct strbuf;

extern struct spinlock pv_lock; // in pmap_pte.c, which asserts that it is held

// The part of a pmap that belongs to the reverse map; only pv.c looks inside.
struct pv_pmap {
    uint64_t word[8];
};

// One mapping, as iteration reports it. `cookie' is the implementation's.
struct pv_mapping {
    struct pmap *pmap;
    vaddr_t va;
    void *cookie;
};

struct pv_stats { // FreeBSD's names
    uint64_t pc_chunk_count, pc_chunk_allocs, pc_chunk_frees, pc_chunk_tryfail;
    uint64_t pv_entry_count, pv_entry_allocs, pv_entry_frees, pv_entry_spare;
    uint64_t pv_reclaims; // times that there was no page, and stealing helped
    uint64_t pv_bytes;    // memory held, in bytes: pages of the reverse map times the page
                          // size
};

void pv_init(void);
void pv_page_init(struct vm_page *pg); // when a page is set up at start: no mappings
void pv_pmap_init(struct pmap *pm);
uint64_t pv_pmap_count(struct pmap *pm); // its entries; pm's lock held
void pv_pmap_destroy(struct pmap *pm);   // no entries are left; returns every byte

// Records that pm maps pg at va. 0 or ENOMEM (nothing recorded). Takes memory without sleeping,
// from the reserve if need be; when there is none the final form steals from another pmap or this
// one, so a mapping of pm may vanish, but none of its tables: a pointer to a PTE stays good. pm's
// lock held.
MUST_CHECK int pv_enter(struct pmap *pm, vaddr_t va, struct vm_page *pg);

// Forgets that pm maps pg at va; panics if it was not recorded. pm's lock held.
void pv_remove(struct pmap *pm, vaddr_t va, struct vm_page *pg);

// Walks all mappings of pm and forgets those for which fn returns true; fn clears the PTE. For
// exit. pm's lock held.
void pv_remove_pmap(struct pmap *pm,
                    bool (*fn)(struct pmap *pm, vaddr_t va, struct vm_page *pg, void *arg),
                    void *arg);

// The mappings of a page; pv_lock held throughout. false: no (more) mappings. While pv_lock is
// held, the pmap reported cannot go away.
bool pv_first(struct vm_page *pg, struct pv_mapping *m);
bool pv_next(struct vm_page *pg, struct pv_mapping *m);
unsigned pv_count(struct vm_page *pg);

// If any mapping is recorded. Needs no lock; true or false for good only if nobody can enter or
// remove one now.
bool pv_is_mapped(const struct vm_page *pg);

// Forgets one mapping found by pv_first or pv_next (m is then invalid; start again at pv_first).
// The pmap's lock is held too.
void pv_remove_mapping(struct vm_page *pg, const struct pv_mapping *m);

void pv_get_stats(struct pv_stats *st);

// The module's own invariants (lists, bitmaps, counts), and each entry against its PTE; as
// page_check.
unsigned pv_check(struct strbuf *out);
