// SPDX-License-Identifier: BSD-2-Clause
//
// What the lecture's demonstration shows: three pools on a backend of nine pages. Not graded.

#include "lab_pool.h"
#include "lib/ktest.h"
#include "mem/memlayout.h"

enum { A, B, C };

static void start(void)
{
    lab_make_arena(0, PAGE_SIZE, 9);
    for (unsigned n = A; n <= C; n++)
        lab_make_pool(n, 0, 1000, 0);
}

static void want_page(unsigned n, const char *point)
{
    (void)lab_get(n, PR_NOWAIT);
    lab_point(point);
    while (lab_pool[n].nitems_free > 0)
        (void)lab_get(n, PR_NOWAIT);
}

KTEST(lab_pool_demo_pages)
{
    start();
    lab_point("made");
    lab_fill(A, 3);
    lab_point("full");
    lab_put(A, 1);
    lab_put(A, 6);
    lab_point("partial");
    for (unsigned i = 4; i < 8; i++)
        if (lab_item[A][i].address)
            lab_put(A, i);
    lab_point("empty");
    (void)lab_get(A, PR_NOWAIT);
    lab_point("again");
    pool_reclaim(&lab_pool[A]);
    lab_point("reclaimed");
    lab_end();
}

KTEST(lab_pool_demo_shortage)
{
    start();
    lab_pages(A, 3, 3, false);
    lab_pages(B, 3, 2, false);
    lab_pages(C, 3, 0, true);
    lab_point("short");
    want_page(C, "first");
    want_page(C, "second");
    want_page(C, "third");
    pool_set_limits(&lab_pool[A], 2, 0);
    want_page(C, "least");
    want_page(C, "last");
    want_page(C, "none");
    lab_end();
}
