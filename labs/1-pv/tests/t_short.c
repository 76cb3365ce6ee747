// SPDX-License-Identifier: BSD-2-Clause
//
// The reverse map when there is no memory: entering goes on, at the cost of mappings that come back
// by a fault. One CPU; t_smp.c has the same on several.

#include "dev/record.h"
#include "lab_pv.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "sync/irq.h"
#include "sync/kctx.h"

#define ROW 336u // mappings of a victim

static uint64_t alloc_failures(void)
{
    struct vm_page_stats st;

    vm_page_get_stats(&st);
    return st.alloc_failures;
}

static uint64_t tryfail(void)
{
    struct pv_stats st;

    pv_get_stats(&st);
    return st.pc_chunk_tryfail;
}

// Fills a row and uses it as a program would: every third page is written, every third only read.
static void use_row(unsigned pmap)
{
    uint64_t word;

    pmap_activate(lab_pmap[pmap]);
    for (unsigned i = 0; i < ROW; i++) {
        lab_enter(pmap, LAB_VA + i * PAGE_SIZE, i, PROT_RW, i % 56 == 5 ? PMAP_WIRED : 0);
        if (i % 3 == 0)
            KTEST_CHECK(lab_poke(LAB_VA + i * PAGE_SIZE + 8, lab_fill(i, 1)), "write to page %u",
                        i);
        else if (i % 3 == 1)
            KTEST_CHECK(lab_peek(LAB_VA + i * PAGE_SIZE, &word), "read of page %u", i);
    }
}

// What is mapped reads right; what is not, faults: nothing stale is left in the TLB.
static unsigned look_at_row(unsigned pmap)
{
    unsigned present = 0;
    uint64_t word;

    for (unsigned i = 0; i < ROW; i++) {
        paddr_t pa;
        vm_prot_t prot;
        bool there = pmap_extract(lab_pmap[pmap], LAB_VA + i * PAGE_SIZE, &pa, &prot);
        bool read = lab_peek(LAB_VA + i * PAGE_SIZE, &word);
        KTEST_CHECK(read == there, "TLB: page %u of pmap %u is %s but can%s be read", i, pmap,
                    there ? "mapped" : "not mapped", read ? "" : "not");
        KTEST_CHECK(!read || word == lab_word(i), "page %u reads %lx", i, word);
        present += there;
    }
    return present;
}

#define OTHERS 256u // the second victim's first page

// One victim's chunk is older, but an entry was taken from it after the other's: the first victim's
// if use counts, which saves it, and else the second's, which it does not.
static void use_again(unsigned mine, unsigned others)
{
    unsigned older = lab_by_use ? 0 : 1, page = older * OTHERS;

    lab_map_row(older, LAB_VA, page, older ? others : mine);
    lab_map_row(1 - older, LAB_VA, OTHERS - page, older ? mine : others);
    pmap_remove(lab_pmap[older], LAB_VA, LAB_VA + PAGE_SIZE);
    lab_enter(older, LAB_VA, page, PROT_RW, 0);
}

// The second victim's chunk is older, and all that happens to it is no use: entries go, on each of
// the ways, its pages' mappings are asked for, and one is entered that is there.
static void look_and_give(unsigned mine, unsigned others)
{
    lab_map_row(1, LAB_VA, OTHERS, others);
    lab_map_row(0, LAB_VA, 0, mine);
    pmap_remove(lab_pmap[1], LAB_VA, LAB_VA + PAGE_SIZE);
    pmap_page_protect(lab_page[OTHERS + 1], PROT_NONE);
    pmap_clear_reference(lab_page[OTHERS + 2]);
    lab_enter(1, LAB_VA + 3 * PAGE_SIZE, OTHERS + 3, PROT_READ, 0);
}

// The second victim's chunk is older, and full, however much that is: it has to steal itself.
static void fill_own(unsigned mine, unsigned most)
{
    struct pv_stats st = {.pv_entry_spare = 1};

    for (unsigned i = 0; i < most && st.pv_entry_spare > 0; i++) {
        lab_enter(1, LAB_VA + i * PAGE_SIZE, i, PROT_RW, 0);
        pv_get_stats(&st);
    }
    lab_map_row(0, LAB_VA, 0, mine);
}

// The second victim goes first, whether or not this CPU has it loaded, and whether a third process
// needs memory or itself. With chunks that are full and others that are not, so that use alone
// tells which.
static void steal_used(void (*work)(unsigned mine, unsigned others), unsigned mine, unsigned others,
                       bool loaded, unsigned needy)
{
    lab_make_pmaps(3);
    if (loaded)
        pmap_activate(lab_pmap[1]);
    work(mine, others);
    lab_make_tables(2, 511);
    uint64_t had = lab_pmap[0]->resident + lab_pmap[1]->resident;
    lab_exhaust();
    lab_point("exhausted", true);
    for (unsigned i = (unsigned)lab_pmap[needy]->resident; i < 500; i++) {
        lab_must_enter(needy, LAB_VA + i * PAGE_SIZE, i);
        if (lab_pmap[0]->resident + lab_pmap[1]->resident < had)
            break;
    }
    lab_point("stolen", false);
    lab_destroy_pmaps();
    lab_relent();
}

KTEST(lab_pv_steal_used)
{
    const unsigned n = lab_entries;
    const unsigned sizes[][2] = {{n - 8, n - 8}, {n, n}, {n - 3, n}, {n, n - 3}, {5, n}, {n, 5}};

    lab_make_pages(512);
    for (unsigned i = 0; i < array_len(sizes); i++) {
        steal_used(use_again, sizes[i][0], sizes[i][1], i % 2, 2);
        steal_used(look_and_give, sizes[i][0], sizes[i][1], i % 2, 2);
    }
    steal_used(fill_own, n, 400, false, 1);
    lab_free_pages();
}

// The oldest chunk's pmap was locked when a page was missing: it was passed over, which changes
// nothing, and is the next one's. Locked by this thread here, in the order of two pmaps.
KTEST(lab_pv_steal_passed)
{
    enum { OTHER = 2, YOUNG };
    unsigned i = 0;

    lab_make_pmaps(YOUNG + 1);
    lab_make_pages(512);
    unsigned busy = lab_pmap[0] < lab_pmap[1] ? 0 : 1, needy = 1 - busy;
    lab_map_row(busy, LAB_VA, 0, lab_entries);
    lab_map_row(OTHER, LAB_VA, 0, lab_entries);
    lab_map_row(YOUNG, LAB_VA, 0, lab_entries);
    lab_make_tables(needy, 511);
    lab_exhaust();
    lab_point("exhausted", true);
    uint64_t tried = tryfail(), without = alloc_failures();
    spin_lock(&lab_pmap[busy]->lock);
    for (; i < 500 && lab_pmap[OTHER]->resident == lab_entries; i++)
        lab_must_enter(needy, LAB_VA + i * PAGE_SIZE, i);
    spin_unlock(&lab_pmap[busy]->lock);
    for (; i < 500 && lab_pmap[busy]->resident + lab_pmap[YOUNG]->resident == 2 * lab_entries; i++)
        lab_must_enter(needy, LAB_VA + i * PAGE_SIZE, i);
    record_printf("tried %lu of %lu", tryfail() - tried, alloc_failures() - without);
    KTEST_CHECK(lab_pmap[busy]->resident < lab_entries && lab_pmap[YOUNG]->resident == lab_entries,
                "%lu mappings are left in the oldest chunk, which was passed over while its pmap "
                "was locked, and %lu in a younger one, of %u each",
                lab_pmap[busy]->resident, lab_pmap[YOUNG]->resident, lab_entries);
    lab_point("stolen", false);
    lab_destroy_pmaps();
    lab_relent();
    lab_free_pages();
}

// A chunk that was stolen is the youngest, though only one entry was taken from it so far.
KTEST(lab_pv_steal_stolen)
{
    enum { OLDEST, OLDER, THIEF, NEXT };
    unsigned i = 0;

    lab_make_pmaps(NEXT + 1);
    lab_make_pages(512);
    lab_map_row(OLDEST, LAB_VA, 0, lab_entries);
    lab_map_row(OLDER, LAB_VA, 0, lab_entries);
    lab_make_tables(THIEF, 511);
    lab_make_tables(NEXT, 511);
    lab_exhaust();
    lab_point("exhausted", true);
    for (; i < 500 && lab_pmap[OLDEST]->resident == lab_entries; i++)
        lab_must_enter(THIEF, LAB_VA + i * PAGE_SIZE, i);
    uint64_t had = lab_pmap[THIEF]->resident;
    for (i = 0;
         i < 500 && lab_pmap[OLDER]->resident + lab_pmap[THIEF]->resident == lab_entries + had; i++)
        lab_must_enter(NEXT, LAB_VA + i * PAGE_SIZE, i);
    KTEST_CHECK(lab_pmap[OLDER]->resident < lab_entries && lab_pmap[THIEF]->resident == had,
                "a chunk was stolen and one entry taken from it, so it is the youngest: the next "
                "theft leaves %lu of %lu mappings to who stole it, and %lu of %u to who has an "
                "older one",
                lab_pmap[THIEF]->resident, had, lab_pmap[OLDER]->resident, lab_entries);
    lab_point("stolen", false);
    lab_destroy_pmaps();
    lab_relent();
    lab_free_pages();
}

// ---- room that stealing leaves ----

// One of a victim's chunks is all wired, and stays full; of the other one, which is older or
// younger, nearly a half is stolen. That is the victim's to use before anything else is stolen for
// it.
static void steal_room(bool full_first)
{
    enum { VICTIM, OTHER, NEWCOMER };
    const unsigned room = lab_entries / 2 - 4;

    lab_make_pmaps(NEWCOMER + 1);
    lab_make_tables(VICTIM, 511);
    for (unsigned i = 4; i < 2 * lab_entries; i++)
        lab_enter(VICTIM, LAB_VA + i * PAGE_SIZE, i, PROT_RW,
                  (i < lab_entries) == full_first || i % 2 ? PMAP_WIRED : 0);
    lab_map_row(OTHER, LAB_VA, 0, lab_entries);
    lab_make_tables(NEWCOMER, 511);
    lab_exhaust();
    lab_point("exhausted", true);
    uint64_t before = lab_reclaims();
    for (unsigned i = 0; i < lab_entries - 4 + 10; i++) // one more chunk than it has
        lab_must_enter(NEWCOMER, LAB_VA + i * PAGE_SIZE, i);
    uint64_t stolen = lab_reclaims();
    KTEST_CHECK(stolen > before, "nothing was stolen where there was no page");
    for (unsigned i = 0; i < room; i++)
        lab_must_enter(VICTIM, LAB_VA + (2ul << 20) + i * PAGE_SIZE, i);
    KTEST_CHECK(lab_reclaims() == stolen,
                "%lu more reclaims for a process that has room for %u mappings in its own chunk",
                lab_reclaims() - stolen, room);
    lab_point("stolen", false);
    lab_destroy_pmaps();
    lab_relent();
}

KTEST(lab_pv_steal_room)
{
    lab_make_pages(512);
    steal_room(true);
    steal_room(false);
    lab_free_pages();
}

// Half of what the process's own chunk holds is wired, and that chunk is the oldest: it gives room,
// which is enough. Nobody else loses anything before that is used up.
KTEST(lab_pv_steal_enough)
{
    enum { OWN, OTHER };
    const unsigned room = lab_entries / 2 - 2;

    lab_make_pmaps(OTHER + 1);
    lab_make_pages(512);
    lab_make_tables(OWN, 511);
    for (unsigned i = 4; i < lab_entries; i++)
        lab_enter(OWN, LAB_VA + i * PAGE_SIZE, i, PROT_RW, i % 2 ? PMAP_WIRED : 0);
    lab_map_row(OTHER, LAB_VA, 0, lab_entries);
    lab_exhaust();
    lab_point("exhausted", true);
    for (unsigned i = 0; i < room; i++)
        lab_must_enter(OWN, LAB_VA + (2ul << 20) + i * PAGE_SIZE, i);
    lab_point("stolen", false);
    lab_destroy_pmaps();
    lab_relent();
    lab_point("end", false);
    lab_free_pages();
}

// Two used rows in two victims, then a third process that needs far more than what is left.
KTEST(lab_pv_steal)
{
    unsigned entered = 0;
    struct vm_page_stats before, after;

    lab_make_pmaps(3);
    lab_make_pages(ROW + 1);
    lab_make_tables(2, ROW);
    irq_push();
    use_row(0);
    use_row(1); // its translations stay in this CPU's TLB
    lab_exhaust();
    lab_point("exhausted", true);
    vm_page_get_stats(&before);
    for (unsigned i = 0; i < 1500; i++)
        entered += pmap_enter(lab_pmap[2], LAB_VA + i % 511 * PAGE_SIZE + i / 511 * (2ul << 20),
                              lab_page[i % ROW], PROT_READ, 0) == 0;
    vm_page_get_stats(&after);
    record_printf("entered %u of 1500", entered);
    record_printf("without %lu", after.alloc_failures - before.alloc_failures);
    unsigned left = look_at_row(1);
    irq_pop();
    record_printf("left %u of %u", left, ROW);
    lab_point("stolen", false);
    lab_destroy_pmaps();
    lab_relent();
    lab_point("end", false);
    lab_free_pages();
}

// Forty processes with five mappings each: nearly all room in their chunks is free, and only
// whole chunks help. What the newcomer has entered itself must stay: it is not the oldest. Then the
// victims go on, with the newcomer's chunks there and after they were given back: what a process
// remembered of a chunk ended when that was stolen.
KTEST(lab_pv_steal_sparse)
{
    enum { VICTIMS = 40, EACH = 5, WANTED = 2000 };
    unsigned entered = 0;
    struct vm_page_stats before, after;

    lab_make_pmaps(VICTIMS + 1);
    lab_make_pages(WANTED);
    if (lab_by_use) // the newcomer's own chunk is the oldest, and saved by its use
        lab_make_tables(VICTIMS, 0);
    for (unsigned pmap = 0; pmap < VICTIMS; pmap++)
        for (unsigned i = 0; i < EACH; i++)
            lab_enter(pmap, LAB_VA + i * PAGE_SIZE, i, PROT_RW, 0);
    if (!lab_by_use)
        lab_make_tables(VICTIMS, 0);
    lab_exhaust();
    lab_point("exhausted", true);
    vm_page_get_stats(&before);
    for (unsigned i = 0; i < WANTED; i++)
        entered +=
            pmap_enter(lab_pmap[VICTIMS], LAB_VA + i % 511 * PAGE_SIZE + i / 511 * (2ul << 20),
                       lab_page[i], PROT_READ, 0) == 0;
    vm_page_get_stats(&after);
    record_printf("entered %u of %u", entered, WANTED);
    record_printf("given %lu", after.allocs - before.allocs);
    lab_point("stolen", false);
    for (unsigned pmap = 0; pmap < VICTIMS; pmap++)
        lab_must_enter(pmap, LAB_VA, 0);
    lab_point("again", false);
    lab_relent();
    pmap_remove_all_user(lab_pmap[VICTIMS]);
    for (unsigned pmap = 0; pmap < VICTIMS; pmap++)
        lab_must_enter(pmap, LAB_VA + PAGE_SIZE, 1);
    lab_point("returned", false);
    lab_destroy_pmaps();
    lab_point("end", false);
    lab_free_pages();
}

// Alone in the world: a process that can only steal from itself. Its oldest chunk is all wired, and
// the next one in part: that has room, and no page.
KTEST(lab_pv_steal_own)
{
    unsigned entered = 0;

    lab_make_pmaps(1);
    lab_make_pages(512);
    lab_make_tables(0, 0);
    for (unsigned i = 0; i < 500; i++)
        lab_enter(0, LAB_VA + i * PAGE_SIZE, i, PROT_RW,
                  i < lab_entries - 4 || i == 200 || i == 300 ? PMAP_WIRED : 0);
    lab_exhaust_but_reserve();
    for (unsigned i = 0; i < 300; i++) // more than two chunks can take, whatever they held
        lab_enter(0, LAB_VA + (2ul << 20) + i * PAGE_SIZE, i, PROT_RW, 0);
    lab_point("low", true);
    lab_exhaust();
    lab_point("exhausted", true);
    for (unsigned i = 0; i < 2000; i++) {
        vaddr_t va = LAB_VA + i % 511 * PAGE_SIZE + (1 + i / 511 % 3) * (2ul << 20);
        entered += pmap_enter(lab_pmap[0], va, lab_page[i % 512], PROT_READ, 0) == 0;
    }
    record_printf("entered %u of 2000", entered);
    lab_point("stolen", false);
    lab_destroy_pmaps();
    lab_relent();
    lab_point("end", false);
    lab_free_pages();
}

// Everything is wired: there is nothing to steal, and entering fails in order.
KTEST(lab_pv_nothing_to_steal)
{
    unsigned failed = 0;

    lab_make_pmaps(2);
    lab_make_pages(512);
    lab_make_tables(0, 0);
    lab_make_tables(1, 0);
    for (unsigned i = 0; i < 400; i++)
        lab_enter(0, LAB_VA + i * PAGE_SIZE, i, PROT_RW, PMAP_WIRED);
    lab_exhaust();
    lab_point("exhausted", true);
    uint64_t without = alloc_failures();
    for (unsigned i = 0; i < 1022; i++)
        failed += pmap_enter(lab_pmap[1], LAB_VA + i % 511 * PAGE_SIZE + i / 511 * (2ul << 20),
                             lab_page[i % 512], PROT_READ, PMAP_WIRED) != 0;
    record_printf("failed %u of 1022", failed);
    record_printf("asked %lu for %u", alloc_failures() - without, failed);
    lab_point("failed", false);
    lab_destroy_pmaps();
    lab_relent();
    lab_point("end", false);
    lab_free_pages();
}

// The same little work with the first allocation failing, then the second, and so on until none
// does: each time what was not entered is not there, and nothing is lost.
KTEST(lab_pv_fail_nth)
{
    enum { N = 190 };
    struct kctx *k = kctx_current();
    bool spent = true;

    lab_make_pages(N);
    for (uint64_t nth = 1; spent && nth < 2 * N; nth++) {
        lab_make_pmaps(1);
        unsigned failed = 0;
        k->fail_nth = nth;
        for (unsigned i = 0; i < N; i++) {
            failed += pmap_enter(lab_pmap[0], LAB_VA + i * PAGE_SIZE, lab_page[i], PROT_RW, 0) != 0;
            if (i % 40 == 39)
                pmap_remove(lab_pmap[0], LAB_VA + (i - 20) * PAGE_SIZE,
                            LAB_VA + (i - 10) * PAGE_SIZE);
        }
        spent = k->fail_nth == 0;
        k->fail_nth = 0;
        if (nth < 12 || nth % 8 == 0 || !spent) {
            record_printf("nth %lu failed %u", nth, failed);
            lab_point("nth", false);
        }
        lab_destroy_pmaps();
    }
    lab_point("end", false);
    lab_free_pages();
}
