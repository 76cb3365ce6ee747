// SPDX-License-Identifier: BSD-2-Clause
//
// What mappings cost, in pages and in instructions. judge.py counts the pages from outside and
// knows what each workload must take. One CPU; under -icount a tick is an instruction.

#include "amd64/cpu.h"
#include "dev/record.h"
#include "lab_pv.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "sync/irq.h"
#include "sync/kctx.h"
#include "tests/kernel/watch.h"

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

// What entering asks for where there is room, and how often it takes pv_lock: counted, not timed.
static unsigned lock_touches;

static void count_touches(vaddr_t rip)
{
    (void)rip;
    lock_touches++;
}

static unsigned locks_of(void (*work)(void))
{
    lock_touches = 0;
    watch_words(&pv_lock.lock.owner, 1, WATCH_WRITES, count_touches);
    work();
    watch_off();
    return lock_touches;
}

#define COUNTED 1000u

static void lock_once(void)
{
    spin_lock(&pv_lock);
    spin_unlock(&pv_lock);
}

static void enter_counted(void)
{
    for (unsigned i = 0; i < COUNTED; i++)
        lab_enter(0, LAB_VA + i * PAGE_SIZE, i, PROT_RW, 0);
}

static void remove_counted(void)
{
    pmap_remove(lab_pmap[0], LAB_VA, LAB_VA + COUNTED * PAGE_SIZE);
}

KTEST(lab_pv_counted)
{
    struct kctx *k = kctx_current();

    lab_make_pages(COUNTED + 1);
    lab_make_pmaps(1);
    for (unsigned table = 0; table < 2; table++)
        lab_enter(0, LAB_VA + table * (2ul << 20) + (511ul << PAGE_SHIFT), COUNTED, PROT_READ,
                  PMAP_WIRED);
    lab_point("before", true);
    unsigned unit = locks_of(lock_once);
    uint64_t allocs = k->allocs;
    unsigned entering = locks_of(enter_counted);
    allocs = k->allocs - allocs;
    lab_point("mapped", true);
    unsigned removing = locks_of(remove_counted);
    record_printf("counted %lu allocs %u %u locks of %u", allocs, entering, removing, unit);
    lab_point("after", true);
    lab_destroy_pmaps();
    lab_free_pages();
}

// Some of the later mappings go and as many others come: their room is used again, although chunks
// that are full came before.
static void reuse(bool (*goes)(struct rng *r, unsigned i), void (*go)(unsigned i))
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
            go(i);
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

// The two ways on which the mapping of page i goes: by its address, and with its page.
static void by_address(unsigned i)
{
    pmap_remove(lab_pmap[0], LAB_VA + i * PAGE_SIZE, LAB_VA + (i + 1) * PAGE_SIZE);
}

static void by_page(unsigned i)
{
    pmap_page_protect(lab_page[i], PROT_NONE);
}

KTEST(lab_pv_reuse)
{
    reuse(one_in_two, by_address);
}

KTEST(lab_pv_reuse_page)
{
    reuse(one_in_two, by_page);
}

// Twenty side by side: the room is all in one word of a chunk's bitmap.
static bool twenty(struct rng *r, unsigned i)
{
    (void)r;
    return i % 168 < 20;
}

KTEST(lab_pv_reuse_row)
{
    reuse(twenty, by_address);
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

// Ticks of making a hole among many mappings, and of filling it: at their beginning, in the middle
// and at the end, and what costs most counts.
static void measure_holes(unsigned pmap, vaddr_t va, unsigned first, unsigned n)
{
    uint64_t entering = 0, removing = 0;

    for (unsigned turn = 0; turn < n; turn++) {
        unsigned i = turn * 37 % n; // 37 and 143 have no common divisor
        vaddr_t at = va + (i * 168ul + 100) * PAGE_SIZE;
        uint64_t t0 = rdtsc();
        pmap_remove(lab_pmap[pmap], at, at + PAGE_SIZE);
        uint64_t t1 = rdtsc();
        lab_enter(pmap, at, first + i, PROT_RW, 0);
        entering = max(entering, rdtsc() - t1);
        removing = max(removing, t1 - t0);
    }
    record_printf("ticks holes %lu %lu", entering, removing);
}

// The same work in a small process and in one with many mappings, which fill chunks to the last
// entry.
KTEST(lab_pv_speed)
{
    enum { N = 500, SPREAD = 143, MANY = SPREAD * 168 - 1 };

    lab_make_pages(1000);
    lab_make_pmaps(2);
    lab_enter(0, LAB_VA + (3ul << 20), 999, PROT_RW, 0); // the tables are there
    lab_enter(1, LAB_VA + (3ul << 20), 999, PROT_RW, 0);
    measure("small", 0, LAB_VA, N);
    for (unsigned i = 0; i < MANY; i++) {
        unsigned page = N + i % 400; // the lists of the others stay short
        if (i % 168 == 100)
            page = N - SPREAD + i / 168;
        lab_enter(1, LAB_VA + (1ul << 30) + i * PAGE_SIZE, page, PROT_RW, 0);
    }
    irq_push();
    measure_holes(1, LAB_VA + (1ul << 30), N - SPREAD, SPREAD);
    irq_pop();
    measure("large", 1, LAB_VA, N);
    measure_pages(N - SPREAD, SPREAD);
    measure_shared(0, LAB_VA + (1ul << 30), N, 4 * N);
    uint64_t t0 = rdtsc();
    pmap_remove_all_user(lab_pmap[1]);
    record_printf("ticks exit %lu 0", (rdtsc() - t0) / (MANY + 1));
    lab_point("measured", true);
    lab_destroy_pmaps();
    lab_free_pages();
}
