// SPDX-License-Identifier: BSD-2-Clause
//
// What is in swap: wired, copied by a fork, thrown away while a fault waits for it.

#include "lab_anon.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "vm/pageout.h"
#include "vm/swap.h"

static uint64_t words;

// A space of so many pages, all of them in swap.
static void start_swapped(unsigned pages, vm_prot_t prot)
{
    struct swap_stats before, st;

    lab_start_swap();
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
    lab_swap_meanwhile = discard_page;
    if (write)
        lab_write(1, 2, ++words);
    else
        lab_read_untouched(1, 2);
    KTEST_CHECK(!lab_swap_meanwhile, "page 2 was not in swap");
    lab_swap_meanwhile = NULL;
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
