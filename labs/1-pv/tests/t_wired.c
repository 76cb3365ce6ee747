// SPDX-License-Identifier: BSD-2-Clause
//
// What cannot be stolen when there is no memory, and what it costs to find that out: chunks that
// are wired, all or in part. One CPU.

#include "dev/record.h"
#include "lab_pv.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "pmap/pmap_impl.h"
#include "tests/kernel/watch.h"

static unsigned touched; // times that the watched word was

static void count_touches(vaddr_t rip)
{
    (void)rip;
    touched++;
}

static void count_looks(vaddr_t rip)
{
    (void)rip;
    touched++;
}

// Who flushes a pmap's TLBs asks who has it loaded; others may ask, too.
static void count_flushes(vaddr_t rip)
{
    touched += strncmp(watch_function_at(rip), "tlb_flush", 9) == 0;
}

// Enters mappings [from, to) of the newcomer; how often fn counted a touch of a word meanwhile.
static unsigned touches(const void *word, void (*fn)(vaddr_t rip), unsigned pmap, unsigned from,
                        unsigned to)
{
    unsigned entered = 0;

    touched = 0;
    watch_words(word, 1, fn == count_touches ? WATCH_WRITES : WATCH_ALL, fn);
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
// alone, and of eight chunks that are stolen the first one alone may look at them. The victim's
// chunks come next.
KTEST(lab_pv_steal_wired)
{
    enum { WIRED = 4, EACH = 20, VICTIM = WIRED, NEWCOMER, HALF = 750 };

    lab_make_pmaps(NEWCOMER + 1);
    lab_make_pages(512);
    for (unsigned pmap = 0; pmap < WIRED; pmap++)
        for (unsigned i = 0; i < EACH; i++)
            lab_enter(pmap, LAB_VA + i * PAGE_SIZE, i, PROT_RW, PMAP_WIRED);
    lab_make_tables(VICTIM, 511);
    for (unsigned i = 0; i < 2 * HALF + 400; i++)
        lab_enter(VICTIM, LAB_VA + i % 511 * PAGE_SIZE + i / 511 * (2ul << 20), i % 511, PROT_RW,
                  0);
    lab_make_tables(NEWCOMER, 511);
    lab_exhaust();
    lab_point("exhausted", true);
    record_printf("asked %u", touches(&lab_pmap[0]->active, count_flushes, NEWCOMER, 0, HALF));
    unsigned looked =
        touches(&lab_pmap[0]->lock.lock.owner, count_touches, NEWCOMER, HALF, 2 * HALF);
    record_printf("looked %u each %u", looked, touches_of_a_look(lab_pmap[0]));
    lab_point("stolen", false);
    lab_destroy_pmaps();
    lab_relent();
    lab_point("end", false);
    lab_free_pages();
}

// The oldest chunks are the entering process's own, and all wired: they gave nothing, too, and are
// not looked at for the next mapping, while a victim has others. A look is one at the page table.
KTEST(lab_pv_steal_wired_own)
{
    enum { VICTIM, OWN, CHUNKS = 6 };
    const vaddr_t wired_va = LAB_VA + 4 * (2ul << 20);

    lab_make_pmaps(OWN + 1);
    lab_make_pages(512);
    lab_make_tables(OWN, 511);
    for (unsigned i = 0; i < 2 * lab_entries - 4; i++)
        lab_enter(OWN, wired_va + i * PAGE_SIZE, i, PROT_RW, PMAP_WIRED);
    for (unsigned i = 0; i < CHUNKS * lab_entries; i++)
        lab_enter(VICTIM, LAB_VA + i * PAGE_SIZE, i % 512, PROT_RW, 0);
    lab_exhaust();
    lab_point("exhausted", true);
    const uint64_t *pte = pmap_pte(lab_pmap[OWN], wired_va + PAGE_SIZE);
    unsigned first = touches(pte, count_looks, OWN, 0, 1);
    unsigned later = touches(pte, count_looks, OWN, 1, (CHUNKS - 1) * lab_entries);
    record_printf("looked %u then %u", first, later);
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
    enum { WIRED = 600, VICTIM = 1, NEWCOMER };

    lab_make_pmaps(NEWCOMER + 1);
    lab_make_pages(512);
    for (unsigned i = 0; i < WIRED * lab_entries; i++)
        lab_enter(0, LAB_VA + i * PAGE_SIZE, i % 512, PROT_RW, i % lab_entries ? 0 : PMAP_WIRED);
    pmap_remove_all_user(lab_pmap[0]);
    lab_map_row(VICTIM, LAB_VA, 0, lab_entries);
    lab_make_tables(NEWCOMER, 511);
    lab_exhaust();
    lab_point("sparse", true);
    for (unsigned i = 0; i < lab_entries; i++)
        lab_must_enter(NEWCOMER, LAB_VA + i * PAGE_SIZE, i);
    lab_point("stolen", false);
    lab_destroy_pmaps();
    lab_relent();
    lab_point("end", false);
    lab_free_pages();
}

// Enters wired mappings [from, to), where that must work because there is something to steal.
static void must_wire(unsigned pmap, unsigned from, unsigned to, const char *why)
{
    for (unsigned i = from; i < to; i++) {
        vaddr_t va = LAB_VA + i % 511 * PAGE_SIZE + i / 511 * (2ul << 20);
        int error = pmap_enter(lab_pmap[pmap], va, lab_page[i % 512], PROT_READ, PMAP_WIRED);
        KTEST_CHECK(error == 0, "entering is refused (error %d) although %s: pmap %u va %lx", error,
                    why, pmap, va);
    }
}

#define LOOKS 1000u

static void see_looks(vaddr_t rip)
{
    (void)rip;
    if (++touched == LOOKS)
        panic("a chunk that is all wired is looked at again and again in one shortage");
}

// Tries to enter a wired mapping, and counts how often the lock of pmap `wired' was touched for it.
static int enter_and_see(unsigned pmap, unsigned slot, unsigned wired)
{
    touched = 0;
    watch_words(&lab_pmap[wired]->lock.lock.owner, 1, WATCH_WRITES, see_looks);
    int error = pmap_enter(lab_pmap[pmap], LAB_VA + slot * PAGE_SIZE, lab_page[slot], PROT_READ,
                           PMAP_WIRED);
    watch_off();
    return error;
}

// Nothing can be stolen: all chunks are wired but one, the youngest, whose pmap is locked by this
// thread here. However often somebody asks, and wherever the locked one has come to be in the order
// by then: each chunk is looked at once, and entering fails. When the lock is free, it works.
KTEST(lab_pv_steal_locked)
{
    enum { WIRED = 2, WIRED_TOO, EACH = 20, SLOTS = 511 };
    unsigned slot = 4;

    lab_make_pmaps(WIRED_TOO + 1);
    lab_make_pages(512);
    unsigned busy = lab_pmap[0] < lab_pmap[1] ? 0 : 1, needy = 1 - busy;
    lab_make_tables(needy, 511);
    for (unsigned pmap = WIRED; pmap <= WIRED_TOO; pmap++)
        for (unsigned i = 0; i < EACH; i++)
            lab_enter(pmap, LAB_VA + i * PAGE_SIZE, i, PROT_RW, PMAP_WIRED);
    for (; slot < lab_entries; slot++)
        lab_enter(needy, LAB_VA + slot * PAGE_SIZE, slot, PROT_READ, PMAP_WIRED);
    lab_map_row(busy, LAB_VA, 0, EACH);
    unsigned each = touches_of_a_look(lab_pmap[WIRED]);
    lab_exhaust();
    lab_point("exhausted", true);
    spin_lock(&lab_pmap[busy]->lock);
    for (unsigned refused = 0; refused < 4 && slot < SLOTS;) {
        if (enter_and_see(needy, slot, WIRED))
            refused++;
        else
            slot++; // there was room
        KTEST_CHECK(touched <= each, "%u looks at a chunk that is all wired, for one mapping",
                    touched / each);
    }
    spin_unlock(&lab_pmap[busy]->lock);
    must_wire(needy, slot, slot + 1, "there is something to steal");
    lab_point("stolen", false);
    lab_destroy_pmaps();
    lab_relent();
    lab_point("end", false);
    lab_free_pages();
}

// One look at each chunk, and nothing could be stolen: they are in the order still in which they
// were. When two of them are not wired any more, the one that comes before the other goes.
KTEST(lab_pv_steal_in_vain)
{
    enum { VICTIMS = 3, NEEDY = VICTIMS };
    unsigned slot = 4;

    lab_make_pmaps(NEEDY + 1);
    lab_make_pages(512);
    lab_make_tables(NEEDY, 511);
    for (; slot < lab_entries; slot++)
        lab_enter(NEEDY, LAB_VA + slot * PAGE_SIZE, slot, PROT_READ, PMAP_WIRED);
    for (unsigned pmap = 0; pmap < VICTIMS; pmap++)
        for (unsigned i = 0; i < lab_entries; i++)
            lab_enter(pmap, LAB_VA + i * PAGE_SIZE, i, PROT_RW, PMAP_WIRED);
    lab_exhaust();
    lab_point("exhausted", true);
    for (; slot < 500 && enter_and_see(NEEDY, slot, 0) == 0; slot++)
        ; // there was room
    for (unsigned pmap = 0; pmap < VICTIMS; pmap += VICTIMS - 1)
        for (unsigned i = 0; i < lab_entries; i++)
            pmap_unwire(lab_pmap[pmap], LAB_VA + i * PAGE_SIZE);
    must_wire(NEEDY, slot, slot + 1, "what was wired before is not any more");
    uint64_t older = lab_pmap[0]->resident, younger = lab_pmap[VICTIMS - 1]->resident;
    KTEST_CHECK(older == 0 && younger == lab_entries,
                "all wired, both were looked at in vain; now %lu mappings are left of the older "
                "chunk and %lu of the younger one, of %u each",
                older, younger, lab_entries);
    lab_point("stolen", false);
    lab_destroy_pmaps();
    lab_relent();
    lab_point("end", false);
    lab_free_pages();
}

// What was wired at one shortage is not at the next: one of the victim's chunks was full of wired
// mappings, and in the other one every second was. All that the newcomer has is wired, so that it
// cannot help itself.
KTEST(lab_pv_steal_unwired)
{
    enum { VICTIM, OTHER, NEWCOMER };

    lab_make_pmaps(NEWCOMER + 1);
    lab_make_pages(512);
    for (unsigned i = 0; i < 2 * lab_entries; i++)
        lab_enter(VICTIM, LAB_VA + i * PAGE_SIZE, i, PROT_RW,
                  i < lab_entries || i % 2 ? PMAP_WIRED : 0);
    lab_map_row(OTHER, LAB_VA, 0, lab_entries);
    lab_make_tables(NEWCOMER, 511);
    lab_exhaust();
    lab_point("exhausted", true);
    must_wire(NEWCOMER, 0, 2 * lab_entries - 4, "there is something to steal");
    KTEST_CHECK(lab_pmap[OTHER]->resident == 0,
                "%lu mappings are left of the only chunk without wired ones",
                lab_pmap[OTHER]->resident);
    for (unsigned i = 0; i < 2 * lab_entries; i++)
        if (i < lab_entries || i % 2)
            pmap_unwire(lab_pmap[VICTIM], LAB_VA + i * PAGE_SIZE);
    lab_point("unwired", true);
    must_wire(NEWCOMER, 2 * lab_entries - 4, 4 * lab_entries - 4,
              "what was wired before is not any more");
    lab_point("stolen", false);
    lab_destroy_pmaps();
    lab_relent();
    lab_point("end", false);
    lab_free_pages();
}

// Five full chunks of a victim are stolen one after the other. How often the victim's TLBs are
// flushed.
KTEST(lab_pv_steal_flushes)
{
    enum { VICTIM, NEWCOMER, CHUNKS = 5 };

    lab_make_pmaps(NEWCOMER + 1);
    lab_make_pages(512);
    for (unsigned i = 0; i < CHUNKS * lab_entries; i++)
        lab_enter(VICTIM, LAB_VA + i * PAGE_SIZE, i % 512, PROT_RW, 0);
    lab_make_tables(NEWCOMER, 511);
    lab_exhaust();
    lab_point("exhausted", true);
    uint64_t before = lab_reclaims();
    unsigned asked =
        touches(&lab_pmap[VICTIM]->active, count_flushes, NEWCOMER, 0, 3 * lab_entries);
    uint64_t stolen = lab_reclaims() - before;
    touched = 0;
    watch_words(&lab_pmap[VICTIM]->active, 1, WATCH_ALL, count_flushes);
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
