// SPDX-License-Identifier: BSD-2-Clause
//
// Memory, as lab 4's tests count it and take it away: anons, items of pools, and pages.

#include "lab_anon.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "vm/kmem.h"

// ---- anons ----

// One for each version, and one for each cell that may have a copy of its own.
unsigned lab_most_anons(void)
{
    static bool seen[LAB_CELLS];
    unsigned n = 0;

    memset(seen, 0, sizeof(seen));
    for (unsigned i = 1; i < LAB_CELLS; i++) {
        unsigned version = lab_cell[i].nusers ? lab_cell[i].version : 0;
        n += version && (lab_apart[i] || !seen[version]);
        seen[version] |= !lab_apart[i];
    }
    return n;
}

// ---- items ----

static void count_items(struct pool *p, void *sum)
{
    *(uint64_t *)sum += p->nitems_out;
}

uint64_t lab_items(void)
{
    uint64_t sum = 0;

    kmem_drain();
    pool_reclaim_all();
    pool_for_each(count_items, &sum);
    return sum;
}

// ---- which pools have more items than before ----

static struct {
    const struct pool *pool;
    uint64_t nitems;
} known[128];
static unsigned nknown;

static void know(struct pool *p, void *arg UNUSED)
{
    KASSERT(nknown < array_len(known), "%u pools", nknown);
    known[nknown].pool = p;
    known[nknown++].nitems = p->nitems_out;
}

static void compare(struct pool *p, void *out)
{
    uint64_t nitems = 0;

    for (unsigned i = 0; i < nknown; i++)
        if (known[i].pool == p)
            nitems = known[i].nitems;
    if (p->nitems_out > nitems)
        strbuf_printf(out, " %lu %s", p->nitems_out - nitems, p->name);
}

void lab_know_items(void)
{
    lab_report.nbefore = lab_items();
    nknown = 0;
    pool_for_each(know, NULL);
}

void lab_report_items(void)
{
    struct strbuf out;

    lab_report.nitems = lab_items();
    strbuf_init(&out, lab_report.left, sizeof(lab_report.left));
    pool_for_each(compare, &out);
}

// ---- pages ----

static struct list taken = LIST_INIT(taken);

static bool leaves(uint64_t n)
{
    struct vm_page_stats st;

    vm_page_get_stats(&st);
    return st.nfree >= vm_page_reserve_kernel + n;
}

void lab_leave(uint64_t n)
{
    struct vm_page *pg;

    while ((pg = vm_page_alloc(PAGE_KMEM, 0)))
        list_push_back(&taken, &pg->queue);
    while (!leaves(n) && (pg = list_pop(&taken, struct vm_page, queue)))
        vm_page_free(pg);
}

void lab_give_back(void)
{
    struct vm_page *pg;

    while ((pg = list_pop(&taken, struct vm_page, queue)))
        vm_page_free(pg);
}
