// SPDX-License-Identifier: BSD-2-Clause
//
// Parts of a mapping that a fork did not give, and parts that came after it.

#include "lab_anon.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "vm/anon.h"
#include "vm/vm_map.h"

// Pages that are written of a mapping, at most; and too many for one table of counts.
enum { STEP = 384, LONG = 1 << 12 };

static uint64_t words;

// npages at LAB_VA, each step'th one written.
static void start(unsigned npages, unsigned step)
{
    lab_map_private(0, npages * PAGE_SIZE, lab_start_object(0));
    for (unsigned i = 0; i < npages; i += step)
        lab_write_at(0, lab_va(i), ++words);
}

// The pages [first, end) are not for children, and go: nobody else has them.
static void left_out(unsigned npages, unsigned first, unsigned end, bool child_first)
{
    unsigned step = npages > STEP ? npages / STEP : 1, n = (end - first) / step;

    start(npages, step);
    int error = vm_map_inherit(&lab_space[0]->map, lab_va(first), lab_va(end), INHERIT_NONE);
    KASSERT(!error, "not to be inherited: error %d", error);
    lab_fork(0, 1);
    if (child_first)
        lab_exit(1);
    uint64_t before = anon_count();
    error = vm_munmap(lab_space[0], lab_va(first), (end - first) * PAGE_SIZE);
    KTEST_CHECK(!error && before - anon_count() == n,
                "pages %u to %u of %u, which no child was given, are unmapped%s: error %d, and "
                "%lu anons of %u are free",
                first, end, npages, child_first ? " once it is gone" : "", error,
                before - anon_count(), n);
    lab_end();
}

KTEST(lab_anon_left_out)
{
    static const unsigned parts[][3] = {
        {12, 0, 4},
        {12, 4, 8},
        {12, 8, 12},
        {1024, 0, 512},
        {1024, 512, 1024},
        {3 * LONG, 0, LONG},
        {3 * LONG, LONG, 2 * LONG},
        {3 * LONG, LONG, 3 * LONG},
    };

    for (unsigned i = 0; i < 2 * array_len(parts) && !ktest_failed(); i++)
        left_out(parts[i / 2][0], parts[i / 2][1], parts[i / 2][2], i & 1);
}

// A mapping grows while a child has what there was of it: nobody has the new pages.
static void grown(unsigned n, bool moved, bool read_first)
{
    enum { OLD = 64, NEW = 80, MAY_MOVE = 1 };
    vaddr_t va = LAB_VA;

    start(OLD, 1);
    lab_fork(0, 1);
    int error = moved
                    ? vm_mmap(lab_space[n], &(vaddr_t){lab_va(OLD)}, PAGE_SIZE, PROT_READ, PROT_ALL,
                              LINUX_MAP_PRIVATE | LINUX_MAP_FIXED | LINUX_MAP_ANONYMOUS, NULL, 0)
                    : 0;
    KASSERT(!error, "mapping what is in the way: error %d", error);
    error = vm_mremap(lab_space[n], LAB_VA, OLD * PAGE_SIZE, NEW * PAGE_SIZE, moved ? MAY_MOVE : 0,
                      &va);
    KTEST_CHECK(!error && (va != LAB_VA) == moved, "growing to %u pages: error %d", NEW, error);
    if (read_first)
        lab_expect_at(n, va + (NEW - 1) * PAGE_SIZE, 0);
    lab_write_at(n, va + (NEW - 1) * PAGE_SIZE, ++words);
    lab_expect_at(n, va + (NEW - 2) * PAGE_SIZE, 0);
    lab_write_at(n, va, ++words);
    lab_expect_at(!n, LAB_VA, words - OLD - 1);
    lab_expect_at(!n, lab_va(OLD - 1), words - 2);
    lab_end();
}

KTEST(lab_anon_grown)
{
    for (unsigned i = 0; i < 8 && !ktest_failed(); i++)
        grown(i & 1, i & 2, i & 4);
}

// ---- parts of a long mapping ----

static struct rng rng;

static unsigned below(unsigned n)
{
    return (unsigned)rng_below(&rng, n);
}

// Whole tables of counts, whatever their size, and parts of one are covered by some and not by
// others; half of the ranges begin or end where another one did.
static void change_part(void)
{
    static unsigned edge;
    unsigned n = lab_any_space(&rng), dice = below(20), nspaces = lab_count_spaces();
    unsigned from = below(2) ? edge : below(LAB_PAGES), to = below(LAB_PAGES + 1);
    unsigned first = from < to ? from : to, end = from < to ? to : from;

    if (first == end)
        return;
    edge = below(2) ? first : end % LAB_PAGES;
    if (dice < 6)
        lab_unmap(n, first, end);
    else if (dice < 9 && lab_mapped(n, first, end))
        lab_protect(n, first, end, below(3));
    else if (dice < 10 && lab_mapped(n, first, end))
        lab_discard(n, first, end);
    else if (dice < 14 && nspaces < 3)
        lab_fork_any(n, LAB_SPACES);
    else if (dice < 16 && nspaces > 1)
        lab_exit(n);
    else
        lab_write(n, first, ++words);
}

KTEST(lab_anon_long_parts)
{
    rng = lab_rng(11);
    for (unsigned round = 0; round < 12 && !ktest_failed(); round++) {
        lab_begin(LAB_PAGES);
        lab_new_space(0);
        lab_map(0, 0, LAB_PAGES);
        for (unsigned i = 0; i < LAB_PAGES; i += 1 + round % 3)
            lab_write(0, i, ++words);
        lab_fork(0, 1);
        for (unsigned i = 0; i < 40; i++)
            change_part();
        lab_read_all();
        while (lab_count_spaces() > 1)
            lab_exit(lab_any_space(&rng));
        lab_expect_no_counts();
        lab_end();
    }
}
