// SPDX-License-Identifier: BSD-2-Clause
//
// Memory, as lab 4's tests count it and take it away: anons, items of pools, and pages; and spaces.

#include "lab_anon.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/pool.h"
#include "mem/vm_page.h"
#include "sync/kctx.h"
#include "vm/amap.h"
#include "vm/anon.h"
#include "vm/kmem.h"
#include "vm/vm_map.h"

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

// ---- which pools have other items than before ----

struct known {
    unsigned npools;
    struct {
        const struct pool *pool;
        uint64_t nitems;
    } of[128];
};
static struct known at_begin, at_mark;

static void know(struct pool *p, void *arg)
{
    struct known *known = arg;

    KASSERT(known->npools < array_len(known->of), "%u pools", known->npools);
    known->of[known->npools].pool = p;
    known->of[known->npools++].nitems = p->nitems_out;
}

// ---- what amap_stats counts of what there is ----

static struct amap_stats stats_at_begin, stats_at_mark;

static void compare_stats(const struct amap_stats *was, char *text, size_t size)
{
    const struct {
        const char *name;
        uint64_t now, before;
    } counts[] = {
        {"amaps", amap_stats.amaps, was->amaps},
        {"slots_used", amap_stats.slots_used, was->slots_used},
        {"ppref_tables", amap_stats.ppref_tables, was->ppref_tables},
    };
    struct strbuf out;

    strbuf_init(&out, text, size);
    for (size_t i = 0; i < array_len(counts); i++)
        if (counts[i].now != counts[i].before)
            strbuf_printf(&out, " %s is %ld, not %ld", counts[i].name, (long)counts[i].now,
                          (long)counts[i].before);
}

// ---- comparisons ----

struct comparison {
    const struct known *known;
    struct strbuf *out;
};

static void compare(struct pool *p, void *arg)
{
    const struct comparison *c = arg;
    uint64_t nitems = 0;

    for (unsigned i = 0; i < c->known->npools; i++)
        if (c->known->of[i].pool == p)
            nitems = c->known->of[i].nitems;
    if (p->nitems_out > nitems)
        strbuf_printf(c->out, " +%lu %s", p->nitems_out - nitems, p->name);
    if (p->nitems_out < nitems)
        strbuf_printf(c->out, " -%lu %s", nitems - p->nitems_out, p->name);
}

static uint64_t know_all(struct known *known)
{
    uint64_t nitems = lab_items();

    known->npools = 0;
    pool_for_each(know, known);
    return nitems;
}

static void compare_all(const struct known *known, char *text, size_t size)
{
    struct strbuf out;
    struct comparison c = {known, &out};

    strbuf_init(&out, text, size);
    pool_for_each(compare, &c);
}

void lab_know_items(void)
{
    lab_report.nbefore = know_all(&at_begin);
    stats_at_begin = amap_stats;
}

void lab_expect_no_counts(void)
{
    KTEST_CHECK(amap_stats.ppref_tables <= stats_at_begin.ppref_tables,
                "one space is left, no two entries cover a slot, and there are %lu tables of "
                "counts more than before the first space",
                amap_stats.ppref_tables - stats_at_begin.ppref_tables);
}

void lab_report_items(void)
{
    lab_report.nitems = lab_items();
    compare_all(&at_begin, lab_report.left, sizeof(lab_report.left));
    compare_stats(&stats_at_begin, lab_report.stats, sizeof(lab_report.stats));
}

static uint64_t marked_anons, marked_items;

void lab_mark(void)
{
    marked_anons = anon_count();
    marked_items = know_all(&at_mark);
    stats_at_mark = amap_stats;
}

void lab_expect_marked(const char *what, uint64_t n)
{
    static char text[128];
    uint64_t nitems = lab_items();

    compare_all(&at_mark, text, sizeof(text));
    KTEST_CHECK(anon_count() == marked_anons, "%s %lu, leaves %lu anons, not %lu", what, n,
                anon_count(), marked_anons);
    KTEST_CHECK(nitems == marked_items, "%s %lu, leaves %lu items of pools, not %lu:%s", what, n,
                nitems, marked_items, text);
    compare_stats(&stats_at_mark, text, sizeof(text));
    KTEST_CHECK(!text[0], "%s %lu, leaves amap_stats wrong:%s", what, n, text);
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

// ---- spaces ----

unsigned lab_any_space(struct rng *rng)
{
    unsigned n = (unsigned)rng_below(rng, LAB_SPACES);

    while (!lab_space[n])
        n = (n + 1) % LAB_SPACES;
    return n;
}

unsigned lab_count_spaces(void)
{
    unsigned nspaces = 0;

    for (unsigned n = 0; n < LAB_SPACES; n++)
        nspaces += lab_space[n] != NULL;
    return nspaces;
}

void lab_fork_any(unsigned n, unsigned most)
{
    for (unsigned child = 0; child < most; child++) {
        if (!lab_space[child]) {
            lab_fork(n, child);
            return;
        }
    }
}

// ---- entries ----

void lab_map_neighbours(unsigned n)
{
    lab_new_space(n);
    lab_map(n, 0, 1);
    lab_map(n, 1, 2);
}
