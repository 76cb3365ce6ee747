// SPDX-License-Identifier: BSD-2-Clause
//
// Physical maps: one four-level page table for each address space, and the operations that the
// machine-independent VM needs on it. A pmap is a cache of the map above: mappings may vanish at
// any time but wired ones, and the fault handler puts them back. After Mach's pmap interface.
//
//      struct pmap                     page tables, 512 entries a page
//        pml4 ----> level 4 --> level 3 --> level 2 --> level 1: PTEs --> frames
//        tables     (the pages below the root, on a list)
//        pv         what the reverse map keeps for this pmap
//
// A typical sequence is: pmap_create; a fault: pmap_enter(pm, va, pg, prot, access); munmap:
// pmap_remove; the page daemon, which knows only the page: pmap_page_protect(pg, PROT_NONE); exit:
// pmap_remove_all_user, then pmap_destroy once no thread runs in it.
//
// Locks: each pmap has a spinlock; the page queues come before it, pv_lock after it. No function
// here sleeps. Functions on a page go from pv_lock to a pmap by try-lock. Page-table pages are
// allocated without sleeping. TLB: when a function that removes or narrows a mapping returns, no
// CPU uses the old one.
#pragma once

#include "lib/types.h"
#include "mem/vm_page.h"
#include "pmap/pv.h"
#include "sync/spinlock.h"

struct strbuf;

// One address space's tables. Opaque to all but pmap*.c, pv.c, ptshare.c and the debugger.
struct pmap {
    struct spinlock lock; // guards all below but active
    uint64_t *pml4;       // the root, in the direct map; constant
    paddr_t pml4_pa;      // constant
    uint64_t active;      // bit per CPU that has it loaded; atomic
    uint64_t resident;    // managed and unmanaged 4 KiB mappings
    uint64_t wired;       // wired mappings
    uint64_t pt_pages;    // page-table pages of its own, below the root
    uint64_t removed;     // mappings that are gone
    uint64_t nlinks;      // tables of others that it links; of a shared one: links to its own
    bool shared;          // constant: others link its tables, and no CPU loads it
    struct list tables;   // those pages
    struct pv_pmap pv;    // the reverse map's part
    struct list all_link; // on the list of all pmaps, for the checks
};

extern struct pmap kernel_pmap;

enum pmap_enter_flags {
    PMAP_WIRED = 8, // never reclaimed
    // The access that faulted (PROT_*) is or'ed in: what the CPU would note of it is set at once.
};

// ---- address spaces ----

// Takes over the boot tables; preallocates the tables of kernel_map's whole range (kva_size bytes
// from KVA_BASE), so that pmap_kenter_pa never needs memory.
void pmap_init(uint64_t *boot_pml4, size_t kva_size);
MUST_CHECK struct pmap *pmap_create(void); // NULL: no memory
void pmap_destroy(struct pmap *pm);        // no thread runs in it; removes what is left

// Loads pm on this CPU. NULL: the thread needs the kernel's half alone; what is loaded stays, until
// it is destroyed. Each CPU calls it with NULL as it comes up (the first one needs not): from then
// on it takes part in shootdowns.
void pmap_activate(struct pmap *pm);

// ---- user mappings (managed: in the reverse map) ----

// Maps va to pg. Replaces what was there; entering the same page again only changes protection
// and wiring. 0, or ENOMEM with no mapping at va (try again after vm_page_wait). Other mappings, of
// this pmap or another, may vanish for it. The owner of pg is locked or pg is busy.
MUST_CHECK int pmap_enter(struct pmap *pm, vaddr_t va, struct vm_page *pg, vm_prot_t prot,
                          unsigned flags);
void pmap_remove(struct pmap *pm, vaddr_t start_va, vaddr_t end_va);
// Removes everything but wired mappings, in the reverse map's order, with one TLB flush; for exit:
// no thread will touch pm's user addresses again.
void pmap_remove_all_user(struct pmap *pm);
// only narrows
void pmap_protect(struct pmap *pm, vaddr_t start_va, vaddr_t end_va, vm_prot_t prot);
void pmap_unwire(struct pmap *pm, vaddr_t va);
// The first mapping in [*va, end): its address in *va, its page in *pa; false: there is none.
bool pmap_next(struct pmap *pm, vaddr_t *va, vaddr_t end_va, paddr_t *pa);
// True if a page is mapped at va, which may be anywhere in the page: *pa is then the address in
// memory, *prot what the mapping allows; neither may be NULL. False leaves both as they were.
bool pmap_extract(struct pmap *pm, vaddr_t va, paddr_t *pa, vm_prot_t *prot);

// ---- tables in several pmaps; for ptshare.c alone ----
//
// A shared pmap is one that nobody runs in: it has the tables, the counts and the entries of the
// reverse map, and others link its lowest tables among their own. What is entered in a linked part
// of a pmap is entered in the shared one, so functions on a page and reclaim meet each mapping once
// and act for all who link it; their flushes reach all CPUs. What concerns one pmap alone
// (pmap_remove, pmap_protect, wired mappings) may not meet a link: it is taken off first.
//
//      pm1: level 2 --PTE_SHARED--+
//                                 +--> table of PTEs, at va of the shared pmap
//      pm2: level 2 --PTE_SHARED--+
//
// Locks: a shared pmap's comes after pmaps'. Whoever holds that of a pmap that links a table may
// rely on the table.

MUST_CHECK struct pmap *pmap_create_shared(void); // ends by pmap_destroy, linked nowhere
// Links the table of shared that begins at shared_va, which is made if there is none, at va of pm.
// Both are multiples of what a table maps. 0; EEXIST: pm has a table there; ENOMEM.
MUST_CHECK int pmap_link(struct pmap *pm, vaddr_t va, struct pmap *shared, vaddr_t shared_va);
// Takes the link at va off, if there is one, and returns whose table it was, or NULL. Never fails.
struct pmap *pmap_unlink(struct pmap *pm, vaddr_t va);

// ---- kernel mappings (unmanaged, wired) ----

void pmap_kenter_pa(vaddr_t va, paddr_t pa, vm_prot_t prot); // cannot fail
void pmap_kremove(vaddr_t va, size_t npages);
bool pmap_kextract(vaddr_t va, paddr_t *pa);

// ---- all mappings of a page ----

// PROT_READ: write-protects; PROT_NONE: removes
void pmap_page_protect(struct vm_page *pg, vm_prot_t prot);
bool pmap_page_mapped(struct vm_page *pg);
bool pmap_is_referenced(struct vm_page *pg);
bool pmap_clear_reference(struct vm_page *pg); // true if it was
// For many pages at once: pmap_age is pmap_clear_reference, whose TLB flush waits for pmap_age_end,
// one for all pages.
void pmap_age_begin(void);
bool pmap_age(struct vm_page *pg);
void pmap_age_end(void);
bool pmap_is_modified(struct vm_page *pg);
// true if it was; mappings become read-only until they fault or stay writable with the bit clear
bool pmap_clear_modify(struct vm_page *pg);

// ---- for pv.c alone ----

// The page that a managed mapping of pm maps at va, or NULL. pm's lock held.
struct vm_page *pmap_page_at(struct pmap *pm, vaddr_t va);

// Destroys pm's mapping of pg at va on behalf of reclaim and carries its referenced and modified
// bits to the page; the caller then flushes once (pmap_flush_all), if it stole any, and only after
// that removes the pv entries. EBUSY if it is wired. pm's lock and pv_lock held.
MUST_CHECK int pmap_steal(struct pmap *pm, vaddr_t va, struct vm_page *pg);
void pmap_flush_all(struct pmap *pm); // pm's lock held

// ---- checks ----

// For every pmap: each managed PTE has one pv entry and none besides; counts agree, of links, too;
// as page_check.
unsigned pmap_check(struct strbuf *out);
struct pmap_stats {
    uint64_t pmaps, pt_pages, enters, removes, shootdowns, shootdown_ipis;
};
void pmap_get_stats(struct pmap_stats *st);
