// SPDX-License-Identifier: BSD-2-Clause
//
// What is shared for good: who hands it on to whom, and what one of them throws away.

#include "lab_anon.h"
#include "lib/ktest.h"

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
