// SPDX-License-Identifier: BSD-2-Clause
//
// Single cases: who sees what in families, partial unmaps, wired memory, DONTNEED; what is copied,
// and what it costs.

#include "dev/record.h"
#include "lab_anon.h"
#include "lib/errno.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "pmap/pmap.h"
#include "sync/kctx.h"
#include "vm/amap.h"
#include "vm/anon.h"
#include "vm/map_change.h"
#include "vm/vm_fault.h"

static uint64_t words;

static void fill(unsigned n, unsigned first, unsigned end)
{
    lab_fill(n, first, end, &words);
}

static void start(unsigned npages)
{
    lab_begin(npages);
    lab_new_space(0);
    lab_map(0, 0, npages);
    fill(0, 0, npages);
}

// G and P share; P forks C, which copies. They write in each order, and go in each order. A child
// of before, B, keeps what there was then.
KTEST(lab_anon_family)
{
    enum { G, P, C, B };
    static const uint8_t order[6][3] = {{G, P, C}, {G, C, P}, {P, G, C},
                                        {P, C, G}, {C, G, P}, {C, P, G}};

    for (unsigned i = 0; i < 9; i++) {
        start(20);
        lab_fork(G, B);
        if (i % 2)
            fill(G, 0, 3);
        lab_inherit(G, 0, 16, true);
        lab_fork(G, P);
        fill(P, 4, 8);
        lab_read_all();
        lab_inherit(P, 0, 20, false);
        lab_fork(P, C);
        lab_point("forked");
        for (unsigned k = 0; k < 3; k++) {
            fill(order[i % 6][k], 2, 18 - k);
            lab_point("written");
            lab_read_all();
        }
        lab_fork(C, 4);
        fill(4, 0, 20);
        for (unsigned k = 0; k < 2; k++) {
            lab_exit(order[(i * 5 + 1) % 6][k]);
            lab_point("gone");
            lab_read_all();
        }
        lab_end();
    }
}

// Sixteen pages that two spaces see: what neither covers any more is free at once.
static void unmap_halves(bool share)
{
    start(16);
    lab_inherit(0, 0, 16, share);
    lab_fork(0, 1);
    lab_point("shared");
    lab_unmap(0, 4, 12);
    lab_point("one");
    lab_unmap(1, 2, 10);
    lab_point("both");
    lab_write(0, 0, ++words);
    lab_write(1, 15, ++words);
    lab_read_all();
    lab_unmap(1, 10, 12);
    lab_exit(0);
    lab_point("alone");
    lab_map(1, 2, 12);
    fill(1, 0, 16);
    lab_end();
}

KTEST(lab_anon_partial_shared)
{
    unmap_halves(true);
}

KTEST(lab_anon_partial)
{
    unmap_halves(false);
}

// The parent's wired pages stay where they are, and are written without memory.
KTEST(lab_anon_wired)
{
    start(24);
    lab_wire(0, 4, 20, true);
    lab_point("wired");
    lab_fork(0, 1);
    lab_point("forked");
    noalloc_enter();
    fill(0, 4, 20);
    noalloc_exit();
    lab_point("written");
    fill(1, 0, 24);
    fill(0, 0, 24);
    lab_fork(1, 2);
    lab_protect(0, 6, 10, false);
    lab_fork(0, 3);
    lab_protect(3, 6, 10, true);
    fill(3, 0, 24);
    lab_point("written");
    lab_wire(0, 4, 12, false);
    lab_exit(1);
    lab_read_all();
    lab_end();
}

KTEST(lab_anon_dontneed)
{
    for (unsigned turn = 0; turn < 10; turn++) {
        unsigned i = turn % 5, npages = turn < 5 ? 16 : 200; // few, which a fork may copy at once
        start(npages);
        lab_inherit(0, 0, npages, i >= 2);
        lab_fork(0, 1);
        if (i >= 3) {
            if (i == 3)
                lab_inherit(1, 0, npages, false);
            lab_fork(1, 2); // a copy keeps what the two throw away
            lab_read_all();
        }
        if (i == 1)
            fill(0, 5, 7);
        lab_discard(0, 4, 8);
        lab_point("discarded");
        lab_discard(1, 6, 10);
        lab_point("discarded");
        fill(0, 4, 10);
        fill(1, 4, 10);
        lab_point("written");
        lab_read_all();
        lab_end();
    }
}

// The check finds what was made wrong, and only then.
KTEST(lab_anon_check)
{
    static char text[512];
    struct strbuf out;

    start(40);
    lab_fork(0, 1);
    fill(1, 0, 10);
    lab_point("right");
    paddr_t pa;
    vm_prot_t prot;
    bool found = pmap_extract(lab_space[1]->pmap, lab_va(3), &pa, &prot);
    KASSERT(found, "page 3 is not mapped");
    struct vm_page *pg = phys_to_page(pa);
    struct vm_anon *an = pg->anon;
    strbuf_init(&out, text, sizeof(text));
    an->nrefs++;
    KTEST_CHECK(amap_check(&out), "a reference too many is not found");
    an->nrefs--;
    an->page = NULL;
    KTEST_CHECK(amap_check(&out), "an anon without page is not found");
    an->page = pg;
    pg->anon = NULL;
    KTEST_CHECK(amap_check(&out), "a page of somebody else is not found");
    pg->anon = an;
    lab_point("right");
    lab_end();
}

// ---- beyond: what is copied ----

// k writes are k copies; once the child is gone, none.
KTEST(lab_anon_copies)
{
    lab_whole = true;
    start(600);
    lab_point("filled");
    lab_fork(0, 1);
    lab_point("forked");
    for (unsigned i = 0; i < 600; i += 7)
        lab_write(i % 2, i, ++words);
    lab_point("written");
    lab_exit(1);
    lab_point("alone");
    fill(0, 0, 600);
    lab_point("rewritten");
    lab_end();
    lab_whole = false;
}

// What a child had is taken over without memory, also where a mapping was split meanwhile.
KTEST(lab_anon_alone)
{
    start(200);
    lab_fork(0, 1);
    lab_protect(0, 100, 101, false);
    lab_exit(1);
    lab_protect(0, 100, 101, true);
    lab_protect(0, 50, 51, false);
    uint64_t allocs = kctx_current()->allocs;
    fill(0, 0, 50);
    fill(0, 51, 200);
    record_printf("alone %lu", kctx_current()->allocs - allocs);
    lab_end();
    start(1024);
    lab_protect(0, 500, 501, false); // three entries of one amap, which nobody shares
    lab_fork(0, 1);
    record_printf("split %lu", lab_fork_ticks);
    lab_end();
}

// A fork that is over leaves nothing behind: mappings beside it still make one entry.
KTEST(lab_anon_grow)
{
    lab_begin(64);
    lab_new_space(0);
    lab_map(0, 40, 56);
    fill(0, 40, 56);
    lab_fork(0, 1);
    lab_exit(1);
    lab_write(0, 40, ++words);
    lab_grow(0, 40, 56, 64, &words);
    lab_read_all();
    lab_map_neighbours(2);
    lab_point("grown");
    lab_end();
}

// Seven more spaces read everything.
KTEST(lab_anon_readers)
{
    start(500);
    for (unsigned child = 1; child < LAB_SPACES; child++)
        lab_fork(child / 2, child);
    lab_read_all();
    lab_point("read");
    lab_end();
}

// What a fork, a copy and a reuse take, and how many allocations.
KTEST(lab_anon_costs)
{
    enum { N = 1024 };

    start(N);
    for (unsigned round = 0; round < 2; round++) {
        lab_fork(0, 1);
        uint64_t allocs = kctx_current()->allocs;
        lab_write(0, N / 2, ++words);
        record_printf("costs %lu %lu", lab_fork_ticks, kctx_current()->allocs - allocs);
        lab_point("copied");
        lab_exit(1);
        fill(0, 0, N);
    }
    lab_end();
}

// 48 MiB in a machine of 64: the child writes sixteen pages of them.
KTEST(lab_anon_tight)
{
    enum { N = 48 << 8 };

    lab_begin(0);
    lab_new_space(0);
    struct vm_space *vs = lab_space[0], *child = NULL;
    vaddr_t va = LAB_VA;
    int error = vm_mmap(vs, &va, N * PAGE_SIZE, PROT_RW, PROT_ALL,
                        LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED, NULL, 0);
    for (unsigned i = 0; i < N && !error; i++)
        error = vm_fault(&vs->map, lab_va(i), PROT_WRITE);
    KASSERT(!error, "48 MiB: error %d", error);
    error = vm_space_fork(vs, &child);
    KTEST_CHECK(!error, "fork: error %d", error);
    for (unsigned i = 0; i < N && !error; i += N / 16) {
        error = vm_fault(&child->map, lab_va(i), PROT_WRITE);
        uint64_t *mine = error ? NULL : lab_word(child, lab_va(i));
        uint64_t *parents = lab_word(vs, lab_va(i));
        KTEST_CHECK(!mine || !parents || mine != parents, "page %u is written for both", i);
    }
    KTEST_CHECK(!error, "the child's writes: error %d", error);
    lab_point("written");
    if (child)
        vm_space_unref(child);
    lab_end();
}

// A map of one entry, [start_va, max_va), whose amap another refers to as well.
static struct vm_amap *start_map(struct vm_map *map, vaddr_t start_va, vaddr_t max_va)
{
    pgno_t npages = (max_va - start_va) >> PAGE_SHIFT;
    struct vm_amap *am = amap_alloc(npages);
    struct map_change c;

    KASSERT(am && !amap_ref(am, 0, npages), "amap");
    vm_map_init(map, NULL, start_va, max_va, false);
    struct vm_map_req req = {
        .va = start_va,
        .len = max_va - start_va,
        .attr = {.prot = PROT_RW, .max_prot = PROT_RW, .inherit = INHERIT_COPY},
        .amap = am,
        .entry_flags = ME_COW | ME_NEEDSCOPY,
        .flags = MAP_FIXED_ADDR | MAP_NOREPLACE,
    };
    int error = map_change_begin(&c, map, 1, PR_WAITOK);
    KASSERT(!error, "error %d", error);
    map_entry_link(&c, &req);
    map_change_end(&c);
    return am;
}

static void end_map(struct vm_map *map, struct vm_amap *am)
{
    vaddr_t start_va = map->min_va, max_va = map->max_va;
    struct map_change c;

    int error = map_change_begin_clip(&c, map, start_va, max_va, 0);
    KASSERT(!error, "error %d", error);
    map_entry_unlink_range(&c, start_va, max_va);
    map_change_end(&c);
    vm_map_check_remove(map);
    amap_unref(am, 0, (max_va - start_va) >> PAGE_SHIFT);
}

// A map that may have `room' entries more, and none at its limit: a copy makes no more than these.
static void copy_at_limit(unsigned room)
{
    enum { N = 3 * AMAP_WINDOW };
    static struct vm_map map;
    struct map_change c;
    struct vm_map_entry *e;
    vaddr_t start_va = LAB_VA, va = LAB_VA + N / 2 * PAGE_SIZE;
    struct vm_amap *am = start_map(&map, start_va, start_va + N * PAGE_SIZE);

    int error = map_change_begin(&c, &map, MAP_ENTRY_SPLITS, PR_WAITOK);
    KASSERT(!error && vm_map_lookup(&map, va, &e), "error %d", error);
    unsigned nothers = MAP_ENTRIES_MAX - room - map.nentries; // not there, but counted
    map.nentries += nothers;
    error = amap_copy(&c, &map, e, va);
    KTEST_CHECK(!error && vm_map_lookup(&map, va, &e) && !(e->flags & ME_NEEDSCOPY), "error %d",
                error);
    KTEST_CHECK(map.nentries <= MAP_ENTRIES_MAX, "%u map entries, of %u that there may be",
                map.nentries, MAP_ENTRIES_MAX);
    size_t npages = (e->end_va - e->start_va) >> PAGE_SHIFT;
    KTEST_CHECK(room < MAP_ENTRY_SPLITS || npages <= AMAP_WINDOW,
                "the copy has %zu pages, where the map may have %u entries more", npages, room);
    map.nentries -= nothers;
    map_change_end(&c);
    end_map(&map, am);
}

// The same of what is thrown away: with no room for the parts on either side, nothing is clipped.
static void discard_at_limit(unsigned room, unsigned first, unsigned end)
{
    static struct vm_map map;
    struct map_change c;
    struct vm_map_entry *e;
    struct vm_amap *am = start_map(&map, lab_va(0), lab_va(12));

    int error = map_change_begin(&c, &map, MAP_ENTRY_SPLITS, PR_WAITOK);
    KASSERT(!error && vm_map_lookup(&map, lab_va(first), &e), "error %d", error);
    unsigned nothers = MAP_ENTRIES_MAX - room - map.nentries; // not there, but counted
    map.nentries += nothers;
    error = amap_discard(&c, e, lab_va(first), lab_va(end));
    KTEST_CHECK(!error && vm_map_lookup(&map, lab_va(first), &e) && e->amap != am,
                "pages %u to %u of 12 thrown away at the limit: error %d, of an amap that is "
                "another's, too",
                first, end, error);
    KTEST_CHECK(map.nentries <= MAP_ENTRIES_MAX, "%u map entries, of %u that there may be",
                map.nentries, MAP_ENTRIES_MAX);
    map.nentries -= nothers;
    map_change_end(&c);
    end_map(&map, am);
}

// The window of a copy at the end of the address space: its end must not wrap.
KTEST(lab_anon_window_end)
{
    enum { N = 3 * AMAP_WINDOW };
    static struct vm_map map;
    unsigned copies = 0;
    struct map_change c;
    struct vm_map_entry *e;
    vaddr_t max_va = -PAGE_SIZE, start_va = max_va - N * PAGE_SIZE;
    struct vm_amap *am = start_map(&map, start_va, max_va);
    int error;

    for (vaddr_t va = max_va - PAGE_SIZE; va > start_va;
         va -= min(va - start_va, 100 * PAGE_SIZE)) {
        error = map_change_begin(&c, &map, MAP_ENTRY_SPLITS, PR_WAITOK);
        KASSERT(!error && vm_map_lookup(&map, va, &e), "%#lx: error %d", va, error);
        uint64_t allocs = kctx_current()->allocs;
        error = amap_copy(&c, &map, e, va);
        if (copies++ < 2)
            record_printf("costs 0 %lu", kctx_current()->allocs - allocs);
        KTEST_CHECK(!error && vm_map_lookup(&map, va, &e) && !(e->flags & ME_NEEDSCOPY),
                    "%#lx: error %d", va, error);
        KTEST_CHECK(e->end_va - e->start_va <= lab_window * PAGE_SIZE,
                    "%#lx: the copy has %lu pages", va, (e->end_va - e->start_va) >> PAGE_SHIFT);
        map_change_end(&c);
    }
    lab_begin(0);
    lab_point("copied");
    rw_lock_write(&map.lock);
    size_t size = map.size;
    rw_unlock_write(&map.lock);
    KTEST_CHECK(size == N * PAGE_SIZE, "%zu bytes mapped, not %lu", size, N * PAGE_SIZE);
    end_map(&map, am);
    for (unsigned room = 0; room <= MAP_ENTRY_SPLITS; room++)
        copy_at_limit(room), discard_at_limit(room, 4, 8), discard_at_limit(room, 0, 4),
            discard_at_limit(room, 8, 12);
    lab_point("end");
}
