// SPDX-License-Identifier: BSD-2-Clause
//
// Translation caches: which pmap each CPU has loaded, and how stale translations are got rid of on
// all CPUs. A CPU that changes page tables collects the addresses in a batch and flushes them; the
// other CPUs that have the pmap loaded get a request and an interrupt, and it waits for them.
//
// Whoever waits serves the requests of others meanwhile, and so does every CPU that spins with
// interrupts off (spin_poll): two CPUs that shoot at each other, or one that waits for a lock
// which the other holds, get along.
//
//      CPU 0: changes PTEs, fills a batch               CPU 1: runs in the same pmap
//      tlb_flush: own TLB; request, interrupt  ------>  tlb_interrupt: flushes the batch
//      waits, serving requests of others       <------  clears its bit in `waiting'
//
// A typical sequence is: b.n = 0; for each PTE that is taken away and may be cached:
// tlb_batch_add(&b, va); tlb_flush(pm, &b); and only then may the frames serve others.
#pragma once

#include "lib/types.h"

struct pmap;

#define TLB_BATCH_MAX 32    // with more pages the whole TLB is flushed

// Addresses whose translations must go. Lives on its user's stack.
struct tlb_batch {
    unsigned n;             // addresses; above TLB_BATCH_MAX: everything
    vaddr_t va[TLB_BATCH_MAX];
};

static inline void tlb_batch_add(struct tlb_batch *b, vaddr_t va)
{
    if (b->n < TLB_BATCH_MAX)
        b->va[b->n++] = va;
    else
        b->n = TLB_BATCH_MAX + 1;
}

static inline void tlb_batch_all(struct tlb_batch *b)
{
    b->n = TLB_BATCH_MAX + 1;
}

// Starts to serve requests, by IPI_TLB and spin_poll. kernel_pmap is complete.
void tlb_init(void);

// Serves the requests of other CPUs.
void tlb_interrupt(void);

// Makes all CPUs that have pm loaded forget the batch's translations, waits until they have, and
// empties the batch. kernel_pmap means all CPUs, a shared pmap all of them and everything. The
// caller keeps whatever it has locked, spinlocks too: so serving takes no lock, and no loop that
// waits for another CPU with interrupts off may do without spin_poll.
void tlb_flush(struct pmap *pm, struct tlb_batch *b);

// Loads pm on this CPU, if it is not.
void tlb_load(struct pmap *pm);
bool tlb_loaded(void);          // if this CPU has any loaded yet

// Makes every CPU that still has pm loaded, without using it, load the kernel's pmap.
void tlb_drop(struct pmap *pm);

void tlb_get_stats(uint64_t *shootdowns, uint64_t *ipis);
