// SPDX-License-Identifier: BSD-2-Clause
//
// Whether pv_check finds what is wrong: the test damages the map on purpose, by the frozen
// interface and behind its back in the page table, and repairs it again. One CPU.

#include "dev/record.h"
#include "lab_pv.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "pmap/pmap_impl.h"
#include "sync/kctx.h"
#include "tests/kernel/watch.h"

#define PAGES    400u
#define VA(slot) (LAB_VA + (slot)*PAGE_SIZE)

static char text[2048];

static unsigned faults(bool *said)
{
    struct strbuf out;

    text[0] = '\0';
    strbuf_init(&out, text, sizeof(text));
    unsigned n = pv_check(&out);
    *said = text[0] != '\0';
    return n;
}

// Called with the damage done; what it finds is the judge's to weigh.
static void look(const char *damage)
{
    bool said;
    unsigned n = faults(&said);

    record_printf("damage %s %u %u", damage, n, said);
}

static void repaired(void)
{
    bool said;
    unsigned n = faults(&said);

    KTEST_CHECK(n == 0, "pv_check finds %u faults where nothing is wrong: %.80s", n, text);
}

// An entry that no mapping stands for: at va, of page `page'.
static void wrong_entry(const char *damage, unsigned pmap, vaddr_t va, unsigned page)
{
    struct pmap *pm = lab_pmap[pmap];

    spin_lock(&pm->lock);
    int error = pv_enter(pm, va, lab_page[page]);
    spin_unlock(&pm->lock);
    KASSERT(error == 0, "no memory for an entry");
    look(damage);
    spin_lock(&pm->lock);
    pv_remove(pm, va, lab_page[page]);
    spin_unlock(&pm->lock);
    repaired();
}

// A PTE that changes without a word to the reverse map.
static void wrong_pte(const char *damage, unsigned pmap, unsigned slot, uint64_t pte)
{
    uint64_t *at = pmap_pte(lab_pmap[pmap], VA(slot)), right = *at;

    *at = pte;
    look(damage);
    *at = right;
    repaired();
}

// ---- while others go on ----

static unsigned grows; // the pmap, of two, that gets a mapping
static bool shrinks;   // the other one loses one: there are as many as before
static unsigned left;  // moments at which that could happen, until it does
static bool has_changed;
static const struct spinlock *awaited; // it happens as this one is let go of

// A lock was taken or let go of. When this thread has neither a pmap's lock nor pv_lock, others may
// work.
static void change(vaddr_t rip)
{
    const struct kctx *k = kctx_current();

    (void)rip;
    for (size_t i = 1; i <= k->nheld; i++)
        if (k->held[i]->rank >= LOCK_PMAP)
            return;
    if (awaited->taken || has_changed)
        return;
    if (left-- > 0)
        return;
    has_changed = true;
    watch_off();
    lab_enter(grows, VA(PAGES), PAGES, PROT_READ, 0);
    if (shrinks)
        pmap_remove(lab_pmap[1 - grows], VA(0), VA(1));
}

// In the midst of it, as this lock is let go of for the nth time, a mapping comes in one pmap, and
// one may go in the other: nothing is wrong. False if it is over before that.
static bool check_meanwhile(const struct spinlock *lock, unsigned nth, unsigned how)
{
    awaited = lock;
    grows = how % 2;
    shrinks = how / 2;
    left = nth;
    has_changed = false;
    watch_words(&lock->taken, 1, WATCH_WRITES, change);
    repaired();
    watch_off();
    if (!has_changed)
        return false;
    repaired();
    pmap_remove(lab_pmap[grows], VA(PAGES), VA(PAGES + 1));
    if (shrinks)
        lab_enter(1 - grows, VA(0), 0, PROT_READ, 0);
    return true;
}

KTEST(lab_pv_check_meanwhile)
{
    enum { MAPPINGS = 3 };

    lab_make_pmaps(2);
    lab_make_pages(PAGES + 1);
    const struct spinlock *locks[] = {&pv_lock, &lab_pmap[0]->lock, &lab_pmap[1]->lock};
    for (unsigned pmap = 0; pmap < 2; pmap++)
        for (unsigned i = 0; i < MAPPINGS; i++)
            lab_enter(pmap, VA(i), i, PROT_READ, 0);
    for (unsigned how = 0; how < 4; how++)
        for (unsigned i = 0; i < array_len(locks); i++)
            for (unsigned nth = 0; check_meanwhile(locks[i], nth, how); nth++)
                ;
    lab_point("checked", false);
    lab_destroy_pmaps();
    lab_point("end", false);
    lab_free_pages();
}

KTEST(lab_pv_check)
{
    struct rng r = lab_rng(0);

    lab_make_pmaps(2);
    lab_make_pages(PAGES + 1);
    for (unsigned pmap = 0; pmap < 2; pmap++)
        for (unsigned i = 0; i < PAGES; i++)
            lab_enter(pmap, VA(i), i, PROT_READ, 0);
    repaired();
    for (unsigned round = 0; round < 3; round++) {
        unsigned pmap = (unsigned)rng_below(&r, 2), i = (unsigned)rng_below(&r, PAGES - 1);
        wrong_entry("nothing-mapped", pmap, VA(PAGES + i), PAGES);
        wrong_entry("twice", pmap, VA(i), i);
        wrong_entry("another-page-mapped", pmap, VA(i), PAGES);
        wrong_pte("mapping-gone", pmap, i, 0);
        wrong_pte("mapping-changed", pmap, i,
                  page_to_phys(lab_page[i + 1]) | pte_prot(PROT_READ) | PTE_U | PTE_MANAGED);
    }
    lab_point("checked", false);
    lab_destroy_pmaps();
    lab_point("end", false);
    lab_free_pages();
}
