// SPDX-License-Identifier: BSD-2-Clause
//
// Windows: a long entry is copied in parts, and in few of them, in whichever order it is written.

#include "lab_anon.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "mem/pool.h"
#include "vm/amap.h"
#include "vm/map_change.h"
#include "vm/vm_map.h"

enum { N = 1024, PER_ENTRY = 16 };

static uint64_t words;

// A child has a region of several windows as well: its parent writes all of it, the i-th time page
// first + i * step (modulo N), and has a map entry more for each PER_ENTRY pages at most.
static void write_in_order(unsigned first, unsigned step, const char *order)
{
    lab_begin_full(N, &words);
    lab_fork(0, 1);
    unsigned before = lab_space[0]->map.nentries;
    for (unsigned i = 0; i < N; i++)
        lab_write(0, (first + i * step) % N, ++words);
    unsigned nmore = lab_space[0]->map.nentries - before;
    KTEST_CHECK(nmore <= N / PER_ENTRY,
                "after a fork %u pages are written %s: %u map entries more, not at most %u", N,
                order, nmore, N / PER_ENTRY);
    lab_end();
}

KTEST(lab_anon_window_orders)
{
    write_in_order(0, 1, "upwards");
    write_in_order(N - 1, N - 1, "downwards");
    write_in_order(N / 2, 389, "here and there");
}

// Whoever has no entries to spare, or one, clips nothing that would take more.
KTEST(lab_anon_window_spare)
{
    for (unsigned nspare = 0; nspare < MAP_ENTRY_SPLITS; nspare++) {
        struct map_change c;
        struct vm_map_entry *e;
        lab_begin_full(N, &words);
        lab_fork(0, 1);
        struct vm_map *map = &lab_space[0]->map;
        int error = map_change_begin(&c, map, nspare, PR_WAITOK);
        KASSERT(!error && vm_map_lookup(map, lab_va(N / 2), &e), "error %d", error);
        error = amap_copy(&c, map, e, lab_va(N / 2));
        KTEST_CHECK(!error, "amap_copy with %u entries to spare: error %d", nspare, error);
        map_change_end(&c);
        lab_fill(0, 0, N, &words);
        lab_read_all();
        lab_end();
    }
}
