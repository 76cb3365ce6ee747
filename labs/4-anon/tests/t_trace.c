// SPDX-License-Identifier: BSD-2-Clause
//
// Seeded families of spaces: every operation, in small regions and in one of several windows; with
// swap; with allocations that fail.

#include "dev/record.h"
#include "lab_anon.h"
#include "lib/errno.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/string.h"
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

static unsigned any_space(void)
{
    unsigned n = below(LAB_SPACES);

    while (!lab_space[n])
        n = (n + 1) % LAB_SPACES;
    return n;
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

static void fork_any(unsigned n, unsigned most)
{
    for (unsigned child = 0; child < most; child++) {
        if (!lab_space[child]) {
            lab_fork(n, child);
            return;
        }
    }
}

static bool alone(unsigned n)
{
    for (unsigned i = 0; i < LAB_SPACES; i++)
        if (lab_space[i] && i != n)
            return false;
    return true;
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
    unsigned n = any_space(), dice = below(40);

    if (dice < 10)
        change(n, r, dice / 2);
    else if (dice < 12)
        lab_map(n, r.first, r.end);
    else if (dice < 14)
        lab_unmap(n, r.first, r.end);
    else if (dice < 17)
        fork_any(n, most_spaces);
    else if (dice < 19 && !alone(n))
        lab_exit(n);
    else if (dice < 28 && lab_below)
        look(n, below(npages));
    else
        lab_write(n, below(npages), ++words);
}

// Whole spaces only: they fork, write and go.
static void step_forks(unsigned most_spaces)
{
    unsigned n = any_space(), dice = below(40);

    if (dice < 4)
        fork_any(n, most_spaces);
    else if (dice < 7 && !alone(n))
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

#define SLOTS 600u
static uint64_t slot_word[SLOTS];
static bool failing;            // the next read
static void (*meanwhile)(void); // what others do during the next read

static void swap_dev_start(struct swap_io *io)
{
    void (*others_do)(void) = io->write ? NULL : meanwhile;

    if (others_do) {
        meanwhile = NULL;
        others_do();
    }
    for (unsigned i = 0; i < io->npages; i++) {
        uint64_t *word = page_to_dmap(io->pages[i]);
        if (failing && !io->write) {
            failing = false;
            io->error = EIO;
            swap_finish(io);
            return;
        }
        if (io->write) {
            slot_word[io->slot + i] = *word;
        } else {
            memset(word, 0, PAGE_SIZE);
            *word = slot_word[io->slot + i];
        }
    }
    io->error = 0;
    swap_finish(io);
}

// A page that cannot be read from swap is the fault's error, and no memory for it is waited for;
// then it is there as it was. True if there was such a page.
static bool fail_to_read(unsigned n, unsigned page)
{
    struct kctx *ctx = kctx_current();
    struct vm_map *map = &lab_space[n]->map;

    if (!lab_cell[lab_page[n][page].cell].version || lab_word(lab_space[n], lab_va(page)))
        return false;
    failing = true;
    int error = vm_fault(map, lab_va(page), PROT_READ);
    bool failed = !failing;
    failing = false;
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

// Of the tests that run in one boot the first makes swap.
static void start_swap(void)
{
    static const struct swap_dev device = {swap_dev_start, SLOTS};
    static bool there;
    struct swap_stats st;

    swap_get_stats(&st);
    KASSERT(there || !st.nslots, "there is swap already");
    if (!there)
        swap_init(&device);
    there = true;
}

// What is shared is in swap: of it, too, there is one copy.
KTEST(lab_anon_swapped)
{
    struct swap_stats st;
    unsigned nfailed = 0;

    start_swap();
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

// A space of so many pages, all of them in swap.
static void start_swapped(unsigned pages, vm_prot_t prot)
{
    struct swap_stats before, st;

    start_swap();
    swap_get_stats(&before);
    lab_begin(pages);
    lab_new_space(0);
    lab_map(0, 0, pages);
    lab_fill(0, 0, pages, &words);
    int error = vm_mprotect(lab_space[0], LAB_VA, pages * PAGE_SIZE, prot);
    KASSERT(!error, "mprotect: error %d", error);
    pageout_pass(200);
    swap_get_stats(&st);
    KASSERT(st.outs - before.outs >= pages, "%lu pages went to swap", st.outs - before.outs);
}

// What is in swap is wired: then it is there, and mapped.
KTEST(lab_anon_swap_wired)
{
    start_swapped(24, PROT_RW);
    lab_wire(0, 4, 20, true);
    lab_point("wired");
    lab_read_all();
    lab_end();
}

// What is in swap and not accessible is wired as it is; a child has it all the same.
KTEST(lab_anon_swap_hidden)
{
    enum { N = 24 };

    start_swapped(N, PROT_NONE);
    int error = vm_mlock(lab_space[0], LAB_VA, N * PAGE_SIZE, true);
    KTEST_CHECK(!error, "mlock: error %d", error);
    lab_fork(0, 1);
    for (unsigned n = 2; n-- > 0;) {
        error = vm_mprotect(lab_space[n], LAB_VA, N * PAGE_SIZE, PROT_RW);
        KTEST_CHECK(!error, "mprotect in space %u: error %d", n, error);
        for (unsigned i = 0; i < N; i++)
            lab_read(n, i);
    }
    for (unsigned i = 0; i < N; i++)
        lab_write(i % 2, i, ++words);
    lab_read_all();
    lab_end();
}

static void discard_page(void)
{
    lab_discard(0, 2, 3);
}

// Who shares the memory for good throws a page away while another's fault waits for it: what swap
// gives is not the page any more. A child that has a copy keeps it.
static void fault_while_discarded(bool write, bool child)
{
    start_swapped(8, PROT_RW);
    lab_inherit(0, 0, 8, true);
    lab_fork(0, 1);
    lab_inherit(1, 0, 8, false);
    if (child)
        lab_fork(1, 2);
    pageout_pass(200); // a fork that copies has brought them in
    meanwhile = discard_page;
    if (write)
        lab_write(1, 2, ++words);
    else
        lab_read_untouched(1, 2);
    KTEST_CHECK(!meanwhile, "page 2 was not in swap");
    meanwhile = NULL;
    lab_read_all();
    lab_fill(1, 0, 8, &words);
    lab_read_all();
    lab_point("written");
    lab_end();
}

// Without the child nobody has the page any more, and the anon is gone: worse comes of that.
KTEST(lab_anon_swap_discarded)
{
    for (unsigned i = 0; i < 4 && !ktest_failed(); i++)
        fault_while_discarded(i & 1, i < 2);
}
