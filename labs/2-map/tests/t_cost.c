// SPDX-License-Identifier: BSD-2-Clause
//
// What entries cost: a seeded trace of blocks, and lookups on short and on very long maps. `make
// bench' prints these figures; they are not graded. Under -icount a tick is an instruction.

#include "lab_map.h"
#include "amd64/cpu.h"
#include "dev/record.h"
#include "lib/ktest.h"
#include "vm/kmem.h"

#define SLOTS 2400u
#define OPS   40000u
#define LOOKS 1000u

struct cost {
    uint64_t count, sum, worst;
};

static void add(struct cost *c, uint64_t ticks)
{
    c->count++;
    c->sum += ticks;
    c->worst = max(c->worst, ticks);
}

static void figure(const char *name, uint64_t value)
{
    record_printf("figure %s %lu", name, value);
}

static unsigned live_blocks(void)
{
    unsigned live = 0;

    for (unsigned slot = 0; slot < SLOTS; slot++)
        live += lab_slot[slot].va != 0;
    return live;
}

KTEST(lab_map_cost_trace)
{
    struct rng r = lab_rng(0);
    struct cost mapping = {0}, freeing = {0};
    uint64_t longest = 0;

    lab_make_kernel_map(0, 16384);
    for (unsigned n = 0; n < OPS; n++) {
        unsigned slot = (unsigned)rng_below(&r, SLOTS);
        size_t npages = 1 + rng_below(&r, 8);
        bool live = lab_slot[slot].va;
        uint64_t start = rdtsc();
        if (live)
            lab_free(slot);
        else
            lab_alloc(0, slot, LAB_QUANTUM, 0, npages);
        add(live ? &freeing : &mapping, rdtsc() - start);
        longest = max(longest, (uint64_t)lab_map[0]->nentries);
    }
    uint64_t kept = lab_map[0]->nentries + lab_map[0]->nreserve;
    figure("blocks", live_blocks());
    figure("entries", lab_map[0]->nentries);
    figure("entries_most", longest);
    figure("reserve", lab_map[0]->nreserve);
    figure("entry_bytes", kept * sizeof(struct vm_map_entry));
    figure("map", mapping.sum / mapping.count);
    figure("unmap", freeing.sum / freeing.count);
    figure("unmap_worst", freeing.worst);
    lab_destroy_maps();
}

// The middle of an entry is unmapped: of three merged quanta, whose split the map's reserve pays
// for; and of a plain mapping, whose split is paid for before the lock, as DragonFly does for all.
KTEST(lab_map_cost_middle)
{
    struct cost quantum = {0}, plain = {0};

    lab_make_kernel_map(0, 16384);
    vaddr_t at = lab_map[0]->min_va + 64 * PAGE_SIZE;
    for (unsigned n = 0; n < 1000; n++) {
        for (unsigned i = 0; i < 3; i++)
            lab_alloc(0, i, LAB_QUANTUM, at + i * 4 * PAGE_SIZE, 4);
        uint64_t start = rdtsc();
        vm_map_unmap(lab_map[0], at + 4 * PAGE_SIZE, at + 8 * PAGE_SIZE);
        add(&quantum, rdtsc() - start);
        lab_free(0);
        lab_free(2);
        lab_alloc(0, 0, LAB_PLAIN, at, 12);
        start = rdtsc();
        vm_map_unmap(lab_map[0], at + 4 * PAGE_SIZE, at + 8 * PAGE_SIZE);
        add(&plain, rdtsc() - start);
        vm_map_unmap(lab_map[0], at, at + 12 * PAGE_SIZE);
    }
    figure("middle_quantum", quantum.sum / quantum.count);
    figure("middle_plain", plain.sum / plain.count);
    lab_destroy_maps();
}

// Every other page is read-only: these never merge.
static void crowd(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        lab_alloc(0, 0, i % 2 ? LAB_QUANTUM : LAB_READ_ONLY, lab_map[0]->min_va + i * PAGE_SIZE, 1);
}

static uint64_t lookup_ticks(unsigned nentries)
{
    struct rng r = lab_rng(nentries);
    struct vm_map_entry *e;
    uint64_t sum = 0;

    for (unsigned i = 0; i < LOOKS; i++) {
        vaddr_t va = lab_map[0]->min_va + rng_below(&r, nentries) * PAGE_SIZE;
        rw_lock_read(&lab_map[0]->lock);
        uint64_t start = rdtsc();
        vm_map_lookup(lab_map[0], va, &e);
        sum += rdtsc() - start;
        rw_unlock_read(&lab_map[0]->lock);
    }
    return sum / LOOKS;
}

// Only where the boot parameter kva= gives so much address space.
KTEST(lab_map_cost_lookup)
{
    enum { PAGES = 100064 };

    if (kernel_map->max_va - kernel_map->min_va < 2ul * PAGES * PAGE_SIZE)
        return;
    lab_make_kernel_map(0, PAGES);
    crowd(0, 10);
    figure("lookup_10", lookup_ticks(10));
    crowd(10, 1000);
    figure("lookup_1000", lookup_ticks(1000));
    crowd(1000, 100000);
    figure("lookup_100000", lookup_ticks(100000));
    lab_destroy_maps();
}
