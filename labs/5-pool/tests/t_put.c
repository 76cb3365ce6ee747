// SPDX-License-Identifier: BSD-2-Clause
//
// What is put is free, or no item of the pool: the kernel must panic. Each is a boot of its own.

#include "lab_pool.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "mem/memlayout.h"

KTEST(crash_lab_pool_put_twice)
{
    lab_make_arena(0, PAGE_SIZE, 4);
    lab_make_pool(0, 0, 100, 0);
    lab_fill(0, 1);
    void *item = (void *)lab_item[0][7].address;
    lab_put(0, 3);
    lab_put(0, 7);
    lab_put(0, 9);
    lab_point("put");
    pool_put(&lab_pool[0], item);
    lab_point("put-twice");
}

// What is put in vain: it is free, or no item of the pool.
static void put_wrong(size_t size, char *(*what)(void))
{
    lab_make_arena(0, PAGE_SIZE, 4);
    lab_make_pool(0, 0, size, 0);
    lab_make_pool(1, 0, size, 0);
    lab_fill(0, 1);
    lab_fill(1, 1);
    char *item = what();
    lab_point("put");
    pool_put(&lab_pool[0], item);
    lab_point("put-twice");
}

static char *item_address(unsigned n, unsigned i)
{
    return (char *)lab_item[n][i].address;
}

// An item without room for poison.
static char *free_small(void)
{
    char *item = item_address(0, 7);

    lab_put(0, 3);
    lab_put(0, 7);
    lab_put(0, 9);
    return item;
}

// The neighbour of the one item of a page that was taken.
static char *never_taken(void)
{
    KASSERT(lab_get(0, PR_NOWAIT), "a second page");
    char *item = item_address(0, lab_pool[0].items_per_page);
    bool is_first = ((uintptr_t)item & (PAGE_SIZE - 1)) < lab_pool[0].item_size;
    return is_first ? item + lab_pool[0].item_size : item - lab_pool[0].item_size;
}

static char *other_pools(void)
{
    return item_address(1, 2);
}

static char *inside(void)
{
    return item_address(0, 2) + lab_pool[0].item_size / 2;
}

KTEST(crash_lab_pool_put_small)
{
    put_wrong(8, free_small);
}

KTEST(crash_lab_pool_put_never_taken)
{
    put_wrong(200, never_taken);
}

KTEST(crash_lab_pool_put_others)
{
    put_wrong(100, other_pools);
}

KTEST(crash_lab_pool_put_inside)
{
    put_wrong(1000, inside);
}

// The first of a page's items that were put, under a hundred others.
static char *free_long_ago(void)
{
    char *item = item_address(0, 3);

    lab_put(0, 3);
    for (unsigned i = 4; i < 104; i++)
        lab_put(0, i);
    return item;
}

KTEST(crash_lab_pool_put_long_ago)
{
    put_wrong(32, free_long_ago);
}

// An item that is to be aligned to more than a page is: none fits.
KTEST(crash_lab_pool_no_room)
{
    lab_make_arena(0, PAGE_SIZE, 4);
    lab_point("put");
    pool_init(&lab_pool[0], "lab", 100, 2 * PAGE_SIZE, &lab_arena[0].pa);
    lab_point("put-twice");
}
