// SPDX-License-Identifier: BSD-2-Clause
//
// Which locks are held, and what a TLB still reaches, at the very instructions that touch what the
// reverse map keeps in a page, in a pmap and at the head of a chunk; and what the figures say
// whenever pv_lock is free: the debug registers watch those words. One CPU, so that it is found
// whether or not another CPU would have come in between.

#include "dev/record.h"
#include "lab_pv.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "mem/vm_page_impl.h"
#include "pmap/pmap_impl.h"
#include "sync/irq.h"
#include "sync/kctx.h"
#include "tests/kernel/watch.h"

#define PV_WORDS   (sizeof(((struct vm_page *)0)->pv) / sizeof(uint64_t))
#define PMAP_WORDS (sizeof(struct pv_pmap) / sizeof(uint64_t))
_Static_assert(PV_WORDS == WATCH_MAX && PMAP_WORDS % WATCH_MAX == 0, "what one round watches");

#define PAGES    200u
#define BETWEEN  190u                         // mappings of pmap 0, and another pmap enters one
#define PARTS    (1 + PMAP_WORDS / WATCH_MAX) // the page's words, and the pmap's; or the lock
#define HEADS    2u                           // then the first words of a stranger's chunk
#define ASKING   (PARTS + HEADS + 1)          // at last the count of requests for memory
#define VA(slot) (LAB_VA + (slot)*PAGE_SIZE)

static unsigned touched;         // times that the watched words were
static struct pmap *watched_pm;  // whose words are watched, or NULL: the page's
static const uint64_t *stranger; // a chunk of pmap 2, which is full of wired mappings; or NULL

static void see_locks(vaddr_t rip)
{
    touched++;
    if (!spin_held(&pv_lock))
        ktest_fail("%s works on a %s's part of the reverse map without pv_lock",
                   watch_function_at(rip), watched_pm ? "pmap" : "page");
    if (watched_pm && !spin_held(&watched_pm->lock))
        ktest_fail("%s works on a pmap's part of the reverse map without the pmap's lock",
                   watch_function_at(rip));
}

// The chunk's pmap is locked by nobody, or by who steals from it: its place in a list changes only
// under pv_lock.
static void see_stranger(vaddr_t rip)
{
    touched++;
    if (!spin_held(&pv_lock))
        ktest_fail("%s works on another pmap's chunk without pv_lock", watch_function_at(rip));
}

static void count_touches(vaddr_t rip)
{
    (void)rip;
    touched++;
}

static unsigned asked_locked; // requests for memory with pv_lock held

static void see_asking(vaddr_t rip)
{
    (void)rip;
    asked_locked += spin_held(&pv_lock);
}

static void see_figures(vaddr_t rip);

static void watch(unsigned part, enum watch_kind kind)
{
    if (part == ASKING) {
        watch_words(&kctx_current()->allocs, 1, WATCH_WRITES, see_asking);
        return;
    }
    if (part == PARTS) {
        watch_words(&pv_lock.taken, 1, WATCH_WRITES, see_figures);
        return;
    }
    if (part > PARTS) {
        if (stranger)
            watch_words(stranger + (part - PARTS - 1) * WATCH_MAX, WATCH_MAX, WATCH_WRITES,
                        see_stranger);
        return;
    }
    watched_pm = part ? lab_pmap[0] : NULL;
    const void *words = part ? (const void *)&lab_pmap[0]->pv.word[(part - 1) * WATCH_MAX]
                             : (const void *)lab_page[0]->pv;
    watch_words(words, WATCH_MAX, kind, see_locks);
}

// What is recorded of a page is mapped there, but for the mapping that is just being entered.
static void see_address(struct vm_page *pg)
{
    struct pv_mapping m;

    for (bool more = pv_first(pg, &m); more; more = pv_next(pg, &m)) {
        bool known = m.va >= LAB_VA && m.va < VA(512);
        const uint64_t *pte = known ? pmap_pte(m.pmap, m.va) : NULL;
        if (m.va != lab_entering && !(pte && *pte & PTE_P))
            ktest_fail("an entry has address %lx, where nothing is mapped, as pv_lock is let go of "
                       "while %lx is entered",
                       m.va, lab_entering);
    }
}

// pv_lock was let go of, or taken: whoever gets it next finds figures that agree with the lists.
static void see_figures(vaddr_t rip)
{
    uint64_t listed = 0, held = page_free.by_owner[PAGE_PV] * PAGE_SIZE;
    struct pv_stats st;

    (void)rip;
    if (pv_lock.taken)
        return;
    watch_off();
    pv_get_stats(&st);
    spin_lock(&pv_lock);
    for (unsigned i = 0; i <= PAGES; i++)
        listed += pv_count(lab_page[i]);
    for (unsigned i = 0; i < 2 && lab_entering; i++)
        see_address(lab_page[i]);
    spin_unlock(&pv_lock);
    if (st.pv_entry_count != listed)
        ktest_fail("pv_entry_count is %lu, and %lu entries are on lists, as pv_lock is let go of",
                   st.pv_entry_count, listed);
    if (st.pv_bytes > held || st.pv_entry_spare * sizeof(uint64_t) > st.pv_bytes)
        ktest_fail(
            "%lu entries are spare, pv_bytes is %lu, and %lu bytes are held, as pv_lock is let "
            "go of",
            st.pv_entry_spare, st.pv_bytes, held);
    watch(PARTS, WATCH_WRITES);
}

// Who asks for the figures gets them of one moment.
static void ask_for_figures(void)
{
    struct pv_stats st;

    touched = 0;
    watch_words(&pv_lock.taken, 1, WATCH_WRITES, count_touches);
    pv_get_stats(&st);
    watch_off();
    if (!touched)
        ktest_fail("pv_get_stats reads the figures without pv_lock");
}

// A page that is mapped throughout: whatever is changed of what is kept of it, with its other
// mappings or as it is looked at, it counts as mapped at each moment.
static void see_mapped(vaddr_t rip)
{
    touched++;
    if (!pv_is_mapped(lab_page[0]))
        ktest_fail("pv_is_mapped says, in the midst of %s, that a page is not mapped that is so "
                   "throughout",
                   watch_function_at(rip));
}

static void stay_mapped(void)
{
    struct pv_mapping m;

    lab_enter(0, VA(0), 0, PROT_RW, 0);
    watch_words(lab_page[0]->pv, WATCH_MAX, WATCH_WRITES, see_mapped);
    for (unsigned others = 0; others < 2; others++) {
        spin_lock(&pv_lock);
        for (bool more = pv_first(lab_page[0], &m); more; more = pv_next(lab_page[0], &m))
            ;
        (void)pv_count(lab_page[0]);
        spin_unlock(&pv_lock);
        pmap_clear_reference(lab_page[0]);
        pmap_page_protect(lab_page[0], PROT_READ);
        lab_enter(1, VA(1), 0, PROT_RW, 0);
        lab_enter(0, VA(1), 0, PROT_READ, 0);
    }
    pmap_remove(lab_pmap[0], VA(0), VA(1));
    pmap_remove_all_user(lab_pmap[1]);
    watch_off();
    pmap_remove(lab_pmap[0], VA(1), VA(2));
}

// Pmap 0 gets a second chunk, next to which the stranger's comes in the order of use.
static void fill_two_chunks(unsigned part, enum watch_kind kind)
{
    for (unsigned i = 0; i < PAGES; i++) {
        lab_enter(0, VA(i), i, PROT_RW, 0);
        if (i != BETWEEN)
            continue;
        watch_off();
        lab_enter(2, VA(0), PAGES, PROT_READ, PMAP_WIRED);
        pmap_remove(lab_pmap[2], VA(0), VA(1));
        watch(part, kind);
    }
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
    fill_two_chunks(part, kind); // the second goes, too: by addresses, at exit, with its pages
    pmap_remove(lab_pmap[0], VA(0), VA(PAGES));
    fill_two_chunks(part, kind);
    pmap_remove_all_user(lab_pmap[0]);
    fill_two_chunks(part, kind);
    watch(part, WATCH_WRITES);
    for (unsigned i = 0; i < PAGES; i++)
        pmap_page_protect(lab_page[i], PROT_NONE);
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

// The only page that the reverse map has, if it says itself that this is a chunk.
static const uint64_t *only_chunk(void)
{
    const uint64_t *found = NULL;
    struct pv_stats st;

    pv_get_stats(&st);
    for (unsigned s = 0; s < vm_page_nsegs && st.pc_chunk_count == 1; s++) {
        struct vm_page_seg *seg = &vm_page_segs[s];
        uint64_t npages = (seg->end_pa - seg->start_pa) >> PAGE_SHIFT;
        for (uint64_t i = 0; i < npages; i++)
            if (seg->pages[i].owner == PAGE_PV)
                found = page_to_dmap(&seg->pages[i]);
    }
    return found;
}

// Memory is asked for before pv_lock is taken: where there is some, and where there is none.
static void see_who_asks(void)
{
    come_and_go(ASKING);
    unsigned with = asked_locked;
    be_stolen_from(ASKING);
    record_printf("asked %u with %u without memory", with, asked_locked - with);
}

KTEST(lab_pv_locks)
{
    lab_make_pmaps(3);
    lab_make_pages(PAGES + 1);
    for (unsigned pmap = 3; pmap-- > 0;) { // the tables stay
        lab_enter(pmap, VA(511), PAGES, PROT_READ, PMAP_WIRED);
        if (pmap == 2)
            stranger = only_chunk();
    }
    touched = 0;
    for (unsigned part = 0; part < ASKING; part++) {
        come_and_go(part);
        be_stolen_from(part);
    }
    see_who_asks();
    stay_mapped();
    KTEST_CHECK(touched, "nobody touched what a page keeps of the reverse map");
    ask_for_figures();
    lab_point("worked", false);
    lab_destroy_pmaps();
    lab_point("end", false);
    lab_free_pages();
}

// ---- the TLB ----

// Mappings of the victim that fill a chunk, with the one that keeps its table.
#define CHUNKFUL (lab_entries - 1)

static unsigned watched_page;

static void forgotten(unsigned i, vaddr_t rip)
{
    const uint64_t *pte = pmap_pte(lab_pmap[0], VA(i));
    uint64_t word;

    if (!(pte && *pte & PTE_P) && lab_peek(VA(i), &word))
        ktest_fail("%s forgets a page's mapping while a TLB still reaches the page: page %u of %u",
                   watch_function_at(rip), i, CHUNKFUL);
}

// The watched page's words are being changed. Each page's only mapping was in the TLB: if it is
// gone from the page table and can still be read, the page is forgotten too early; and so are those
// that are forgotten already.
static void see_tlb(vaddr_t rip)
{
    for (unsigned i = 0; i < CHUNKFUL; i++)
        if (i == watched_page || !pv_is_mapped(lab_page[i]))
            forgotten(i, rip);
}

// The program that has pmap 0 goes on meanwhile, as on another CPU it would: whenever the watched
// PTE is looked at or changed, it reads all pages that it can, and so has them in its TLB again.
static void read_all(vaddr_t rip)
{
    uint64_t word;

    (void)rip;
    for (unsigned i = 0; i < CHUNKFUL; i++)
        lab_peek(VA(i), &word);
}

// pv_lock changes hands: what is recorded is mapped then, or somebody else comes in between.
static void see_let_go(vaddr_t rip)
{
    (void)rip;
    for (unsigned i = 0; i < CHUNKFUL; i++) {
        const uint64_t *pte = pmap_pte(lab_pmap[0], VA(i));
        if (pv_is_mapped(lab_page[i]) && !(pte && *pte & PTE_P)) {
            ktest_fail("pv_lock is let go of while an entry has no mapping: page %u of %u", i,
                       CHUNKFUL);
            return;
        }
    }
}

enum watched { BY_PAGE, BY_PTE, BY_LOCK, WATCHED };

// Steals all that pmap 0 has, with one page's part or its PTE watched: the first that is stolen or
// the last, or one between; or pv_lock. All translations are in the TLB when it begins. So many of
// the mappings come before the one that is wired and stays.
static void steal_watched(unsigned page, enum watched by, unsigned before)
{
    uint64_t word;

    for (unsigned i = 0; i <= CHUNKFUL; i++) {
        if (i == before)
            lab_enter(0, VA(511), PAGES, PROT_READ, PMAP_WIRED);
        if (i < CHUNKFUL)
            lab_enter(0, VA(i), i, PROT_RW, 0);
    }
    lab_enter(1, VA(511), PAGES, PROT_READ, PMAP_WIRED); // the younger chunk
    lab_exhaust();
    for (unsigned i = 0; i < CHUNKFUL; i++)
        KTEST_CHECK(lab_peek(VA(i), &word), "page %u is mapped, and cannot be read", i);
    watched_page = page;
    if (by == BY_LOCK)
        watch_words(&pv_lock.lock.owner, 1, WATCH_WRITES, see_let_go);
    else if (by == BY_PTE)
        watch_words(pmap_pte(lab_pmap[0], VA(page)), 1, WATCH_ALL, read_all);
    else
        watch_words(lab_page[page]->pv, WATCH_MAX, WATCH_WRITES, see_tlb);
    for (unsigned i = 0; i < CHUNKFUL + 1; i++)
        lab_must_enter(1, VA(i), CHUNKFUL + i % 32);
    watch_off();
    for (unsigned i = 0; i < CHUNKFUL; i++)
        forgotten(i, (vaddr_t)steal_watched + 1);
    lab_relent();
    for (unsigned pmap = 0; pmap < 2; pmap++)
        pmap_remove(lab_pmap[pmap], VA(0), VA(512));
}

KTEST(lab_pv_forget)
{
    lab_make_pmaps(2);
    lab_make_pages(PAGES + 1);
    irq_push();
    pmap_activate(lab_pmap[0]);
    for (enum watched by = BY_PAGE; by < WATCHED; by++) {
        for (unsigned before = 0; before <= CHUNKFUL; before += CHUNKFUL) {
            steal_watched(0, by, before);
            steal_watched(CHUNKFUL / 2, by, before);
            steal_watched(CHUNKFUL - 1, by, before);
        }
    }
    irq_pop();
    lab_point("worked", false);
    lab_destroy_pmaps();
    lab_point("end", false);
    lab_free_pages();
}

// ---- a victim that is busy ----

#define TRIES 10000u

static void see_tried(vaddr_t rip)
{
    (void)rip;
    if (++touched == TRIES)
        panic("a pmap that was locked by another is tried again and again");
}

// The oldest chunk's pmap is locked by somebody else: the next one is stolen from. The somebody
// is this thread here, in the order of two pmaps.
KTEST(lab_pv_busy)
{
    enum { EACH = 160, WANTED = 200 };

    lab_make_pmaps(3);
    lab_make_pages(PAGES + 1);
    unsigned busy = lab_pmap[0] < lab_pmap[1] ? 0 : 1, needy = 1 - busy;
    for (unsigned i = 0; i < EACH; i++)
        lab_enter(busy, VA(i), i, PROT_RW, 0);
    for (unsigned i = 0; i < EACH; i++)
        lab_enter(2, VA(i), i, PROT_RW, 0);
    lab_enter(needy, VA(511), PAGES, PROT_READ, PMAP_WIRED);
    lab_exhaust();
    spin_lock(&lab_pmap[busy]->lock);
    touched = 0;
    watch_words(&lab_pmap[busy]->lock.taken, 1, WATCH_ALL, see_tried);
    for (unsigned i = 0; i < WANTED; i++)
        lab_must_enter(needy, VA(i), i);
    watch_off();
    KTEST_CHECK(lab_pmap[busy]->resident == EACH, "%lu mappings are left of a pmap that was locked",
                lab_pmap[busy]->resident);
    spin_unlock(&lab_pmap[busy]->lock);
    lab_point("worked", false);
    lab_destroy_pmaps();
    lab_relent();
    lab_point("end", false);
    lab_free_pages();
}
