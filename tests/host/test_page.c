// SPDX-License-Identifier: BSD-2-Clause
//
// Unit tests of pages: segments, the reserves, poison, queues and wiring against a model, busy
// pages. test_page_wait has what happens when memory is short.
//
// link: kernel/mem/*.c tests/host/lib/ram.c tests/host/lib/shim.c tests/host/lib/kstring.c
// link: kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include <string.h>
#include "lib/shim.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/rng.h"
#include "mem/vm_page.h"
#include "tests/host/lib/ram.h"

#define RAM_PAGES  600
#define MAX_PAGES  (RAM_PAGES + LOW_PAGES)
#define LOW_START  0x3000ul
#define LOW_PAGES  20
#define HIGH_START 0x100000ul

static char text[4096];
static struct vm_page *taken[MAX_PAGES];
static unsigned ntaken;
static uint64_t total_free;

static unsigned faults(void)
{
    struct strbuf out;

    strbuf_init(&out, text, sizeof(text));
    return page_check(&out);
}

static void check(void)
{
    CHECK(faults() == 0, "%s", text);
}

static struct vm_page_stats stats(void)
{
    struct vm_page_stats st;

    vm_page_get_stats(&st);
    return st;
}

// Takes all pages that the flags allow.
static void take_all(unsigned flags)
{
    struct vm_page *pg;

    while ((pg = vm_page_alloc(PAGE_KMEM, flags)))
        taken[ntaken++] = pg;
}

static void give_back(unsigned n)
{
    while (n-- > 0)
        vm_page_free(taken[--ntaken]);
}

static void test_init(void)
{
    struct phys_range ranges[] = {
        {LOW_START, LOW_START + LOW_PAGES * PAGE_SIZE},
        {0x80000, 0x81000}, // one page: nothing would be left beside its array
        {HIGH_START, HIGH_START + RAM_PAGES * PAGE_SIZE},
    };

    ram_map(DMAP_BASE, HIGH_START + RAM_PAGES * PAGE_SIZE);
    vm_page_init(ranges, array_len(ranges));
    check();
    struct vm_page_stats st = stats();
    uint64_t arrays = page_round(LOW_PAGES * sizeof(struct vm_page)) / PAGE_SIZE +
                      page_round(RAM_PAGES * sizeof(struct vm_page)) / PAGE_SIZE;
    CHECK(vm_page_nsegs == 2, "%u segments", vm_page_nsegs);
    CHECK(st.npages == LOW_PAGES + RAM_PAGES, "%lu pages", st.npages);
    CHECK(st.by_owner[PAGE_KERNEL] == arrays, "%lu kernel pages", st.by_owner[PAGE_KERNEL]);
    CHECK(st.nfree == st.npages - arrays, "%lu free", st.nfree);
    CHECK(vm_page_reserve_kernel >= 5 && vm_page_free_min > vm_page_reserve_kernel, "limits");
    CHECK(!phys_to_page(0x80000) && !phys_to_page(LOW_START - 1), "unmanaged memory has pages");
    CHECK(phys_to_page(LOW_START) && !phys_to_page(LOW_START + LOW_PAGES * PAGE_SIZE), "ends");
    total_free = st.nfree;
}

static void test_addresses(void)
{
    take_all(0);
    for (unsigned i = 0; i < ntaken; i++) {
        paddr_t pa = page_to_phys(taken[i]);
        CHECK(page_aligned(pa) && phys_to_page(pa + 123) == taken[i], "pa %lx", pa);
        CHECK(dmap_to_page(page_to_dmap(taken[i])) == taken[i], "pa %lx", pa);
        memset(page_to_dmap(taken[i]), 0xff, PAGE_SIZE); // no two frames overlap, no array is hit
    }
    check();
    give_back(ntaken);
    check();
}

static void test_reserves(void)
{
    uint64_t failures = stats().alloc_failures;

    take_all(0);
    CHECK(stats().nfree == vm_page_reserve_kernel, "%lu free", stats().nfree);
    take_all(PA_RESERVE);
    CHECK(stats().nfree == vm_page_reserve_daemon, "%lu free", stats().nfree);
    kctx_current()->reserve = true;
    take_all(0);
    kctx_current()->reserve = false;
    CHECK(stats().nfree == 0 && ntaken == total_free, "%lu free", stats().nfree);
    CHECK(stats().alloc_failures == failures + 3, "%lu failures", stats().alloc_failures);
    CHECK(stats().by_owner[PAGE_KMEM] == total_free, "%lu pages", stats().by_owner[PAGE_KMEM]);
    check();
    give_back(ntaken);
}

static void test_zero_and_fail_nth(void)
{
    for (unsigned i = 0; i < 50; i++) {
        struct vm_page *pg = vm_page_alloc(PAGE_ANON, PA_ZERO);
        const unsigned char *bytes = page_to_dmap(pg);
        for (unsigned b = 0; b < PAGE_SIZE; b++)
            CHECK(bytes[b] == 0, "byte %u is %x", b, bytes[b]);
        memset(page_to_dmap(pg), 0x55, PAGE_SIZE);
        vm_page_free(pg);
    }
    struct vm_page *pg;
    kctx_current()->fail_nth = 2;
    CHECK((pg = vm_page_alloc(PAGE_ANON, 0)) != NULL, "the first");
    CHECK(!vm_page_alloc(PAGE_ANON, 0), "the second should fail");
    vm_page_free(pg);
    kctx_current()->fail_nth = 1;
    CHECK(vm_page_alloc_wait(PAGE_ANON, 0, &pg) == ENOMEM, "injected failure while waiting");
    CHECK(stats().nfree == total_free, "%lu free", stats().nfree);
}

static void test_poison(void)
{
    struct vm_page *pg = vm_page_alloc(PAGE_ANON, 0);
    uint64_t *words = page_to_dmap(pg);

    vm_page_free(pg);
    uint64_t poison = words[0];
    words[0] = 1;
    CHECK(faults() == 1 && strstr(text, "was written: word 0 is 1"), "%s", text);
    PANICS("was written after it was freed: word 0 is 1", vm_page_alloc(PAGE_ANON, 0));
    words[0] = poison;
    vm_page_free(pg); // the panic came after the page was taken
    check();
    // Pages freed before have poison at their ends only; this one is the first on the list.
    pg = vm_page_alloc(PAGE_ANON, 0);
    vm_page_poison = POISON_ALL;
    vm_page_free(pg);
    words[77] = 5;
    PANICS("word 77 is 5", vm_page_alloc(PAGE_ANON, 0));
    vm_page_poison = POISON_ENDS;
    vm_page_free(pg);
    check();
}

static void test_misuse(void)
{
    struct vm_page *pg = vm_page_alloc(PAGE_ANON, 0);

    vm_page_busy(pg);
    PANICS("assertion", vm_page_busy(pg));
    PANICS("flags 1", vm_page_free(pg));
    vm_page_unbusy(pg);
    PANICS("assertion", vm_page_unbusy(pg));
    vm_page_wire(pg);
    PANICS("wired 1", vm_page_free(pg));
    vm_page_unwire(pg);
    PANICS("queue 3", vm_page_free(pg));
    vm_page_dequeue(pg);
    pg->anon = (struct vm_anon *)pg;
    PANICS("anon", vm_page_free(pg));
    pg->anon = NULL;
    vm_page_free(pg);
    PANICS("owner 0 freed", vm_page_free(pg));
    check();
}

// page_check must notice each of these.
static void test_check_notices(void)
{
    struct vm_page *pg = vm_page_alloc(PAGE_ANON, 0);

    pg->wire_count = 1;
    CHECK(faults() == 1 && strstr(text, "1 wired pages, counted 0"), "%s", text);
    pg->wire_count = 0;
    pg->on_queue = PQ_ACTIVE;
    CHECK(faults() == 1 && strstr(text, "queue 3"), "%s", text);
    pg->on_queue = PQ_NONE;
    pg->owner = PAGE_PT;
    CHECK(faults() == 2, "%s", text);
    pg->owner = PAGE_ANON;
    pg->object = (struct vm_object *)pg;
    CHECK(faults() == 1, "%s", text);
    pg->object = NULL;
    check();
    vm_page_free(pg);
}

// What is lent leaves the queues and comes back; what its owner gives up meanwhile is free when the
// last loan is over, and not before.
static void test_lend(void)
{
    struct vm_page *pg = vm_page_alloc(PAGE_ANON, 0);
    uint64_t nfree = stats().nfree;

    pg->anon = (struct vm_anon *)pg;
    vm_page_activate(pg);
    CHECK(vm_page_lend(pg) && vm_page_lend(pg), "lend");
    CHECK(pg->on_queue == PQ_NONE && pg->loan_count == 2, "queue %u", pg->on_queue);
    vm_page_activate(pg);
    vm_page_wire(pg);
    vm_page_unwire(pg);
    CHECK(pg->on_queue == PQ_NONE, "queue %u", pg->on_queue);
    check();
    pg->on_queue = PQ_ACTIVE;
    CHECK(faults() == 2 && strstr(text, "lent 2 times"), "%s", text);
    pg->on_queue = PQ_NONE;
    vm_page_lend_end(pg);
    vm_page_lend_end(pg);
    CHECK(pg->on_queue == PQ_ACTIVE, "queue %u", pg->on_queue);
    PANICS("is not lent", vm_page_lend_end(pg));
    vm_page_wire(pg);
    CHECK(!vm_page_lend(pg), "a wired page is lent");
    vm_page_unwire(pg);
    pg->loan_count = UINT16_MAX;
    CHECK(!vm_page_lend(pg), "more loans than can be counted");
    pg->loan_count = 0;

    CHECK(vm_page_lend(pg) && vm_page_lend(pg), "lend");
    vm_page_give_up(pg);
    vm_page_lend_end(pg);
    CHECK(stats().nfree == nfree && pg->owner == PAGE_ANON, "freed while it is lent");
    check();
    vm_page_lend_end(pg);
    CHECK(stats().nfree == nfree + 1, "not freed");
    check();
    _Static_assert(sizeof(struct vm_page) == 120, "a page is to have 120 bytes");
}

// ---- random operations against a model ----

struct model {
    unsigned wired;
    enum page_queue queue;
};

static void one_operation(struct rng *rng, struct model *m, struct vm_page *pg)
{
    switch (rng_below(rng, 5)) {
    case 0:
        vm_page_activate(pg);
        m->queue = m->wired ? PQ_NONE : PQ_ACTIVE;
        break;
    case 1:
        vm_page_deactivate(pg);
        m->queue = m->wired ? PQ_NONE : PQ_INACTIVE;
        break;
    case 2:
        vm_page_dequeue(pg);
        m->queue = PQ_NONE;
        break;
    case 3:
        vm_page_wire(pg);
        m->wired++;
        m->queue = PQ_NONE;
        break;
    default:
        if (!m->wired)
            return;
        vm_page_unwire(pg);
        if (--m->wired == 0)
            m->queue = PQ_ACTIVE;
    }
}

static void release(struct model *m, struct vm_page *pg)
{
    for (; m->wired > 0; m->wired--)
        vm_page_unwire(pg);
    vm_page_dequeue(pg);
    vm_page_free(pg);
}

static void test_random(void)
{
    static struct model models[MAX_PAGES];
    struct rng rng = {shim_seed};

    for (unsigned n = 0; n < 20000; n++) {
        if (ntaken == 0 || rng_below(&rng, 8) == 0) {
            struct vm_page *pg = vm_page_alloc(PAGE_ANON + rng_below(&rng, 2), 0);
            if (!pg)
                continue;
            models[ntaken] = (struct model){0, PQ_NONE};
            taken[ntaken++] = pg;
        } else {
            unsigned i = (unsigned)rng_below(&rng, ntaken);
            if (rng_below(&rng, 10) == 0) {
                release(&models[i], taken[i]);
                models[i] = models[--ntaken];
                taken[i] = taken[ntaken];
                continue;
            }
            one_operation(&rng, &models[i], taken[i]);
            CHECK(taken[i]->on_queue == models[i].queue && taken[i]->wire_count == models[i].wired,
                  "queue %u, should be %d", taken[i]->on_queue, models[i].queue);
        }
        if (n % 100 == 0)
            check();
    }
    for (; ntaken > 0; ntaken--)
        release(&models[ntaken - 1], taken[ntaken - 1]);
    check();
    CHECK(stats().nfree == total_free, "%lu free", stats().nfree);
}

static void test_queue_order(void)
{
    struct vm_page *a = vm_page_alloc(PAGE_ANON, 0), *b = vm_page_alloc(PAGE_ANON, 0);

    vm_page_activate(a);
    vm_page_activate(b);
    vm_page_activate(a);
    PANICS("assertion", vm_page_queue_first(PQ_ACTIVE));
    spin_lock(&vm_page_queue_lock);
    CHECK(vm_page_queue_first(PQ_ACTIVE) == b && !vm_page_queue_first(PQ_INACTIVE), "order");
    spin_unlock(&vm_page_queue_lock);
    vm_page_dequeue(a);
    vm_page_dequeue(b);
    vm_page_free(a);
    vm_page_free(b);
}

// ---- busy pages ----

static struct mutex owner_lock;
static struct vm_page *shared_page;
static unsigned counter;

static void use_busy(void *arg)
{
    (void)arg;
    for (unsigned n = 0; n < 300;) {
        mutex_lock(&owner_lock);
        if (shared_page->flags & PG_BUSY) {
            vm_page_busy_wait(shared_page, &owner_lock);
            continue;
        }
        vm_page_busy(shared_page);
        mutex_unlock(&owner_lock);
        unsigned old = counter; // only whoever has it busy gets here
        if (n % 50 == 0)
            shim_sleep(1000);
        counter = old + 1;
        mutex_lock(&owner_lock);
        vm_page_unbusy(shared_page);
        mutex_unlock(&owner_lock);
        n++;
    }
}

static void test_busy(void)
{
    struct shim_thread *threads[4];

    mutex_init(&owner_lock, "object", LOCK_OBJECT, 0);
    shared_page = vm_page_alloc(PAGE_OBJECT, 0);
    for (unsigned i = 0; i < 4; i++)
        threads[i] = shim_spawn("busy", use_busy, NULL);
    for (unsigned i = 0; i < 4; i++)
        shim_join(threads[i]);
    CHECK(counter == 1200, "counter %u", counter);
    CHECK(!(shared_page->flags & (PG_BUSY | PG_WANTED)), "flags %x", shared_page->flags);
    vm_page_free(shared_page);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    RUN(test_init);
    RUN(test_addresses);
    RUN(test_reserves);
    RUN(test_zero_and_fail_nth);
    RUN(test_poison);
    RUN(test_misuse);
    RUN(test_check_notices);
    RUN(test_lend);
    RUN(test_random);
    RUN(test_queue_order);
    RUN(test_busy);
    return shim_done();
}
