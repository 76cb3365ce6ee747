// SPDX-License-Identifier: BSD-2-Clause
//
// A machine for host tests of pmap: RAM, and CPUs with TLBs that walk the page tables, set accessed
// and dirty bits, and keep translations until they are flushed. It has tlb.c's functions. Link it
// with kernel/mem, pmap*.c and pv.c, and compile with ram.h's DMAP_BASE.
#pragma once

#include "pmap/pmap_impl.h"

#define MMU_RAM_PAGES   500
#define MMU_RAM_START   0x10000ul
#define MMU_KVA_SIZE    (4ul << 20)
#define MMU_CPUS        2
#define MMU_TLB_ENTRIES 16

struct mmu_cpu {
    struct pmap *loaded;
    struct {
        vaddr_t va;   // 0: empty
        uint64_t pte; // as it was when it was cached
    } tlb[MMU_TLB_ENTRIES];
    unsigned next; // entry to replace
};
extern struct mmu_cpu mmu_cpu[MMU_CPUS];
extern unsigned mmu_flushes; // tlb_flush calls that had something to flush

// Maps the RAM and brings up vm_page and pmap in it.
void mmu_init(void);

void mmu_load(unsigned c, struct pmap *pm);

// One access by CPU c in user mode; true if it did not fault.
bool mmu_touch(unsigned c, vaddr_t va, bool write);

// No TLB allows what the tables do not.
void mmu_check_tlbs(void);

// That, and all check functions of pages, pools, pmap and pv.
void mmu_check_all(void);

uint64_t mmu_free_pages(void); // after draining the pools
struct vm_page *mmu_new_page(void);
