// SPDX-License-Identifier: BSD-2-Clause
//
// The round of the pools that are asked: who comes next once some were asked in vain, and its end
// where the pool with which it began is gone.

#include "dev/record.h"
#include "lab_pool.h"
#include "lib/ktest.h"
#include "mem/memlayout.h"

#define OTHERS 5u // pools beside the one that starves

// An empty page for each of these pools, of as many that the arena has more.
static void refill(unsigned first, unsigned end)
{
    for (unsigned n = first; n < end; n++) {
        lab_arena[0].limit++;
        KTEST_CHECK(lab_get(n, PR_NOWAIT), "there is a page for pool %u", n);
        lab_put_all(n);
    }
    lab_point("filled");
}

// Which pool gave the page that pool n wanted; meanwhile another CPU has the lock of pool `locked'.
static unsigned who_gives_but(unsigned n, unsigned locked)
{
    uint64_t drained[OTHERS];
    unsigned giver = 0;

    for (unsigned k = 0; k < OTHERS; k++)
        drained[k] = lab_pool[k].drained;
    lab_pool[locked].lock.taken = locked != n;
    bool got = lab_get(n, PR_NOWAIT);
    lab_pool[locked].lock.taken = 0;
    KTEST_CHECK(got, "a shortage is refused, and %s%s", lab_to_lose(n),
                locked == n ? "" : "; who comes first in turn is locked by another CPU");
    lab_point("granted");
    for (unsigned k = 0; k < OTHERS; k++)
        if (lab_pool[k].drained > drained[k])
            giver = k;
    while (lab_pool[n].nitems_free > 0)
        KTEST_CHECK(lab_get(n, PR_NOWAIT), "there are free items");
    return giver;
}

static unsigned who_gives(unsigned n)
{
    return who_gives_but(n, n);
}

// Each gives once, which shows the order. Then the third alone has a page: the first and the second
// are asked in vain. When all have one again, the fourth is next.
KTEST(lab_pool_turn_in_vain)
{
    unsigned order[OTHERS], n = lab_rich(OTHERS, 1);

    for (unsigned k = 0; k < OTHERS; k++)
        order[k] = who_gives(n);
    refill(order[2], order[2] + 1);
    lab_want_pages(n, 1);
    refill(0, OTHERS);
    lab_want_pages(n, OTHERS);
    lab_end();
}

// Two of five have given, and have a page again; then the one that is next is destroyed. The fourth
// has waited longest, and the fifth.
KTEST(lab_pool_turn_gone)
{
    unsigned order[OTHERS], n = lab_rich(OTHERS, 1);

    for (unsigned k = 0; k < OTHERS; k++)
        order[k] = who_gives(n);
    refill(0, OTHERS);
    for (unsigned k = 0; k < 2; k++)
        KTEST_CHECK(who_gives(n) == order[k], "pool %u is not the next one that gives", order[k]);
    for (unsigned k = 0; k < 2; k++)
        refill(order[k], order[k] + 1);
    lab_destroy_pool(order[2]);
    lab_arena[0].limit--; // its page is nobody's
    lab_point("gone");
    for (unsigned k = 3; k < OTHERS; k++)
        KTEST_CHECK(who_gives(n) == order[k],
                    "the pool that was next is gone, and pool %u, which "
                    "has waited longest, is not the next one that gives",
                    order[k]);
    lab_end();
}

// Each gives once, which shows the order; then another CPU has the lock of the one that is next. It
// was asked all the same, before the one that gave: so it is the last but one of the next round.
KTEST(lab_pool_turn_locked)
{
    unsigned order[OTHERS], n = lab_rich(OTHERS, 2);

    for (unsigned k = 0; k < OTHERS; k++)
        order[k] = who_gives(n);
    unsigned gave = who_gives_but(n, order[0]);
    for (unsigned k = 2; k <= OTHERS && gave == order[1]; k++)
        KTEST_CHECK(who_gives(n) == order[k % OTHERS],
                    "pool %u was locked when its turn came, and pool %u is not the one that gives "
                    "%u gets later",
                    order[0], order[k % OTHERS], k - 1);
    KTEST_CHECK(gave == order[1],
                "pool %u is locked, and pool %u, which comes behind it, is not "
                "the next one that gives",
                order[0], order[1]);
    lab_end();
}

// ---- pools that go, and others that starve, meanwhile ----

#define THIRSTY    9u  // a pool that starves, too
#define MANY_CALLS 20u // of the backend for one get that may ask eight pools

static unsigned ncalls;

// The pool that gave the first page is destroyed before the backend is asked again. Should there be
// no end to it, it is let have a page.
static void destroy_giver(void)
{
    unsigned n = 0;

    if (++ncalls == 2) {
        while (n < LAB_POOLS - 1 && !(lab_made[n] && lab_pool[n].drained))
            n++;
        if (lab_made[n] && lab_pool[n].drained)
            lab_destroy_pool(n);
    }
    if (ncalls > MANY_CALLS)
        lab_arena[0].takes_away = false;
}

// Other gets starve while the backend is asked: they take each page that comes free, and one more
// that a pool gives for them.
static void starve_beside(void)
{
    static bool is_beside;
    uint64_t frees = lab_arena[0].frees;

    if (is_beside || ++ncalls > MANY_CALLS)
        return;
    is_beside = true;
    while (lab_get(THIRSTY, PR_NOWAIT))
        if (lab_arena[0].frees > frees && lab_arena[0].nout == lab_arena[0].limit)
            break;
    is_beside = false;
}

// A get has drained a page, and before it asks for it another pool's get starves, and takes it.
static bool got_beside;

static void starve_once(void)
{
    if (++ncalls != 2)
        return;
    got_beside = lab_get(THIRSTY, PR_NOWAIT) && lab_get(THIRSTY, PR_NOWAIT);
}

KTEST(lab_pool_both)
{
    unsigned n = lab_rich(THIRSTY - 1, 6);

    lab_make_pool(THIRSTY, 0, 3000, 0);
    ncalls = 0;
    got_beside = true;
    lab_arena[0].asked = starve_once;
    bool got = lab_get(n, PR_NOWAIT);
    lab_arena[0].asked = NULL;
    KTEST_CHECK(got && got_beside, "another get of the backend is at work, and %s is refused: %s",
                got ? "a get beside it" : "the first one", lab_to_lose(n));
    lab_end();
}

// Somebody else takes each page that comes free, and meanwhile a pool is made: it takes nobody's
// turn.
static void make_newcomer(void)
{
    if (++ncalls == 2)
        lab_make_pool(LAB_POOLS - 1, 0, 600, 0);
}

#define OLD 8u

// The one that is asked first is pool `first', as those before it have given already.
static void come_while_asked(unsigned first)
{
    unsigned n = lab_rich(OLD, 6);
    uint64_t drained[OLD];

    lab_fill(n, first);
    for (unsigned k = 0; k < OLD; k++)
        drained[k] = lab_pool[k].drained;
    ncalls = 0;
    lab_arena[0].takes_away = true;
    lab_arena[0].asked = make_newcomer;
    bool got = lab_get(n, PR_WAITOK);
    lab_arena[0].asked = NULL;
    lab_arena[0].takes_away = false;
    KTEST_CHECK(!got && ncalls > 1, "there is a page for it");
    for (unsigned k = 0; k < OLD; k++)
        KTEST_CHECK(lab_pool[k].drained > drained[k],
                    "a pool was made while others were asked, and pool %u, "
                    "which was there before, has not been asked",
                    k);
    lab_end();
}

KTEST(lab_pool_comes)
{
    for (unsigned first = 0; first < OLD; first += 3)
        come_while_asked(first);
}

// ---- a walk through all pools ----

static void starve_meanwhile(struct pool *p, void *got)
{
    if (p == &lab_pool[0])
        *(bool *)got = lab_get(1, PR_NOWAIT);
}

// Who walks through all pools is at one, which has pages to lose, and comes to starve there.
KTEST(lab_pool_walk_at)
{
    bool got = false;

    lab_make_arena(0, PAGE_SIZE, 4);
    for (unsigned n = 0; n < 2; n++)
        lab_make_pool(n, 0, 1000, 0);
    lab_pages(0, 2, 2, false);
    lab_pages(1, 2, 0, true);
    pool_for_each(starve_meanwhile, &got);
    KTEST_CHECK(got, "a walk is at pool 0, which may lose 2 pages, and a get that starves is "
                     "refused");
    lab_end();
}

// While the backend says no, an item is put, and the limit becomes what is out then.
static void put_and_lower(void)
{
    if (++ncalls > 1)
        return;
    lab_put(0, 0);
    pool_set_limits(&lab_pool[0], 0, lab_pool[0].nitems_out);
}

KTEST(lab_pool_limit_late)
{
    lab_make_arena(0, PAGE_SIZE, 1);
    lab_make_pool(0, 0, 1000, 0);
    lab_fill(0, 1);
    ncalls = 0;
    lab_arena[0].asked = put_and_lower;
    (void)lab_get(0, PR_NOWAIT);
    lab_arena[0].asked = NULL;
    KTEST_CHECK(lab_pool[0].nitems_out <= lab_pool[0].max_items,
                "an item was put and the limit lowered while the backend was asked in vain; now "
                "%lu are out, and max_items is %lu: an item too many",
                lab_pool[0].nitems_out, lab_pool[0].max_items);
    lab_end();
}

// What one get asks is bounded, whatever others that starve at the same time ask, of another pool
// or of its own.
static void starve_beside_of(bool another)
{
    unsigned n = lab_rich(THIRSTY - 1, 6);

    lab_make_pool(THIRSTY, 0, 3000, 0);
    ncalls = 0;
    lab_arena[0].asked = starve_beside;
    (void)lab_get(another ? n : THIRSTY, PR_NOWAIT);
    lab_arena[0].asked = NULL;
    record_printf("asked %u %u", ncalls, THIRSTY + 1);
    lab_end();
}

KTEST(lab_pool_others_starve)
{
    starve_beside_of(true);
    starve_beside_of(false);
}

// An item of the starving pool is put at each call of its backend, and got again at the next one.
// What comes of a page that is not needed any more is the form's affair, but once.
static void put_and_get(void)
{
    static bool is_beside;

    if (is_beside || ++ncalls > MANY_CALLS)
        return;
    is_beside = true;
    if (lab_pool[0].nitems_free > 0)
        (void)lab_get(0, PR_NOWAIT);
    else
        lab_put(0, 0);
    is_beside = false;
}

KTEST(lab_pool_not_needed)
{
    lab_make_arena(0, PAGE_SIZE, 4);
    for (unsigned n = 0; n < 2; n++)
        lab_make_pool(n, 0, 1000, 0);
    lab_fill(0, 1);
    lab_fill(1, 3);
    lab_put_all(1);
    ncalls = 0;
    lab_arena[0].asked = lab_arena[0].given = put_and_get;
    (void)lab_get(0, PR_NOWAIT);
    lab_arena[0].asked = lab_arena[0].given = NULL;
    record_printf("asked %u %u", ncalls, 4);
    lab_end();
}

// Somebody else takes each page that comes free, and the pool that was asked first goes: the others
// are asked once each all the same.
KTEST(lab_pool_first_goes)
{
    unsigned n = lab_rich(8, 6);

    ncalls = 0;
    lab_arena[0].takes_away = true;
    lab_arena[0].asked = destroy_giver;
    bool got = lab_get(n, PR_WAITOK);
    lab_arena[0].asked = NULL;
    lab_arena[0].takes_away = false;
    lab_point("gone");
    KTEST_CHECK(!got || ncalls > MANY_CALLS, "there is a page for it");
    lab_end();
}

// Two of eight pools have three pages each to lose, and somebody else takes each page that comes
// free. That the six others were asked in vain in between changes nothing: one page of each.
KTEST(lab_pool_few_can_give)
{
    lab_make_arena(0, PAGE_SIZE, 8 + 2 * 3 + 1);
    for (unsigned n = 0; n <= 8; n++) {
        lab_make_pool(n, 0, 1000, 0);
        lab_pages(n, n % 4 == 2 ? 4 : 1, n % 4 == 2 ? 3 : 0, true);
    }
    lab_point("full");
    lab_arena[0].takes_away = true;
    KTEST_CHECK(!lab_get(8, PR_NOWAIT), "there is a page for it");
    lab_arena[0].takes_away = false;
    lab_point("refused");
    lab_end();
}
