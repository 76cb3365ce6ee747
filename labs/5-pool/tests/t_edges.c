// SPDX-License-Identifier: BSD-2-Clause
//
// Where two things meet: a limit and a shortage, a shortage and locks that are taken, a get and
// another one of the same pool while the backend is asked, and more pools than fit a byte.

#include "amd64/cpu.h"
#include "dev/record.h"
#include "lab_pool.h"
#include "lib/ktest.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "mem/memlayout.h"
#include "sync/irq.h"
#include "vm/kmem.h"

#define LARGE 3000u // bytes: one item a page
#define MEGA  (1ul << 20)

// ---- what others do while the backend is asked ----

static struct {
    unsigned ncalls, at_call; // of the backend; the one at which it happens
    bool puts;                // item 0 of pool 0 is put; else pool 0 is got from once more
    bool in_vain;             // there is no page for that get
    bool got;                 // what became of it
} beside;

static void act_beside(void)
{
    uint64_t limit = lab_arena[0].limit;

    if (++beside.ncalls != beside.at_call)
        return;
    if (beside.puts) {
        lab_put(0, 0);
        return;
    }
    if (beside.in_vain)
        lab_arena[0].limit = 0;
    beside.got = lab_get(0, PR_NOWAIT);
    lab_arena[0].limit = limit;
}

// A get of pool 0, at whose nth call of the backend another thread does something with the pool.
static bool get_beside(unsigned nth)
{
    beside.ncalls = 0;
    beside.at_call = nth;
    lab_arena[0].asked = act_beside;
    bool got = lab_get(0, PR_NOWAIT);
    lab_arena[0].asked = NULL;
    KTEST_CHECK(beside.ncalls >= nth, "the backend was asked %u times, not %u", beside.ncalls, nth);
    return got;
}

// The other thread gets, too.
static bool get_with_another(unsigned nth, bool in_vain)
{
    beside.puts = false;
    beside.in_vain = in_vain;
    return get_beside(nth);
}

// The other thread puts an item.
static bool get_with_put(unsigned nth)
{
    beside.puts = true;
    return get_beside(nth);
}

// At the limit nothing is taken: no page of the backend, where it has one, none of another pool.
static void at_limit(unsigned nspare)
{
    lab_make_arena(0, PAGE_SIZE, 2 + nspare);
    for (unsigned n = 0; n < 2; n++) {
        lab_make_pool(n, 0, LARGE, 0);
        lab_fill(n, 1);
    }
    lab_put_all(1);
    pool_set_limits(&lab_pool[0], 0, 1);
    lab_point("limit");
    KTEST_CHECK(!lab_get(0, PR_NOWAIT) && !lab_get(0, PR_WAITOK), "item 2 of 1");
    lab_point("refused");
    lab_end();
}

KTEST(lab_pool_at_limit)
{
    at_limit(1);
    at_limit(0);
    lab_make_arena(0, PAGE_SIZE, 4);
    lab_make_pool(0, 0, LARGE, 0);
    pool_set_limits(&lab_pool[0], 0, 1);
    bool got = get_with_another(1, false);
    KTEST_CHECK(beside.got != got, "%u items of 1, of two gets that wanted a page at once",
                lab_count(0));
    lab_point("beside");
    lab_end();
}

// Each pool is on the list once. A list that is not sound is not followed any further.
static void look_at_list(unsigned npools)
{
    unsigned n = 0;

    for (struct list *l = lab_arena[0].pa.pools.next; l != &lab_arena[0].pa.pools; l = l->next)
        KASSERT(++n <= npools, "a backend's list of %u pools does not end", npools);
    KASSERT(n == npools, "%u of %u pools are on their backend's list", n, npools);
}

// Two gets of one pool starve at once: the page that the first drained is taken by the second, and
// it asks the next pool; or the second finds nothing.
static void both_starve(bool in_vain)
{
    lab_make_arena(0, PAGE_SIZE, 2);
    for (unsigned n = 0; n < 3; n++)
        lab_make_pool(n, 0, LARGE, 0);
    for (unsigned n = 1; n < 3; n++) {
        lab_fill(n, 1);
        if (n == 1 || !in_vain)
            lab_put_all(n);
    }
    lab_point("full");
    bool got = get_with_another(2, in_vain);
    look_at_list(3);
    KTEST_CHECK(beside.got != in_vain, "the other get: %s", in_vain ? "no page" : "a page is free");
    KTEST_CHECK(got, "%s", lab_to_lose(0));
    lab_point("both");
    lab_end();
    look_at_list(0);
}

KTEST(lab_pool_both_starve)
{
    both_starve(true);
    both_starve(false);
}

// An item is put, and its page is empty, while the backend says no: the page is not another pool's,
// and who starves does not give it up. The get may find the item, or fail.
static void own_page(void)
{
    lab_make_arena(0, PAGE_SIZE, 2);
    for (unsigned n = 0; n < 2; n++) {
        lab_make_pool(n, 0, LARGE, 0);
        lab_fill(n, 1);
    }
    lab_point("full");
    (void)get_with_put(1);
    lab_point("own");
    lab_end();
}

// A page comes that is not needed any more: an item was put meanwhile, or another get has brought a
// page of more than one item. What becomes of it is the form's affair, with no lock held.
static void not_needed(void)
{
    lab_make_arena(0, PAGE_SIZE, 3);
    lab_make_pool(0, 0, 1000, 0);
    lab_fill(0, 1);
    KTEST_CHECK(get_with_put(1), "a page, and an item");
    lab_point("put");
    lab_put_all(0);
    pool_reclaim(&lab_pool[0]);
    KTEST_CHECK(get_with_another(1, false) && beside.got, "two pages");
    lab_point("got");
    lab_end();
}

KTEST(lab_pool_put_beside)
{
    own_page();
    not_needed();
}

// ---- locks that are taken ----

#define FEW 4u

// As if other CPUs had the locks of all pools that may give a page, but of one.
static void set_busy(unsigned but, unsigned taken)
{
    for (unsigned n = 0; n < FEW; n++)
        if (n != but)
            lab_pool[n].lock.taken = taken;
}

// Who is locked is passed over.
KTEST(lab_pool_busy)
{
    lab_make_arena(0, PAGE_SIZE, FEW + 1);
    for (unsigned n = 0; n <= FEW; n++)
        lab_make_pool(n, 0, LARGE, 0);
    for (unsigned n = 0; n <= FEW; n++)
        lab_fill(n, 1);
    for (unsigned n = 0; n < FEW; n++)
        lab_put_all(n);
    lab_point("full");
    for (unsigned n = FEW; n-- > 0;) {
        set_busy(n, 1);
        bool got = lab_get(FEW, PR_NOWAIT);
        set_busy(n, 0);
        KTEST_CHECK(got, "pool %u of %u has a page to lose, and its lock alone is free", n, FEW);
        lab_point("granted");
    }
    lab_end();
}

// ---- many pools ----

#define MANY 258u

static struct pool crowd[MANY];

static void make_crowd(unsigned npools, unsigned npages)
{
    lab_make_arena(0, PAGE_SIZE, npages);
    lab_arena[0].is_measured = true;
    for (unsigned n = 0; n < npools; n++) {
        pool_init(&crowd[n], "lab crowd", LARGE, 0, &lab_arena[0].pa);
        crowd[n].page_owner = LAB_OWNER + LAB_POOLS - 1;
    }
}

static void end_crowd(unsigned npools)
{
    for (unsigned n = 0; n < npools; n++)
        pool_destroy(&crowd[n]);
    lab_end();
}

// One of the last has the only page, and it is empty.
static void one_of(unsigned npools)
{
    make_crowd(npools, 1);
    void *item = pool_get(&crowd[npools - 50], PR_NOWAIT);
    KASSERT(item, "%u pools", npools);
    pool_put(&crowd[npools - 50], item);
    item = pool_get(&crowd[0], PR_NOWAIT);
    KTEST_CHECK(item, "one of %u pools has an empty page", npools);
    if (item)
        pool_put(&crowd[0], item);
    end_crowd(npools);
}

KTEST(lab_pool_many)
{
    for (unsigned npools = MANY - 3; npools <= MANY; npools++)
        one_of(npools);
}

// ---- a backend of more pages, or larger ones, than an arena's ----

static char *block; // its pages, one after the other
static size_t block_used, block_end;

static void *block_alloc(struct pool_allocator *pa, unsigned flags UNUSED)
{
    if (block_used + pa->page_size > block_end)
        return NULL;
    block_used += pa->page_size;
    return block + block_used - pa->page_size;
}

// Pages come back in any order, and are not given again.
static void block_free(struct pool_allocator *pa UNUSED, void *page UNUSED)
{
}

static struct pool_allocator block_backend;

static void make_block(size_t page_size, size_t npages)
{
    block_used = 0;
    block_end = npages * page_size;
    block = kmem_alloc(kernel_map, block_end, page_size, KM_WAITOK);
    KASSERT(block, "no memory for %zu pages of %zu bytes", npages, page_size);
    block_backend = (struct pool_allocator){
        .name = "lab block", .alloc = block_alloc, .free = block_free, .page_size = page_size};
    pool_allocator_init(&block_backend);
}

static void look_at_counts(struct pool *p, const char *when)
{
    static char text[256];
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    KTEST_CHECK(p->nitems_free + p->nitems_out == p->npages * p->items_per_page &&
                    pool_check(p, &out) == 0,
                "large pages, %s: %lu items free, %lu out, of %lu pages with %u each; %s", when,
                p->nitems_free, p->nitems_out, p->npages, p->items_per_page, text);
}

// A page of so many items that 16 bits do not count them.
KTEST(lab_pool_large_page)
{
    struct pool *p = &crowd[0];

    make_block(MEGA, 1);
    pool_init(p, "lab large page", 8, 0, &block_backend);
    void *item = pool_get(p, PR_NOWAIT);
    KTEST_CHECK(item, "the backend has a page of %lu bytes", MEGA);
    look_at_counts(p, "an item out");
    bool gave = pool_reclaim(p);
    KTEST_CHECK(!gave, "large pages: one with an item that is out is given back");
    if (item)
        pool_put(p, item);
    look_at_counts(p, "none out");
    pool_destroy(p);
    kmem_free(kernel_map, block, block_end);
    lab_point("end");
}

// All that are empty go, however many.
KTEST(lab_pool_many_pages)
{
    enum { PAGES = 150 };
    struct pool *p = &crowd[0];

    for (unsigned all = 0; all < 2; all++) {
        struct chain *items = NULL;
        make_block(PAGE_SIZE, PAGES);
        pool_init(p, "lab many pages", LARGE, 0, &block_backend);
        unsigned n = chain_take(p, PR_NOWAIT, PAGES, &items);
        KASSERT(n == PAGES, "%u items of %u", n, PAGES);
        chain_put(p, &items);
        uint64_t gave = all ? pool_reclaim_all() : pool_reclaim(p) ? PAGES : 0;
        KTEST_CHECK(
            p->npages == 0 && gave >= PAGES,
            "%lu pages are left of %u, which were empty, after pool_reclaim%s, which says %lu",
            p->npages, PAGES, all ? "_all" : "", gave);
        pool_destroy(p);
        kmem_free(kernel_map, block, block_end);
    }
    lab_point("end");
}

// Of a get of the crowd's first pool, for which nobody has a page.
static uint64_t ticks_in_vain(void)
{
    irq_push();
    uint64_t ticks = rdtsc();
    void *item = pool_get(&crowd[0], PR_NOWAIT);
    ticks = rdtsc() - ticks;
    irq_pop();
    KASSERT(!item, "an item of no page");
    return ticks;
}

// A get that asks one pool of so many pages, all of which are full.
static void ask_a_large_one(unsigned npages)
{
    make_block(PAGE_SIZE, npages);
    for (unsigned n = 0; n < 2; n++)
        pool_init(&crowd[n], "lab crowd", LARGE, 0, &block_backend);
    struct chain *items = NULL;
    unsigned n = chain_take(&crowd[1], PR_NOWAIT, npages, &items);
    KASSERT(n == npages, "%u pages of %u", n, npages);
    record_printf("pages %u %lu", npages, ticks_in_vain());
    chain_put(&crowd[1], &items);
    for (n = 0; n < 2; n++)
        pool_destroy(&crowd[n]);
    kmem_free(kernel_map, block, block_end);
}

// A get that asks so many pools, none of which has a page.
static void ask_in_vain(unsigned npools)
{
    make_crowd(npools, 0);
    record_printf("vain %u %lu", npools, ticks_in_vain());
    end_crowd(npools);
}

KTEST(lab_pool_vain)
{
    ask_in_vain(2);
    ask_in_vain(66);
    ask_in_vain(MANY);
    ask_a_large_one(10);
    ask_a_large_one(1000);
    lab_point("end");
}

#define PAID 8u

// Gets that each take a page, of which the backend has enough, and puts: their price does not
// depend on how many pools there are.
static void pay(unsigned npools)
{
    void *items[PAID];

    make_crowd(npools, PAID);
    irq_push();
    uint64_t ticks = rdtsc();
    for (unsigned i = 0; i < PAID; i++)
        items[i] = pool_get(&crowd[0], PR_NOWAIT);
    ticks = rdtsc() - ticks;
    irq_pop();
    record_printf("paid %u %lu", npools, ticks);
    for (unsigned i = 0; i < PAID; i++)
        KTEST_CHECK(items[i], "item %u of %u", i, PAID);
    irq_push();
    ticks = rdtsc();
    for (unsigned i = 0; i < PAID; i++)
        if (items[i])
            pool_put(&crowd[0], items[i]);
    ticks = rdtsc() - ticks;
    irq_pop();
    record_printf("put %u %lu", npools, ticks);
    end_crowd(npools);
}

// Gets that find an item, and as many puts, in a pool of so many partial pages.
static void find(unsigned npages)
{
    void *items[PAID];

    lab_make_arena(0, PAGE_SIZE, npages);
    lab_make_pool(0, 0, 1000, 0);
    lab_pages(0, npages, 0, false);
    irq_push();
    uint64_t ticks = rdtsc();
    for (unsigned i = 0; i < PAID; i++)
        items[i] = pool_get(&lab_pool[0], PR_NOWAIT);
    for (unsigned i = 0; i < PAID; i++)
        if (items[i])
            pool_put(&lab_pool[0], items[i]);
    ticks = rdtsc() - ticks;
    irq_pop();
    record_printf("found %u %lu", npages, ticks);
    for (unsigned i = 0; i < PAID; i++)
        KTEST_CHECK(items[i], "free item %u of %u", i, PAID);
    lab_end();
}

KTEST(lab_pool_price)
{
    find(PAID);
    find(LAB_PAGES);
    pay(2);
    pay(MANY);
}
