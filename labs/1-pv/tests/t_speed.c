// SPDX-License-Identifier: BSD-2-Clause
//
// What mappings cost in instructions, beside many others of the process, of the page, and in chunks
// that stay. One CPU; under -icount a tick is an instruction.

#include "amd64/cpu.h"
#include "dev/record.h"
#include "lab_pv.h"
#include "lib/ktest.h"
#include "sync/irq.h"

#define FIRST_HOLE 100u // of a chunk's worth of mappings
#define CROWD      100u // mappings of one page
#define CROWDED    998u // which is no other's

// Ticks of n entries and of their removal in the opposite order.
static void measure(const char *name, unsigned pmap, vaddr_t va, unsigned n)
{
    uint64_t t0 = rdtsc();
    lab_map_row(pmap, va, 0, n);
    uint64_t t1 = rdtsc();
    for (unsigned i = n; i-- > 0;)
        pmap_remove(lab_pmap[pmap], va + i * PAGE_SIZE, va + (i + 1) * PAGE_SIZE);
    uint64_t t2 = rdtsc();
    record_printf("ticks %s %lu %lu", name, (t1 - t0) / n, (t2 - t1) / n);
}

// Ticks of taking one of n pages, from `first' on, away from the two processes that map it: a small
// one, and one with many mappings, where each is in another part of them.
static void measure_pages(unsigned first, unsigned n)
{
    lab_map_row(0, LAB_VA, first, n);
    uint64_t t0 = rdtsc();
    for (unsigned i = 0; i < n; i++)
        pmap_page_protect(lab_page[first + i], PROT_NONE);
    record_printf("ticks page %lu 0", (rdtsc() - t0) / n);
}

// Ticks of entering a page that is mapped n times already.
static void measure_shared(unsigned pmap, vaddr_t va, unsigned page, unsigned n)
{
    enum { TIMES = 100 };

    for (unsigned i = 0; i < n; i++)
        lab_enter(pmap, va + i * PAGE_SIZE, page, PROT_READ, 0);
    uint64_t t0 = rdtsc();
    for (unsigned i = n; i < n + TIMES; i++)
        lab_enter(pmap, va + i * PAGE_SIZE, page, PROT_READ, 0);
    record_printf("ticks shared %lu 0", (rdtsc() - t0) / TIMES);
}

// Ticks of going from one of a page's mappings to the next, with so many.
static void measure_walk(unsigned page)
{
    struct pv_mapping m;
    unsigned n = 0;

    spin_lock(&pv_lock);
    uint64_t t0 = rdtsc();
    for (bool more = pv_first(lab_page[page], &m); more; more = pv_next(lab_page[page], &m))
        n++;
    uint64_t t1 = rdtsc();
    spin_unlock(&pv_lock);
    record_printf("ticks walk %lu %u", (t1 - t0) / n, n);
}

// The address of hole k in the chunk's worth i of many mappings, which are in a row.
static vaddr_t hole(vaddr_t va, unsigned i, unsigned k)
{
    return va + ((uint64_t)i * lab_entries + FIRST_HOLE + k) * PAGE_SIZE;
}

// Ticks of making a hole among many mappings, and of filling it: at their beginning, in the middle
// and at the end, and what costs most counts.
static void measure_holes(unsigned pmap, vaddr_t va, unsigned first, unsigned n)
{
    uint64_t entering = 0, removing = 0;

    for (unsigned turn = 0; turn < n; turn++) {
        unsigned i = turn * 37 % n; // in another order
        vaddr_t at = hole(va, i, 0);
        uint64_t t0 = rdtsc();
        pmap_remove(lab_pmap[pmap], at, at + PAGE_SIZE);
        uint64_t t1 = rdtsc();
        lab_enter(pmap, at, first + i, PROT_RW, 0);
        entering = max(entering, rdtsc() - t1);
        removing = max(removing, t1 - t0);
    }
    record_printf("ticks holes %lu %lu", entering, removing);
}

// Holes all over many mappings, so many in each chunk, one after the other in all of them, in
// another order than that in which measure_holes left the chunks; and only then are they filled:
// what costs most counts.
static void measure_scattered(unsigned pmap, vaddr_t va, unsigned end, unsigned n, unsigned each)
{
    uint64_t entering = 0, removing = 0;

    for (unsigned turn = 0; turn < each * n; turn++) {
        vaddr_t at = hole(va, turn * 59 % n, turn / n);
        uint64_t t0 = rdtsc();
        pmap_remove(lab_pmap[pmap], at, at + PAGE_SIZE);
        removing = max(removing, rdtsc() - t0);
    }
    for (unsigned turn = 0; turn < each * n; turn++) {
        unsigned i = turn * 37 % n, k = turn / n;
        uint64_t t0 = rdtsc();
        lab_enter(pmap, hole(va, i, k), end - (k + 1) * n + i, PROT_RW, 0);
        entering = max(entering, rdtsc() - t0);
    }
    record_printf("ticks scattered %lu %lu", entering, removing);
}

// A page is mapped at the beginning, in the middle and at the end of n mappings of pmap 1. Then it
// is mapped in many places of pmap 0, too, and removed from pmap 1: what costs most counts.
static void measure_crowded(vaddr_t va, unsigned n)
{
    uint64_t removing = 0;

    for (unsigned i = 0; i < CROWD; i++)
        lab_enter(0, LAB_VA + (1ul << 31) + i * PAGE_SIZE, CROWDED, PROT_READ, 0);
    for (unsigned i = 0; i < n; i += n / 2) {
        vaddr_t at = va + i * PAGE_SIZE;
        uint64_t t0 = rdtsc();
        pmap_remove(lab_pmap[1], at, at + PAGE_SIZE);
        removing = max(removing, rdtsc() - t0);
        lab_enter(1, at, 999, PROT_READ, 0);
    }
    record_printf("ticks crowded %lu", removing);
    pmap_page_protect(lab_page[CROWDED], PROT_NONE);
}

// The same work in a small process and in one with many mappings, which fill chunks to the last
// entry.
KTEST(lab_pv_speed)
{
    enum { N = 500 };
    const unsigned spread = 24000 / lab_entries | 1; // chunks
    const unsigned many = spread * lab_entries - 1;
    const unsigned nholes = min(3u, N / spread); // in each of them

    lab_make_pages(1000);
    lab_make_pmaps(2);
    lab_enter(0, LAB_VA + (3ul << 20), 999, PROT_RW, 0); // the tables are there
    lab_enter(1, LAB_VA + (3ul << 20), 999, PROT_RW, 0);
    measure("small", 0, LAB_VA, N);
    for (unsigned i = 0; i < many; i++) {
        unsigned page = N + i % 400; // the lists of the others stay short
        unsigned k = i % lab_entries - FIRST_HOLE;
        if (k < nholes)
            page = N - (k + 1) * spread + i / lab_entries;
        if (i % (many / 2) == 0)
            page = CROWDED;
        lab_enter(1, LAB_VA + (1ul << 30) + i * PAGE_SIZE, page, PROT_RW, 0);
    }
    irq_push();
    measure_holes(1, LAB_VA + (1ul << 30), N - spread, spread);
    measure_scattered(1, LAB_VA + (1ul << 30), N, spread, nholes);
    measure_crowded(LAB_VA + (1ul << 30), many);
    irq_pop();
    measure("large", 1, LAB_VA, N);
    measure_pages(N - spread, spread);
    measure_shared(0, LAB_VA + (1ul << 30), N, 4 * N);
    measure_walk(N);
    uint64_t t0 = rdtsc();
    pmap_remove_all_user(lab_pmap[1]);
    record_printf("ticks exit %lu 0", (rdtsc() - t0) / (many + 1));
    lab_point("measured", true);
    lab_destroy_pmaps();
    lab_free_pages();
}

// Exit of a process of many chunks, each of which keeps a wired mapping: what is left is not gone
// through again for each chunk that comes behind it.
KTEST(lab_pv_exit_wired)
{
    enum { CHUNKS = 300, N = 512 };

    lab_make_pages(N);
    lab_make_pmaps(1);
    for (unsigned i = 0; i < CHUNKS * lab_entries; i++)
        lab_enter(0, LAB_VA + i * PAGE_SIZE, i % N, PROT_RW, i % lab_entries ? 0 : PMAP_WIRED);
    uint64_t t0 = rdtsc();
    pmap_remove_all_user(lab_pmap[0]);
    record_printf("ticks exit-wired %lu 0", (rdtsc() - t0) / (CHUNKS * (lab_entries - 1)));
    lab_point("measured", true);
    lab_destroy_pmaps();
    lab_free_pages();
}
