// SPDX-License-Identifier: BSD-2-Clause
//
// Which locks are held, and what a TLB still reaches, at the very instructions that touch what the
// reverse map keeps in a page and in a pmap: the debug registers watch those words. One CPU, so
// that it is found whether or not another CPU would have come in between.

#include "amd64/ksyms.h"
#include "lab_pv.h"
#include "lib/ktest.h"
#include "pmap/pmap_impl.h"
#include "sync/irq.h"
#include "tests/kernel/watch.h"

#define PAGE_WORDS (sizeof(((struct vm_page *)0)->pv) / sizeof(uint64_t))
#define PMAP_WORDS (sizeof(struct pv_pmap) / sizeof(uint64_t))
_Static_assert(PAGE_WORDS == WATCH_MAX && PMAP_WORDS % WATCH_MAX == 0, "what one round watches");

#define PAGES    200u
#define PARTS    (1 + PMAP_WORDS / WATCH_MAX) // the page's words, and the pmap's in rounds
#define VA(slot) (LAB_VA + (slot)*PAGE_SIZE)

static unsigned touched;        // times that the watched words were
static struct pmap *watched_pm; // whose words are watched, or NULL: the page's

static const char *where(vaddr_t rip)
{
    struct ksym sym;

    return ksyms_find(rip - 1, &sym) ? sym.function : "an unknown function";
}

static void see_locks(vaddr_t rip)
{
    touched++;
    if (!spin_held(&pv_lock))
        ktest_fail("%s works on a %s's part of the reverse map without pv_lock", where(rip),
                   watched_pm ? "pmap" : "page");
    if (watched_pm && !spin_held(&watched_pm->lock))
        ktest_fail("%s works on a pmap's part of the reverse map without the pmap's lock",
                   where(rip));
}

static void watch(unsigned part, enum watch_kind kind)
{
    watched_pm = part ? lab_pmap[0] : NULL;
    const void *words = part ? (const void *)&lab_pmap[0]->pv.word[(part - 1) * WATCH_MAX]
                             : (const void *)lab_page[0]->pv;
    watch_words(words, WATCH_MAX, kind, see_locks);
}

// All ways on which an entry of page 0 or of pmap 0 comes and goes. Whether a pmap has room may be
// looked at with its lock alone, and whether a page is mapped with none.
static void come_and_go(unsigned part)
{
    enum watch_kind kind = part ? WATCH_WRITES : WATCH_ALL;

    watch(part, kind);
    for (unsigned round = 0; round < 2; round++) {
        lab_enter(0, VA(0), 0, PROT_RW, 0);
        lab_enter(1, VA(0), 0, PROT_RW, 0);
        lab_enter(0, VA(1), 0, PROT_READ, 0);
        lab_enter(0, VA(1), 1, PROT_READ, 0); // another page in its place
        lab_enter(0, VA(0), 0, PROT_READ, 0); // the same again
        pmap_remove(lab_pmap[0], VA(0), VA(2));
        lab_enter(0, VA(2), 0, PROT_RW, PMAP_WIRED);
        lab_enter(0, VA(3), 0, PROT_RW, 0);
        pmap_remove_all_user(lab_pmap[0]);
        pmap_remove_all_user(lab_pmap[1]);
        watch(part, WATCH_WRITES);
        pmap_page_protect(lab_page[0], PROT_NONE);
        watch(part, kind);
    }
    for (unsigned i = 0; i < PAGES; i++) // a second chunk comes and goes, too
        lab_enter(0, VA(i), i, PROT_RW, 0);
    pmap_remove(lab_pmap[0], VA(0), VA(PAGES));
    watch_off();
}

// Memory is short: mappings of pmap 0 are stolen for pmap 1.
static void be_stolen_from(unsigned part)
{
    for (unsigned i = 0; i < PAGES; i++)
        lab_enter(0, VA(i), i, PROT_RW, 0);
    lab_exhaust();
    watch(part, part ? WATCH_WRITES : WATCH_ALL);
    for (unsigned i = 0; i < 2 * PAGES; i++)
        pmap_enter(lab_pmap[1], VA(i), lab_page[1 + i % (PAGES - 1)], PROT_READ, 0);
    watch_off();
    lab_relent();
    pmap_remove(lab_pmap[0], VA(0), VA(PAGES));
    pmap_remove_all_user(lab_pmap[1]);
}

KTEST(lab_pv_locks)
{
    lab_make_pmaps(2);
    lab_make_pages(PAGES + 1);
    for (unsigned pmap = 0; pmap < 2; pmap++) // the tables stay
        lab_enter(pmap, VA(511), PAGES, PROT_READ, PMAP_WIRED);
    touched = 0;
    for (unsigned part = 0; part < PARTS; part++) {
        come_and_go(part);
        be_stolen_from(part);
    }
    KTEST_CHECK(touched, "nobody touched what a page keeps of the reverse map");
    lab_point("worked", false);
    lab_destroy_pmaps();
    lab_point("end", false);
    lab_free_pages();
}

// ---- the TLB ----

// Page 0's words are being changed. Its only mapping was in the TLB: if the mapping is gone from
// the page table and can still be read, the page is forgotten too early.
static void see_tlb(vaddr_t rip)
{
    const uint64_t *pte = pmap_pte(lab_pmap[0], VA(0));
    uint64_t word;

    touched++;
    if (!(pte && *pte & PTE_P) && lab_peek(VA(0), &word))
        ktest_fail("%s forgets a page's mapping while a TLB still reaches the page", where(rip));
}

KTEST(lab_pv_forget)
{
    uint64_t word;

    lab_make_pmaps(2);
    lab_make_pages(PAGES + 1);
    for (unsigned pmap = 0; pmap < 2; pmap++)
        lab_enter(pmap, VA(511), PAGES, PROT_READ, PMAP_WIRED);
    irq_push();
    pmap_activate(lab_pmap[0]);
    lab_enter(0, VA(0), 0, PROT_RW, 0);
    for (unsigned i = 1; i < 100; i++)
        lab_enter(0, VA(i), i, PROT_RW, 0);
    lab_exhaust();
    KTEST_CHECK(lab_peek(VA(0), &word), "the page is mapped, and cannot be read");
    watch_words(lab_page[0]->pv, WATCH_MAX, WATCH_WRITES, see_tlb);
    for (unsigned i = 0; i < 2 * PAGES; i++)
        pmap_enter(lab_pmap[1], VA(i), lab_page[1 + i % (PAGES - 1)], PROT_READ, 0);
    watch_off();
    irq_pop();
    lab_point("worked", false);
    lab_destroy_pmaps();
    lab_relent();
    lab_point("end", false);
    lab_free_pages();
}

// ---- a victim that is busy ----

// The oldest chunk's pmap is locked by somebody else: the next one is stolen from. The somebody
// is this thread here, in the order of two pmaps.
KTEST(lab_pv_busy)
{
    enum { EACH = 160, WANTED = 200 };

    lab_make_pmaps(3);
    lab_make_pages(PAGES + 1);
    unsigned busy = lab_pmap[0] < lab_pmap[1] ? 0 : 1, needy = 1 - busy;
    lab_enter(needy, VA(511), PAGES, PROT_READ, PMAP_WIRED);
    for (unsigned i = 0; i < EACH; i++)
        lab_enter(busy, VA(i), i, PROT_RW, 0);
    for (unsigned i = 0; i < EACH; i++)
        lab_enter(2, VA(i), i, PROT_RW, 0);
    lab_exhaust();
    spin_lock(&lab_pmap[busy]->lock);
    for (unsigned i = 0; i < WANTED; i++)
        pmap_enter(lab_pmap[needy], VA(i), lab_page[i], PROT_READ, 0);
    KTEST_CHECK(lab_pmap[busy]->resident == EACH, "%lu mappings are left of a pmap that was locked",
                lab_pmap[busy]->resident);
    spin_unlock(&lab_pmap[busy]->lock);
    lab_point("worked", false);
    lab_destroy_pmaps();
    lab_relent();
    lab_point("end", false);
    lab_free_pages();
}
