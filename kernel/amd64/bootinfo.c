// SPDX-License-Identifier: BSD-2-Clause
//
// Reads PVH's start_info and hands out the first pages. Runs on the boot CPU, on the boot tables.
#include "amd64/bootinfo.h"

#include "amd64/image.h"
#include "amd64/smp.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mem/memlayout.h"

#define START_INFO_MAGIC 0x336ec578u
#define MEMMAP_RAM       1u
#define BOOT_MAPPED      (1ul << 30) // bytes that the boot tables map

struct start_info {
    uint32_t magic, version, flags, nmodules;
    uint64_t modules_pa, cmdline_pa, rsdp_pa;
    uint64_t memmap_pa; // from version 1 on
    uint32_t memmap_entries, reserved;
};

struct memmap_entry {
    uint64_t start_pa, size;
    uint32_t type, reserved;
};

struct bootinfo bootinfo;
static paddr_t next_pa, limit_pa; // of boot_alloc

static void add_ram(paddr_t start, paddr_t end)
{
    start = page_round(start);
    end = page_trunc(end);
    if (end > DMAP_SIZE) {
        bootinfo.unused_bytes += end - max(start, (paddr_t)DMAP_SIZE);
        end = DMAP_SIZE;
    }
    if (start >= end)
        return;
    if (bootinfo.nram == BOOT_MAX_RANGES) {
        bootinfo.unused_bytes += end - start;
        return;
    }
    // Insertion sort: loaders usually give them in order.
    unsigned i = bootinfo.nram++;
    for (; i > 0 && bootinfo.ram[i - 1].start_pa > start; i--)
        bootinfo.ram[i] = bootinfo.ram[i - 1];
    bootinfo.ram[i] = (struct phys_range){start, end};
    bootinfo.ram_bytes += end - start;
}

void bootinfo_init(paddr_t start_info_pa)
{
    KASSERT(start_info_pa < BOOT_MAPPED, "start_info at %#lx", start_info_pa);
    const struct start_info *si = boot_va(start_info_pa);
    if (si->magic != START_INFO_MAGIC || si->version < 1 || !si->memmap_pa)
        panic("not started by PVH: magic %#x, version %u at %#lx", si->magic, si->version,
              start_info_pa);
    const struct memmap_entry *map = boot_va(si->memmap_pa);
    for (unsigned i = 0; i < si->memmap_entries; i++) {
        if (map[i].type == MEMMAP_RAM)
            add_ram(map[i].start_pa, map[i].start_pa + map[i].size);
    }
    if (si->cmdline_pa)
        bootinfo.cmdline_cut =
            strlcpy(bootinfo.cmdline, boot_va(si->cmdline_pa), BOOT_CMDLINE) >= BOOT_CMDLINE;
    next_pa = image_end_pa();
    for (unsigned i = 0; i < bootinfo.nram; i++) {
        if (bootinfo.ram[i].start_pa <= next_pa && next_pa < bootinfo.ram[i].end_pa)
            limit_pa = min(bootinfo.ram[i].end_pa, BOOT_MAPPED);
    }
    if (!limit_pa)
        panic("no memory behind the kernel's image, which ends at %#lx", next_pa);
}

void bootinfo_limit(uint64_t max_bytes)
{
    uint64_t sum = 0;
    unsigned n = 0;
    max_bytes = max(page_trunc(max_bytes), image_end_pa() + (4ul << 20));
    for (; n < bootinfo.nram && sum < max_bytes; n++) {
        struct phys_range *r = &bootinfo.ram[n];
        r->end_pa = r->start_pa + min(r->end_pa - r->start_pa, max_bytes - sum);
        sum += r->end_pa - r->start_pa;
        if (r->start_pa <= next_pa && next_pa < r->end_pa)
            limit_pa = min(limit_pa, r->end_pa);
    }
    bootinfo.nram = n;
    bootinfo.ram_bytes = sum;
}

paddr_t boot_alloc(size_t npages)
{
    paddr_t pa = next_pa;
    KASSERT(limit_pa, "boot_alloc after bootinfo_seal");
    if (npages > (limit_pa - pa) / PAGE_SIZE)
        panic("out of memory at start-up: %zu pages wanted, %zu left", npages,
              (limit_pa - pa) / PAGE_SIZE);
    next_pa += npages * PAGE_SIZE;
    memset(boot_va(pa), 0, npages * PAGE_SIZE);
    return pa;
}

void bootinfo_seal(void)
{
    // Below 1 MiB, the pages up to the trampoline stay out of use.
    const paddr_t low_start = AP_TRAMPOLINE_PA + PAGE_SIZE, low_end = 0x100000;
    for (unsigned i = 0; i < bootinfo.nram; i++) {
        struct phys_range r = bootinfo.ram[i];
        if (r.start_pa < low_end && r.end_pa <= low_end)
            r.start_pa = max(r.start_pa, low_start);
        else
            r.start_pa = max(r.start_pa, next_pa);
        if (r.start_pa < r.end_pa)
            bootinfo.free[bootinfo.nfree++] = r;
    }
    limit_pa = 0;
}
