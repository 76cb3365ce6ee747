// SPDX-License-Identifier: BSD-2-Clause
//
// Builds the kernel's first page tables, with pages from boot_alloc. Runs on the boot CPU alone.
#include "amd64/bootmap.h"

#include "amd64/bootinfo.h"
#include "amd64/image.h"
#include "lib/panic.h"
#include "mem/memlayout.h"

#define PTE_P   0x001ul
#define PTE_W   0x002ul
#define PTE_PWT 0x008ul
#define PTE_PCD 0x010ul
#define PTE_PS  0x080ul
#define PTE_G   0x100ul
#define PTE_NX  (1ul << 63)
#define PTE_PA  0x000ffffffffff000ul

#define LARGE_SIZE (2ul << 20)
#define DEVICE_PA  (3ul << 30) // physical address at DEVICE_BASE

uint64_t *boot_pml4;
static paddr_t boot_pml4_pa;

// The entry for va in the table of the given level (3 = PML4 .. 0 = page table), making the
// tables above it.
static uint64_t *entry_for(vaddr_t va, unsigned level)
{
    uint64_t *table = boot_va(boot_pml4_pa);
    for (unsigned l = 3;; l--) {
        uint64_t *entry = &table[va >> (PAGE_SHIFT + 9 * l) & 511];
        if (l == level)
            return entry;
        if (!(*entry & PTE_P))
            *entry = boot_alloc(1) | PTE_P | PTE_W;
        KASSERT(!(*entry & PTE_PS), "large page in the way at %#lx", va);
        table = boot_va(*entry & PTE_PA);
    }
}

// Maps [pa, end) at va. 2 MiB pages where both are aligned and `large' allows.
static void map(vaddr_t va, paddr_t pa, paddr_t end, uint64_t bits, bool large)
{
    while (pa < end) {
        if (large && pa % LARGE_SIZE == 0 && va % LARGE_SIZE == 0 && end - pa >= LARGE_SIZE) {
            *entry_for(va, 1) = pa | bits | PTE_PS;
            va += LARGE_SIZE;
            pa += LARGE_SIZE;
        } else {
            *entry_for(va, 0) = pa | bits;
            va += PAGE_SIZE;
            pa += PAGE_SIZE;
        }
    }
}

static void map_image(const char *start, const char *end, uint64_t bits)
{
    map((vaddr_t)start, image_to_phys(start), image_to_phys(end), bits, false);
}

// Text and read-only data are read-only in the direct map too; the large pages begin behind them.
static void map_ram(const struct phys_range *r)
{
    const uint64_t rw = PTE_P | PTE_W | PTE_G | PTE_NX, ro = PTE_P | PTE_G | PTE_NX;
    paddr_t ro_start = image_to_phys(text_start), ro_end = image_to_phys(rodata_end);
    if (r->end_pa <= ro_start || r->start_pa >= ro_end) {
        map(DMAP_BASE + r->start_pa, r->start_pa, r->end_pa, rw, true);
        return;
    }
    KASSERT(r->start_pa <= ro_start && r->end_pa >= ro_end, "image across RAM ranges");
    map(DMAP_BASE + r->start_pa, r->start_pa, ro_start, rw, true);
    map(DMAP_BASE + ro_start, ro_start, ro_end, ro, false);
    map(DMAP_BASE + ro_end, ro_end, r->end_pa, rw, true);
}

void bootmap_init(void)
{
    boot_pml4_pa = boot_alloc(1);
    for (unsigned i = 0; i < bootinfo.nram; i++)
        map_ram(&bootinfo.ram[i]);
    map_image(text_start, text_end, PTE_P | PTE_G);
    map_image(rodata_start, rodata_end, PTE_P | PTE_G | PTE_NX);
    map_image(data_start, data_end, PTE_P | PTE_W | PTE_G | PTE_NX);
    map(DEVICE_BASE, DEVICE_PA, DEVICE_PA + DEVICE_SIZE,
        PTE_P | PTE_W | PTE_PWT | PTE_PCD | PTE_G | PTE_NX, true);
    boot_pml4 = phys_to_dmap(boot_pml4_pa);
    bootinfo_seal();
    bootmap_load();
}

void bootmap_load(void)
{
    __asm__ volatile("mov %0, %%cr3" ::"r"(boot_pml4_pa) : "memory");
}

void bootmap_guard(const void *page)
{
    vaddr_t va = (vaddr_t)page;
    KASSERT(page_aligned(va) && va >= (vaddr_t)data_start && va < (vaddr_t)data_end,
            "guard page at %#lx", va);
    uint64_t *table = boot_pml4;
    for (unsigned l = 3; l > 0; l--)
        table = phys_to_dmap(table[va >> (PAGE_SHIFT + 9 * l) & 511] & PTE_PA);
    table[va >> PAGE_SHIFT & 511] = 0;
    __asm__ volatile("invlpg %0" ::"m"(*(const char *)page) : "memory");
}

volatile void *device_va(paddr_t pa)
{
    KASSERT(pa >= DEVICE_PA && pa < DEVICE_PA + DEVICE_SIZE, "device at %#lx", pa);
    return (volatile void *)(DEVICE_BASE + (pa - DEVICE_PA));
}
