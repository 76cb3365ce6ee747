// SPDX-License-Identifier: BSD-2-Clause
//
// The reverse map on several CPUs at once, with memory and without. Every CPU works on every
// address space; the words it reads tell whether a page was reached after it was taken away.

#include "lab_pv.h"
#include "dev/record.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "sync/irq.h"
#include "tests/kernel/smp_test.h"

#define SMP_PMAPS 4u
#define SMP_PAGES 600u
#define SMP_HOT   32u
#define SMP_OWN   4u // of each CPU
#define SMP_TABLE 511u
#define DEAD      0xdeadul

static struct spinlock owner[SMP_PAGES]; // the page's owner, as pmap_enter wants it locked
static bool short_of_memory;
static unsigned refused, granted; // atomic

static vaddr_t smp_va(uint64_t slot)
{
    return LAB_VA + slot % SMP_TABLE * PAGE_SIZE + slot / SMP_TABLE * (2ul << 20);
}

static void set_words(unsigned page, uint64_t word)
{
    uint64_t *p = page_to_dmap(lab_page[page]);
    __atomic_store_n(p, word, __ATOMIC_SEQ_CST);
}

// Takes the page away from everybody, marks it dead for a while, revives it.
static void kill_page(unsigned page)
{
    pmap_page_protect(lab_page[page], PROT_NONE);
    if (pmap_page_mapped(lab_page[page]))
        ktest_fail("page %u is mapped after its removal", page);
    set_words(page, DEAD);
    for (unsigned n = 0; n < 10; n++)
        spin_poll();
    set_words(page, lab_word(page));
}

static void enter_page(unsigned pmap, uint64_t slot, unsigned page)
{
    int error = pmap_enter(lab_pmap[pmap], smp_va(slot), lab_page[page], PROT_READ, PROT_READ);
    __atomic_fetch_add(error ? &refused : &granted, 1, __ATOMIC_RELAXED);
    if (error && !short_of_memory)
        ktest_fail("entering page %u: error %d with memory free", page, error);
}

static void look(uint64_t slot)
{
    uint64_t word;

    // Slot s only ever holds pages that are s modulo 8.
    if (!lab_peek(smp_va(slot), &word))
        return;
    for (unsigned page = slot % 8; page < SMP_PAGES; page += 8)
        if (word == lab_word(page))
            return;
    ktest_fail("slot %lu reads %lx: %s", slot, word,
               word == DEAD ? "the page was taken away (TLB)" : "no page that belongs there");
}

// Pages that one CPU alone maps, each once, in the pmap that it has loaded: as long as its TLB
// reaches one, the page must count as mapped.
static void look_at_own(unsigned cpu)
{
    for (unsigned i = 0; i < SMP_OWN; i++) {
        unsigned page = SMP_PAGES + cpu * SMP_OWN + i;
        vaddr_t va = LAB_VA + 4 * (2ul << 20) + (page - SMP_PAGES) * PAGE_SIZE;
        uint64_t word;
        if (pmap_page_mapped(lab_page[page])) {
            lab_peek(va, &word); // loads the TLB
            continue;
        }
        set_words(page, DEAD);
        if (lab_peek(va, &word))
            ktest_fail("page %u counts as unmapped, but can still be read (TLB)", page);
        set_words(page, lab_word(page));
        pmap_enter(lab_pmap[cpu % SMP_PMAPS], va, lab_page[page], PROT_READ, PROT_READ);
    }
}

static void smp_work(unsigned cpu)
{
    struct rng r = lab_rng(100 + cpu);

    pmap_activate(lab_pmap[cpu % SMP_PMAPS]);
    for (unsigned n = 0; n < 1500; n++) {
        unsigned pmap = (unsigned)rng_below(&r, SMP_PMAPS);
        uint64_t slot = rng_below(&r, SMP_TABLE * 4), what = rng_below(&r, 64);
        // Most of the work is on few pages, so that CPUs meet on their lists.
        uint64_t range = rng_below(&r, 4) ? SMP_HOT : SMP_PAGES;
        unsigned page = (unsigned)(rng_below(&r, range / 8) * 8 + slot % 8);
        if (what == 0) {
            pmap_remove(lab_pmap[pmap], smp_va(slot), smp_va(slot) + 4 * PAGE_SIZE);
        } else if (what == 1 && !short_of_memory) {
            pmap_activate(lab_pmap[pmap]);
        } else if (what < 8) {
            look(slot);
        } else if (spin_trylock(&owner[page])) {
            if (what < 10)
                kill_page(page);
            else if (what < 12)
                pmap_clear_reference(lab_page[page]);
            else
                enter_page(pmap, slot, page);
            spin_unlock(&owner[page]);
        }
        if (short_of_memory)
            look_at_own(cpu);
        spin_poll();
    }
}

static void set_up(void)
{
    struct rng r = lab_rng(200);

    take_short_turns(&r);
    lab_make_pmaps(SMP_PMAPS);
    lab_make_pages(SMP_PAGES + SMP_OWN * MAX_CPUS);
    for (unsigned i = 0; i < SMP_PAGES; i++)
        spin_init(&owner[i], "page owner", LOCK_VNODE_REF, 0);
    // The tables stay: one wired mapping in each.
    for (unsigned pmap = 0; pmap < SMP_PMAPS; pmap++)
        for (unsigned table = 0; table < 5; table++)
            lab_enter(pmap, LAB_VA + table * (2ul << 20) + SMP_TABLE * PAGE_SIZE, 0, PROT_READ,
                      PMAP_WIRED);
}

KTEST(lab_pv_smp)
{
    set_up();
    short_of_memory = false;
    on_all_cpus(smp_work);
    lab_point("worked", false);
    lab_destroy_pmaps();
    lab_point("end", false);
    lab_free_pages();
}

KTEST(lab_pv_smp_steal)
{
    set_up();
    for (unsigned pmap = 0; pmap < SMP_PMAPS; pmap++)
        for (unsigned i = 0; i < 400; i++)
            lab_enter(pmap, smp_va(i), i, PROT_READ, 0);
    lab_exhaust();
    short_of_memory = true;
    on_all_cpus(smp_work);
    record_printf("refused %u granted %u", refused, granted);
    lab_point("worked", false);
    lab_destroy_pmaps();
    lab_relent();
    lab_point("end", false);
    lab_free_pages();
}
