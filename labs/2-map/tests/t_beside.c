// SPDX-License-Identifier: BSD-2-Clause
//
// What lies beside a mapping when it comes, or when its rights change: nothing, pages without an
// amap, an amap of its own, or one that another entry refers to as well; below, above, and of many
// sizes. The guest says how many entries there are then, and compares the pages; the judge says how
// many there may be. One CPU.

#include "lab_map.h"
#include "dev/record.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "vm/vm_space.h"

enum beside { NOTHING, NO_AMAP, OWN_AMAP, SHARED_AMAP, BESIDES };
enum way { MAPPED, PROTECTED, MADE_WRITABLE, WAYS };

#define BASE (LAB_USER_VA + PAGE_SIZE)

static uint64_t word_at(vaddr_t va)
{
    return va >> PAGE_SHIFT | 1;
}

// One mapping; with an amap: its ends are written. Shared: it goes on for a page at more_va, which
// has other rights, and so is another entry with the same amap.
static void make_beside(struct vm_space *vs, enum beside kind, vaddr_t va, size_t npages,
                        vaddr_t more_va)
{
    vaddr_t end_va = va + npages * PAGE_SIZE;
    bool shared = kind == SHARED_AMAP;

    if (kind == NOTHING)
        return;
    lab_map_private(vs, shared ? min(va, more_va) : va, npages + shared);
    if (kind == NO_AMAP)
        return;
    lab_poke(vs, va, word_at(va));
    lab_poke(vs, end_va - PAGE_SIZE, word_at(end_va - PAGE_SIZE));
    if (shared)
        KTEST_CHECK(vm_mprotect(vs, more_va, PAGE_SIZE, PROT_READ) == 0, "protecting %#lx",
                    more_va);
}

static void compare_beside(struct vm_space *vs, enum beside kind, vaddr_t va, size_t npages)
{
    vaddr_t last = va + (npages - 1) * PAGE_SIZE;

    if (kind == NOTHING)
        return;
    lab_expect_word(vs, va, kind == NO_AMAP ? 0 : word_at(va));
    lab_expect_word(vs, last, kind == NO_AMAP ? 0 : word_at(last));
}

static void map_read_only(struct vm_space *vs, vaddr_t va, size_t len)
{
    int error = vm_mmap(vs, &va, len, PROT_READ, PROT_ALL,
                        LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED, NULL, 0);

    KASSERT(!error, "mapping at %#lx: error %d", va, error);
}

// A hole of so many pages between the two is filled: by what agrees with them, by what did and does
// so again, or by what never did before.
static void try_between(struct vm_space *vs, enum way way, enum beside below, enum beside above,
                        size_t npages)
{
    size_t len = npages * PAGE_SIZE;
    vaddr_t hole = BASE + len, end_va = BASE + 3 * len;
    unsigned n = 0;

    make_beside(vs, below, BASE, npages, BASE - PAGE_SIZE);
    make_beside(vs, above, hole + len, npages, end_va);
    if (way == MADE_WRITABLE)
        map_read_only(vs, hole, len);
    else
        lab_map_private(vs, hole, npages);
    if (way == PROTECTED)
        KTEST_CHECK(vm_mprotect(vs, hole, len, PROT_READ) == 0, "protecting %#lx", hole);
    if (way != MAPPED)
        KTEST_CHECK(vm_mprotect(vs, hole, len, PROT_RW) == 0, "making %#lx writable", hole);
    rw_lock_read(&vs->map.lock);
    for (struct vm_map_entry *e = vm_map_first(&vs->map); e; e = vm_map_next(&vs->map, e))
        n += e->start_va < end_va && e->end_va > BASE;
    rw_unlock_read(&vs->map.lock);
    record_printf("beside %u %u %u %lu %u", way, below, above, npages, n);
    compare_beside(vs, below, BASE, npages);
    compare_beside(vs, above, hole + len, npages);
    lab_expect_word(vs, hole, 0);
    lab_expect_word(vs, hole + len - PAGE_SIZE, 0);
    int error = vm_map_unmap(&vs->map, BASE - PAGE_SIZE, end_va + PAGE_SIZE);
    KASSERT(!error, "unmapping all: error %d", error);
}

KTEST(lab_map_beside)
{
    static const size_t large[] = {(1ul << 16) - 1, 1ul << 20, (1ul << 32) + 2};
    struct vm_space *vs = lab_make_space(0);

    for (unsigned i = 0; i < WAYS * BESIDES * BESIDES; i++)
        try_between(vs, i % WAYS, i / WAYS % BESIDES, i / WAYS / BESIDES, 4);
    for (unsigned i = 0; i < array_len(large); i++) {
        try_between(vs, MAPPED, OWN_AMAP, NOTHING, large[i]);
        try_between(vs, MAPPED, NO_AMAP, OWN_AMAP, large[i]);
        try_between(vs, PROTECTED, NOTHING, OWN_AMAP, large[i]);
        try_between(vs, MADE_WRITABLE, OWN_AMAP, NO_AMAP, large[i]);
    }
    lab_point("tried");
    lab_destroy_maps();
    lab_point("end");
}
