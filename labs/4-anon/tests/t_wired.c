// SPDX-License-Identifier: BSD-2-Clause
//
// Wired memory at a fork: what the child gets is what one moment left there, though its pages are
// copied one after the other, and though not every page of a wired mapping is wired.

#include "lab_anon.h"
#include "lib/ktest.h"
#include "mem/memlayout.h"
#include "pmap/pmap_impl.h"
#include "tests/kernel/watch.h"

#define N 8u

static uint64_t words;

// ---- the page that a fork copies just now ----

static unsigned watched; // the page of space 0
static const uint64_t *pte;
static bool touched;

// Somebody touches the page, a fork that copies it: the parent cannot write to it now, for a thread
// that did could have seen what it has in a page that is copied already, or not yet.
static void see_copy(vaddr_t rip UNUSED)
{
    KTEST_CHECK(touched || !(pte_load(pte) & PTE_W),
                "a fork copies wired page %u while its owner can write to it", watched);
    touched = true;
}

static void fork_watched(unsigned page)
{
    watched = page;
    touched = false;
    pte = pmap_pte(lab_space[0]->pmap, lab_va(page));
    watch_words(lab_word(lab_space[0], lab_va(page)), 1, WATCH_ALL, see_copy);
    lab_fork(0, 1);
    watch_off();
}

static void start(void)
{
    lab_begin(N);
    lab_new_space(0);
    lab_map(0, 0, N);
    lab_fill(0, 0, N, &words);
}

KTEST(lab_anon_wired_moment)
{
    start();
    lab_wire(0, 0, N, true);
    for (unsigned page = 0; page < N; page++) {
        lab_fill(0, 0, N, &words);
        fork_watched(page);
        lab_read_all();
        lab_exit(1);
    }
    lab_end();
}

// Of a wired mapping, pages that were thrown away and written again by who shares it for good, and
// has not wired it: the child's are its own all the same.
KTEST(lab_anon_wired_shared)
{
    start();
    lab_inherit(0, 0, N, true);
    lab_fork(0, 1);
    lab_inherit(1, 0, N, false);
    lab_wire(1, 0, N, true);
    lab_discard(0, 2, 6);
    lab_fill(0, 2, 4, &words);
    lab_fork(1, 2);
    lab_fill(0, 2, 6, &words);
    lab_read_all();
    lab_point("written");
    lab_fill(2, 0, N, &words);
    lab_fill(1, 0, N, &words);
    lab_read_all();
    lab_point("written");
    lab_end();
}
