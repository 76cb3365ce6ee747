// SPDX-License-Identifier: BSD-2-Clause
//
// Whether pool_check finds what was made wrong: counts, lists, and what is in free items.

#include "lab_pool.h"

#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/memlayout.h"
#include "mem/vm_page.h"

static bool finds(struct pool *p)
{
    static char text[512];
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    return pool_check(p, &out) > 0;
}

// A check of p and one of all are two ways to the same.
static void expect_found(struct pool *p, const char *what)
{
    KTEST_CHECK(finds(p), "%s: is not found", what);
    KTEST_CHECK(finds(NULL), "%s: is found by a check of that pool, not of all", what);
}

static void drift(uint64_t *field, const char *what)
{
    *field += 1;
    expect_found(&lab_pool[0], what);
    *field -= 2;
    expect_found(&lab_pool[0], what);
    KTEST_CHECK(!finds(&lab_pool[1]), "the other pool is right");
    *field += 1;
    KTEST_CHECK(!finds(&lab_pool[0]), "%s: right again", what);
}

// Puts two items of the page that has item i of pool 0. What is returned is the second one, if its
// first word leads to the first one, as in the form that was given; *taken is a third item.
static uint64_t *put_two(unsigned i, char **taken)
{
    uint64_t page = lab_item[0][i].address & ~(PAGE_SIZE - 1), at[2];
    unsigned n = 0;

    for (; n < 3; i++) {
        uint64_t item = lab_item[0][i].address;
        if ((item & ~(PAGE_SIZE - 1)) != page)
            continue;
        *taken = (char *)item;
        if (n < 2) {
            at[n] = item;
            lab_put(0, i);
        }
        n++;
    }
    return *(uint64_t *)at[1] == at[0] ? (uint64_t *)at[1] : NULL;
}

// One page has a free item less than it counts, and another one has one more: their sum is right.
static void cancel_out(void)
{
    static char saved[500];
    char *taken;

    lab_put_all(0);
    pool_reclaim(&lab_pool[0]);
    lab_fill(0, 2);
    uint64_t *one = put_two(0, &taken);
    uint64_t *other = put_two(lab_pool[0].items_per_page, &taken);
    if (!one || !other)
        return;
    uint64_t *behind_one = (uint64_t *)*one, *behind_other = (uint64_t *)*other;
    memcpy(saved, taken, sizeof(saved));
    memcpy(taken, behind_other, sizeof(saved));
    *one = *behind_one;
    *(uint64_t *)taken = (uintptr_t)behind_other;
    *other = (uintptr_t)taken;
    KTEST_CHECK(finds(&lab_pool[0]), "a free item too few in one page, and one too many in another "
                                     "one, are not found");
    *one = (uintptr_t)behind_one;
    *other = (uintptr_t)behind_other;
    memcpy(taken, saved, sizeof(saved));
    KTEST_CHECK(!finds(NULL), "right again");
}

// On no backend's list, and on another one's. Where no pool knows another there are no lists.
static void wrong_list(struct pool *p)
{
    struct pool_allocator *own = p->backend, *other = &lab_arena[1].pa;
    struct list *link = &p->backend_link, *before = link->prev;

    if (list_empty(&own->pools))
        return;
    spin_lock(&own->lock);
    list_remove(link);
    spin_unlock(&own->lock);
    expect_found(p, "a pool that is not on its backend's list");
    spin_lock(&other->lock);
    list_push_back(&other->pools, link);
    spin_unlock(&other->lock);
    expect_found(p, "a pool that is on another backend's list");
    spin_lock(&other->lock);
    list_remove(link);
    spin_unlock(&other->lock);
    spin_lock(&own->lock);
    list_push_front(before, link);
    spin_unlock(&own->lock);
}

// The check finds what was made wrong, and only that.
KTEST(lab_pool_check)
{
    struct pool *p = &lab_pool[0];

    lab_make_arena(0, PAGE_SIZE, 20);
    lab_make_arena(1, PAGE_SIZE, 20);
    lab_make_pool(0, 0, 500, 0);
    lab_make_pool(1, 0, 500, 0);
    lab_pages(0, 6, 2, false);
    lab_pages(1, 2, 0, true);
    lab_point("right");
    drift(&p->npages, "one too many or too few: pages");
    drift(&p->nitems_out, "one too many or too few: items that are out");
    drift(&p->nitems_free, "one too many or too few: free items");
    drift(&p->gets, "one too many or too few: gets");
    drift(&p->page_frees, "one too many or too few: pages given back");
    struct list *page = p->partial.next;
    list_remove(page);
    expect_found(p, "a page on no list");
    list_push_front(&p->full, page);
    expect_found(p, "a partial page on the list of full ones");
    list_remove(page);
    list_push_back(&p->empty, page);
    expect_found(p, "a partial page on the list of empty ones");
    list_remove(page);
    list_push_front(&p->partial, page);
    unsigned i = 0;
    while (!lab_item[0][i].address)
        i++;
    uint64_t *item = (uint64_t *)lab_item[0][i].address;
    lab_put(0, i);
    wrong_list(p);
    item[1]++;
    expect_found(p, "a free item that was written to");
    item[1]--;
    KTEST_CHECK(!finds(NULL), "right again");
    lab_point("right");
    cancel_out();
    lab_end();
}

// What counts pages sees them under the pool's own owner, of the direct map, too.
KTEST(lab_pool_direct_owner)
{
    static struct pool p;
    static const unsigned flags[] = {PR_NOWAIT, PR_WAITOK, PR_RESERVE};

    pool_init(&p, "lab owner", 3000, 0, NULL);
    p.page_owner = PAGE_PV;
    for (unsigned i = 0; i < array_len(flags); i++) {
        void *item = pool_get(&p, flags[i]);
        KASSERT(item, "no memory for an item");
        unsigned owner = dmap_to_page(item)->owner;
        KTEST_CHECK(owner == PAGE_PV,
                    "a page of the direct map counts as owner %u's, and its pool's page_owner is "
                    "%u; flags %u",
                    owner, PAGE_PV, flags[i]);
        pool_put(&p, item);
        pool_reclaim(&p);
    }
    pool_destroy(&p);
    lab_point("end");
}

// Where a pool is made there was something else, or another pool, with limits and counts of its
// own.
KTEST(lab_pool_anew)
{
    static struct pool p;

    memset(&p, 0x5a, sizeof(p));
    pool_init(&p, "lab anew", 1000, 0, NULL);
    KTEST_CHECK(p.min_pages == 0 && p.max_items == 0,
                "a pool just made keeps %lu pages, not 0, and may have %lu items, not 0",
                p.min_pages, p.max_items);
    KTEST_CHECK(p.npages == 0 && p.nitems_out == 0 && p.nitems_free == 0,
                "a pool just made counts %lu pages, %lu items out, %lu free, not 0", p.npages,
                p.nitems_out, p.nitems_free);
    KTEST_CHECK(p.gets + p.puts + p.fails + p.page_allocs + p.page_frees + p.drained == 0,
                "a pool just made counts gets %lu, puts %lu, fails %lu, pages got %lu, given back "
                "%lu, drained %lu, not 0",
                p.gets, p.puts, p.fails, p.page_allocs, p.page_frees, p.drained);
    KTEST_CHECK(p.page_owner == PAGE_POOL, "a pool just made has pages of owner %u, not %u",
                p.page_owner, PAGE_POOL);
    if (p.npages == 0)
        pool_destroy(&p);
    lab_point("end");
}
