// SPDX-License-Identifier: BSD-2-Clause
//
// What mappings cost, in pages and in what is asked for. judge.py counts the pages from outside and
// knows what each workload must take. One CPU; t_speed.c has the instructions.

#include "dev/record.h"
#include "lab_pv.h"
#include "lib/ktest.h"
#include "sync/kctx.h"
#include "tests/kernel/watch.h"

static void workload(unsigned npmaps, unsigned npages)
{
    lab_make_pages(npages);
    lab_make_pmaps(npmaps);
    lab_point("before", true);
    for (unsigned pmap = 0; pmap < npmaps; pmap++)
        lab_map_row(pmap, LAB_VA, 0, npages);
    lab_point("mapped", true);
    lab_destroy_pmaps();
    lab_point("after", true);
    lab_free_pages();
}

// 64 chunks' worth in each of four processes: nothing is lost to rounding.
KTEST(lab_pv_bytes_large)
{
    workload(4, 64 * lab_entries);
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
    lab_map_row(0, LAB_VA, 0, N);
    lab_point("full", true);
    for (unsigned i = N / 2; i < N; i++) {
        if (goes(&r, i)) {
            go(i);
            removed++;
        }
    }
    lab_point("thinned", true);
    lab_map_row(0, LAB_VA + SPARE * PAGE_SIZE, 0, removed);
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
    return i % lab_entries < 20;
}

KTEST(lab_pv_reuse_row)
{
    reuse(twenty, by_address);
}

#define SLOTS      1200u
#define SLOT_PAGES 97u

// The one process's mappings, by slot: free, mapped or wired. Three tables of them, which stay.
static enum { FREE, MAPPED, WIRED } slot_state[SLOTS];

static vaddr_t slot_va(unsigned slot)
{
    return LAB_VA + slot % 400 * PAGE_SIZE + slot / 400 * (2ul << 20);
}

static uint64_t spare(void)
{
    struct pv_stats st;

    pv_get_stats(&st);
    return st.pv_entry_spare;
}

static uint64_t pages_asked_for(void)
{
    struct vm_page_stats st;

    vm_page_get_stats(&st);
    return st.allocs + st.alloc_failures;
}

// As long as there is room, no page is asked for.
static void fill_slot(unsigned slot, bool wired)
{
    uint64_t room = spare(), before = pages_asked_for();

    if (slot_state[slot] != FREE)
        return;
    lab_enter(0, slot_va(slot), slot % SLOT_PAGES, PROT_RW, wired ? PMAP_WIRED : 0);
    slot_state[slot] = wired ? WIRED : MAPPED;
    KTEST_CHECK(pages_asked_for() == before || room == 0,
                "a page is asked for although the process has room for %lu mappings", room);
}

static void empty_slot(unsigned slot)
{
    pmap_remove(lab_pmap[0], slot_va(slot), slot_va(slot) + PAGE_SIZE);
    slot_state[slot] = FREE;
}

static void empty_page(unsigned page)
{
    pmap_page_protect(lab_page[page], PROT_NONE);
    for (unsigned slot = page; slot < SLOTS; slot += SLOT_PAGES)
        slot_state[slot] = FREE;
}

static unsigned any_slot(struct rng *r)
{
    return (unsigned)rng_below(r, SLOTS);
}

// One that is free, or one that is not; any, if there is none.
static unsigned slot_that(struct rng *r, bool is_free)
{
    unsigned slot = any_slot(r);

    for (unsigned n = 0; n < SLOTS && (slot_state[slot] == FREE) != is_free; n++)
        slot = (slot + 1) % SLOTS;
    return slot;
}

// Nearly all chunks are full, and there is room for a few mappings: it is found wherever it is.
static void nearly_full(struct rng *r, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t room = spare();
        if (room > 6 || (room > 0 && rng_below(r, 2)))
            fill_slot(slot_that(r, true), false);
        else
            empty_slot(slot_that(r, false));
    }
}

// All that is not wired goes, as at exit.
static void leave_wired(void)
{
    pmap_remove_all_user(lab_pmap[0]);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        if (slot_state[slot] == MAPPED)
            slot_state[slot] = FREE;
}

// The first chunk is all wired, with the four mappings that keep the tables, and one of the n
// mappings of the second is, which may be full, too: after exit the first stays full, and the
// second's room is found.
static void exit_full(unsigned n)
{
    unsigned first = lab_entries - 4;

    for (unsigned slot = 0; slot < first + n; slot++)
        fill_slot(slot, slot <= first);
    leave_wired();
    for (unsigned slot = first + 1; slot < first + n; slot++)
        fill_slot(slot, false);
    for (unsigned slot = 0; slot < first + n; slot++)
        empty_slot(slot);
}

// Half of the pages go, n wired mappings come, which may fill chunks, and all others go.
static void exit_wired(struct rng *r, unsigned n)
{
    for (unsigned page = 0; page < SLOT_PAGES; page += 2)
        empty_page(page);
    for (unsigned i = 0; i < n; i++)
        fill_slot(slot_that(r, true), true);
    leave_wired();
}

// A process that is alone has all that is spare. It grows and shrinks in turns, on all ways, and
// some of its mappings are wired.
KTEST(lab_pv_room)
{
    struct rng r = lab_rng(0);

    lab_make_pages(SLOT_PAGES + 1);
    lab_make_pmaps(1);
    lab_make_tables(0, SLOT_PAGES);
    exit_full(lab_entries / 2);
    exit_full(lab_entries);
    for (unsigned round = 0; round < 120; round++) {
        unsigned what = (unsigned)rng_below(&r, 12), n = (unsigned)rng_below(&r, 400);
        bool wired = rng_below(&r, 3) == 0;
        if (what == 0)
            exit_wired(&r, n);
        else if (what < 4)
            nearly_full(&r, 2 * n);
        for (unsigned i = 0; i < n; i++)
            what < 8 ? fill_slot(any_slot(&r), wired) : empty_slot(any_slot(&r));
        if (what == 11)
            empty_page((unsigned)rng_below(&r, SLOT_PAGES));
    }
    lab_point("used", false);
    lab_destroy_pmaps();
    lab_point("end", false);
    lab_free_pages();
}

// One process after the other is filled and emptied in its own order, the last one with its pages:
// what is wholly free goes back; and the rest, of some wired mappings, with the process.
KTEST(lab_pv_given_back)
{
    enum { N = 840 };

    lab_make_pages(N);
    lab_make_pmaps(5);
    lab_point("before", true);
    for (unsigned pmap = 0; pmap < 5; pmap++)
        lab_map_row(pmap, LAB_VA, 0, N);
    lab_point("full", true);
    pmap_remove(lab_pmap[0], LAB_VA, LAB_VA + N * PAGE_SIZE);
    for (unsigned i = N; i-- > 0;)
        pmap_remove(lab_pmap[1], LAB_VA + i * PAGE_SIZE, LAB_VA + (i + 1) * PAGE_SIZE);
    for (unsigned i = 0; i < N; i++) // 37 and 840 have no common divisor
        pmap_remove(lab_pmap[2], LAB_VA + i * 37 % N * PAGE_SIZE,
                    LAB_VA + (i * 37 % N + 1) * PAGE_SIZE);
    pmap_remove_all_user(lab_pmap[3]);
    for (unsigned i = 0; i < N; i++)
        pmap_page_protect(lab_page[i], PROT_NONE);
    lab_point("emptied", true);
    for (unsigned pmap = 0; pmap < 4; pmap++)
        for (unsigned i = 0; i < N; i++)
            lab_enter(pmap, LAB_VA + i * PAGE_SIZE, i, PROT_RW, i % 7 ? 0 : PMAP_WIRED);
    for (unsigned pmap = 0; pmap < 4; pmap++)
        pmap_remove_all_user(lab_pmap[pmap]);
    lab_point("wired", true);
    lab_destroy_pmaps();
    lab_point("end", true);
    lab_free_pages();
}
