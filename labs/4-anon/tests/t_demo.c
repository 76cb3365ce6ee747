// SPDX-License-Identifier: BSD-2-Clause
//
// What the lecture's demonstration shows: a parent, a child, and ten pages. Not graded.

#include "lab_anon.h"
#include "lib/ktest.h"

#define PAGES 10u

static void start(void)
{
    lab_begin(PAGES);
    lab_new_space(0);
    lab_map(0, 0, PAGES);
    for (unsigned i = 0; i < PAGES; i++)
        lab_write(0, i, i + 1);
}

KTEST(lab_anon_demo_fork)
{
    start();
    lab_point("filled");
    lab_fork(0, 1);
    lab_point("forked");
    lab_read(1, 0);
    lab_read(1, 1);
    lab_point("read");
    lab_write(0, 0, 100);
    lab_point("parent-writes");
    lab_write(1, 0, 200);
    lab_write(1, 1, 201);
    lab_point("child-writes");
    lab_exit(1);
    lab_point("gone");
    lab_write(0, 5, 105);
    lab_point("reused");
    lab_end();
}

KTEST(lab_anon_demo_parts)
{
    start();
    lab_fork(0, 1);
    lab_point("forked");
    lab_unmap(0, 3, 7);
    lab_point("one");
    lab_unmap(1, 3, 7);
    lab_point("both");
    lab_exit(0);
    lab_point("alone");
    lab_end();
}

KTEST(lab_anon_demo_shared)
{
    start();
    lab_inherit(0, 0, PAGES, true);
    lab_fork(0, 1);
    lab_point("shared");
    lab_inherit(1, 0, PAGES, false);
    lab_fork(1, 2);
    lab_point("snapshot");
    lab_write(0, 0, 100);
    lab_read(1, 0);
    lab_point("written");
    lab_end();
}
