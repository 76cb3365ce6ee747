// SPDX-License-Identifier: BSD-2-Clause
//
// Pools of any shape, and calls by chance. What comes of each follows from the contract, to the
// last count and to whose page it is that a shortage takes: a model says it beforehand, and all
// pools' counts are compared with it afterwards. A failure ends the test, and names the call.

#include "lab_pool.h"

#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "mem/memlayout.h"
#include "sync/kctx.h"

#define NPOOLS  5u // on arena 0
#define ROUNDS  6u
#define CALLS   300u // of a round
#define MOST    60u  // items of a pool
#define LAST    (2 * NPOOLS + 2)
#define NOWHERE NPOOLS

enum count { NPAGES, NFREE, NOUT, GETS, PUTS, FAILS, ALLOCS, FREES, DRAINED, NCOUNTS };
static const char *const count_name[NCOUNTS] = {
    "pages",       "free items", "items out",        "gets",          "puts",
    "failed gets", "pages got",  "pages given back", "pages drained",
};

// What the counts of each pool are to be. Who was asked longest ago is asked first: that is between
// `early' and `late', for the contract does not say where a pool stands that has starved itself,
// or is new.
struct model {
    uint64_t count[NCOUNTS];
    unsigned early, late;
};

static struct model model[NPOOLS];
static struct rng rng;
static char call[64];     // what is being done
static bool busy[NPOOLS]; // another CPU has the pool's lock
static bool one_starves;  // pool 0 alone: then the contract says of all others in which order
static bool is_wrong;
static struct pool bystander; // of another backend, with an empty page

#define WRONG(fmt, ...) (is_wrong = true, ktest_fail("chance: %s: " fmt, call, ##__VA_ARGS__))

static unsigned below(unsigned n)
{
    return (unsigned)rng_below(&rng, n);
}

static uint64_t counted(const struct pool *p, enum count c)
{
    const uint64_t all[NCOUNTS] = {p->npages, p->nitems_free, p->nitems_out, p->gets,   p->puts,
                                   p->fails,  p->page_allocs, p->page_frees, p->drained};

    return all[c];
}

// Empty pages that pool n may lose.
static uint64_t to_lose(unsigned n)
{
    uint64_t nused = lab_pages_in_use(n), npages = model[n].count[NPAGES];
    uint64_t least = lab_pool[n].min_pages + (lab_empty ? nused : 0);

    return min(npages - nused, npages - min(npages, least));
}

static void model_page(unsigned n, int npages, bool for_other)
{
    uint64_t *count = model[n].count, k = (uint64_t)max(npages, -npages);

    count[npages > 0 ? ALLOCS : FREES] += k;
    count[DRAINED] += for_other;
    count[NPAGES] += (uint64_t)(int64_t)npages;
    count[NFREE] += (uint64_t)((int64_t)npages * lab_pool[n].items_per_page);
}

static void compare(void)
{
    for (unsigned n = 0; n < NPOOLS && !is_wrong; n++)
        for (enum count c = 0; c < NCOUNTS && !is_wrong; c++)
            if (counted(&lab_pool[n], c) != model[n].count[c])
                WRONG("pool %u counts %lu %s, not %lu", n, counted(&lab_pool[n], c), count_name[c],
                      model[n].count[c]);
    if (!is_wrong && (bystander.npages != 1 || bystander.fails > 0 || bystander.page_allocs != 1))
        WRONG("a pool of another backend has %lu pages, not 1, was drained of %lu",
              bystander.npages, bystander.drained);
}

// ---- who is asked, in turn ----

// Numbers for the ends of all intervals, in the order that they are in, from 1 on.
static void renumber(void)
{
    unsigned *end[2 * NPOOLS], next = 0;

    for (unsigned n = 0; n < NPOOLS; n++) {
        end[2 * n] = &model[n].early;
        end[2 * n + 1] = &model[n].late;
    }
    for (unsigned done = 0, least; done < 2 * NPOOLS; next++) {
        least = ~0u;
        for (unsigned i = 0; i < 2 * NPOOLS; i++)
            if (end[i] && *end[i] < least)
                least = *end[i];
        for (unsigned i = 0; i < 2 * NPOOLS; i++)
            if (end[i] && *end[i] == least) {
                *end[i] = next + 1;
                end[i] = NULL;
                done++;
            }
    }
}

static void put_anywhere(unsigned n)
{
    model[n].early = 0;
    model[n].late = 3 * LAST;
    renumber();
}

static bool may_give(unsigned who, unsigned n)
{
    return n != who && !busy[n] && to_lose(n) > 0;
}

// Pool `who' has starved, and `giver' has given (NOWHERE: nobody has): whoever came before has been
// asked as well, in vain.
static void turn(unsigned who, unsigned giver)
{
    unsigned early = giver == NOWHERE ? LAST : model[giver].early;
    unsigned late = giver == NOWHERE ? LAST : model[giver].late;

    for (unsigned n = 0; n < NPOOLS; n++)
        if (n == giver) { // behind all others that were asked
            model[n].early = model[n].late = 3 * LAST;
        } else if (model[n].late < early) {
            model[n].early += LAST;
            model[n].late += LAST;
        } else if (model[n].early <= late && !may_give(who, n)) {
            model[n].late += LAST;
        }
    put_anywhere(who);
}

// The pool that must have been asked before `giver', and had a page to lose; NOWHERE if none.
static unsigned passed_over(unsigned who, unsigned giver)
{
    for (unsigned n = 0; n < NPOOLS; n++)
        if (n != giver && may_give(who, n) && model[n].late < model[giver].early)
            return n;
    return NOWHERE;
}

static unsigned somebody_may_give(unsigned who)
{
    unsigned n = 0;

    while (n < NPOOLS && !may_give(who, n))
        n++;
    return n;
}

// Whose pages became fewer.
static unsigned giver_of_one(void)
{
    unsigned giver = NOWHERE;

    for (unsigned n = 0; n < NPOOLS; n++) {
        uint64_t was = model[n].count[NPAGES], is = lab_pool[n].npages;
        if (is >= was)
            continue;
        if (giver != NOWHERE || was - is > 1)
            WRONG("pool %u has lost %lu pages, and pool %u, for one item", n, was - is,
                  giver == NOWHERE ? n : giver);
        giver = n;
    }
    return giver;
}

// The arena has no page for pool `who'.
static void judge_shortage(unsigned who, bool got)
{
    unsigned can = somebody_may_give(who), giver = giver_of_one();

    if (is_wrong)
        return;
    if (giver != NOWHERE && !may_give(who, giver)) {
        WRONG("pool %u gave a page: %s", giver,
              busy[giver] ? "its lock is held" : "it has none beyond what it keeps");
    } else if (can != NOWHERE && (giver == NOWHERE || !got)) {
        WRONG("refused, and pool %u may lose %lu: it has %lu pages, keeps %lu", can, to_lose(can),
              model[can].count[NPAGES], lab_pool[can].min_pages);
    } else if (can == NOWHERE && got) {
        WRONG("granted, and no pool has a page to lose");
    } else if (giver != NOWHERE && (can = passed_over(who, giver)) != NOWHERE) {
        WRONG("pool %u gave, and pool %u was asked longer ago", giver, can);
    }
    if (is_wrong)
        return;
    turn(who, giver);
    if (giver != NOWHERE) {
        model_page(giver, -1, true);
        model_page(who, 1, false);
    }
}

// Somebody else takes each page that comes free: all who may give one have given one, and it is in
// vain.
static void judge_taken_away(unsigned who, bool got)
{
    if (got)
        WRONG("granted, and somebody else took each page that came free");
    for (unsigned n = 0; n < NPOOLS && !is_wrong; n++) {
        uint64_t was = model[n].count[NPAGES], lost = was - min(was, lab_pool[n].npages);
        if (lost != may_give(who, n))
            WRONG("somebody else took each page that came free: pool %u, which may lose %lu, lost "
                  "%lu, not %d",
                  n, to_lose(n), lost, may_give(who, n));
        else if (lost)
            model_page(n, -1, true);
    }
    turn(who, NOWHERE);
}

// ---- calls ----

static void try_get(unsigned n, unsigned flags)
{
    const struct pool *p = &lab_pool[n];
    struct lab_arena *a = &lab_arena[0];
    uint64_t *count = model[n].count, nrefused = a->refusals, ncalls = a->allocs + a->refusals;
    bool at_limit = p->max_items && count[NOUT] >= p->max_items, has = count[NFREE] > 0;
    bool is_short = a->nout >= a->limit;
    bool got = lab_get(n, flags);

    if (at_limit && got)
        WRONG("max_items is %lu: an item", p->max_items);
    else if (!at_limit && has && !got)
        WRONG("refused, and %lu items are free", count[NFREE]);
    else if (!at_limit && !has && !is_short && !got)
        WRONG("refused, and the backend has a page");
    else if ((at_limit || has) && a->allocs + a->refusals != ncalls)
        WRONG("the backend was asked for a page that is not needed");
    else if (a->refusals - nrefused > NPOOLS)
        WRONG("the backend was asked %lu times in vain", a->refusals - nrefused);
    else if (!at_limit && !has && is_short)
        a->takes_away ? judge_taken_away(n, got) : judge_shortage(n, got);
    else if (!at_limit && !has)
        model_page(n, 1, false);
    if (got) {
        count[NFREE]--;
        count[NOUT]++;
        count[GETS]++;
    } else {
        count[FAILS]++;
    }
}

static unsigned some_flags(void)
{
    static const unsigned flags[] = {PR_NOWAIT,           PR_NOWAIT,  PR_WAITOK,
                                     PR_WAITOK | PR_ZERO, PR_RESERVE, PR_RESERVE | PR_ZERO};

    return flags[below(array_len(flags))];
}

static void call_put(unsigned n, unsigned most)
{
    ksnprintf(call, sizeof(call), "puts of pool %u", n);
    for (unsigned k = 0; k < most; k++) {
        unsigned i = below(MOST);
        while (i < MOST && !lab_item[n][i].address)
            i++;
        if (i == MOST)
            continue;
        lab_put(n, i);
        model[n].count[NFREE]++;
        model[n].count[NOUT]--;
        model[n].count[PUTS]++;
    }
}

// A get; now and then others have locks of some of the other pools, or take what comes free.
static void call_get(unsigned n)
{
    bool others_busy = below(3) == 0;
    bool starves = model[n].count[NFREE] == 0 && lab_arena[0].nout >= lab_arena[0].limit;

    if (model[n].count[NOUT] == MOST || (one_starves && starves && n > 0))
        return;
    for (unsigned k = 0; k < NPOOLS; k++) {
        busy[k] = others_busy && k != n && below(2);
        lab_pool[k].lock.taken = busy[k];
    }
    ksnprintf(call, sizeof(call), "a get of pool %u", n);
    lab_arena[0].takes_away = below(4) == 0;
    try_get(n, some_flags());
    lab_arena[0].takes_away = false;
    for (unsigned k = 0; k < NPOOLS; k++) {
        lab_pool[k].lock.taken = 0;
        busy[k] = false;
    }
}

// A get that an allocation fails which is not the backend's.
static void call_failing_get(unsigned n)
{
    kctx_current()->fail_nth = 1;
    ksnprintf(call, sizeof(call), "a get of pool %u that was made to fail", n);
    bool got = lab_get(n, PR_NOWAIT);
    kctx_current()->fail_nth = 0;
    if (got)
        WRONG("an item");
    model[n].count[FAILS]++;
}

static void call_reclaim(unsigned n)
{
    uint64_t wanted = to_lose(n), was = lab_arena[0].frees;

    ksnprintf(call, sizeof(call), "pool_reclaim of pool %u", n);
    bool gave = pool_reclaim(&lab_pool[n]);
    uint64_t frees = lab_arena[0].frees - was;
    if (frees != wanted)
        WRONG("%lu pages were given back, not %lu: it has %lu pages, keeps %lu", frees, wanted,
              model[n].count[NPAGES], lab_pool[n].min_pages);
    else if (gave != (wanted > 0))
        WRONG("%lu pages were given back, and it says %s", frees, gave ? "true" : "false");
    model_page(n, -(int)wanted, false);
}

static void call_limits(unsigned n)
{
    ksnprintf(call, sizeof(call), "pool_set_limits of pool %u", n);
    pool_set_limits(&lab_pool[n], below(3) ? 0 : below(5),
                    below(6) ? 0 : model[n].count[NOUT] + below(6));
}

static void make(unsigned n, bool again)
{
    static const size_t sizes[] = {200, 700, 1000, 1300, 2000, 2000, 3000, 3000};
    size_t align = below(3) ? 0 : 8ul << below(5);

    ksnprintf(call, sizeof(call), "pool_init of pool %u%s", n, again ? ", where one was" : "");
    if (again) {
        lab_put_all(n);
        lab_destroy_pool(n);
    }
    lab_make_pool(n, 0, sizes[below(array_len(sizes))], align);
    model[n] = (struct model){.early = 0};
    put_anywhere(n);
}

// Pool 0 takes one page after the other, of others that have put most of what they had; it may have
// fewer than it is to keep. When it has put all itself, they take its pages.
static void call_thirst(void)
{
    for (unsigned n = 1; n < NPOOLS; n++)
        if (below(4))
            call_put(n, 4 * MOST);
    lab_arena[0].limit = lab_arena[0].nout;
    pool_set_limits(&lab_pool[0], below(2) ? 0 : LAB_PAGES, 0);
    for (unsigned k = 0; k < 4 * NPOOLS && !is_wrong; k++) {
        call_get(0);
        for (uint64_t i = lab_pool[0].nitems_free; i > 0 && !is_wrong; i--)
            call_get(0);
        if (below(8) == 0 && !is_wrong) { // another one in its place, without pages
            make(1 + below(NPOOLS - 1), true);
            lab_arena[0].limit = lab_arena[0].nout;
        }
    }
    pool_set_limits(&lab_pool[0], 0, 0);
    call_put(0, 4 * MOST);
    call_reclaim(0);
    for (unsigned k = 0; k < 4 * NPOOLS && !is_wrong; k++)
        call_get(1 + below(NPOOLS - 1));
}

// The backend has some pages more than are out, or none.
static void change_limit(void)
{
    uint64_t limit = lab_arena[0].nout + (below(2) ? 0 : below(6));

    lab_arena[0].limit = min(limit, (uint64_t)LAB_PAGES);
}

static void one_call(void)
{
    unsigned n = below(3) ? below(NPOOLS) : 0, what = below(40);

    if (what < 22)
        call_get(n);
    else if (what < 25)
        call_put(n, 1 + below(4));
    else if (what < 33)
        call_put(n, 4 * MOST);
    else if (what < 34)
        call_reclaim(n);
    else if (what < 36)
        call_limits(n);
    else if (what < 37)
        call_failing_get(n);
    else if (what < 38)
        make(n, true);
    else if (what < 39)
        call_thirst();
    else
        change_limit();
    if (!is_wrong)
        compare();
}

static void one_round(unsigned round)
{
    lab_make_arena(0, round % 3 == 2 ? 4 * PAGE_SIZE : PAGE_SIZE, 4 * NPOOLS);
    lab_arena[0].says_flags = true;
    one_starves = round % 2 == 0;
    for (unsigned n = 0; n < NPOOLS; n++)
        make(n, false);
    for (unsigned k = 0; k < CALLS && !is_wrong; k++)
        one_call();
    lab_point("worked");
    lab_end();
}

KTEST(lab_pool_chance)
{
    rng = lab_rng(400);
    is_wrong = false;
    pool_init(&bystander, "lab bystander", 1000, 0, NULL);
    void *item = pool_get(&bystander, PR_WAITOK);
    KASSERT(item, "no memory");
    pool_put(&bystander, item);
    for (unsigned round = 0; round < ROUNDS && !is_wrong; round++)
        one_round(round);
    pool_destroy(&bystander);
}
