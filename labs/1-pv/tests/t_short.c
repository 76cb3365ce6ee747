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
#include "tests/kernel/watch.h"

#define ROW 336u // mappings of a victim

// The tables for LAB_VA's first 8 MiB, so that nothing but the reverse map needs memory later.
static void make_tables(unsigned pmap, unsigned page)
{
    for (unsigned table = 0; table < 4; table++)
        lab_enter(pmap, LAB_VA + table * (2ul << 20) + (511ul << PAGE_SHIFT), page, PROT_READ,
                  PMAP_WIRED);
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

static void fill(unsigned pmap, unsigned first, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        lab_enter(pmap, LAB_VA + i * PAGE_SIZE, first + i, PROT_RW, 0);
}

// The first victim's chunk is older, but an entry was taken from it after the second's.
static void use_again(unsigned mine, unsigned others)
{
    fill(0, 0, mine);
    fill(1, OTHERS, others);
    pmap_remove(lab_pmap[0], LAB_VA, LAB_VA + PAGE_SIZE);
    lab_enter(0, LAB_VA, 0, PROT_RW, 0);
}

// The second victim's chunk is older, and all that happens to it is no use: entries go, on each of
// the ways, its pages' mappings are asked for, and one is entered that is there.
static void look_and_give(unsigned mine, unsigned others)
{
    fill(1, OTHERS, others);
    fill(0, 0, mine);
    pmap_remove(lab_pmap[1], LAB_VA, LAB_VA + PAGE_SIZE);
    pmap_page_protect(lab_page[OTHERS + 1], PROT_NONE);
    pmap_clear_reference(lab_page[OTHERS + 2]);
    lab_enter(1, LAB_VA + 3 * PAGE_SIZE, OTHERS + 3, PROT_READ, 0);
}

// The second victim goes first. With chunks that are full and others that are not, so that use
// alone tells which.
static void steal_used(void (*work)(unsigned mine, unsigned others), unsigned mine, unsigned others)
{
    lab_make_pmaps(3);
    make_tables(2, 511);
    work(mine, others);
    uint64_t had = lab_pmap[0]->resident + lab_pmap[1]->resident;
    lab_exhaust();
    lab_point("exhausted", true);
    for (unsigned i = 0; i < 500; i++) {
        lab_must_enter(2, LAB_VA + i * PAGE_SIZE, i);
        if (lab_pmap[0]->resident + lab_pmap[1]->resident < had)
            break;
    }
    lab_point("stolen", false);
    lab_destroy_pmaps();
    lab_relent();
}

KTEST(lab_pv_steal_used)
{
    static const uint8_t sizes[][2] = {{160, 160}, {168, 168}, {165, 168},
                                       {168, 165}, {5, 168},   {168, 5}};

    lab_make_pages(512);
    for (unsigned i = 0; i < array_len(sizes); i++) {
        steal_used(use_again, sizes[i][0], sizes[i][1]);
        steal_used(look_and_give, sizes[i][0], sizes[i][1]);
    }
    lab_free_pages();
}

// ---- room that stealing leaves ----

static uint64_t reclaims(void)
{
    struct pv_stats st;

    pv_get_stats(&st);
    return st.pv_reclaims;
}

// A victim's oldest chunk is all wired, and stays full; of the next one a half is stolen. That half
// is the victim's to use before anything else is stolen for it.
KTEST(lab_pv_steal_room)
{
    enum { VICTIM, OTHER, NEWCOMER, CHUNK = 168, HALF = CHUNK / 2 };

    lab_make_pmaps(NEWCOMER + 1);
    lab_make_pages(512);
    make_tables(VICTIM, 511);
    for (unsigned i = 4; i < 2 * CHUNK; i++)
        lab_enter(VICTIM, LAB_VA + i * PAGE_SIZE, i, PROT_RW, i < CHUNK || i % 2 ? PMAP_WIRED : 0);
    for (unsigned i = 0; i < CHUNK; i++)
        lab_enter(OTHER, LAB_VA + i * PAGE_SIZE, i, PROT_RW, 0);
    make_tables(NEWCOMER, 511);
    lab_exhaust();
    lab_point("exhausted", true);
    uint64_t before = reclaims();
    for (unsigned i = 0; i < CHUNK - 4 + 10; i++) // one more chunk than it has
        lab_must_enter(NEWCOMER, LAB_VA + i * PAGE_SIZE, i);
    uint64_t stolen = reclaims();
    KTEST_CHECK(stolen > before, "nothing was stolen where there was no page");
    for (unsigned i = 0; i < HALF; i++)
        lab_must_enter(VICTIM, LAB_VA + (2ul << 20) + i * PAGE_SIZE, i);
    KTEST_CHECK(reclaims() == stolen,
                "%lu more reclaims for a process that has room for %u mappings in its own chunk",
                reclaims() - stolen, HALF);
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

    lab_make_pmaps(3);
    lab_make_pages(ROW + 1);
    make_tables(2, ROW);
    irq_push();
    use_row(0);
    use_row(1); // its translations stay in this CPU's TLB
    lab_exhaust();
    lab_point("exhausted", true);
    for (unsigned i = 0; i < 1500; i++)
        entered += pmap_enter(lab_pmap[2], LAB_VA + i % 511 * PAGE_SIZE + i / 511 * (2ul << 20),
                              lab_page[i % ROW], PROT_READ, 0) == 0;
    record_printf("entered %u of 1500", entered);
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
// whole chunks help. What the newcomer has entered itself must stay: it is not the oldest.
KTEST(lab_pv_steal_sparse)
{
    enum { VICTIMS = 40, EACH = 5, WANTED = 2000 };
    unsigned entered = 0;

    lab_make_pmaps(VICTIMS + 1);
    lab_make_pages(WANTED);
    make_tables(VICTIMS, 0);
    for (unsigned pmap = 0; pmap < VICTIMS; pmap++)
        for (unsigned i = 0; i < EACH; i++)
            lab_enter(pmap, LAB_VA + i * PAGE_SIZE, i, PROT_RW, 0);
    lab_exhaust();
    lab_point("exhausted", true);
    for (unsigned i = 0; i < WANTED; i++)
        entered +=
            pmap_enter(lab_pmap[VICTIMS], LAB_VA + i % 511 * PAGE_SIZE + i / 511 * (2ul << 20),
                       lab_page[i], PROT_READ, 0) == 0;
    record_printf("entered %u of %u", entered, WANTED);
    lab_point("stolen", false);
    lab_destroy_pmaps();
    lab_relent();
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
    make_tables(0, 0);
    for (unsigned i = 0; i < 500; i++)
        lab_enter(0, LAB_VA + i * PAGE_SIZE, i, PROT_RW,
                  i < 164 || i == 200 || i == 300 ? PMAP_WIRED : 0);
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

// ---- what cannot be stolen ----

static unsigned touched; // times that the watched word was

static void count_touches(vaddr_t rip)
{
    (void)rip;
    touched++;
}

// Enters mappings [from, to) of the newcomer; how often a word was touched meanwhile.
static unsigned touches(const void *word, enum watch_kind kind, unsigned pmap, unsigned from,
                        unsigned to)
{
    unsigned entered = 0;

    touched = 0;
    watch_words(word, 1, kind, count_touches);
    for (unsigned i = from; i < to; i++)
        entered += pmap_enter(lab_pmap[pmap], LAB_VA + i % 511 * PAGE_SIZE + i / 511 * (2ul << 20),
                              lab_page[i % 512], PROT_READ, 0) == 0;
    watch_off();
    record_printf("entered %u of %u", entered, to - from);
    return touched;
}

// What one look at a pmap's chunk costs in touches of the lock's owner.
static unsigned touches_of_a_look(struct pmap *pm)
{
    touched = 0;
    watch_words(&pm->lock.lock.owner, 1, WATCH_WRITES, count_touches);
    spin_lock(&pm->lock);
    spin_unlock(&pm->lock);
    watch_off();
    return touched;
}

// The oldest chunks are all wired. No page comes of them, now or later: their pmap's TLBs are left
// alone (a flush asks who has the pmap loaded), and of eight chunks that are stolen the first one
// alone may look at them. The victim's chunks come next.
KTEST(lab_pv_steal_wired)
{
    enum { WIRED = 4, EACH = 20, VICTIM = WIRED, NEWCOMER, HALF = 750 };

    lab_make_pmaps(NEWCOMER + 1);
    lab_make_pages(512);
    for (unsigned pmap = 0; pmap < WIRED; pmap++)
        for (unsigned i = 0; i < EACH; i++)
            lab_enter(pmap, LAB_VA + i * PAGE_SIZE, i, PROT_RW, PMAP_WIRED);
    make_tables(VICTIM, 511);
    for (unsigned i = 0; i < 2 * HALF + 400; i++)
        lab_enter(VICTIM, LAB_VA + i % 511 * PAGE_SIZE + i / 511 * (2ul << 20), i % 511, PROT_RW,
                  0);
    make_tables(NEWCOMER, 511);
    lab_exhaust();
    lab_point("exhausted", true);
    unsigned asked = touches(&lab_pmap[0]->active, WATCH_ALL, NEWCOMER, 0, HALF);
    record_printf("asked %u", asked);
    unsigned looked =
        touches(&lab_pmap[0]->lock.lock.owner, WATCH_WRITES, NEWCOMER, HALF, 2 * HALF);
    record_printf("looked %u each %u", looked, touches_of_a_look(lab_pmap[0]));
    lab_point("stolen", false);
    lab_destroy_pmaps();
    lab_relent();
    lab_point("end", false);
    lab_free_pages();
}

// Before the one chunk that can be had come hundreds of others, each with a wired mapping in it:
// the walk goes on until it has been everywhere.
KTEST(lab_pv_steal_far)
{
    enum { CHUNK = 168, WIRED = 600, VICTIM = 1, NEWCOMER };

    lab_make_pmaps(NEWCOMER + 1);
    lab_make_pages(512);
    make_tables(NEWCOMER, 511);
    for (unsigned i = 0; i < WIRED * CHUNK; i++)
        lab_enter(0, LAB_VA + i * PAGE_SIZE, i % 512, PROT_RW, i % CHUNK ? 0 : PMAP_WIRED);
    pmap_remove_all_user(lab_pmap[0]);
    fill(VICTIM, 0, CHUNK);
    lab_exhaust();
    lab_point("sparse", true);
    for (unsigned i = 0; i < CHUNK; i++)
        lab_must_enter(NEWCOMER, LAB_VA + i * PAGE_SIZE, i);
    lab_point("stolen", false);
    lab_destroy_pmaps();
    lab_relent();
    lab_point("end", false);
    lab_free_pages();
}

// Five full chunks of a victim are stolen one after the other. How often the victim's TLBs are
// flushed: a flush asks who has the pmap loaded.
KTEST(lab_pv_steal_flushes)
{
    enum { VICTIM, NEWCOMER, CHUNK = 168, CHUNKS = 5 };

    lab_make_pmaps(NEWCOMER + 1);
    lab_make_pages(512);
    for (unsigned i = 0; i < CHUNKS * CHUNK; i++)
        lab_enter(VICTIM, LAB_VA + i * PAGE_SIZE, i % 512, PROT_RW, 0);
    make_tables(NEWCOMER, 511);
    lab_exhaust();
    lab_point("exhausted", true);
    uint64_t before = reclaims();
    unsigned asked = touches(&lab_pmap[VICTIM]->active, WATCH_ALL, NEWCOMER, 0, 3 * CHUNK);
    uint64_t stolen = reclaims() - before;
    touched = 0;
    watch_words(&lab_pmap[VICTIM]->active, 1, WATCH_ALL, count_touches);
    spin_lock(&lab_pmap[VICTIM]->lock);
    pmap_flush_all(lab_pmap[VICTIM]);
    spin_unlock(&lab_pmap[VICTIM]->lock);
    watch_off();
    record_printf("flushed %u each %u stolen %lu", asked, touched, stolen);
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
    make_tables(0, 0);
    make_tables(1, 0);
    for (unsigned i = 0; i < 400; i++)
        lab_enter(0, LAB_VA + i * PAGE_SIZE, i, PROT_RW, PMAP_WIRED);
    lab_exhaust();
    lab_point("exhausted", true);
    for (unsigned i = 0; i < 1022; i++)
        failed += pmap_enter(lab_pmap[1], LAB_VA + i % 511 * PAGE_SIZE + i / 511 * (2ul << 20),
                             lab_page[i % 512], PROT_READ, PMAP_WIRED) != 0;
    record_printf("failed %u of 1022", failed);
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
