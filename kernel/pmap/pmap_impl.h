// SPDX-License-Identifier: BSD-2-Clause
//
// What the files of pmap share: the format of page-table entries and the walk of the tables.
// Private to kernel/pmap/pmap*.c.
//
// Invariants. A PTE whose accessed bit is clear is in no TLB: the CPU sets the bit before it caches
// a translation, and whoever clears the bit flushes, at the latest at the end of an aging round:
// while one is under way, the bit tells nothing (pte_cached). A mapping is forgotten by the reverse
// map only after its PTE is gone and the TLBs are flushed: else a page without entries could still
// be written. The pgno of a table's page counts its entries that are not zero (user tables only).
#pragma once

#include "lib/atomic.h"
#include "lib/panic.h"
#include "mem/memlayout.h"
#include "pmap/pmap.h"
#include "pmap/tlb.h"

#define PTE_P       0x001ul         // present
#define PTE_W       0x002ul         // writable
#define PTE_U       0x004ul         // for user mode
#define PTE_A       0x020ul         // accessed: set by hardware, or for it by pmap_enter
#define PTE_D       0x040ul         // written: likewise
#define PTE_PS      0x080ul         // maps a large page
#define PTE_MANAGED 0x200ul         // ours: in the reverse map
#define PTE_WIRED   0x400ul         // ours: never reclaimed
#define PTE_SHARED  0x800ul         // ours, at level 2: links a table of a shared pmap
#define PTE_NX      (1ul << 63)     // not executable
#define PTE_PA      0x000ffffffffff000ul

#define PT_LEVELS  4                // 4: root .. 1: table of 4 KiB pages
#define PT_ENTRIES (PAGE_SIZE / sizeof(uint64_t))

// Bytes that one entry of a table of the given level covers.
static inline size_t pt_span(unsigned level)
{
    return PAGE_SIZE << (9 * (level - 1));
}

static inline unsigned pt_index(vaddr_t va, unsigned level)
{
    return (unsigned)(va >> (PAGE_SHIFT + 9 * (level - 1))) % PT_ENTRIES;
}

static inline uint64_t *pte_table(uint64_t entry)
{
    return phys_to_dmap(entry & PTE_PA);
}

// The count of a user table's entries that are not zero.
static inline uint64_t *pt_live(const uint64_t *table)
{
    return &dmap_to_page(table)->pgno;
}

// What a user table's page has in place of a tree's node: who links it, if it is a lowest one.
struct pt_links {
    struct pmap *pmap;              // whose table it is; its lock guards the rest
    vaddr_t va;                     // there, of the first entry; set by the first link
    uint32_t n;
    uint32_t seen;                  // so many pmap_check has found
};
_Static_assert(sizeof(struct pt_links) <= sizeof(struct rb_node), "takes a node's place");

static inline struct pt_links *pt_links(const uint64_t *table)
{
    return (struct pt_links *)&dmap_to_page(table)->node;
}

static inline uint64_t pte_prot(vm_prot_t prot)
{
    return PTE_P | (prot & PROT_WRITE ? PTE_W : 0) | (prot & PROT_EXEC ? 0 : PTE_NX);
}

static inline uint64_t pte_load(const uint64_t *pte)
{
    return load_relaxed(pte);
}

extern unsigned pmap_aging; // rounds under way; atomic

// If a TLB may hold what was just taken out of, or changed in, a user's table.
static inline bool pte_cached(uint64_t old)
{
    return old & PTE_A || load_seq(&pmap_aging);
}

// The entry for va in the lowest table that exists, or NULL if a 4 KiB page cannot be mapped there
// now.
static inline uint64_t *pmap_pte(const struct pmap *pm, vaddr_t va)
{
    const uint64_t *table = pm->pml4;

#pragma GCC unroll 3
    for (unsigned level = PT_LEVELS; level > 1; level--) {
        uint64_t entry = table[pt_index(va, level)];
        if ((entry & (PTE_P | PTE_PS)) != PTE_P)
            return NULL;
        table = pte_table(entry);
    }
    return (uint64_t *)&table[pt_index(va, 1)];
}

// Takes a PTE out of its table; returns what it was.
static inline uint64_t pte_take(uint64_t *pte)
{
    --*pt_live((uint64_t *)page_trunc((uintptr_t)pte));
    return swap_relaxed(pte, 0);
}

// ---- pmap_table.c: the tables of a user pmap; its lock held ----

// The entry for va in the table of the given level, whose missing tables are made; NULL: no memory.
uint64_t *pmap_entry_make(struct pmap *pm, vaddr_t va, unsigned to_level);

// The table that pm links at va, and where, or NULL.
struct pt_links *pmap_link_at(const struct pmap *pm, vaddr_t va, uint64_t **entry);

// After a failure: frees the tables on va's path that were made in vain.
void pmap_pte_undo(struct pmap *pm, vaddr_t va);

// The first table of PTEs at or after *va that exists and lies below end; *va moves to the first
// address >= *va that it covers. NULL: there is none.
uint64_t *pmap_next_table(const struct pmap *pm, vaddr_t *va, vaddr_t end);

// Unlinks the tables on va's path that have no entries, and that nobody else links, and puts their
// pages on `dead', to be freed by pmap_free_tables once the batch is flushed.
void pmap_prune(struct pmap *pm, vaddr_t va, struct tlb_batch *b, struct list *dead);
void pmap_free_tables(struct list *dead);

// ---- pmap_pte.c ----

// A mapping of pg is gone from pm's tables, where it was `old': takes it out of pm's counts, and
// notes in the page what the hardware noted. pm's lock held.
void pmap_forget(struct pmap *pm, struct vm_page *pg, uint64_t old);
// Takes pm's mapping of pg at va, by *pte, out of its table and forgets it; b gets va if a TLB may
// hold it, and is flushed before the reverse map forgets the mapping. pm's lock held.
static inline void pmap_drop(struct pmap *pm, vaddr_t va, uint64_t *pte, struct vm_page *pg,
                             struct tlb_batch *b)
{
    KASSERT(spin_held(&pm->lock) && *pte & PTE_MANAGED, "va %lx pte %lx", va, *pte);
    uint64_t old = pte_take(pte);
    if (pte_cached(old))
        tlb_batch_add(b, va);
    pmap_forget(pm, pg, old);
}

// For pmap_get_stats: how often pmap_enter was called, atomic; what pmaps that are gone had
// removed, by the list's lock.
extern uint64_t pmap_enters, pmap_removes;

// All user pmaps and kernel_pmap, by pmap.all_link.
extern struct spinlock pmap_list_lock;
extern struct list pmap_list;
