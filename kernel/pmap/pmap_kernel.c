// SPDX-License-Identifier: BSD-2-Clause
//
// Mappings of the kernel's own address space: wired, in no reverse map, the same in all pmaps.
// Locking: none. The tables of kernel_map's range exist since start-up, and whoever maps or
// removes an address owns it; only the count of mappings is shared, and it is atomic.

#include "lib/atomic.h"
#include "pmap/pmap_impl.h"

#include "lib/panic.h"

static uint64_t *kernel_pte(vaddr_t va)
{
    KASSERT(page_aligned(va) && va >= KVA_BASE && va < KVA_BASE + KVA_MAX, "va %lx", va);
    uint64_t *pte = pmap_pte(&kernel_pmap, va);
    KASSERT(pte, "va %lx lies outside kernel_map", va);
    return pte;
}

void pmap_kenter_pa(vaddr_t va, paddr_t pa, vm_prot_t prot)
{
    uint64_t *pte = kernel_pte(va);

    KASSERT(page_aligned(pa) && (prot & (PROT_WRITE | PROT_EXEC)) != (PROT_WRITE | PROT_EXEC),
            "va %lx pa %lx prot %x", va, pa, prot);
    KASSERT(*pte == 0, "va %lx is mapped: pte %lx", va, *pte);
    store_relaxed(pte, pa | pte_prot(prot) | PTE_WIRED);
    add_relaxed(&kernel_pmap.resident, 1);
    add_relaxed(&kernel_pmap.wired, 1);
}

void pmap_kremove(vaddr_t va, size_t npages)
{
    struct tlb_batch b;
    uint64_t n = 0;

    KASSERT(npages <= KVA_MAX >> PAGE_SHIFT, "va %lx, %zu pages", va, npages);
    b.n = 0;
    for (vaddr_t end_va = va + npages * PAGE_SIZE; va < end_va; va += PAGE_SIZE) {
        uint64_t old = swap_relaxed(kernel_pte(va), 0);
        n += old & PTE_P;
        if (old & PTE_A)
            tlb_batch_add(&b, va);
    }
    tlb_flush(&kernel_pmap, &b);
    sub_relaxed(&kernel_pmap.resident, n);
    sub_relaxed(&kernel_pmap.wired, n);
}

bool pmap_kextract(vaddr_t va, paddr_t *pa)
{
    const uint64_t *table = kernel_pmap.pml4;

    for (unsigned level = PT_LEVELS;; level--) {
        uint64_t entry = pte_load(&table[pt_index(va, level)]);
        if (!(entry & PTE_P))
            return false;
        if (level == 1 || entry & PTE_PS) {
            uint64_t offset = pt_span(level) - 1;
            *pa = (entry & PTE_PA & ~offset) | (va & offset);
            return true;
        }
        table = pte_table(entry);
    }
}
