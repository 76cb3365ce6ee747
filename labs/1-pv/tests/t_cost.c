// SPDX-License-Identifier: BSD-2-Clause
//
// What mappings cost, in pages and in instructions. judge.py counts the pages from outside and
// knows what each workload must take. One CPU; under -icount a tick is an instruction.

#include "amd64/cpu.h"
#include "dev/record.h"
#include "lab_pv.h"
#include "lib/ktest.h"

// Maps n pages in a row, from page `first' on.
static void map_row(unsigned pmap, vaddr_t va, unsigned first, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        lab_enter(pmap, va + i * PAGE_SIZE, first + i, PROT_RW, 0);
}

static void workload(unsigned npmaps, unsigned npages)
{
    lab_make_pages(npages);
    lab_make_pmaps(npmaps);
    lab_point("before", true);
    for (unsigned pmap = 0; pmap < npmaps; pmap++)
        map_row(pmap, LAB_VA, 0, npages);
    lab_point("mapped", true);
    lab_destroy_pmaps();
    lab_point("after", true);
    lab_free_pages();
}

// 64 chunks' worth in each of four processes: nothing is lost to rounding.
KTEST(lab_pv_bytes_large)
{
    workload(4, 10752);
}

KTEST(lab_pv_bytes_rounded)
{
    workload(10, 4096);
}

KTEST(lab_pv_bytes_small)
{
    workload(16, 20);
}

KTEST(lab_pv_thousand)
{
    workload(1, 1000);
}

// Some of the later mappings go and as many others come: their room is used again, although chunks
// that are full came before.
static void reuse(bool (*goes)(struct rng *r, unsigned i))
{
    enum { N = 1680, SPARE = 1680 };
    struct rng r = lab_rng(0);
    unsigned removed = 0;

    lab_make_pages(N);
    lab_make_pmaps(1);
    lab_point("before", true);
    map_row(0, LAB_VA, 0, N);
    lab_point("full", true);
    for (unsigned i = N / 2; i < N; i++) {
        if (goes(&r, i)) {
            pmap_remove(lab_pmap[0], LAB_VA + i * PAGE_SIZE, LAB_VA + (i + 1) * PAGE_SIZE);
            removed++;
        }
    }
    lab_point("thinned", true);
    map_row(0, LAB_VA + SPARE * PAGE_SIZE, 0, removed);
    lab_point("refilled", true);
    lab_destroy_pmaps();
    lab_point("after", true);
    lab_free_pages();
}

static bool one_in_two(struct rng *r, unsigned i)
{
    (void)i;
    return rng_below(r, 2) != 0;
}

KTEST(lab_pv_reuse)
{
    reuse(one_in_two);
}

// Twenty side by side: the room is all in one word of a chunk's bitmap.
static bool twenty(struct rng *r, unsigned i)
{
    (void)r;
    return i % 168 < 20;
}

KTEST(lab_pv_reuse_row)
{
    reuse(twenty);
}

// One process after the other is filled and emptied in its own order: what is wholly free goes
// back.
KTEST(lab_pv_given_back)
{
    enum { N = 840 };

    lab_make_pages(N);
    lab_make_pmaps(4);
    lab_point("before", true);
    for (unsigned pmap = 0; pmap < 4; pmap++)
        map_row(pmap, LAB_VA, 0, N);
    lab_point("full", true);
    pmap_remove(lab_pmap[0], LAB_VA, LAB_VA + N * PAGE_SIZE);
    for (unsigned i = N; i-- > 0;)
        pmap_remove(lab_pmap[1], LAB_VA + i * PAGE_SIZE, LAB_VA + (i + 1) * PAGE_SIZE);
    for (unsigned i = 0; i < N; i++) // 37 and 840 have no common divisor
        pmap_remove(lab_pmap[2], LAB_VA + i * 37 % N * PAGE_SIZE,
                    LAB_VA + (i * 37 % N + 1) * PAGE_SIZE);
    pmap_remove_all_user(lab_pmap[3]);
    lab_point("emptied", true);
    lab_destroy_pmaps();
    lab_free_pages();
}

// Ticks of n entries and of their removal in the opposite order.
static void measure(const char *name, unsigned pmap, vaddr_t va, unsigned n)
{
    uint64_t t0 = rdtsc();
    map_row(pmap, va, 0, n);
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
    map_row(0, LAB_VA, first, n);
    uint64_t t0 = rdtsc();
    for (unsigned i = 0; i < n; i++)
        pmap_page_protect(lab_page[first + i], PROT_NONE);
    record_printf("ticks page %lu 0", (rdtsc() - t0) / n);
}

// Ticks of filling a hole among many mappings, where the first of them was, and of making it.
static void measure_holes(unsigned pmap, vaddr_t va, unsigned first, unsigned n)
{
    uint64_t entering = 0, removing = 0;

    for (unsigned i = 0; i < n; i++) {
        uint64_t t0 = rdtsc();
        pmap_remove(lab_pmap[pmap], va + i * PAGE_SIZE, va + (i + 1) * PAGE_SIZE);
        uint64_t t1 = rdtsc();
        lab_enter(pmap, va + i * PAGE_SIZE, first + i, PROT_RW, 0);
        entering += rdtsc() - t1;
        removing += t1 - t0;
    }
    record_printf("ticks holes %lu %lu", entering / n, removing / n);
}

// The same work in a small process and in one with many mappings, which fill chunks to the last
// entry.
KTEST(lab_pv_speed)
{
    enum { N = 500, HOLES = 100, SPREAD = 100, MANY = 143 * 168 - 1 };

    lab_make_pages(1000);
    lab_make_pmaps(2);
    lab_enter(0, LAB_VA + (3ul << 20), 999, PROT_RW, 0); // the tables are there
    lab_enter(1, LAB_VA + (3ul << 20), 999, PROT_RW, 0);
    measure("small", 0, LAB_VA, N);
    for (unsigned i = 0; i < MANY; i++) {
        unsigned page = N + i % 400; // the lists of the first pages stay short
        if (i < HOLES)
            page = i;
        else if (i % 168 == 100 && i / 168 < SPREAD)
            page = N - SPREAD + i / 168;
        lab_enter(1, LAB_VA + (1ul << 30) + i * PAGE_SIZE, page, PROT_RW, 0);
    }
    measure_holes(1, LAB_VA + (1ul << 30), 0, HOLES);
    measure("large", 1, LAB_VA, N);
    measure_pages(N - SPREAD, SPREAD);
    uint64_t t0 = rdtsc();
    pmap_remove_all_user(lab_pmap[1]);
    record_printf("ticks exit %lu 0", (rdtsc() - t0) / (MANY + 1));
    lab_point("measured", true);
    lab_destroy_pmaps();
    lab_free_pages();
}
