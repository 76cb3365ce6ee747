// SPDX-License-Identifier: BSD-2-Clause
//
// What need not be done again: forks of what needs a copy already; copies of windows that nobody
// else has any more.

#include "dev/record.h"
#include "lab_anon.h"
#include "lib/ktest.h"
#include "sync/kctx.h"
#include "vm/map_entry.h"

enum { N = 1024 };

static uint64_t words;

static void start(void)
{
    lab_begin_full(N, &words);
    lab_fork(0, 1);
}

// ---- forks ----

static void fork_again(unsigned n, unsigned child)
{
    uint64_t allocs = kctx_current()->allocs;

    lab_fork(n, child);
    record_printf("again %lu %lu", lab_fork_ticks, kctx_current()->allocs - allocs);
    lab_exit(child);
}

// Parent and child fork again, both the first time and when one has written a page.
KTEST(lab_anon_forks_again)
{
    start();
    fork_again(0, 2);
    fork_again(1, 2);
    lab_write(0, N / 2, ++words);
    fork_again(0, 2);
    fork_again(1, 2);
    lab_read_all();
    lab_end();
}

// ---- windows ----

// The page and its window are the space's alone: its entry may be clipped, and that is all.
static void write_alone(unsigned n, unsigned page, const char *why)
{
    uint64_t allocs = kctx_current()->allocs;

    lab_write(n, page, ++words);
    allocs = kctx_current()->allocs - allocs;
    KTEST_CHECK(
        allocs <= MAP_ENTRY_SPLITS + 1,
        "a write to a window that %s takes %lu allocations, not at most %u: nobody else has "
        "it any more",
        why, allocs, MAP_ENTRY_SPLITS + 1);
}

// Each window that the page may be in, of at most AMAP_WINDOW pages, is in the half of the region
// that nobody else has any more.
KTEST(lab_anon_alone_parts)
{
    start();
    lab_unmap(1, 0, N / 2);
    write_alone(0, N / 4, "the child has unmapped");
    lab_end();
    start();
    lab_fill(1, N / 4, 3 * N / 4, &words);
    write_alone(0, N / 2, "the child has copied");
    lab_end();
    start();
    lab_discard(1, N / 2, N);
    write_alone(0, 3 * N / 4, "the child has thrown away");
    lab_read_all();
    lab_end();
    start();
    lab_exit(1);
    write_alone(0, N / 2, "a child had that is gone");
    lab_end();
}
