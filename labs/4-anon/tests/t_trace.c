// SPDX-License-Identifier: BSD-2-Clause
//
// Seeded families of spaces: every operation, in small regions and in one of several windows; with
// swap; with allocations that fail.

#include "dev/record.h"
#include "lab_anon.h"
#include "lib/errno.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "mem/vm_page.h"
#include "sync/kctx.h"
#include "vm/pageout.h"
#include "vm/swap.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"

static struct rng rng;
static unsigned npages;
static bool all_shared; // for good, from the start
static uint64_t words;

static unsigned below(unsigned n)
{
    return (unsigned)rng_below(&rng, n);
}

struct range {
    unsigned first, end;
};

static struct range any_range(void)
{
    unsigned first = below(npages), most = npages > 100 && below(4) ? 20 : npages;
    unsigned end = first + 1 + below(most);

    return (struct range){first, min(npages, end)};
}

static bool any_flag(unsigned n, struct range r, uint32_t flags)
{
    for (unsigned i = r.first; i < r.end; i++)
        if (lab_page[n][i].flags & flags)
            return true;
    return false;
}

// Only what is inherited by copying is wired: the model does not know whose wiring a shared page
// has.
static void wire(unsigned n, struct range r, bool on)
{
    for (unsigned i = r.first; i < r.end; i++) {
        const struct lab_page *p = &lab_page[n][i];
        if (!(p->flags & LAB_WRITABLE) || p->flags & LAB_SHARE || lab_cell[p->cell].nusers > 1)
            return;
    }
    lab_wire(n, r.first, r.end, on);
}

// Only what is one mapping moves.
static void move(unsigned n, struct range r)
{
    for (unsigned i = r.first; i < r.end; i++)
        if (lab_page[n][i].flags != lab_page[n][r.first].flags)
            return;
    unsigned len = r.end - r.first, to = below(npages - len + 1);

    if ((to >= r.end || r.first >= to + len) && !any_flag(n, r, LAB_WIRED))
        lab_move(n, r.first, r.end, to);
}

// An operation on a range that is mapped throughout.
static void change(unsigned n, struct range r, unsigned dice)
{
    if (!lab_mapped(n, r.first, r.end))
        return;
    if (dice == 0)
        lab_protect(n, r.first, r.end, below(3));
    else if (dice == 1 && !any_flag(n, r, LAB_WIRED))
        lab_discard(n, r.first, r.end);
    else if (dice == 2 && !lab_fail_nth)
        wire(n, r, below(2));
    else if (dice == 3 && !any_flag(n, r, LAB_WIRED))
        lab_inherit(n, r.first, r.end, below(3) == 0);
    else if (dice == 4)
        move(n, r);
}

// A page that may show what lies below.
static void look(unsigned n, unsigned page)
{
    const struct lab_page *p = &lab_page[n][page];

    if (p->cell && !lab_cell[p->cell].version)
        lab_read_untouched(n, page);
    else
        lab_read(n, page);
}

static void step(unsigned most_spaces)
{
    struct range r = any_range();
    unsigned n = lab_any_space(&rng), dice = below(40);

    if (dice < 10)
        change(n, r, dice / 2);
    else if (dice < 12)
        lab_map(n, r.first, r.end);
    else if (dice < 14)
        lab_unmap(n, r.first, r.end);
    else if (dice < 17)
        lab_fork_any(n, most_spaces);
    else if (dice < 19 && lab_count_spaces() > 1)
        lab_exit(n);
    else if (dice < 28 && lab_below)
        look(n, below(npages));
    else
        lab_write(n, below(npages), ++words);
}

// Whole spaces only: they fork, write and go.
static void step_forks(unsigned most_spaces)
{
    unsigned n = lab_any_space(&rng), dice = below(40);

    if (dice < 4)
        lab_fork_any(n, most_spaces);
    else if (dice < 7 && lab_count_spaces() > 1)
        lab_exit(n);
    else
        lab_write(n, below(npages), ++words);
}

static void family(unsigned pages, unsigned rounds, unsigned steps, unsigned most_spaces,
                   void (*do_step)(unsigned most_spaces))
{
    unsigned fail_nth = lab_fail_nth;

    npages = pages;
    words = 0;
    if (all_shared)
        lab_fail_nth = 0;
    lab_begin(pages);
    lab_new_space(0);
    lab_map(0, 0, npages);
    for (unsigned i = 0; i < npages && pages % 2; i++)
        lab_write(0, i, ++words);
    if (all_shared) {
        lab_inherit(0, 0, npages, true);
        lab_fork(0, 1);
        lab_fail_nth = fail_nth;
    }
    lab_point("start");
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < steps; i++) {
            if (lab_fail_nth)
                lab_fail_nth = 1 + below(12);
            do_step(most_spaces);
        }
        lab_point("ops");
        lab_read_all();
    }
}

KTEST(lab_anon_trace)
{
    rng = lab_rng(0);
    for (unsigned i = 0; i < 5; i++) {
        all_shared = i == 4;
        family(4 + below(20) * 2 + i % 2, 6, 60, LAB_SPACES, step);
        lab_end();
    }
    all_shared = false;
}

// A file lies below: who reads sees it, until somebody who shares the memory has written.
KTEST(lab_anon_below)
{
    lab_below = anon_object_create(LAB_PAGES);
    KASSERT(lab_below, "no memory for an object");
    rng = lab_rng(5);
    all_shared = true;
    for (unsigned i = 0; i < 6; i++) {
        family(30 + below(20) * 2, 2, 60, LAB_SPACES, step);
        lab_end();
    }
    vm_object_unref(lab_below);
    lab_below = NULL;
    all_shared = false;
}

// Forks of forks, which write and go; from a region that was written, and from an empty one.
KTEST(lab_anon_lineage)
{
    rng = lab_rng(4);
    lab_whole = true;
    for (unsigned i = 0; i < 4; i++) {
        family(10 + below(40) * 2 + i % 2, 6, 80, LAB_SPACES, step_forks);
        lab_end();
    }
    lab_whole = false;
}

// A region of several windows.
KTEST(lab_anon_large)
{
    rng = lab_rng(1);
    family(LAB_PAGES - 1 - 2 * below(50), 6, 60, 3, step);
    lab_end();
}

KTEST(lab_anon_fail_nth)
{
    rng = lab_rng(2);
    lab_refused = 0;
    for (unsigned i = 0; i < 5; i++) {
        all_shared = i == 4;
        lab_fail_nth = 1;
        family(8 + below(40) / 2 * 2 + i % 2, 6, 80, LAB_SPACES, step);
        lab_fail_nth = 0;
        lab_end();
    }
    all_shared = false;
    record_printf("refused %u", lab_refused);
}

// ---- swap ----

// A page that cannot be read from swap is the fault's error, and no memory for it is waited for;
// then it is there as it was. True if there was such a page.
static bool fail_to_read(unsigned n, unsigned page)
{
    struct kctx *ctx = kctx_current();
    struct vm_map *map = &lab_space[n]->map;

    if (!lab_cell[lab_page[n][page].cell].version || lab_word(lab_space[n], lab_va(page)))
        return false;
    lab_swap_fails = true;
    int error = vm_fault(map, lab_va(page), PROT_READ);
    bool failed = !lab_swap_fails;
    lab_swap_fails = false;
    KTEST_CHECK(error == (failed ? EIO : 0), "page %u of space %u, %s: error %d", page, n,
                failed ? "which swap fails to read" : "which is there", error);
    if (!failed)
        return false;
    uint64_t waits = vm_fault_stats.waits;
    ctx->fail_nth = 1;
    error = vm_fault(map, lab_va(page), PROT_READ);
    KTEST_CHECK(!error && !ctx->fail_nth && vm_fault_stats.waits == waits + 1,
                "page %u of space %u, no memory once: error %d, %lu waits", page, n, error,
                vm_fault_stats.waits - waits);
    ctx->fail_nth = 0;
    return true;
}

static unsigned fail_reads(void)
{
    unsigned nfailed = 0;

    for (unsigned n = 0; n < LAB_SPACES; n++)
        for (unsigned i = 0; lab_space[n] && i < npages && nfailed < 4; i++)
            nfailed += fail_to_read(n, i);
    return nfailed;
}

// What is shared is in swap: of it, too, there is one copy.
KTEST(lab_anon_swapped)
{
    struct swap_stats st;
    unsigned nfailed = 0;

    lab_start_swap();
    rng = lab_rng(3);
    family(41, 1, 10, 4, step);
    for (unsigned round = 0; round < 6; round++) {
        for (unsigned i = 0; i < 40; i++)
            step(4);
        pageout_pass(200);
        lab_point("ops");
        nfailed += fail_reads();
        for (unsigned i = 0; i < 20; i++)
            step(4);
        lab_read_all();
    }
    KTEST_CHECK(nfailed, "no page was in swap");
    lab_end();
    swap_get_stats(&st);
    record_printf("swapped %lu left %lu", st.outs, st.nused);
}
