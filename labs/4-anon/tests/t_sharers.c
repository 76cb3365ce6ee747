// SPDX-License-Identifier: BSD-2-Clause
//
// What is shared for good: who hands it on to whom, and what one of them throws away.

#include "lab_anon.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "tests/kernel/watch.h"
#include "vm/vm_fault.h"

static uint64_t words;

static void start_shared(unsigned npages, unsigned first, unsigned end)
{
    lab_begin(npages);
    lab_new_space(0);
    lab_map(0, 0, npages);
    lab_fill(0, 0, npages, &words);
    lab_inherit(0, first, end, true);
}

// G shares with P, P forks C, C forks D; and G has a second child.
KTEST(lab_anon_generations)
{
    start_shared(20, 4, 16);
    for (unsigned n = 0; n < 3; n++) {
        lab_fork(n, n + 1);
        lab_fill(n, 2, 10, &words);
        lab_fill(n + 1, 8, 18, &words);
        lab_point("forked");
        lab_read_all();
    }
    lab_fork(0, 4);
    lab_fill(4, 0, 20, &words);
    for (unsigned n = 0; n < 4; n++) {
        lab_fill(n, 0, 20, &words);
        lab_read_all();
        lab_exit(n);
        lab_read_all();
    }
    lab_end();
}

// One discards pages that others have as well, and pages that it has alone.
KTEST(lab_anon_discard_shared)
{
    start_shared(16, 0, 16);
    lab_fork(0, 1);
    lab_unmap(0, 4, 12);
    lab_unmap(1, 2, 10);
    lab_discard(0, 1, 3);
    lab_point("discarded");
    lab_read_all();
    lab_fork(1, 2);
    lab_fill(2, 10, 16, &words);
    lab_discard(2, 11, 14);
    lab_point("discarded");
    lab_read_all();
    lab_fill(0, 0, 4, &words);
    lab_fill(1, 10, 16, &words);
    lab_read_all();
    lab_end();
}

// Of the range that one discards, the other one has the end alone, and a child has a copy of all.
KTEST(lab_anon_discard_end)
{
    start_shared(16, 0, 16);
    lab_fork(0, 1);
    lab_inherit(0, 0, 16, false);
    lab_fork(0, 2);
    lab_unmap(1, 0, 4);
    lab_read_all();
    lab_discard(0, 0, 16);
    lab_point("discarded");
    lab_read_all();
    lab_fill(0, 0, 16, &words);
    lab_read_all();
    lab_end();
}

// ---- what others do meanwhile ----

enum { READ = 12 };

static unsigned nreads;

static void read_pages(void)
{
    for (unsigned i = 0; i < READ; i++) {
        bool mapped = lab_word(lab_space[0], lab_va(i));
        int error = mapped ? 0 : vm_fault(&lab_space[0]->map, lab_va(i), PROT_READ);
        KASSERT(!error, "page %u: error %d", i, error);
    }
}

// As often as the amap is unlocked, who shares it for good reads all pages.
static void see_unlocked(void)
{
    nreads++;
    lab_meanwhile(read_pages);
}

// One throws pages away that another one shares for good, and reads just then: it sees the page as
// it was or a new one, and has not mapped for good what is the copy of a third.
KTEST(lab_anon_discard_read)
{
    start_shared(READ, 0, READ);
    lab_fork(0, 1);
    lab_inherit(1, 0, READ, false);
    lab_fork(1, 2);
    lab_read_all();
    lab_when_unlocked(lab_amap_lock(0), see_unlocked);
    lab_discard(1, 2, 8);
    watch_off();
    KTEST_CHECK(nreads, "nobody let go of the amap");
    for (unsigned i = 2; i < 8 && lab_discard_shared; i++) {
        const uint64_t *at = lab_word(lab_space[0], lab_va(i));
        KTEST_CHECK(!at || *at == 0,
                    "page %u of space 0 is mapped, and holds %#lx: who shares it for good threw it "
                    "away, and it was read each time that the amap was unlocked",
                    i, at ? *at : 0);
    }
    lab_read_all();
    lab_fill(2, 0, READ, &words); // who has the copy
    lab_read_all();
    lab_end();
}

// The pages from `first' on, which its child has as well, are wired as they are.
static void wire_to_read(unsigned n, unsigned first)
{
    lab_protect(n, 0, READ, false);
    int error = vm_mlock(lab_space[n], lab_va(first), (READ - first) * PAGE_SIZE, true);
    KASSERT(!error, "mlock: error %d", error);
}

// Of the range that one throws away, the other one has a half, and a child has its copy of the rest
// wired, to be read: that one stays.
KTEST(lab_anon_discard_wired)
{
    start_shared(READ, 0, READ);
    lab_fork(0, 1);
    lab_inherit(1, 0, READ, false);
    lab_fork(1, 2);
    lab_unmap(0, READ / 2, READ);
    wire_to_read(2, READ / 2);
    lab_discard(1, 0, READ);
    for (unsigned i = READ / 2; i < READ; i++)
        KTEST_CHECK(lab_word(lab_space[2], lab_va(i)),
                    "wired page %u of space 2 is not mapped: another one, which has it and pages "
                    "that it shares for good, threw all of them away",
                    i);
    lab_point("discarded");
    lab_read_all();
    lab_end();
}

// A write of one that gets no memory at all: who has the page wired, and shares it, has it still.
KTEST(lab_anon_wired_refused)
{
    start_shared(READ, 0, READ);
    lab_fork(0, 1);
    lab_inherit(1, 0, READ, false);
    lab_fork(1, 2); // and has a copy
    wire_to_read(1, 0);
    for (unsigned i = 0; i < READ; i++) {
        lab_leave(0);
        int error = vm_fault(&lab_space[0]->map, lab_va(i), PROT_WRITE);
        lab_give_back();
        KTEST_CHECK(!error || lab_word(lab_space[1], lab_va(i)),
                    "wired page %u of space 1 is not mapped: who shares it could not write, "
                    "without memory",
                    i);
    }
    lab_point("refused");
    lab_fill(0, 0, READ, &words);
    lab_read_all();
    lab_point("written");
    lab_end();
}
