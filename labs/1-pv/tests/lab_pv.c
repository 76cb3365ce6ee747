// SPDX-License-Identifier: BSD-2-Clause
//
// The common part of the lab's in-kernel tests: address spaces, pages, shortage, the report.

#include "lab_pv.h"
#include "amd64/usercopy.h"
#include "dev/judge.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "main/cmdline.h"
#include "mem/pool.h"

struct lab_report lab_report;
struct pmap *lab_pmap[LAB_MAX_PMAPS];
struct vm_page *lab_page[LAB_MAX_PAGES];

uint64_t lab_hoarded;

#define WORDS (PAGE_SIZE / sizeof(uint64_t))

static unsigned npages;
static uint64_t filling[WORDS]; // of all pages, each from another word on
static char owners[2][256];     // stand for an object and an anon, which nobody looks into
static struct list hoard = LIST_INIT(hoard); // pages that lab_exhaust took

// ---- setting up ----

struct rng lab_rng(uint64_t part)
{
    struct rng r = {cmdline_number("seed", 1) + (part << 32)};
    return r;
}

uint64_t lab_word(unsigned page)
{
    struct rng r = lab_rng(1000 + page);
    return rng_next(&r);
}

void lab_make_pmaps(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        lab_pmap[i] = pmap_create();
        KASSERT(lab_pmap[i], "no memory for pmap %u", i);
    }
}

uint64_t lab_fill(unsigned page, unsigned word)
{
    return filling[(page + word) % WORDS];
}

void lab_make_pages(unsigned n)
{
    struct rng r = lab_rng(999);

    for (unsigned w = 0; w < WORDS; w++)
        filling[w] = rng_next(&r);
    for (unsigned i = 0; i < n; i++) {
        bool anon = i % 2;
        struct vm_page *pg = vm_page_alloc(anon ? PAGE_ANON : PAGE_OBJECT, 0);
        KASSERT(pg, "no memory for page %u", i);
        uint64_t *word = page_to_dmap(pg);
        word[0] = lab_word(i);
        for (unsigned w = 1; w < WORDS; w++)
            word[w] = lab_fill(i, w);
        pg->anon = anon ? (struct vm_anon *)owners[1] : NULL;
        pg->object = anon ? NULL : (struct vm_object *)owners[0];
        pg->pgno = i;
        vm_page_activate(pg);
        lab_page[i] = pg;
    }
    npages = n;
}

void lab_destroy_pmaps(void)
{
    for (unsigned i = 0; i < LAB_MAX_PMAPS; i++) {
        if (lab_pmap[i])
            pmap_destroy(lab_pmap[i]);
        lab_pmap[i] = NULL;
    }
}

void lab_free_pages(void)
{
    for (unsigned i = 0; i < npages; i++) {
        vm_page_dequeue(lab_page[i]);
        lab_page[i]->anon = NULL;
        lab_page[i]->object = NULL;
        vm_page_free(lab_page[i]);
        lab_page[i] = NULL;
    }
    npages = 0;
}

vaddr_t lab_entering;

void lab_enter(unsigned pmap, vaddr_t va, unsigned page, vm_prot_t prot, unsigned flags)
{
    lab_entering = va;
    int error = pmap_enter(lab_pmap[pmap], va, lab_page[page], prot, flags);
    lab_entering = 0;
    KASSERT(error == 0, "pmap %u va %lx page %u: error %d", pmap, va, page, error);
}

void lab_must_enter(unsigned pmap, vaddr_t va, unsigned page)
{
    int error = pmap_enter(lab_pmap[pmap], va, lab_page[page], PROT_READ, 0);
    KTEST_CHECK(error == 0,
                "entering is refused (error %d) although there is something to steal: "
                "pmap %u va %lx page %u",
                error, pmap, va, page);
}

void lab_map_row(unsigned pmap, vaddr_t va, unsigned first, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        lab_enter(pmap, va + i * PAGE_SIZE, first + i, PROT_RW, 0);
}

void lab_make_tables(unsigned pmap, unsigned page)
{
    for (unsigned table = 0; table < 4; table++)
        lab_enter(pmap, LAB_VA + table * (2ul << 20) + (511ul << PAGE_SHIFT), page, PROT_READ,
                  PMAP_WIRED);
}

unsigned lab_page_mappings(unsigned page)
{
    spin_lock(&pv_lock);
    unsigned n = pv_count(lab_page[page]);
    spin_unlock(&pv_lock);
    return n;
}

int lab_page_number(const struct vm_page *pg)
{
    for (unsigned i = 0; i < npages; i++)
        if (lab_page[i] == pg)
            return (int)i;
    return -1;
}

// ---- the report ----

static void add_line(uint64_t page, uint64_t pmap, uint64_t va)
{
    if (lab_report.nlines == LAB_MAX_LINES)
        lab_report.cut = 1;
    else
        lab_report.line[lab_report.nlines++] = (struct lab_line){page, pmap, va};
}

// pv_lock held.
static void report_page(struct vm_page *pg)
{
    struct pv_mapping m;
    bool mapped = pv_is_mapped(pg);
    unsigned count = pv_count(pg);
    bool more = pv_first(pg, &m);
    if (count || mapped || more)
        add_line((uint64_t)pg, LAB_HEADER, count * 2ul + mapped);
    for (; more && !lab_report.cut; more = pv_next(pg, &m))
        add_line((uint64_t)pg, (uint64_t)m.pmap, m.va);
}

static bool quick_report;

void judge_report(void)
{
    struct strbuf out;

    lab_report.nlines = lab_report.cut = lab_report.nfaults = 0;
    strbuf_init(&out, lab_report.text, sizeof(lab_report.text));
    for (unsigned s = 0; s < vm_page_nsegs; s++) {
        struct vm_page_seg *seg = &vm_page_segs[s];
        uint64_t n = (seg->end_pa - seg->start_pa) >> PAGE_SHIFT;
        spin_lock(&pv_lock);
        for (uint64_t i = 0; i < n; i++)
            report_page(&seg->pages[i]);
        spin_unlock(&pv_lock);
    }
    if (!quick_report)
        lab_report.nfaults =
            page_check(&out) + pool_check(NULL, &out) + pmap_check(&out) + pv_check(&out);
    pv_get_stats(&lab_report.stats);
}

void lab_point(const char *name, bool quick)
{
    quick_report = quick;
    judge_point("%s", name);
    quick_report = false;
}

// ---- shortage ----

static void take_all(unsigned flags)
{
    struct vm_page *pg;

    while ((pg = vm_page_alloc(PAGE_KMEM, flags))) {
        list_push_back(&hoard, &pg->queue);
        lab_hoarded++;
    }
}

void lab_exhaust(void)
{
    take_all(PA_RESERVE);
}

void lab_exhaust_but_reserve(void)
{
    take_all(0);
}

void lab_relent(void)
{
    struct vm_page *pg;

    while ((pg = list_pop(&hoard, struct vm_page, queue))) {
        vm_page_free(pg);
        lab_hoarded--;
    }
}

uint64_t lab_reclaims(void)
{
    struct pv_stats st;

    pv_get_stats(&st);
    return st.pv_reclaims;
}

// ---- as a program would ----

bool lab_peek(vaddr_t va, uint64_t *word)
{
    return copyin_nofault(word, va, sizeof(*word), NULL) == 0;
}

bool lab_poke(vaddr_t va, uint64_t word)
{
    return copyout_nofault(va, &word, sizeof(word), NULL) == 0;
}
