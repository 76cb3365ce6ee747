// SPDX-License-Identifier: BSD-2-Clause
//
// How long it takes: lookups, mapping and freeing beside few entries and beside many, wherever
// among them, and wherever the map's hint is. Under -icount a tick is an instruction.

#include "lab_map.h"
#include "amd64/cpu.h"
#include "dev/record.h"
#include "lib/ktest.h"

// Entries that cannot merge: every other page is read-only.
static void crowd(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        lab_alloc(0, 0, i % 2 ? LAB_QUANTUM : LAB_READ_ONLY,
                  lab_map[0]->min_va + (64 + i) * PAGE_SIZE, 1);
}

// Somebody looked at the map's first entry just before, or at its last one: its hint is there.
static void look_far(struct vm_map *map, bool last)
{
    struct vm_map_entry *e;

    rw_lock_read(&map->lock);
    e = last ? list_last(&map->entries, struct vm_map_entry, link) : vm_map_first(map);
    KTEST_CHECK(vm_map_lookup(map, e->start_va, &e), "%#lx is not found", e->start_va);
    rw_unlock_read(&map->lock);
}

// Ticks of mapping and freeing a block at this page of the map.
static void time_in(unsigned map, size_t page, size_t npages, uint64_t *mapping, uint64_t *freeing)
{
    enum { TIMES = 200 };
    vaddr_t va = lab_map[map]->min_va + page * PAGE_SIZE;
    uint64_t mapped = 0, freed = 0;

    for (unsigned i = 0; i < TIMES; i++) {
        look_far(lab_map[map], i & 1);
        uint64_t start = rdtsc();
        lab_alloc(map, 1, LAB_GUARD, va, npages);
        mapped += rdtsc() - start;
        look_far(lab_map[map], i & 1);
        start = rdtsc();
        lab_free(1);
        freed += rdtsc() - start;
    }
    *mapping = max(*mapping, mapped / TIMES);
    *freeing = max(*freeing, freed / TIMES);
}

// Ticks of changing the middle of an entry of three pages, which is cut and joined again, and of
// unmapping three pages where nothing is mapped.
static void time_changes(size_t page, uint64_t *changing, uint64_t *nothing)
{
    enum { TIMES = 200, LEN = 3 };
    struct vm_map *map = lab_map[0];
    vaddr_t va = map->min_va + page * PAGE_SIZE, end_va = va + LEN * PAGE_SIZE;
    int error = 0;

    uint64_t start = rdtsc();
    for (unsigned i = 0; i < TIMES; i++)
        error |= vm_map_unmap(map, va, end_va);
    *nothing = (rdtsc() - start) / TIMES;
    lab_alloc(0, 1, LAB_PLAIN, va, LEN);
    start = rdtsc();
    for (unsigned i = 0; i < TIMES; i++)
        error |= vm_map_advise(map, va + PAGE_SIZE, end_va - PAGE_SIZE,
                               i % 2 ? ADVICE_NORMAL : ADVICE_RANDOM);
    *changing = (rdtsc() - start) / TIMES;
    error |= vm_map_unmap(map, va, end_va);
    KASSERT(!error, "errors %#x", error);
}

static void time_at(size_t page, size_t npages, uint64_t *mapping, uint64_t *freeing)
{
    time_in(0, page, npages, mapping, freeing);
}

// Lookups all over the map; mapping and freeing at its beginning, in its middle and at its end, and
// what costs most; changes in its middle.
static void time_with(const char *name, unsigned nentries)
{
    enum { TIMES = 200 };
    struct rng r = lab_rng(nentries);
    struct vm_map_entry *e;
    uint64_t start = rdtsc();

    for (unsigned i = 0; i < TIMES; i++) {
        rw_lock_read(&lab_map[0]->lock);
        vm_map_lookup(lab_map[0], lab_map[0]->min_va + (64 + rng_below(&r, nentries)) * PAGE_SIZE,
                      &e);
        rw_unlock_read(&lab_map[0]->lock);
    }
    uint64_t looked = (rdtsc() - start) / TIMES, mapping = 0, freeing = 0;
    time_at(16, 4, &mapping, &freeing);
    time_at(64 + nentries + 8, 32, &mapping, &freeing);
    unsigned middle = nentries / 2;
    uint64_t changing, nothing;
    for (unsigned i = middle - 1; i <= middle + 1; i++)
        lab_free_at(lab_map[0], lab_map[0]->min_va + (64 + i) * PAGE_SIZE, PAGE_SIZE);
    time_at(64 + middle, 1, &mapping, &freeing);
    time_changes(64 + middle - 1, &changing, &nothing);
    crowd(middle - 1, middle + 2);
    record_printf("ticks %s %lu %lu %lu %lu %lu", name, looked, mapping, freeing, changing,
                  nothing);
}

// The same inside a row of so many blocks, which are one entry: the others are in the reserve,
// which may be as long as it likes.
static void time_in_row(unsigned nblocks)
{
    uint64_t mapping = 0, freeing = 0;

    for (unsigned i = 0; i < nblocks; i++)
        lab_alloc(1, 0, LAB_GUARD, lab_map[1]->min_va + i * PAGE_SIZE, 1);
    for (unsigned i = 0; i < 3; i++) {
        unsigned page = i * (nblocks / 2 - 1) + !i;
        lab_free_at(lab_map[1], lab_map[1]->min_va + page * PAGE_SIZE, PAGE_SIZE);
        time_in(1, page, 1, &mapping, &freeing);
        lab_alloc(1, 0, LAB_GUARD, lab_map[1]->min_va + page * PAGE_SIZE, 1);
    }
    record_printf("ticks row 0 %lu %lu 0 0", mapping, freeing);
}

KTEST(lab_map_speed)
{
    lab_make_kernel_map(0, 24000);
    crowd(0, 10);
    time_with("10", 10);
    crowd(10, 1000);
    time_with("1000", 1000);
    crowd(1000, 20000);
    time_with("20000", 20000);
    lab_quick_point("measured");
    lab_destroy_maps();
    lab_make_kernel_map(1, 20000);
    time_in_row(20000);
    lab_quick_point("row");
    lab_destroy_maps();
}
