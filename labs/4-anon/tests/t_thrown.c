// SPDX-License-Identifier: BSD-2-Clause
//
// What is thrown away and unmapped by chance, in regions that are long enough for a fork to share
// them: each of a family has other pages left, and keeps those that others give up.

#include "lab_anon.h"
#include "lib/ktest.h"

enum { PAGES = 200, MOST_SPACES = 4, LONGEST = 40 };

static struct rng rng;
static uint64_t words;

static unsigned below(unsigned n)
{
    return (unsigned)rng_below(&rng, n);
}

static void step(void)
{
    unsigned n = below(MOST_SPACES), dice = below(20);
    unsigned first = below(3) ? below(PAGES) : 0; // also where the entries' slots begin
    unsigned npages = 1 + below(LONGEST), end = min((unsigned)PAGES, first + npages);

    while (!lab_space[n])
        n = (n + 1) % MOST_SPACES;
    if (dice < 3) {
        lab_fork_any(n, MOST_SPACES);
    } else if (dice < 4) {
        if (lab_count_spaces() > 1)
            lab_exit(n);
    } else if (dice < 7) {
        lab_unmap(n, first, end);
    } else if (dice < 8) {
        lab_map(n, first, end);
    } else if (dice < 9 && lab_mapped(n, first, end)) {
        lab_inherit(n, first, end, below(2));
    } else if (dice < 15 && lab_mapped(n, first, end)) {
        lab_discard(n, first, end);
    } else {
        lab_write(n, first, ++words);
    }
}

static void throw_away(bool shared)
{
    words = 0;
    lab_begin_full(PAGES, &words);
    if (shared) {
        lab_inherit(0, 0, PAGES, true);
        lab_fork(0, 1);
        lab_inherit(0, 0, PAGES, false);
        lab_inherit(1, PAGES / 2, PAGES, false);
    }
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 40; i++) {
            step();
            lab_read_all();
        }
        lab_point("ops");
    }
    lab_end();
}

KTEST(lab_anon_thrown)
{
    rng = lab_rng(6);
    for (unsigned i = 0; i < 6; i++)
        throw_away(i % 2);
}
