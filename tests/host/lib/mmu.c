// SPDX-License-Identifier: BSD-2-Clause
//
// See mmu.h. Takes tlb.c's place in the programs that it is linked with.
#include <string.h>
#include "lib/shim.h"
#include "lib/printf.h"
#include "mem/pool.h"
#include "tests/host/lib/mmu.h"
#include "tests/host/lib/ram.h"

#define BOOT_PA 0x1000ul // the boot tables' root

static char text[8192];

// ---- the hardware ----

struct mmu_cpu mmu_cpu[MMU_CPUS];
unsigned mmu_flushes;

static void forget(unsigned c, const struct tlb_batch *b)
{
    for (unsigned e = 0; e < MMU_TLB_ENTRIES; e++) {
        bool gone = b->n > TLB_BATCH_MAX;
        for (unsigned i = 0; i < b->n && !gone; i++)
            gone = mmu_cpu[c].tlb[e].va == b->va[i];
        if (gone)
            mmu_cpu[c].tlb[e].va = 0;
    }
}

void tlb_flush(struct pmap *pm, struct tlb_batch *b)
{
    if (b->n > 0)
        mmu_flushes++;
    if (b->n > 0 && pm->shared)
        tlb_batch_all(b);
    for (unsigned c = 0; c < MMU_CPUS; c++)
        if (pm == &kernel_pmap || pm->shared || mmu_cpu[c].loaded == pm)
            forget(c, b);
    b->n = 0;
}

void mmu_load(unsigned c, struct pmap *pm)
{
    mmu_cpu[c].loaded = pm;
    memset(mmu_cpu[c].tlb, 0, sizeof(mmu_cpu[c].tlb));
}

void tlb_load(struct pmap *pm)
{
    mmu_load(0, pm);
}

bool tlb_loaded(void)
{
    return mmu_cpu[0].loaded;
}

void tlb_drop(struct pmap *pm)
{
    for (unsigned c = 0; c < MMU_CPUS; c++)
        if (mmu_cpu[c].loaded == pm)
            mmu_load(c, &kernel_pmap);
}

void tlb_init(void)
{
}

void tlb_get_stats(uint64_t *shootdowns, uint64_t *ipis)
{
    *shootdowns = *ipis = 0;
}

// If a CPU that has cached this PTE writes without a look at the tables.
static bool writes_through(uint64_t pte)
{
    return (pte & (PTE_W | PTE_D)) == (PTE_W | PTE_D);
}

// One access by a CPU in user mode; true if it did not fault.
bool mmu_touch(unsigned c, vaddr_t va, bool write)
{
    for (unsigned e = 0; e < MMU_TLB_ENTRIES; e++)
        if (mmu_cpu[c].tlb[e].va == va && (!write || writes_through(mmu_cpu[c].tlb[e].pte)))
            return true;
    uint64_t *pte = pmap_pte(mmu_cpu[c].loaded, va);
    if (!pte || (*pte & (PTE_P | PTE_U)) != (PTE_P | PTE_U) || (write && !(*pte & PTE_W)))
        return false;
    *pte |= PTE_A | (write ? PTE_D : 0);
    unsigned e = mmu_cpu[c].next++ % MMU_TLB_ENTRIES;
    for (unsigned i = 0; i < MMU_TLB_ENTRIES; i++)
        if (mmu_cpu[c].tlb[i].va == va)
            e = i;
    mmu_cpu[c].tlb[e].va = va;
    mmu_cpu[c].tlb[e].pte = *pte;
    return true;
}

void mmu_check_tlbs(void)
{
    for (unsigned c = 0; c < MMU_CPUS; c++)
        for (unsigned e = 0; e < MMU_TLB_ENTRIES; e++) {
            vaddr_t va = mmu_cpu[c].tlb[e].va;
            if (!va)
                continue;
            uint64_t old = mmu_cpu[c].tlb[e].pte, *pte = pmap_pte(mmu_cpu[c].loaded, va);
            uint64_t now = pte ? *pte : 0;
            CHECK(now & PTE_P && (now & PTE_PA) == (old & PTE_PA), "stale at %lx: %lx, now %lx", va,
                  old, now);
            CHECK(!writes_through(old) || writes_through(now), "at %lx: %lx, now %lx", va, old,
                  now);
            CHECK(now & PTE_A && (old & PTE_NX || !(now & PTE_NX)), "at %lx: %lx, now %lx", va, old,
                  now);
        }
}

// ---- common ----

void mmu_check_all(void)
{
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    unsigned faults = page_check(&out) + pool_check(NULL, &out) + pmap_check(&out) + pv_check(&out);
    CHECK(faults == 0, "%s", text);
    mmu_check_tlbs();
}

uint64_t mmu_free_pages(void)
{
    struct vm_page_stats st;

    pool_reclaim_all();
    vm_page_get_stats(&st);
    return st.nfree;
}

struct vm_page *mmu_new_page(void)
{
    struct vm_page *pg = vm_page_alloc(PAGE_ANON, 0);

    CHECK(pg, "no page");
    return pg;
}

void mmu_init(void)
{
    ram_map(DMAP_BASE, MMU_RAM_START + MMU_RAM_PAGES * PAGE_SIZE);
    vm_page_init(&(struct phys_range){MMU_RAM_START, MMU_RAM_START + MMU_RAM_PAGES * PAGE_SIZE}, 1);
    pmap_init(phys_to_dmap(BOOT_PA), MMU_KVA_SIZE);
    for (unsigned c = 0; c < MMU_CPUS; c++)
        mmu_load(c, &kernel_pmap);
    mmu_check_all();
}
