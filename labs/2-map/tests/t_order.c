// SPDX-License-Identifier: BSD-2-Clause
//
// The order of things inside a change: which locks are held when a map's words are written, what
// the page tables show when it is counted, and what is known of free space while entries come and
// grow. The debug registers watch the words. One CPU.

#include "lab_map.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "pmap/pmap.h"
#include "tests/kernel/watch.h"
#include "vm/vm_fault.h"
#include "vm/vm_space.h"

// ---- locks ----

static struct vm_map *watched;
static unsigned nwrites;
static vaddr_t unlocked_rip;

static void count_write(vaddr_t rip)
{
    nwrites++;
    if (!rw_held_write(&watched->lock))
        unlocked_rip = rip;
}

static void watch_map(struct vm_map *map, const void *words, unsigned n, void (*fn)(vaddr_t rip))
{
    watched = map;
    nwrites = 0;
    watch_words(words, n, WATCH_WRITES, fn);
}

static void check_locked(const char *what)
{
    watch_off();
    KTEST_CHECK(!unlocked_rip, "%s is written at %#lx by who has not locked the map", what,
                unlocked_rip);
}

#define SPAN (16 * PAGE_SIZE)

static vaddr_t stale_va;

// What was unmapped must be in no page table when the change is counted: whoever looks again then
// takes the map's word for it.
static void look_at_count(vaddr_t rip)
{
    struct vm_map_entry *e;
    paddr_t pa;
    vm_prot_t prot;

    count_write(rip);
    for (vaddr_t va = LAB_USER_VA; va < LAB_USER_VA + SPAN && !unlocked_rip; va += PAGE_SIZE)
        if (pmap_extract(watched->pmap, va, &pa, &prot) && !vm_map_lookup(watched, va, &e))
            stale_va = va;
}

static int change_map(struct vm_space *vs, unsigned op)
{
    enum { MOVE = 1 };
    vaddr_t va = LAB_USER_VA, moved = 0, part = va + 4 * PAGE_SIZE, end_va = part + 2 * PAGE_SIZE;
    struct vm_map_req req = lab_plain(va);

    req.entry_flags = ME_COW;
    switch (op) {
    case 0:
        return vm_map_map(&vs->map, &req);
    case 1:
        req.va = va + req.len;
        req.len *= 2;
        return vm_map_map(&vs->map, &req);
    case 2:
        return vm_map_protect(&vs->map, part, end_va, PROT_RW);
    case 3:
        return vm_map_advise(&vs->map, part, end_va, ADVICE_RANDOM);
    case 4:
        return vm_map_protect(&vs->map, va, end_va, PROT_RW);
    case 5:
        return vm_mremap(vs, part, PAGE_SIZE, 4 * PAGE_SIZE, MOVE, &moved);
    default:
        return vm_map_unmap(&vs->map, va + PAGE_SIZE, end_va);
    }
}

// Whoever let the map go and finds the same count when it has it again believes that nothing has
// changed: so each change counts, once, and while the map is locked.
static void count_changes(struct vm_space *vs)
{
    enum { OPS = 7 };

    for (unsigned op = 0; op < OPS; op++) {
        for (vaddr_t va = LAB_USER_VA; va < LAB_USER_VA + SPAN; va += PAGE_SIZE)
            (void)!vm_fault(&vs->map, va, PROT_READ); // an error: nothing is mapped there
        watch_map(&vs->map, &vs->map.generation, 1, look_at_count);
        int error = change_map(vs, op);
        check_locked("map->generation");
        KASSERT(!error, "change %u: error %d", op, error);
        KTEST_CHECK(!stale_va,
                    "change %u is counted while the page tables show %#lx, where no entry "
                    "is any more",
                    op, stale_va);
        KTEST_CHECK(nwrites == 1, "change %u is counted %u times in map->generation", op, nwrites);
    }
}

// The reserve is the map's, and its lock's.
static void use_reserve(void)
{
    enum { BLOCKS = 16 };
    struct rng r = lab_rng(9);
    struct vm_map *map = lab_map[1];

    for (unsigned n = 0; n < 200; n++) {
        unsigned slot = (unsigned)rng_below(&r, BLOCKS);
        watch_map(map, &map->reserve, 3, count_write); // and the counts behind it
        if (lab_slot[slot].va)
            lab_free(slot);
        else
            lab_alloc(1, slot, LAB_QUANTUM, map->min_va + slot * 4 * PAGE_SIZE, 4);
        check_locked("map->reserve");
    }
}

// ---- free space ----

// Blocks of one size come from above and go. Mapping opens no gap, wherever it is and whatever
// merges: so none that was known to be full is less so. And the highest place that is free is found
// (map_space_update).
static void fill_holes(struct vm_map *map)
{
    enum { BLOCKS = 32, LEN = 2 * PAGE_SIZE };
    struct rng r = lab_rng(10);
    bool taken[BLOCKS] = {0};

    for (unsigned n = 0; n < 2000; n++) {
        unsigned i = (unsigned)rng_below(&r, BLOCKS), highest = 0;
        vaddr_t va = map->max_va - (i + 1) * LEN, known = map->full_from;
        bool fixed = rng_below(&r, 2);
        if (taken[i]) {
            KTEST_CHECK(vm_map_unmap(map, va, va + LEN) == 0, "unmapping [%#lx, +%#x)", va, LEN);
            taken[i] = false;
            continue;
        }
        while (taken[highest])
            highest++;
        i = fixed ? i : highest;
        va = map->max_va - (i + 1) * LEN;
        struct vm_map_req req = lab_req(LAB_PLAIN, fixed ? va : 0, 2);
        req.below = fixed ? 0 : map->max_va;
        int error = vm_map_map(map, &req);
        KTEST_CHECK(error == 0 && req.va == va, "%#lx is free, but error %d, va %#lx", va, error,
                    req.va);
        KTEST_CHECK(!fixed || map->full_from <= known,
                    "map_space_update was told of a gap below %#lx, and [%#lx, +%#x) was mapped: "
                    "that opens none",
                    map->full_from, va, LEN);
        taken[i] = true;
    }
    KTEST_CHECK(vm_map_unmap(map, map->min_va, map->max_va) == 0, "unmapping all");
}

KTEST(lab_map_order)
{
    struct vm_space *vs = lab_make_space(0);

    lab_make_kernel_map(1, 128);
    lab_make_kernel_map(2, 256);
    count_changes(vs);
    use_reserve();
    fill_holes(lab_map[2]);
    lab_point("changed");
    lab_destroy_maps();
    lab_point("end");
}
