// SPDX-License-Identifier: BSD-2-Clause
//
// Windows: a long entry is copied in parts, and in few of them, in whichever order it is written.

#include "lab_anon.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "mem/pool.h"
#include "pmap/pmap.h"
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

// Whether the map makes neighbours that are alike one entry (lab 2).
static bool map_merges(void)
{
    lab_begin(2);
    lab_new_space(0);
    lab_map(0, 0, 1);
    lab_map(0, 1, 2);
    bool merges = lab_space[0]->map.nentries == 1;
    lab_end();
    return merges;
}

// Pages that are thrown away one by one while a child has them, too, upwards, downwards and here
// and there: the parts that show nothing are one, and so is what lies between two of them in the
// end.
KTEST(lab_anon_discard_parts)
{
    enum { MID = 8, LEN = 5 };
    static const uint8_t order[][LEN] = {{0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}, {0, 2, 4, 3, 1}};

    bool merges = map_merges();
    for (unsigned n = 0; n < array_len(order); n++) {
        lab_begin_full(2 * MID + LEN, &words);
        lab_fork(0, 1);
        for (unsigned i = 0; i < LEN; i++)
            lab_discard(0, MID + order[n][i], MID + order[n][i] + 1);
        lab_point("discarded");
        KTEST_CHECK(!merges || lab_space[0]->map.nentries <= 3,
                    "%u neighbours are thrown away one by one while a child has them: %u map "
                    "entries, not at most 3: what has no pages any more is one entry",
                    LEN, lab_space[0]->map.nentries);
        lab_read_all();
        lab_end();
    }
}

// Of one entry a child has given up some pages, and its parent throws away others: the child keeps
// those. There is room to clip, or none; the entry's slots begin with the amap's, or do not.
static void discard_others(bool clips, unsigned cut)
{
    enum { PAGES = 64, GONE = 16, FROM = 24, TO = 40 };
    struct map_change c;
    struct vm_map_entry *e;

    lab_begin_full(PAGES, &words);
    if (cut)
        lab_unmap(0, 0, cut);
    lab_fork(0, 1);
    lab_unmap(1, cut, GONE);
    if (clips) {
        lab_discard(0, FROM, TO);
        lab_read_all();
        lab_end();
        return;
    }
    int error = map_change_begin(&c, &lab_space[0]->map, 0, PR_WAITOK);
    KASSERT(!error && vm_map_lookup(c.map, lab_va(FROM), &e), "error %d", error);
    pmap_remove(c.map->pmap, lab_va(FROM), lab_va(TO));
    error = amap_discard(&c, e, lab_va(FROM), lab_va(TO));
    KTEST_CHECK(!error, "amap_discard with no entry to spare: error %d", error);
    map_change_end(&c);
    for (unsigned i = FROM; i < TO; i++)
        lab_expect_at(0, lab_va(i), 0);
    lab_discard(0, FROM, TO); // and the model knows
    lab_read_all();
    lab_end();
}

KTEST(lab_anon_discard_others)
{
    for (unsigned cut = 0; cut <= 8; cut += 8) {
        discard_others(true, cut);
        discard_others(false, cut);
    }
}

// Nothing is clipped that would take more entries than there are: all of the entry is copied, also
// if its child has no page of the window any more.
static void copy_whole(unsigned nspare, unsigned page, unsigned unmapped)
{
    struct map_change c;
    struct vm_map_entry *e;

    lab_begin_full(N, &words);
    lab_fork(0, 1);
    if (unmapped)
        lab_unmap(1, 0, unmapped);
    struct vm_map *map = &lab_space[0]->map;
    int error = map_change_begin(&c, map, nspare, PR_WAITOK);
    KASSERT(!error && vm_map_lookup(map, lab_va(page), &e), "error %d", error);
    error = amap_copy(&c, map, e, lab_va(page));
    KTEST_CHECK(!error, "amap_copy with %u entries to spare: error %d", nspare, error);
    map_change_end(&c);
    lab_fill(0, 0, N, &words);
    lab_read_all();
    lab_end();
}

// Whoever has no entries to spare, or one.
KTEST(lab_anon_window_spare)
{
    for (unsigned nspare = 0; nspare < MAP_ENTRY_SPLITS; nspare++) {
        copy_whole(nspare, N / 2, 0);
        copy_whole(nspare, 0, N / 4);
    }
}
