// SPDX-License-Identifier: BSD-2-Clause
//
// Large numbers: counts in several tables, page numbers beyond 32 bits, a terabyte.

#include "lab_anon.h"
#include "lib/ktest.h"
#include "mem/vm_page.h"
#include "vm/anon.h"
#include "vm/vm_object.h"

static uint64_t words;

// Two pages whose numbers are the same in 32 bits.
static void far_apart(bool file)
{
    vaddr_t far_va = LAB_VA + (PAGE_SIZE << 32);
    struct vm_object *o = lab_start_object(file ? (1ul << 32) + 4 : 0);

    lab_map_private(0, (PAGE_SIZE << 32) + 4 * PAGE_SIZE, o);
    lab_expect_at(0, LAB_VA, 0);
    lab_expect_at(0, far_va, 0);
    KTEST_CHECK(!o || lab_word(lab_space[0], LAB_VA) != lab_word(lab_space[0], far_va),
                "two pages of an object are one");
    lab_write_at(0, LAB_VA, 1);
    lab_expect_at(0, far_va, 0);
    lab_write_at(0, far_va, 2);
    int error = vm_munmap(lab_space[0], LAB_VA + PAGE_SIZE, (PAGE_SIZE << 32) - PAGE_SIZE);
    KTEST_CHECK(!error, "munmap: error %d", error);
    lab_expect_at(0, LAB_VA, 1);
    lab_expect_at(0, far_va, 2);
    lab_exit(0);
    if (o)
        vm_object_unref(o);
    lab_point("end");
}

// Two pages of which one shows where the other is if numbers have 32 bits: a child has both.
static void far_forked(void)
{
    vaddr_t far_va = LAB_VA + (PAGE_SIZE << 32) + PAGE_SIZE;

    lab_map_private(0, (PAGE_SIZE << 32) + 4 * PAGE_SIZE, lab_start_object(0));
    lab_write_at(0, LAB_VA, ++words);
    lab_write_at(0, far_va, ++words);
    lab_fork(0, 1);
    for (unsigned n = 2; n--;) {
        lab_expect_at(n, far_va, words);
        lab_expect_at(n, LAB_VA + PAGE_SIZE, 0);
        lab_write_at(n, far_va, words);
        lab_expect_at(n, LAB_VA, words - 1);
    }
    lab_end();
}

static void unmap_at(unsigned n, unsigned first, unsigned npages)
{
    int error = vm_munmap(lab_space[n], lab_va(first), npages * PAGE_SIZE);

    KTEST_CHECK(!error, "munmap: error %d", error);
}

// A region that is too long for one table of counts, of which a child keeps the pages [first, end)
// alone: its parent writes, first of all at an end that is not shared, and they stay as they were.
static void far_shared(unsigned first, unsigned end)
{
    enum { N = 3 << 12, EACH = N / 24 };
    uint64_t before = words + 1;

    lab_map_private(0, N * PAGE_SIZE, lab_start_object(0));
    for (unsigned i = 0; i < N; i += EACH)
        lab_write_at(0, lab_va(i), ++words);
    lab_fork(0, 1);
    if (first)
        unmap_at(1, 0, first);
    if (end < N)
        unmap_at(1, end, N - end);
    for (unsigned i = 0; i < N; i += EACH)
        lab_write_at(0, lab_va(first ? i : N - EACH - i), ++words);
    for (unsigned i = first; i < end; i += EACH)
        lab_expect_at(1, lab_va(i), before + i / EACH);
    lab_end();
}

KTEST(lab_anon_far_shared)
{
    enum { THIRD = 1 << 12 };

    far_shared(2 * THIRD, 3 * THIRD);
    far_shared(0, THIRD);
    far_shared(THIRD + THIRD / 2, THIRD + THIRD / 2 + 1);
}

// What a child reads there, after or before its parent unmaps it, goes with the last who can reach
// it.
static void read_and_gone(bool parent_first)
{
    enum { N = 3 << 14, MID = N / 2, READ = 200 };

    lab_map_private(0, N * PAGE_SIZE, lab_start_object(0));
    lab_write_at(0, LAB_VA, ++words);
    lab_fork(0, 1);
    uint64_t before = anon_count();
    if (parent_first)
        unmap_at(0, MID, READ);
    for (unsigned i = MID; i < MID + READ; i++)
        lab_expect_at(1, lab_va(i), 0);
    if (!parent_first)
        unmap_at(0, MID, READ);
    unmap_at(1, MID, READ);
    KTEST_CHECK(anon_count() == before,
                "%lu anons of nobody: of a long region, pages that a child read %s its parent had "
                "unmapped them, and unmapped, too",
                anon_count() - before, parent_first ? "after" : "before");
    lab_end();
}

KTEST(lab_anon_far_gone)
{
    read_and_gone(false);
    read_and_gone(true);
}

KTEST(lab_anon_far)
{
    far_apart(false);
    far_apart(true);
    far_forked();
}

// A terabyte in which little was touched: a fork has little to do.
KTEST(lab_anon_sparse)
{
    enum { TOUCHED = 40, EACH = 6 }; // pages
    size_t len = 1ul << 40, step = len / TOUCHED / PAGE_SIZE * PAGE_SIZE;
    struct vm_page_stats before, after;

    lab_map_private(0, len, lab_start_object(0));
    for (unsigned i = 0; i < TOUCHED; i++)
        lab_write_at(0, LAB_VA + i * step, ++words);
    vm_page_get_stats(&before);
    lab_fork(0, 1);
    if (!lab_space[1])
        return;
    vm_page_get_stats(&after);
    KTEST_CHECK(before.nfree - after.nfree <= EACH * TOUCHED,
                "a fork of %zu bytes, of which %u pages were touched, takes %lu pages, and not at "
                "most %u for each",
                len, TOUCHED, before.nfree - after.nfree, EACH);
    for (unsigned i = 0; i < TOUCHED; i++)
        lab_write_at(0, LAB_VA + i * step, ++words);
    for (unsigned i = 0; i < TOUCHED; i++)
        lab_expect_at(1, LAB_VA + i * step, words - 2 * TOUCHED + 1 + i);
    lab_end();
}
